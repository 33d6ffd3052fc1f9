// SPDX-License-Identifier: Apache-2.0
//
// Keys for URLs: one for each user and mailbox, made once, renewed, dropped, gone with a mailbox.
#include "store/store_internal.h"
#include "store/urlauth/url_key.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;
static account_id anna, bert;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    anna = bench_account(b, "anna@example.org");
    bert = bench_account(b, "bert@example.org");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static mailbox_id mailbox_of(account_id id, struct span name)
{
    const struct mailbox *m;
    struct view *v;

    assert_ok(view_open(b->store, id, &v));
    assert_ok(view_mailbox_by_name(v, name, &m));
    mailbox_id found = m->id;

    view_close(v);
    return found;
}

static void need(account_id user, const struct url_key_of *of, char *key)
{
    assert_ok(url_key_need(b->store, user, &tester, of, key));
}

static void test_one_key_a_user_and_mailbox(void **state)
{
    struct url_key_of inbox = {0, mailbox_of(anna, SPAN("INBOX")), SPAN("INBOX")};
    struct url_key_of sent = {0, mailbox_of(anna, SPAN("Sent")), SPAN("Sent")};
    struct url_key_of theirs = {bert, inbox.mailbox, SPAN("Other Users/bert/INBOX")};
    char a[URL_KEY_BYTES], c[URL_KEY_BYTES];

    (void)state;
    assert_int_equal(url_key_get(b->store, anna, &inbox, a), ERR_NOT_FOUND);
    need(anna, &inbox, a);
    need(anna, &inbox, c);
    assert_memory_equal(a, c, sizeof(a));
    assert_ok(url_key_get(b->store, anna, &inbox, c));
    assert_memory_equal(a, c, sizeof(a));
    need(anna, &sent, c);
    assert_memory_not_equal(a, c, sizeof(a));
    need(anna, &theirs, c);
    assert_memory_not_equal(a, c, sizeof(a));
    assert_int_equal(url_key_get(b->store, bert, &inbox, c), ERR_NOT_FOUND);
    need(bert, &inbox, c);
    assert_memory_not_equal(a, c, sizeof(a));
}

static void test_renewed_dropped_gone(void **state)
{
    struct url_key_of inbox = {0, mailbox_of(anna, SPAN("INBOX")), SPAN("INBOX")};
    struct url_key_of sent = {0, mailbox_of(anna, SPAN("Sent")), SPAN("Sent")};
    struct url_key_of theirs = {bert, 7, SPAN("Other Users/bert/Gone")};
    char a[URL_KEY_BYTES], c[URL_KEY_BYTES];

    (void)state;
    need(anna, &inbox, a);
    need(anna, &sent, a);
    assert_ok(url_key_renew(b->store, anna, &tester, &sent));
    assert_ok(url_key_get(b->store, anna, &sent, c));
    assert_memory_not_equal(a, c, sizeof(a));
    assert_ok(url_key_renew(b->store, anna, &tester, &theirs));
    assert_ok(mailbox_delete(b->store, anna, &tester, SPAN("Sent")));
    assert_int_equal(url_key_get(b->store, anna, &sent, c), ERR_NOT_FOUND);
    assert_ok(url_key_get(b->store, anna, &inbox, c));
    assert_ok(url_key_get(b->store, anna, &theirs, c));
    assert_ok(url_key_drop_all(b->store, anna, &tester));
    assert_ok(url_key_drop_all(b->store, anna, &tester));
    assert_int_equal(url_key_get(b->store, anna, &inbox, c), ERR_NOT_FOUND);
    assert_int_equal(url_key_get(b->store, anna, &theirs, c), ERR_NOT_FOUND);
}

static void test_there_is_a_limit(void **state)
{
    char key[URL_KEY_BYTES];

    (void)state;
    for (uint32_t i = 1; i <= URL_KEYS_MAX; i++) {
        struct url_key_of of = {bert, i, SPAN("x")};

        need(anna, &of, key);
    }
    struct url_key_of more = {bert, URL_KEYS_MAX + 1, SPAN("x")};

    assert_int_equal(url_key_need(b->store, anna, &tester, &more, key), ERR_LIMIT);
    assert_int_equal(url_key_renew(b->store, anna, &tester, &more), ERR_LIMIT);
    more.mailbox = 1;
    assert_ok(url_key_renew(b->store, anna, &tester, &more));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_key_a_user_and_mailbox, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renewed_dropped_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_there_is_a_limit, setup, teardown),
    };

    return BENCH_RUN("store-url-key", tests);
}
