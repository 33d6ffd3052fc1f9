// SPDX-License-Identifier: Apache-2.0
//
// Tickets and session counts.
#include <pthread.h>
#include <sched.h>

#include "../test.h"
#include "keep/login/keep_sessions.h"
#include "keep/login/keep_tickets.h"

static const struct auth_grant seven = {.account = 7, .mark = 70},
                               eight = {.account = 8, .device = 3, .mark = 80};

static void test_a_ticket_is_good_once(void **state)
{
    struct keep_tickets *t;
    char one[TICKET_BYTES], two[TICKET_BYTES];
    struct auth_grant grant;

    (void)state;
    assert_ok(keep_tickets_create(&t));
    assert_ok(keep_tickets_issue(t, &seven, one));
    assert_ok(keep_tickets_issue(t, &eight, two));
    assert_memory_not_equal(one, two, TICKET_BYTES);
    assert_err(keep_tickets_redeem(t, SPAN("0123456789abcdef0123456789abcdef"), &grant),
               ERR_DENIED);
    assert_err(keep_tickets_redeem(t, span_of(one, TICKET_BYTES - 1), &grant), ERR_DENIED);
    assert_ok(keep_tickets_redeem(t, span_of(two, TICKET_BYTES), &grant));
    assert_int_equal(grant.account, 8);
    assert_int_equal(grant.device, 3);
    assert_int_equal(grant.mark, 80);
    assert_err(keep_tickets_redeem(t, span_of(two, TICKET_BYTES), &grant), ERR_DENIED);
    assert_ok(keep_tickets_redeem(t, span_of(one, TICKET_BYTES), &grant));
    assert_int_equal(grant.account, 7);
    keep_tickets_destroy(t);
}

static void test_tickets_are_bounded(void **state)
{
    struct keep_tickets *t;
    char text[TICKET_BYTES];

    (void)state;
    assert_ok(keep_tickets_create(&t));
    for (int i = 0; i < TICKETS_MAX; i++) {
        assert_ok(keep_tickets_issue(t, &seven, text));
    }
    assert_err(keep_tickets_issue(t, &seven, text), ERR_LIMIT);
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
        enum err e = keep_sessions_enter(s, rows[i].account, 0, span_from_str(rows[i].remote),
                                         &in[i], &reason);

        if ((e == ERR_OK) != rows[i].fits) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
    }
    keep_sessions_leave(in[0]);
    in[0] = NULL;
    assert_ok(keep_sessions_enter(s, 1, 0, SPAN("192.0.2.1"), &in[0], &reason));
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

// A session that leaves as soon as it is told to, or only when it is dropped.
struct fake {
    struct keep_session *counted;
    bool is_stubborn;
    pthread_t leaver;
    unsigned ends, drops;
    enum session_end why;
};

static void *leave(void *arg)
{
    struct fake *f = arg;

    keep_sessions_leave(f->counted);
    return NULL;
}

static void fake_end(void *session, enum session_end why)
{
    struct fake *f = session;

    f->ends++;
    f->why = why;
    if (!f->is_stubborn) {
        assert_int_equal(pthread_create(&f->leaver, NULL, leave, f), 0);
    }
}

static void fake_drop(void *session)
{
    struct fake *f = session;

    f->drops++;
    assert_int_equal(pthread_create(&f->leaver, NULL, leave, f), 0);
}

static const struct session_control fake_control = {fake_end, fake_drop};

static void fake_enter(struct keep_sessions *s, account_id account, uint32_t device, struct fake *f)
{
    const char *reason;

    assert_ok(keep_sessions_enter(s, account, device, SPAN("192.0.2.1"), &f->counted, &reason));
    keep_sessions_opened(f->counted, &fake_control, f);
}

static void test_an_accounts_sessions_are_ended(void **state)
{
    struct fake polite = {0}, stubborn = {.is_stubborn = true}, other = {0}, late = {0};
    struct keep_sessions *s;
    struct keep_session_counts counts;

    (void)state;
    assert_ok(keep_sessions_create(&s));
    fake_enter(s, 1, 0, &polite);
    fake_enter(s, 1, 5, &stubborn);
    fake_enter(s, 2, 5, &other);
    assert_int_equal(keep_sessions_end(s, 1, KEEP_SESSIONS_ALL, SESSION_PASSWORD, 20), 2);
    pthread_join(polite.leaver, NULL);
    pthread_join(stubborn.leaver, NULL);
    assert_int_equal(polite.ends, 1);
    assert_int_equal(polite.drops, 0);
    assert_int_equal(polite.why, SESSION_PASSWORD);
    assert_int_equal(stubborn.drops, 1);
    assert_int_equal(other.ends, 0);
    keep_sessions_count(s, &counts);
    assert_int_equal(counts.sessions, 1);
    assert_int_equal(keep_sessions_end(s, 1, KEEP_SESSIONS_ALL, SESSION_PASSWORD, 20), 0);
    fake_enter(s, 1, 0, &late); // signing in again is nobody's business here
    assert_int_equal(late.ends, 0);
    keep_sessions_leave(late.counted);
    keep_sessions_leave(other.counted);
    keep_sessions_destroy(s);
}

// L04
static void test_a_devices_sessions_are_ended(void **state)
{
    struct fake phone = {0}, laptop = {0}, own = {0}, other = {0};
    struct keep_sessions *s;

    (void)state;
    assert_ok(keep_sessions_create(&s));
    fake_enter(s, 1, 5, &phone);
    fake_enter(s, 1, 6, &laptop);
    fake_enter(s, 1, 0, &own);
    fake_enter(s, 2, 5, &other); // another account's device of that number
    assert_int_equal(keep_sessions_end(s, 1, 5, SESSION_BLOCKED, 20), 1);
    pthread_join(phone.leaver, NULL);
    assert_int_equal(phone.why, SESSION_BLOCKED);
    assert_int_equal(keep_sessions_end(s, 1, 0, SESSION_PASSWORD, 20), 1);
    pthread_join(own.leaver, NULL);
    assert_int_equal(own.why, SESSION_PASSWORD);
    assert_int_equal(laptop.ends + other.ends, 0);
    keep_sessions_leave(laptop.counted);
    keep_sessions_leave(other.counted);
    keep_sessions_destroy(s);
}

struct ender {
    struct keep_sessions *all;
    unsigned ended;
};

static void *end_account(void *arg)
{
    struct ender *e = arg;

    e->ended = keep_sessions_end(e->all, 1, KEEP_SESSIONS_ALL, SESSION_SUSPENDED, 60000);
    return NULL;
}

// It counts already but has no connection yet: it is told as soon as it has.
static void test_a_session_that_is_being_made_is_ended(void **state)
{
    struct fake f = {0};
    struct ender ender;
    pthread_t thread;
    const char *reason;

    (void)state;
    assert_ok(keep_sessions_create(&ender.all));
    assert_ok(keep_sessions_enter(ender.all, 1, 0, SPAN("192.0.2.1"), &f.counted, &reason));
    assert_int_equal(pthread_create(&thread, NULL, end_account, &ender), 0);
    while (!keep_session_is_ending(f.counted)) {
        sched_yield();
    }
    keep_sessions_opened(f.counted, &fake_control, &f);
    pthread_join(thread, NULL);
    pthread_join(f.leaver, NULL);
    assert_int_equal(f.ends, 1);
    assert_int_equal(ender.ended, 1);
    keep_sessions_destroy(ender.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ticket_is_good_once),
        cmocka_unit_test(test_tickets_are_bounded),
        cmocka_unit_test(test_sessions_are_limited_by_user_and_address),
        cmocka_unit_test(test_an_accounts_sessions_are_ended),
        cmocka_unit_test(test_a_devices_sessions_are_ended),
        cmocka_unit_test(test_a_session_that_is_being_made_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
