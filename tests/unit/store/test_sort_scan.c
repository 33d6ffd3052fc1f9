// SPDX-License-Identifier: Apache-2.0
//
// Sort keys as they are read back: in any order, over gaps, and of messages that an older program
// has stored without them.
#include "store/placement/sort_scan.h"
#include "store/store_internal.h"
#include "support.h"

#define COUNT 120

static void populate(struct bench *b)
{
    char text[200];

    for (int i = 1; i <= COUNT; i++) {
        snprintf(text, sizeof(text),
                 "Subject: Re: s%d\r\nFrom: f%d@x\r\nMessage-ID: <m%d@x>\r\n"
                 "References: <r%d@x>\r\nDate: Thu, 1 Jan 1970 00:00:%02d +0000\r\n\r\nbody\r\n",
                 i, i, i, i, i % 60);
        bench_append(b, i % 3 ? "INBOX" : "Sent", text, 0);
    }
}

// As a program before there were sort keys has left them; every seventh is of a later one.
static enum err age(struct edit *ed, void *arg)
{
    struct change c = {.kind = CHANGE_ACCOUNT, .after = SPAN("older")};

    (void)arg;
    for (message_id id = 2; id <= COUNT; id += 2) {
        struct message_record m;

        assert_ok(view_message_record(&ed->view, id, &m));
        assert_true(m.sort_keys.n > 0);
        m.sort_keys = id % 7 ? (struct span){0} : SPAN("\x09later");
        assert_ok(edit_put_message(ed, id, &m));
    }
    return change_put(ed, &c);
}

static void check_one(struct sort_scan *scan, message_id id)
{
    struct sort_keys k;
    char want[20];

    assert_ok(sort_scan_get(scan, id, &k));
    snprintf(want, sizeof(want), "s%u", (unsigned)id);
    assert_span(k.subject, want);
    snprintf(want, sizeof(want), "f%u", (unsigned)id);
    assert_span(k.from, want);
    assert_true(k.has_id && k.is_reply);
    assert_int_equal(k.references.n, SORT_REFERENCE_BYTES);
    assert_int_equal(k.sent, id % 60);
}

static void check_all(struct bench *b)
{
    struct sort_scan *scan;
    struct sort_keys k;
    struct view *v;

    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(sort_scan_open(v, &scan));
    for (message_id id = 1; id <= COUNT; id++) {
        check_one(scan, id);
    }
    for (message_id id = COUNT; id >= 1; id--) {
        check_one(scan, id);
    }
    for (message_id id = 1; id <= COUNT; id += 37) {
        check_one(scan, id);
        check_one(scan, id);
    }
    assert_err(sort_scan_get(scan, COUNT + 1, &k), ERR_NOT_FOUND);
    assert_err(sort_scan_get(scan, UINT32_MAX, &k), ERR_NOT_FOUND);
    check_one(scan, 5);
    sort_scan_close(scan);
    view_close(v);
}

static void test_scan(void **state)
{
    struct bench b;

    bench_choose(state);
    bench_open(&b);
    populate(&b);
    check_all(&b);
    bench_reopen(&b);
    check_all(&b);
    assert_ok(store_edit(b.store, b.account, &tester, age, NULL, NULL));
    check_all(&b);
    bench_check(&b); // what is missing is no damage
    bench_close(&b);
}

// Keys go with the message through copy, expunge and restoring.
static void test_keys_stay(void **state)
{
    struct copy_result copied;
    struct uid_set gone;
    struct bench b;
    message_id two = 2;
    modseq version;
    bool missing;

    bench_choose(state);
    bench_open(&b);
    populate(&b);
    assert_ok(placement_copy(b.store, b.account, &tester, bench_mailbox(&b, "INBOX"),
                             bench_set(&b, 1, 10), bench_mailbox(&b, "Sent"), false, &b.arena,
                             &copied, &missing));
    check_all(&b);
    struct uid_set second = bench_set(&b, 2, 2);

    assert_ok(placement_expunge(b.store, b.account, &tester, bench_mailbox(&b, "INBOX"), &second,
                                true, &b.arena, &gone, &version));
    assert_ok(placement_expunge(b.store, b.account, &tester, bench_mailbox(&b, "Sent"), NULL, true,
                                &b.arena, &gone, &version));
    check_all(&b);
    assert_ok(expunged_restore(b.store, b.account, &tester, &two, 1, 0));
    check_all(&b);
    bench_check(&b);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_keys_stay),
    };

    return BENCH_RUN("sort scan", tests);
}
