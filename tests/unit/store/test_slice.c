// SPDX-License-Identifier: Apache-2.0
//
// The thinnest way through the store: an account, a message in, flags, copies, out, back.
#include "support.h"

static const char first_message[] = "From: a@example.org\r\nSubject: Hello\r\nMessage-ID: <1@x>\r\n"
                                    "Date: Mon, 02 Jan 2006 15:04:05 -0700\r\n\r\nbody one\r\n";
static const char reply[] = "From: b@example.org\r\nSubject: Re: Hello\r\nMessage-ID: <2@x>\r\n"
                            "In-Reply-To: <1@x>\r\n\r\nbody two\r\n";

static int set_up(void **state)
{
    struct bench *b = malloc(sizeof(*b));

    bench_choose(state);
    bench_open(b);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench_check(*state);
    bench_close(*state);
    free(*state);
    return 0;
}

static void test_account(void **state)
{
    struct bench *b = *state;
    struct account a;
    const struct mailbox *const *all;
    struct view *v;
    size_t n;
    static const char *const names[] = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"};

    assert_ok(directory_account_by_name(b->store, SPAN("U1@Example.ORG"), &b->arena, &a));
    assert_int_equal(a.id, b->account);
    assert_span(a.password_hash, "$hash");
    assert_true(a.quota_bytes_max == UINT64_MAX);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(view_mailboxes(v, &all, &n));
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++) {
        assert_span(all[i]->name, names[i]);
        assert_true(all[i]->is_subscribed);
    }
    view_close(v);
}

static void test_append_and_read(void **state)
{
    struct bench *b = *state;
    struct view *v;
    const struct mailbox *m;
    struct placement_scan *scan;
    struct placement p, q;
    struct message_info one, two;
    struct buf body;

    assert_int_equal(bench_append(b, "INBOX", first_message, FLAG_SEEN), 1);
    assert_int_equal(bench_append(b, "INBOX", reply, 0), 2);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(view_mailbox_by_name(v, SPAN("INBOX"), &m));
    assert_int_equal(m->exists, 2);
    assert_int_equal(m->unseen, 1);
    assert_int_equal(m->uid_next, 3);
    assert_int_equal(m->bytes, strlen(first_message) + strlen(reply));
    assert_true(m->highest_modseq == view_modseq(v));
    assert_ok(placement_scan_open(v, m->id, 1, 10, 0, &scan));
    assert_ok(placement_next(scan, &p));
    assert_ok(placement_next(scan, &q));
    assert_err(placement_next(scan, &q), ERR_NOT_FOUND);
    placement_scan_close(scan);
    assert_int_equal(p.flags, FLAG_SEEN);
    assert_int_equal(p.internal_date, 1700000000);
    assert_ok(view_message(v, p.message, &one));
    assert_ok(view_message(v, q.message, &two));
    assert_true(one.thread == two.thread);
    assert_int_equal(one.sent_date, 1136239445);
    buf_init(&body, 1 << 20);
    assert_ok(body_read(view_snapshot(v), p.body, 0, 1 << 20, &body));
    assert_span(buf_span(&body), first_message);
    buf_finish(&body);
    view_close(v);
}

static void test_flags(void **state)
{
    struct bench *b = *state;
    struct span keywords[] = {SPAN("$Forwarded"), SPAN("work")};
    struct flag_result r;
    struct view *v;
    const struct span *names;
    size_t n;

    for (int i = 0; i < 100; i++) {
        bench_append(b, "INBOX", first_message, 0);
    }
    struct flag_request add = {.mailbox = bench_mailbox(b, "INBOX"),
                               .uids = bench_set(b, 20, 70),
                               .how = FLAGS_ADD,
                               .flags = FLAG_SEEN | FLAG_DELETED,
                               .keywords = keywords,
                               .keyword_count = 2,
                               .unchanged_since = UINT64_MAX};

    assert_ok(placement_flags(b->store, b->account, &tester, &add, &b->arena, &r));
    assert_true(r.new_keywords);
    assert_int_equal(r.modified.count, 0);
    struct mailbox m = bench_mailbox_get(b, "INBOX");

    assert_int_equal(m.unseen, 49);
    assert_int_equal(m.deleted, 51);
    modseq before = r.version;

    assert_ok(placement_flags(b->store, b->account, &tester, &add, &b->arena, &r));
    assert_true(r.version == before); // nothing to change
    add.unchanged_since = before - 1;
    add.uids = bench_set(b, 65, 75);
    assert_ok(placement_flags(b->store, b->account, &tester, &add, &b->arena, &r));
    assert_string_equal(bench_set_text(b, &r.modified), "65:70");
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(view_keywords(v, m.id, &names, &n));
    assert_int_equal(n, 2);
    assert_span(names[1], "work");
    view_close(v);
}

static void test_expunge_and_restore(void **state)
{
    struct bench *b = *state;
    struct uid_set gone, all = bench_set(b, 1, UINT32_MAX), vanished;
    modseq version, since;
    struct quota q;
    struct view *v;
    bool more;

    for (int i = 0; i < 200; i++) {
        bench_append(b, "INBOX", reply, i % 3 == 0 ? FLAG_DELETED : 0);
    }
    mailbox_id inbox = bench_mailbox(b, "INBOX");

    assert_ok(view_open(b->store, b->account, &v));
    since = view_modseq(v);
    view_close(v);
    assert_ok(placement_expunge(b->store, b->account, &tester, inbox, &all, false, &b->arena, &gone,
                                &version));
    assert_int_equal(gone.count, 67);
    assert_int_equal(bench_mailbox_get(b, "INBOX").exists, 133);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(view_vanished(v, inbox, since, NULL, &b->arena, &vanished));
    assert_string_equal(bench_set_text(b, &vanished), bench_set_text(b, &gone));
    assert_ok(view_quota(v, &q));
    assert_int_equal(q.messages, 133);
    view_close(v);
    message_id back[] = {1, 4, 4};

    assert_ok(expunged_restore(b->store, b->account, &tester, back, 3, 0));
    assert_err(expunged_restore(b->store, b->account, &tester, back, 1, 0), ERR_NOT_FOUND);
    assert_int_equal(bench_mailbox_get(b, "INBOX").exists, 135);
    assert_ok(expunged_forget(b->store, b->account, INT64_MAX, 1000, &more));
    assert_false(more);
    struct engine_status status;

    engine_status(b->engine, &status);
    assert_int_equal(status.bodies, 135);
}

static void test_copy_and_move(void **state)
{
    struct bench *b = *state;
    struct copy_result r;
    bool missing;

    for (int i = 0; i < 60; i++) {
        bench_append(b, "INBOX", first_message, 0);
    }
    mailbox_id inbox = bench_mailbox(b, "INBOX"), sent = bench_mailbox(b, "Sent");

    assert_ok(placement_copy(b->store, b->account, &tester, inbox, bench_set(b, 1, 10), sent, false,
                             &b->arena, &r, &missing));
    assert_string_equal(bench_set_text(b, &r.to), "1:10");
    assert_ok(placement_copy(b->store, b->account, &tester, inbox, bench_set(b, 5, 50), sent, true,
                             &b->arena, &r, &missing));
    assert_string_equal(bench_set_text(b, &r.from), "5:50");
    assert_string_equal(bench_set_text(b, &r.to), "11:56");
    assert_ok(placement_copy(b->store, b->account, &tester, sent, bench_set(b, 3, 4), sent, true,
                             &b->arena, &r, &missing));
    assert_string_equal(bench_set_text(b, &r.to), "57:58");
    assert_int_equal(bench_mailbox_get(b, "Sent").exists, 56);
    assert_err(placement_copy(b->store, b->account, &tester, inbox, bench_set(b, 1, 1), 999, true,
                              &b->arena, &r, &missing),
               ERR_NOT_FOUND);
    assert_true(missing);
}

static void count_changes(void *arg, account_id account, modseq version)
{
    (void)account;
    *(modseq *)arg = version;
}

static void test_watch(void **state)
{
    struct bench *b = *state;
    struct store_watch *w;
    modseq seen = 0;

    assert_ok(store_watch_add(b->store, b->account, count_changes, &seen, &w));
    assert_int_equal(store_watch_version(w), 1);
    bench_append(b, "INBOX", reply, 0);
    assert_int_equal(seen, 2);
    assert_int_equal(store_watch_version(w), 2);
    store_watch_remove(w);
    bench_append(b, "INBOX", reply, 0);
    assert_int_equal(seen, 2);
}

static void test_remove_account(void **state)
{
    struct bench *b = *state;
    struct engine_status status;
    struct view *v;

    for (int i = 0; i < 10; i++) {
        bench_append(b, "INBOX", first_message, 0);
    }
    assert_err(directory_domain_remove(b->store, &tester, SPAN("example.org")), ERR_DENIED);
    assert_ok(directory_account_remove(b->store, &tester, b->account));
    assert_err(view_open(b->store, b->account, &v), ERR_NOT_FOUND);
    engine_status(b->engine, &status);
    assert_int_equal(status.bodies, 0);
    assert_ok(directory_domain_remove(b->store, &tester, SPAN("Example.org")));
    bench_reopen(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_account, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_append_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expunge_and_restore, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copy_and_move, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remove_account, set_up, tear_down),
    };

    return BENCH_RUN("slice", tests);
}
