// SPDX-License-Identifier: Apache-2.0
//
// A \Seen of each reader's own: what they see, whose changes, counts, mailboxes that come and go,
// the switch, damage; and a long walk that compares three people's flags with a model.
#include <stdlib.h>

#include "store/metadata/metadata.h"
#include "store/seen/seen.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;
static account_id anna, bert;
static struct actor by_anna, by_bert;

static const struct metadata_limits wide = {METADATA_VALUE_BYTES_MAX, METADATA_ENTRIES_MAX,
                                            METADATA_ACCOUNT_BYTES_MAX};

static mailbox_id make(const char *name)
{
    mailbox_id id;

    assert_ok(mailbox_create(b->store, b->account, &tester, span_from_str(name), 0, &id));
    return id;
}

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    anna = bench_account(b, "anna@example.org");
    bert = bench_account(b, "bert@example.org");
    by_anna = by_bert = tester;
    by_anna.reader = anna;
    by_bert.reader = bert;
    make("team");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static enum err turn(const char *mailbox, const char *value)
{
    struct metadata_where where = {.mailbox = bench_mailbox(b, mailbox)};
    struct metadata_change c = {.name = SPAN(METADATA_SEEN)};

    if (value) {
        c.value = span_from_str(value);
    }
    return metadata_set(b->store, b->account, &tester, where, &c, 1, &wide);
}

static bool is_own(const char *mailbox)
{
    struct metadata_where where = {.mailbox = bench_mailbox(b, mailbox)};
    bool on = bench_mailbox_get(b, mailbox).seen_since != 0;
    struct metadata_entry entry;
    struct view *v;

    assert_ok(view_open(b->store, b->account, &v));
    enum err e = view_metadata(v, where, SPAN(METADATA_SEEN), &entry);

    assert_int_equal(on, e == ERR_OK && span_eq(entry.value, SPAN("own")));
    view_close(v);
    return on;
}

static struct view *view_as(account_id reader)
{
    struct view *v;

    assert_ok(view_open_for(b->store, b->account, reader, &v));
    return v;
}

// UIDs that the reader has seen, and behind a blank how many are unseen.
static const char *seen_by(account_id reader, const char *mailbox)
{
    struct view *v = view_as(reader);
    const struct mailbox *m;
    struct placement_scan *scan;
    struct uid_builder seen;
    struct placement p;
    struct uid_set set;
    uint32_t unseen, counted = 0;
    enum err e;

    uid_builder_init(&seen, &b->arena);
    assert_ok(view_mailbox_by_name(v, span_from_str(mailbox), &m));
    assert_ok(placement_scan_open(v, m->id, 1, UINT32_MAX, 0, &scan));
    while ((e = placement_next(scan, &p)) == ERR_OK) {
        if (p.flags & FLAG_SEEN) {
            uid_builder_add(&seen, p.uid, p.uid);
        } else {
            counted++;
        }
    }
    assert_err(e, ERR_NOT_FOUND);
    placement_scan_close(scan);
    assert_ok(view_unseen(v, m, &unseen));
    assert_int_equal(unseen, counted);
    view_close(v);
    assert_ok(uid_builder_finish(&seen, &set));
    char *text = arena_alloc(&b->arena, 4096);

    snprintf(text, 4096, "%s %u", bench_set_text(b, &set), unseen);
    return text;
}

static struct flag_result change(const struct actor *by, const char *mailbox, uint32_t first,
                                 uint32_t last, enum flag_change how, uint16_t flags)
{
    struct flag_request q = {.mailbox = bench_mailbox(b, mailbox),
                             .uids = bench_set(b, first, last),
                             .how = how,
                             .flags = flags,
                             .unchanged_since = UINT64_MAX};
    struct flag_result r;

    assert_ok(placement_flags(b->store, b->account, by, &q, &b->arena, &r));
    return r;
}

static uint32_t append(const struct actor *by, const char *mailbox, uint16_t flags)
{
    struct incoming *m = bench_incoming(b->store, SPAN("Subject: x\r\n\r\nx\r\n"));
    struct append_item item = {.message = m, .flags = flags, .internal_date = 1700000000};
    struct append_result r;

    assert_ok(store_append(b->store, b->account, by, bench_mailbox(b, mailbox), &item, 1, &r));
    incoming_destroy(m);
    return r.first_uid;
}

static void expunge(const char *mailbox, uint32_t first, uint32_t last)
{
    struct uid_set uids = bench_set(b, first, last), gone;
    modseq version;

    assert_ok(placement_expunge(b->store, b->account, &tester, bench_mailbox(b, mailbox), &uids,
                                true, &b->arena, &gone, &version));
}

static struct copy_result carry(const struct actor *by, const char *from, uint32_t first,
                                uint32_t last, const char *to, bool move)
{
    struct copy_result r;
    bool missing;

    assert_ok(placement_copy(b->store, b->account, by, bench_mailbox(b, from),
                             bench_set(b, first, last), bench_mailbox(b, to), move, &b->arena, &r,
                             &missing));
    return r;
}

static void edit(edit_fn *fn, void *arg)
{
    assert_ok(store_edit(b->store, b->account, &tester, fn, arg, NULL));
}

static size_t rows(void)
{
    struct key k = key_plain(KEY_SEEN);
    struct view *v = view_as(0);
    size_t n;

    assert_ok(view_count(v, &k, &n));
    view_close(v);
    return n;
}

static modseq modseq_of(const char *mailbox, uint32_t uid)
{
    struct view *v = view_as(0);
    struct placement_scan *scan;
    struct placement p;

    assert_ok(placement_scan_open(v, bench_mailbox(b, mailbox), uid, uid, 0, &scan));
    assert_ok(placement_next(scan, &p));
    placement_scan_close(scan);
    view_close(v);
    return p.changed;
}

// The newest record of that kind, or kind 0.
static struct change newest(enum change_kind kind)
{
    struct view *v = view_as(0);
    struct change_scan *scan;
    struct change c, out = {0};

    assert_ok(change_scan_open(v, 0, true, &scan));
    while (!out.number && change_next(scan, &c) == ERR_OK) {
        if (c.kind == kind) {
            out = c;
            out.after = arena_dup(&b->arena, c.after);
            out.uids.ranges = arena_alloc(&b->arena, (c.uids.count + 1) * sizeof(struct uid_range));
            memcpy(out.uids.ranges, c.uids.ranges, c.uids.count * sizeof(struct uid_range));
        }
    }
    change_scan_close(scan);
    view_close(v);
    return out;
}

// ---- what readers see ---------------------------------------------------------------------------

static void fill(const char *mailbox) // 1 to 5; the owner has seen 1 and 2
{
    for (int i = 0; i < 5; i++) {
        append(&tester, mailbox, i < 2 ? FLAG_SEEN : 0);
    }
}

static void test_one_for_all(void **state)
{
    (void)state;
    fill("team");
    change(&by_anna, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    assert_string_equal(seen_by(0, "team"), "1:3 2");
    assert_string_equal(seen_by(anna, "team"), "1:3 2");
    assert_int_equal(rows(), 0);
    assert_int_equal(newest(CHANGE_SEEN).number, 0);
}

static void test_own(void **state)
{
    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    assert_true(is_own("team"));
    assert_string_equal(seen_by(anna, "team"), "1:2 3"); // what was \Seen is
    modseq before = bench_mailbox_get(b, "team").highest_modseq;
    struct flag_result r = change(&by_anna, "team", 3, 4, FLAGS_ADD, FLAG_SEEN);

    assert_true(r.changed && r.version > before);
    assert_int_equal(modseq_of("team", 3), r.version);
    assert_int_equal(bench_mailbox_get(b, "team").highest_modseq, r.version);
    assert_string_equal(seen_by(anna, "team"), "1:4 1");
    assert_string_equal(seen_by(bert, "team"), "1:2 3");
    assert_string_equal(seen_by(0, "team"), "1:2 3");
    struct change c = newest(CHANGE_SEEN);

    assert_int_equal(c.value, anna);
    assert_string_equal(bench_set_text(b, &c.uids), "3:4");
    assert_int_equal(c.after.p[0], 1);
    assert_int_equal(newest(CHANGE_FLAGS).number, 0);
    // Nothing to change is no change.
    r = change(&by_anna, "team", 3, 4, FLAGS_ADD, FLAG_SEEN);
    assert_false(r.changed);
    assert_int_equal(modseq_of("team", 3), c.number);
    // Back, and the same for what was \Seen before.
    change(&by_anna, "team", 1, 3, FLAGS_REMOVE, FLAG_SEEN);
    assert_string_equal(seen_by(anna, "team"), "4 4");
    assert_int_equal(newest(CHANGE_SEEN).after.p[0], 0);
    change(&tester, "team", 5, 5, FLAGS_ADD, FLAG_SEEN);
    assert_string_equal(seen_by(0, "team"), "1:2,5 2");
    assert_string_equal(seen_by(anna, "team"), "4 4");
    assert_string_equal(seen_by(bert, "team"), "1:2 3");
    change(&by_anna, "team", 4, 4, FLAGS_REMOVE, FLAG_SEEN);
    assert_string_equal(seen_by(anna, "team"), " 5");
}

// What the newest entry's records of flags say was set: "uids:flags ...".
static const char *flags_in_log(void)
{
    struct view *v = view_as(0);
    struct change_flags_done done;
    struct change_scan *scan;
    struct change c;
    char *text = arena_alloc(&b->arena, 256);
    size_t n = 0;

    assert_ok(change_scan_open(v, view_modseq(v) - 1, false, &scan));
    while (change_next(scan, &c) == ERR_OK) {
        if (c.kind == CHANGE_FLAGS) {
            assert_true(change_flags_done(c.after, &done) && done.how == FLAGS_SET);
            n += (size_t)snprintf(text + n, 256 - n, "%s%s:%x", n ? " " : "",
                                  bench_set_text(b, &c.uids), done.what.flags);
        }
    }
    change_scan_close(scan);
    view_close(v);
    return text;
}

static void test_with_other_flags(void **state)
{
    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    change(&by_anna, "team", 1, 3, FLAGS_SET, FLAG_FLAGGED | FLAG_DELETED);
    assert_string_equal(bench_list(b, "team"), "1:d 2:d 3:c 4:0 5:0"); // the owner's \Seen stays
    assert_string_equal(flags_in_log(), "3:c 1:2:d");
    assert_string_equal(seen_by(anna, "team"), " 5");
    assert_int_equal(bench_mailbox_get(b, "team").deleted, 3);
    assert_int_equal(newest(CHANGE_FLAGS).number, newest(CHANGE_SEEN).number);
    change(&by_anna, "team", 3, 4, FLAGS_SET, FLAG_FLAGGED | FLAG_SEEN);
    assert_string_equal(bench_list(b, "team"), "1:d 2:d 3:4 4:4 5:0");
    assert_string_equal(seen_by(anna, "team"), "3:4 3");
    struct flag_request q = {.mailbox = bench_mailbox(b, "team"),
                             .uids = bench_set(b, 1, 5),
                             .how = FLAGS_SET,
                             .keep = FLAG_SEEN, // who has no right s
                             .unchanged_since = UINT64_MAX};
    struct flag_result r;

    assert_ok(placement_flags(b->store, b->account, &by_anna, &q, &b->arena, &r));
    assert_string_equal(seen_by(anna, "team"), "3:4 3");
    assert_string_equal(bench_list(b, "team"), "1:1 2:1 3:0 4:0 5:0");
    // Keywords take the other way through the code.
    struct span many[70];
    char names[70][8];

    for (size_t i = 0; i < 70; i++) {
        snprintf(names[i], sizeof(names[i]), "k%zu", i);
        many[i] = span_from_str(names[i]);
    }
    q = (struct flag_request){.mailbox = q.mailbox,
                              .uids = bench_set(b, 5, 5),
                              .how = FLAGS_ADD,
                              .flags = FLAG_SEEN,
                              .keywords = many,
                              .keyword_count = 35,
                              .unchanged_since = UINT64_MAX};
    assert_ok(placement_flags(b->store, b->account, &by_anna, &q, &b->arena, &r));
    q.keywords = many + 35;
    q.uids = bench_set(b, 2, 2);
    assert_ok(placement_flags(b->store, b->account, &by_anna, &q, &b->arena, &r));
    q.keyword_count = 0;
    q.uids = bench_set(b, 2, 5);
    assert_ok(placement_flags(b->store, b->account, &by_bert, &q, &b->arena, &r));
    assert_string_equal(seen_by(anna, "team"), "2:5 1");
    assert_string_equal(seen_by(bert, "team"), "1:5 0");
    assert_string_equal(seen_by(0, "team"), "1:2 3");
    q.how = FLAGS_REMOVE;
    assert_ok(placement_flags(b->store, b->account, &by_bert, &q, &b->arena, &r));
    assert_string_equal(seen_by(bert, "team"), "1 4");
}

static void test_unchanged_since(void **state)
{
    struct flag_result r;

    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    modseq since = bench_mailbox_get(b, "team").highest_modseq;

    change(&by_bert, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    struct flag_request q = {.mailbox = bench_mailbox(b, "team"),
                             .uids = bench_set(b, 2, 4),
                             .how = FLAGS_ADD,
                             .flags = FLAG_SEEN,
                             .unchanged_since = since};

    assert_ok(placement_flags(b->store, b->account, &by_anna, &q, &b->arena, &r));
    assert_string_equal(bench_set_text(b, &r.modified), "3");
    assert_string_equal(seen_by(anna, "team"), "1:2,4 2");
}

// What is changed since a MODSEQ comes with the reader's flags, however it is found.
static void test_changed_since(void **state)
{
    struct view *v;
    struct placement_scan *scan;
    struct placement p;

    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    v = view_as(anna);
    modseq since = view_modseq(v);

    view_close(v);
    change(&by_anna, "team", 4, 4, FLAGS_ADD, FLAG_SEEN);
    change(&by_bert, "team", 5, 5, FLAGS_ADD, FLAG_SEEN);
    v = view_as(anna);
    assert_ok(placement_scan_open(v, bench_mailbox(b, "team"), 1, UINT32_MAX, since, &scan));
    assert_ok(placement_next(scan, &p));
    assert_true(p.uid == 4 && p.flags == FLAG_SEEN);
    assert_ok(placement_next(scan, &p));
    assert_true(p.uid == 5 && p.flags == 0);
    assert_err(placement_next(scan, &p), ERR_NOT_FOUND);
    placement_scan_close(scan);
    view_close(v);
}

// ---- messages that come and go ------------------------------------------------------------------

static void test_append(void **state)
{
    (void)state;
    assert_ok(turn("team", "own"));
    append(&by_anna, "team", FLAG_SEEN | FLAG_FLAGGED);
    append(&tester, "team", FLAG_SEEN);
    append(&by_anna, "team", 0);
    assert_string_equal(bench_list(b, "team"), "1:4 2:1 3:0");
    assert_string_equal(seen_by(anna, "team"), "1 2");
    assert_string_equal(seen_by(bert, "team"), " 3");
    make("plain");
    append(&by_anna, "plain", FLAG_SEEN);
    assert_string_equal(bench_list(b, "plain"), "1:1");
}

static void test_expunge(void **state)
{
    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    change(&by_anna, "team", 4, 5, FLAGS_ADD, FLAG_SEEN);
    expunge("team", 2, 4);
    assert_string_equal(seen_by(anna, "team"), "1,5 0");
    assert_string_equal(seen_by(bert, "team"), "1 1");
    append(&tester, "team", 0);
    assert_string_equal(seen_by(anna, "team"), "1,5 1");
    expunge("team", 1, 100);
    assert_string_equal(seen_by(anna, "team"), " 0");
    // Who was there is not: the row of messages goes with the last one.
    struct key k = seen_key(bench_mailbox(b, "team"), SEEN_THERE, 0);
    struct view *v = view_as(0);
    struct span value;

    assert_err(view_get(v, &k, &value), ERR_NOT_FOUND);
    view_close(v);
}

static void test_copy(void **state)
{
    (void)state;
    fill("team");
    make("own");
    make("plain");
    assert_ok(turn("team", "own"));
    assert_ok(turn("own", "own"));
    change(&by_anna, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    change(&by_anna, "team", 1, 1, FLAGS_REMOVE, FLAG_SEEN);
    // To a mailbox with one for all: what who copies has seen.
    carry(&by_anna, "team", 1, 3, "plain", false);
    assert_string_equal(bench_list(b, "plain"), "1:0 2:1 3:1");
    carry(&tester, "team", 1, 3, "plain", false);
    assert_string_equal(bench_list(b, "plain"), "1:0 2:1 3:1 4:1 5:1 6:0");
    // To one with their own: theirs, and the owner's.
    carry(&by_anna, "team", 1, 3, "own", true);
    assert_string_equal(seen_by(anna, "own"), "2:3 1");
    assert_string_equal(seen_by(0, "own"), "1:2 1");
    assert_string_equal(seen_by(bert, "own"), " 3");
    assert_string_equal(seen_by(anna, "team"), " 2");
    // From one for all.
    carry(&by_bert, "plain", 1, 2, "own", false);
    assert_string_equal(seen_by(bert, "own"), "5 4");
    assert_string_equal(seen_by(anna, "own"), "2:3 3");
    assert_string_equal(seen_by(0, "own"), "1:2,5 2");
    // Within one.
    carry(&by_anna, "own", 1, 3, "own", true);
    assert_string_equal(seen_by(anna, "own"), "7:8 3");
    assert_string_equal(seen_by(0, "own"), "5:7 2");
}

static void test_across(void **state)
{
    struct copy_across c = {.from_account = b->account,
                            .reader = anna,
                            .to_account = anna,
                            .flags = FLAG_SEEN,
                            .from = bench_mailbox(b, "team")};
    struct copy_result r;
    struct view *v;
    const struct mailbox *m;
    bool missing;

    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    change(&by_anna, "team", 3, 4, FLAGS_ADD, FLAG_SEEN);
    c.uids = bench_set(b, 1, 5);
    assert_ok(view_open(b->store, anna, &v));
    assert_ok(view_mailbox_by_name(v, SPAN("INBOX"), &m));
    c.to = m->id;
    view_close(v);
    assert_ok(placement_copy_across(b->store, &tester, &c, &b->arena, &r, &missing));
    assert_ok(view_open(b->store, anna, &v));
    assert_ok(view_mailbox(v, c.to, &m));
    assert_int_equal(m->unseen, 1);
    view_close(v);
    // And back: what comes is seen by who brings it.
    c = (struct copy_across){.from_account = anna,
                             .reader = anna,
                             .to_account = b->account,
                             .flags = FLAG_SEEN,
                             .from = c.to,
                             .to = c.from,
                             .uids = c.uids};
    assert_ok(placement_copy_across(b->store, &by_anna, &c, &b->arena, &r, &missing));
    assert_string_equal(seen_by(anna, "team"), "1:4,6:9 2");
    assert_string_equal(seen_by(0, "team"), "1:2 8");
}

static enum err set_uid_next(struct edit *ed, void *arg)
{
    struct edit_mailbox *m;

    assert_ok(edit_mailbox(ed, bench_mailbox(b, "team"), &m));
    m->record.is.uid_next = *(uint32_t *)arg;
    m->is_dirty = ed->is_changed = true;
    return ERR_OK;
}

// Rows change every 4,096 UIDs, and the last one ends where UIDs do.
static void test_blocks(void **state)
{
    uint32_t next = 4094, far = UINT32_MAX - 3;

    (void)state;
    assert_ok(turn("team", "own"));
    edit(set_uid_next, &next);
    for (int i = 0; i < 4; i++) {
        append(&tester, "team", 0);
    }
    edit(set_uid_next, &far);
    for (int i = 0; i < 3; i++) {
        append(&by_anna, "team", i == 1 ? FLAG_SEEN : 0);
    }
    change(&by_anna, "team", 4095, 4096, FLAGS_ADD, FLAG_SEEN);
    assert_string_equal(seen_by(anna, "team"), "4095:4096,4294967293 4");
    assert_string_equal(seen_by(bert, "team"), " 7");
    assert_int_equal(rows(), 6);
    assert_ok(turn("team", "shared"));
    change(&tester, "team", 4094, UINT32_MAX, FLAGS_ADD, FLAG_SEEN);
    assert_ok(turn("team", "own"));
    assert_string_equal(seen_by(bert, "team"), "4094:4097,4294967292:4294967294 0");
    change(&by_bert, "team", 4097, 4097, FLAGS_REMOVE, FLAG_SEEN);
    assert_string_equal(seen_by(bert, "team"), "4094:4096,4294967292:4294967294 1");
    assert_string_equal(seen_by(anna, "team"), "4094:4097,4294967292:4294967294 0");
}

// ---- the switch ---------------------------------------------------------------------------------

static void test_switch(void **state)
{
    (void)state;
    fill("team");
    assert_err(turn("team", "mine"), ERR_INVALID);
    assert_err(turn("team", ""), ERR_INVALID);
    assert_ok(turn("team", "shared"));
    assert_false(is_own("team"));
    assert_ok(turn("team", "own"));
    assert_ok(turn("team", "own"));
    change(&by_anna, "team", 3, 5, FLAGS_ADD, FLAG_SEEN);
    change(&by_bert, "team", 1, 2, FLAGS_REMOVE, FLAG_SEEN);
    // Off: the owner's are everybody's, and clients hear of it.
    modseq before = bench_mailbox_get(b, "team").highest_modseq;

    assert_ok(turn("team", NULL));
    assert_false(is_own("team"));
    assert_string_equal(seen_by(anna, "team"), "1:2 3");
    assert_string_equal(seen_by(bert, "team"), "1:2 3");
    assert_int_equal(rows(), 0);
    struct change c = newest(CHANGE_SEEN);

    assert_true(c.number > before && c.value == 0);
    assert_string_equal(bench_set_text(b, &c.uids), "1:5");
    for (uint32_t uid = 1; uid <= 5; uid++) {
        assert_int_equal(modseq_of("team", uid), c.number);
    }
    assert_int_equal(bench_mailbox_get(b, "team").highest_modseq, c.number);
    change(&by_anna, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    assert_string_equal(seen_by(bert, "team"), "1:3 2");
    // On again: nothing of before comes back.
    assert_ok(turn("team", "own"));
    assert_string_equal(seen_by(anna, "team"), "1:3 2");
    assert_string_equal(seen_by(bert, "team"), "1:3 2");
    assert_ok(turn("INBOX", "own"));
}

// A row that another time of the switch has left is nobody's.
static enum err put_stale(struct edit *ed, void *arg)
{
    struct key k = seen_key(bench_mailbox(b, "team"), anna, 0);
    unsigned char bits[SEEN_BLOCK_BYTES];
    char room[SEEN_ROW_BYTES_MAX];

    (void)arg;
    memset(bits, 0xff, sizeof(bits));
    ed->is_changed = true;
    return edit_put(ed, &k, seen_row_encode(2, bits, room));
}

static void pass_over(void *arg, account_id account, const char *problem, bool repaired)
{
    (void)arg, (void)account, (void)problem, (void)repaired;
}

static uint64_t check(bool repair)
{
    struct check_options o = {.repair = repair};
    struct check_totals totals;

    assert_ok(store_check(b->store, &o, pass_over, NULL, &totals));
    return totals.differences - totals.repaired;
}

static void test_stale(void **state)
{
    (void)state;
    fill("team");
    edit(put_stale, NULL);
    assert_string_equal(seen_by(anna, "team"), "1:2 3");
    assert_ok(turn("team", "own"));
    assert_string_equal(seen_by(anna, "team"), "1:2 3");
    change(&by_anna, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    assert_string_equal(seen_by(anna, "team"), "1:3 2");
    assert_string_equal(seen_by(bert, "team"), "1:2 3");
}

static void test_mailboxes(void **state)
{
    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    change(&by_anna, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    make("team/a/b");
    assert_true(is_own("team/a") && is_own("team/a/b"));
    make("other");
    assert_false(is_own("other"));
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("team"), SPAN("crew")));
    assert_true(is_own("crew") && is_own("crew/a/b"));
    assert_string_equal(seen_by(anna, "crew"), "1:3 2");
    append(&by_anna, "crew/a", FLAG_SEEN);
    assert_string_equal(seen_by(anna, "crew/a"), "1 0");
    assert_string_equal(seen_by(bert, "crew/a"), " 1");
    // A level that stays has nothing.
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("crew/a")));
    assert_false(is_own("crew/a"));
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("crew/a/b")));
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("crew")));
    assert_int_equal(rows(), 0);
}

static void test_inbox(void **state)
{
    (void)state;
    fill("INBOX");
    assert_ok(turn("INBOX", "own"));
    change(&by_anna, "INBOX", 3, 3, FLAGS_ADD, FLAG_SEEN);
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("INBOX"), SPAN("old")));
    assert_true(is_own("INBOX") && is_own("old"));
    assert_string_equal(seen_by(0, "old"), "1:2 3");
    assert_string_equal(seen_by(anna, "old"), " 5");
    assert_string_equal(seen_by(anna, "INBOX"), " 0");
    append(&by_anna, "INBOX", FLAG_SEEN);
    assert_ok(turn("team", "own"));
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("INBOX"), SPAN("team/old")));
    assert_true(is_own("team/old"));
    assert_ok(turn("INBOX", "shared"));
    append(&tester, "INBOX", FLAG_SEEN);
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("INBOX"), SPAN("team/older")));
    assert_true(is_own("team/older")); // as the mailbox above it
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("INBOX"), SPAN("plain")));
    assert_false(is_own("plain"));
}

static void test_removed_account(void **state)
{
    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    change(&by_anna, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    change(&by_bert, "team", 4, 4, FLAGS_ADD, FLAG_SEEN);
    assert_int_equal(rows(), 4);
    assert_ok(directory_account_remove(b->store, &tester, anna));
    assert_int_equal(check(false), 0);
    assert_int_equal(rows(), 4);
    assert_int_equal(check(true), 0);
    assert_int_equal(rows(), 3);
    assert_string_equal(seen_by(bert, "team"), "1:2,4 2");
}

// ---- damage -------------------------------------------------------------------------------------

static void put_bits(struct edit *ed, account_id who, uint32_t block, int byte, unsigned char bits)
{
    struct key k = seen_key(bench_mailbox(b, "team"), who, block);
    unsigned char all[SEEN_BLOCK_BYTES] = {0};
    char room[SEEN_ROW_BYTES_MAX];

    all[byte] = bits;
    assert_ok(
        edit_put(ed, &k, seen_row_encode(bench_mailbox_get(b, "team").seen_since, all, room)));
}
static void there_lost(struct edit *ed)
{
    struct key k = seen_key(bench_mailbox(b, "team"), SEEN_THERE, 0);

    assert_ok(edit_delete(ed, &k));
}
static void there_short(struct edit *ed)
{
    put_bits(ed, SEEN_THERE, 0, 0, 0x0e);
}
static void there_long(struct edit *ed)
{
    put_bits(ed, SEEN_THERE, 0, 0, 0x7e);
}
static void there_nowhere(struct edit *ed)
{
    put_bits(ed, SEEN_THERE, 7, 0, 1);
}
static void seen_future(struct edit *ed)
{
    put_bits(ed, anna, 0, 0, 0x7e); // UID 6 is to come
}
static void start_future(struct edit *ed)
{
    put_bits(ed, SEEN_START, 1, 3, 1);
}
static void row_broken(struct edit *ed)
{
    struct key k = seen_key(bench_mailbox(b, "team"), anna, 0);

    assert_ok(edit_put(ed, &k, SPAN("\x01\x05\xff\xff\x7f")));
}
static void row_long(struct edit *ed)
{
    struct key k = seen_key(bench_mailbox(b, "team"), anna, 0);

    assert_ok(edit_put(ed, &k, SPAN("\x01\x05\x80\x04\x01x"))); // from byte 512 on
}
static void key_short(struct edit *ed)
{
    struct key k = key_u32(KEY_SEEN, 3);

    assert_ok(edit_put(ed, &k, SPAN("\x01\x05\x01\x01x")));
}
static void of_owner(struct edit *ed)
{
    put_bits(ed, b->account, 0, 0, 2);
}
static void entry_lost(struct edit *ed)
{
    assert_ok(metadata_edit_seen(ed, bench_mailbox(b, "team"), SPAN("")));
}
static void entry_wrong(struct edit *ed)
{
    assert_ok(metadata_edit_seen(ed, bench_mailbox(b, "team"), SPAN("shared")));
}
static void entry_of_another(struct edit *ed)
{
    assert_ok(metadata_edit_seen(ed, bench_mailbox(b, "INBOX"), SPAN("own")));
}

static enum err hurt(struct edit *ed, void *arg)
{
    void (*const *fn)(struct edit * ed) = arg;

    (*fn)(ed);
    ed->is_changed = true;
    return ERR_OK;
}

static void test_damage(void **state)
{
    static void (*const kinds[])(struct edit * ed) = {
        there_lost,   there_short, there_long,      there_nowhere, seen_future,
        start_future, row_broken,  row_long,        key_short,     of_owner,
        entry_lost,   entry_wrong, entry_of_another};

    (void)state;
    fill("team");
    assert_ok(turn("team", "own"));
    change(&by_anna, "team", 3, 3, FLAGS_ADD, FLAG_SEEN);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        void (*fn)(struct edit * ed) = kinds[i];

        edit(hurt, &fn);
        if (check(false) == 0) {
            fail_msg("damage %zu is not found", i);
        }
        if (check(true) != 0 || check(false) != 0) {
            fail_msg("damage %zu is not mended", i);
        }
        assert_true(is_own("team"));
        assert_false(is_own("INBOX"));
        (void)seen_by(anna, "team");
        assert_string_equal(seen_by(bert, "team"), "1:2 3");
    }
}

// ---- a walk -------------------------------------------------------------------------------------

#define WALK_UIDS  1000
#define WALK_FIRST 3900 // it goes over the end of a block
#define WALK_STEPS 400
#define PEOPLE     3

struct walk_box {
    const char *name;
    bool is_own;
    uint32_t next;
    bool there[WALK_UIDS], seen[PEOPLE][WALK_UIDS];
};

static struct walk_box boxes[2];
static uint32_t dice;

static uint32_t roll(uint32_t n)
{
    dice = dice * 1664525u + 1013904223u;
    return (dice >> 8) % n;
}

static const struct actor *person(size_t who)
{
    return who == 0 ? &tester : who == 1 ? &by_anna : &by_bert;
}

// A message that `who` puts there.
static void walk_new(struct walk_box *w, size_t who, bool seen, bool owners)
{
    uint32_t at = w->next++ - WALK_FIRST;

    w->there[at] = true;
    for (size_t p = 0; p < PEOPLE; p++) {
        w->seen[p][at] = !w->is_own ? seen : p == who ? seen : p == 0 && owners;
    }
}

static void walk_flags(struct walk_box *w, size_t who, uint32_t first, uint32_t last)
{
    enum flag_change how = (enum flag_change)roll(3);
    uint16_t flags = roll(4) ? FLAG_SEEN : FLAG_FLAGGED;
    bool is_named = flags == FLAG_SEEN;

    change(person(who), w->name, first, last, how, flags);
    for (uint32_t uid = first; uid <= last && uid < w->next; uid++) {
        for (size_t p = 0; p < PEOPLE; p++) {
            bool *seen = &w->seen[p][uid - WALK_FIRST];

            if (w->there[uid - WALK_FIRST] && (p == who || !w->is_own) &&
                (is_named || how == FLAGS_SET)) {
                *seen = is_named && how != FLAGS_REMOVE;
            }
        }
    }
}

static void walk_carry(struct walk_box *from, struct walk_box *to, size_t who, uint32_t first,
                       uint32_t last)
{
    bool move = roll(2);
    uint32_t end = from->next;

    carry(person(who), from->name, first, last, to->name, move);
    for (uint32_t uid = first; uid <= last && uid < end; uid++) {
        uint32_t at = uid - WALK_FIRST;

        if (from->there[at]) {
            from->there[at] = !move;
            walk_new(to, who, from->seen[who][at], from->seen[0][at]);
        }
    }
}

static void walk_switch(struct walk_box *w)
{
    assert_ok(turn(w->name, w->is_own ? "shared" : "own"));
    w->is_own = !w->is_own;
    for (size_t p = 1; p < PEOPLE; p++) {
        memcpy(w->seen[p], w->seen[0], sizeof(w->seen[0]));
    }
}

static void walk_step(void)
{
    struct walk_box *w = &boxes[roll(2)];
    size_t who = roll(PEOPLE);
    uint32_t first = WALK_FIRST + roll(w->next - WALK_FIRST + 1), last = first + roll(30);
    bool seen = roll(2);

    switch (roll(12)) {
    case 0:
        walk_switch(w);
        break;
    case 1:
    case 2:
        expunge(w->name, first, last);
        for (uint32_t uid = first; uid <= last && uid < w->next; uid++) {
            w->there[uid - WALK_FIRST] = false;
        }
        break;
    case 3:
    case 4:
        walk_carry(w, &boxes[roll(2)], who, first, first + roll(6));
        break;
    case 5:
    case 6:
    case 7:
        append(person(who), w->name, seen ? FLAG_SEEN : 0);
        walk_new(w, who, seen, false);
        break;
    default:
        walk_flags(w, who, first, last);
        break;
    }
}

static const char *walk_expected(const struct walk_box *w, size_t who)
{
    struct uid_builder set;
    struct uid_set seen;
    char *text = arena_alloc(&b->arena, 4096);
    unsigned unseen = 0;

    uid_builder_init(&set, &b->arena);
    for (uint32_t i = 0; i < w->next - WALK_FIRST; i++) {
        if (w->there[i] && w->seen[who][i]) {
            uid_builder_add(&set, WALK_FIRST + i, WALK_FIRST + i);
        }
        unseen += w->there[i] && !w->seen[who][i];
    }
    assert_ok(uid_builder_finish(&set, &seen));
    snprintf(text, 4096, "%s %u", bench_set_text(b, &seen), unseen);
    return text;
}

static void walk(uint32_t seed)
{
    account_id ids[PEOPLE] = {0, anna, bert};
    uint32_t first = WALK_FIRST;

    dice = seed;
    boxes[0] = (struct walk_box){.name = "team", .next = WALK_FIRST};
    boxes[1] = (struct walk_box){.name = "x", .next = WALK_FIRST};
    edit(set_uid_next, &first);
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("team"), SPAN("x")));
    make("team");
    edit(set_uid_next, &first);
    for (int i = 0; i < WALK_STEPS; i++) {
        walk_step();
        for (size_t k = 0; k < 2 * PEOPLE; k++) {
            const char *is = seen_by(ids[k / 2], boxes[k % 2].name),
                       *due = walk_expected(&boxes[k % 2], k / 2);

            if (strcmp(is, due) != 0) {
                fail_msg("seed %u, step %d, %s for person %zu: %s, expected %s", seed, i,
                         boxes[k % 2].name, k / 2, is, due);
            }
        }
        arena_reset(&b->arena);
        assert_true(boxes[0].next < WALK_FIRST + WALK_UIDS - 50 &&
                    boxes[1].next < WALK_FIRST + WALK_UIDS - 50);
    }
}

static void test_walk(void **state)
{
    const char *seed = getenv("MK_SEEN_SEED");

    (void)state;
    walk(seed ? (uint32_t)strtoul(seed, NULL, 10) : 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_other_flags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unchanged_since, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_since, setup, teardown),
        cmocka_unit_test_setup_teardown(test_append, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expunge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_across, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_switch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stale, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mailboxes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inbox, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_account, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk, setup, teardown),
    };

    return BENCH_RUN("store-seen", tests);
}
