// SPDX-License-Identifier: Apache-2.0
//
// Tickets and session counts.
#include "../test.h"
#include "keep/login/keep_sessions.h"
#include "keep/login/keep_tickets.h"

static void test_a_ticket_is_good_once(void **state)
{
    struct keep_tickets *t;
    char one[TICKET_BYTES], two[TICKET_BYTES];
    account_id account = 0;

    (void)state;
    assert_ok(keep_tickets_create(&t));
    assert_ok(keep_tickets_issue(t, 7, one));
    assert_ok(keep_tickets_issue(t, 8, two));
    assert_memory_not_equal(one, two, TICKET_BYTES);
    assert_err(keep_tickets_redeem(t, SPAN("0123456789abcdef0123456789abcdef"), &account),
               ERR_DENIED);
    assert_err(keep_tickets_redeem(t, span_of(one, TICKET_BYTES - 1), &account), ERR_DENIED);
    assert_ok(keep_tickets_redeem(t, span_of(two, TICKET_BYTES), &account));
    assert_int_equal(account, 8);
    assert_err(keep_tickets_redeem(t, span_of(two, TICKET_BYTES), &account), ERR_DENIED);
    assert_ok(keep_tickets_redeem(t, span_of(one, TICKET_BYTES), &account));
    assert_int_equal(account, 7);
    keep_tickets_destroy(t);
}

static void test_tickets_are_bounded(void **state)
{
    struct keep_tickets *t;
    char text[TICKET_BYTES];

    (void)state;
    assert_ok(keep_tickets_create(&t));
    for (int i = 0; i < TICKETS_MAX; i++) {
        assert_ok(keep_tickets_issue(t, 1, text));
    }
    assert_err(keep_tickets_issue(t, 1, text), ERR_LIMIT);
    keep_tickets_destroy(t);
}

static void test_sessions_are_limited_by_user_and_address(void **state)
{
    static const struct keep_session_limits limits = {
        .per_user = 4, .per_user_and_address = 2, .all = 6};
    static const struct {
        account_id account;
        const char *remote;
        bool fits;
    } rows[] = {
        {1, "192.0.2.1", true},        {1, "192.0.2.1", true},
        {1, "192.0.2.1", false},       {1, "2001:db8::1", true},
        {1, "2001:db8::2", true},      // the same /64
        {1, "2001:db8:0:1::1", false}, // per user
        {2, "192.0.2.1", true},        {3, "", true},
        {4, "192.0.2.9", false}, // all
    };
    struct keep_sessions *s;
    struct keep_session *in[sizeof(rows) / sizeof(rows[0])] = {0};
    struct keep_session_counts counts;
    const char *reason;

    (void)state;
    assert_ok(keep_sessions_create(&s));
    keep_sessions_set_limits(s, &limits);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum err e =
            keep_sessions_enter(s, rows[i].account, span_from_str(rows[i].remote), &in[i], &reason);

        if ((e == ERR_OK) != rows[i].fits) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
    }
    keep_sessions_leave(in[0]);
    in[0] = NULL;
    assert_ok(keep_sessions_enter(s, 1, SPAN("192.0.2.1"), &in[0], &reason));
    keep_sessions_count(s, &counts);
    assert_int_equal(counts.sessions, 6);
    assert_int_equal(counts.users, 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (in[i]) {
            keep_sessions_leave(in[i]);
        }
    }
    keep_sessions_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ticket_is_good_once),
        cmocka_unit_test(test_tickets_are_bounded),
        cmocka_unit_test(test_sessions_are_limited_by_user_and_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
