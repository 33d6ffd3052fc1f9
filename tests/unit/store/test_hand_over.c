// SPDX-License-Identifier: Apache-2.0
//
// L55. Mail handed over to another account (hand_over.h): what it brings along, that bodies are
// shared, and that whoever begins again goes on where it ended.
#include <pthread.h>

#include "store/placement/hand_over.h"
#include "store/store_internal.h"
#include "support.h"

#define MESSAGE "Date: Mon, 1 Feb 2021 10:00:00 +0000\r\nMessage-ID: <%d@x>\r\n\r\nText %d\r\n"

static struct bench bench;
static struct bench *const b = &bench;
static account_id person;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    assert_ok(directory_account_add(b->store, &tester, SPAN("bert@example.org"), SPAN(""), true,
                                    &person));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static void append(const char *mailbox, int i)
{
    char text[200];

    snprintf(text, sizeof(text), MESSAGE, i, i);
    bench_append(b, mailbox, text, (uint16_t)(i % 2 ? FLAG_SEEN : FLAG_FLAGGED));
}

static struct hand_over job(const char *mailbox)
{
    return (struct hand_over){.from = b->account,
                              .to = person,
                              .mailbox = bench_mailbox(b, mailbox),
                              .name = SPAN("Handed over/u1/INBOX"),
                              .words = SPAN("handed over from u1")};
}

static struct hand_over_counts go(const struct hand_over *h)
{
    struct hand_over_counts n = {0};
    bool more = true;

    while (more) {
        assert_ok(hand_over_some(b->store, &tester, h, &n, &more));
    }
    return n;
}

static struct mailbox there(const char *name)
{
    const struct mailbox *m;
    struct mailbox out = {0};
    struct view *v;

    assert_ok(view_open(b->store, person, &v));
    if (view_mailbox_by_name(v, span_from_str(name), &m) == ERR_OK) {
        out = *m;
        out.name = SPAN("");
    }
    view_close(v);
    return out;
}

static uint64_t left(void)
{
    struct hand_over_counts n;

    assert_ok(hand_over_left(b->store, b->account, person, 0, &n));
    return n.messages;
}

static struct placement placement_of(account_id account, mailbox_id mailbox, uint32_t uid)
{
    struct placement_scan *scan;
    struct placement p;
    struct view *v;

    assert_ok(view_open(b->store, account, &v));
    assert_ok(placement_scan_open(v, mailbox, uid, uid, 0, &scan));
    assert_ok(placement_next(scan, &p));
    placement_scan_close(scan);
    view_close(v);
    return p;
}

// ---- tests --------------------------------------------------------------------------------------

static void test_flags_keywords_and_dates_come_along(void **state)
{
    struct span keywords[] = {SPAN("$Label1"), SPAN("urgent")};
    struct incoming *in = bench_incoming(b->store, SPAN("Subject: x\r\n\r\nbody\r\n"));
    const struct append_item item = {.message = in,
                                     .flags = FLAG_SEEN | FLAG_ANSWERED,
                                     .keywords = keywords,
                                     .keyword_count = 2,
                                     .internal_date = 1600000000,
                                     .zone_minutes = 120};
    struct append_result r;
    const struct span *names;
    struct view *v;
    size_t count;

    (void)state;
    assert_ok(store_append(b->store, b->account, &tester, bench_mailbox(b, "INBOX"), &item, 1, &r));
    incoming_destroy(in);
    struct hand_over h = job("INBOX");

    assert_int_equal(go(&h).messages, 1);
    struct mailbox m = there("Handed over/u1/INBOX");
    struct placement was = placement_of(b->account, h.mailbox, 1),
                     p = placement_of(person, m.id, 1);

    assert_int_equal(p.flags, FLAG_SEEN | FLAG_ANSWERED);
    assert_int_equal(p.internal_date, 1600000000);
    assert_int_equal(p.zone_minutes, 120);
    assert_int_equal(p.bytes, was.bytes);
    assert_int_equal(p.body, was.body);
    assert_true(m.is_subscribed);
    assert_ok(view_open(b->store, person, &v));
    assert_ok(view_keywords(v, m.id, &names, &count));
    assert_int_equal(count, 2);
    assert_int_equal(p.keywords, 3);
    assert_true(span_eq(names[0], keywords[0]) && span_eq(names[1], keywords[1]));
    struct body_info info;

    assert_ok(body_info(view_snapshot(v), p.body, &info));
    assert_int_equal(info.uses, 2); // stored once
    view_close(v);
}

static void test_the_body_outlives_whoever_had_it_first(void **state)
{
    struct hand_over h = job("INBOX");
    struct body_info info;
    struct view *v;

    (void)state;
    append("INBOX", 1);
    go(&h);
    body_id body = placement_of(person, there("Handed over/u1/INBOX").id, 1).body;

    assert_ok(directory_account_remove(b->store, &tester, b->account));
    assert_ok(view_open(b->store, person, &v));
    assert_ok(body_info(view_snapshot(v), body, &info));
    assert_int_equal(info.uses, 1);
    view_close(v);
    assert_ok(directory_account_add(b->store, &tester, SPAN("u1@example.org"), SPAN(""), true,
                                    &b->account));
}

static void test_again_brings_only_what_is_new(void **state)
{
    struct hand_over h = job("INBOX");

    (void)state;
    for (int i = 0; i < 5; i++) {
        append("INBOX", i);
    }
    assert_int_equal(left(), 5);
    assert_int_equal(go(&h).messages, 5);
    assert_int_equal(left(), 0);
    assert_int_equal(go(&h).messages, 0);
    append("INBOX", 5);
    assert_int_equal(left(), 1);
    assert_int_equal(go(&h).messages, 1);
    assert_int_equal(there("Handed over/u1/INBOX").exists, 6);
    // What the person has removed stays removed.
    struct uid_set all = {(struct uid_range[]){{1, 6}}, 1}, gone;

    assert_ok(placement_expunge(b->store, person, &tester, there("Handed over/u1/INBOX").id, &all,
                                true, &b->arena, &gone, &(modseq){0}));
    assert_int_equal(go(&h).messages, 0);
    assert_int_equal(there("Handed over/u1/INBOX").exists, 0);
}

static void test_many_go_in_commits_of_bounded_size(void **state)
{
    struct hand_over h = job("INBOX");
    struct hand_over_counts n = {0};
    bool more;

    (void)state;
    for (int i = 0; i < HAND_OVER_AT_ONCE + 3; i++) {
        append("INBOX", i);
    }
    assert_ok(hand_over_some(b->store, &tester, &h, &n, &more));
    assert_true(more);
    assert_int_equal(n.messages, HAND_OVER_AT_ONCE);
    bench_check(b); // as if it ended here
    assert_int_equal(left(), 3);
    bench_reopen(b);
    assert_int_equal(go(&h).messages, 3);
    assert_int_equal(there("Handed over/u1/INBOX").exists, HAND_OVER_AT_ONCE + 3);
}

static void test_a_mailbox_that_was_renamed_or_removed(void **state)
{
    struct hand_over h = job("INBOX");

    (void)state;
    append("INBOX", 1);
    go(&h);
    assert_ok(
        mailbox_rename(b->store, person, &tester, SPAN("Handed over/u1/INBOX"), SPAN("From u1")));
    append("INBOX", 2);
    go(&h);
    assert_int_equal(there("From u1").exists, 2);
    assert_int_equal(there("Handed over/u1/INBOX").id, 0);
    assert_ok(mailbox_delete(b->store, person, &tester, SPAN("From u1")));
    append("INBOX", 3);
    assert_int_equal(go(&h).messages, 1);
    assert_int_equal(there("Handed over/u1/INBOX").exists, 1);
}

static void test_the_quota_is_kept(void **state)
{
    struct hand_over h = job("INBOX");
    struct hand_over_counts n = {0};
    struct quota q;
    struct view *v;
    bool more;

    (void)state;
    append("INBOX", 1);
    append("INBOX", 2);
    assert_ok(quota_set(b->store, person, &tester, UINT64_MAX, 1));
    assert_int_equal(hand_over_some(b->store, &tester, &h, &n, &more), ERR_QUOTA);
    assert_int_equal(n.messages, 0);
    assert_int_equal(left(), 2);
    assert_ok(quota_set(b->store, person, &tester, UINT64_MAX, 2));
    assert_int_equal(go(&h).messages, 2);
    assert_ok(view_open(b->store, person, &v));
    assert_ok(view_quota(v, &q));
    assert_int_equal(q.messages, 2);
    view_close(v);
}

// The same message in two mailboxes counts in both, as for its first owner.
static void test_two_mailboxes(void **state)
{
    struct hand_over inbox = job("INBOX"), archive = job("Archive");
    struct uid_set one = bench_set(b, 1, 1);
    struct copy_result r;
    bool missing;

    (void)state;
    archive.name = SPAN("Handed over/u1/Archive");
    append("INBOX", 1);
    assert_ok(placement_copy(b->store, b->account, &tester, inbox.mailbox, one, archive.mailbox,
                             false, &b->arena, &r, &missing));
    assert_int_equal(left(), 2);
    go(&inbox);
    go(&archive);
    assert_int_equal(there("Handed over/u1/INBOX").exists, 1);
    assert_int_equal(there("Handed over/u1/Archive").exists, 1);
}

static void *goes_too(void *arg)
{
    struct hand_over_counts n = {0};
    bool more = true;
    enum err e = ERR_OK;

    while (more && e == ERR_OK) {
        e = hand_over_some(b->store, &tester, arg, &n, &more);
    }
    return (void *)(uintptr_t)(e == ERR_OK ? n.messages : UINT32_MAX);
}

// Two at once, as when somebody is impatient: each message goes once.
static void test_two_at_it(void **state)
{
    const size_t count = 4 * HAND_OVER_AT_ONCE;
    struct hand_over h = job("INBOX");
    uintptr_t sum = 0;
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < count; i++) {
        append("INBOX", (int)i);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, goes_too, &h), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *n;

        assert_int_equal(pthread_join(threads[i], &n), 0);
        sum += (uintptr_t)n;
    }
    assert_int_equal(sum, count);
    assert_int_equal(there("Handed over/u1/INBOX").exists, count);
}

static void test_nobody_and_oneself(void **state)
{
    struct hand_over h = job("INBOX");
    struct hand_over_counts n = {0};
    bool more;

    (void)state;
    append("INBOX", 1);
    h.to = b->account;
    assert_int_equal(hand_over_some(b->store, &tester, &h, &n, &more), ERR_NOT_FOUND);
    h.to = 0;
    assert_int_equal(hand_over_some(b->store, &tester, &h, &n, &more), ERR_NOT_FOUND);
    h.to = 4711;
    assert_int_equal(hand_over_some(b->store, &tester, &h, &n, &more), ERR_NOT_FOUND);
    assert_int_equal(hand_over_left(b->store, b->account, 4711, 0, &n), ERR_NOT_FOUND);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_flags_keywords_and_dates_come_along),
        T(test_the_body_outlives_whoever_had_it_first),
        T(test_again_brings_only_what_is_new),
        T(test_many_go_in_commits_of_bounded_size),
        T(test_a_mailbox_that_was_renamed_or_removed),
        T(test_the_quota_is_kept),
        T(test_two_mailboxes),
        T(test_two_at_it),
        T(test_nobody_and_oneself),
    };

    return BENCH_RUN("store_hand_over", tests);
}
