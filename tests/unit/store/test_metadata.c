// SPDX-License-Identifier: Apache-2.0
//
// Metadata: names, entries, depth, limits, the change log, mailboxes that go, damage. And what IMAP
// sessions of an account go without.
#include "store/access/imap_without.h"
#include "store/metadata/metadata.h"
#include "store/store_internal.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;
static account_id anna;

static const struct metadata_limits wide = {METADATA_VALUE_BYTES_MAX, METADATA_ENTRIES_MAX,
                                            METADATA_ACCOUNT_BYTES_MAX};

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    assert_ok(
        directory_account_add(b->store, &tester, SPAN("anna@example.org"), SPAN(""), true, &anna));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static struct metadata_where on(const char *mailbox)
{
    return (struct metadata_where){.mailbox = *mailbox ? bench_mailbox(b, mailbox) : 0};
}

// `value` NULL: the entry goes.
static enum err set_in(account_id account, struct metadata_where where, const char *name,
                       const char *value, const struct metadata_limits *limits)
{
    struct metadata_change c = {.name = span_from_str(name)};

    if (value) {
        c.value = span_from_str(value);
    }
    return metadata_set(b->store, account, &tester, where, &c, 1, limits);
}

static enum err set(const char *mailbox, const char *name, const char *value)
{
    return set_in(b->account, on(mailbox), name, value, &wide);
}

static const char *get_in(account_id account, struct metadata_where where, const char *name)
{
    struct metadata_entry entry;
    struct view *v;

    assert_ok(view_open(b->store, account, &v));
    enum err e = view_metadata(v, where, span_from_str(name), &entry);
    const char *text = e ? NULL : arena_str(&b->arena, entry.value);

    view_close(v);
    assert_true(e == ERR_OK || e == ERR_NOT_FOUND);
    return text;
}

static const char *get(const char *mailbox, const char *name)
{
    return get_in(b->account, on(mailbox), name);
}

static enum err note_name(void *arg, const struct metadata_entry *entry)
{
    struct buf *out = arg;

    buf_put(out, entry->name);
    buf_put_byte(out, ' ');
    return ERR_OK;
}

static const char *names(const char *mailbox, const char *root, enum metadata_depth depth,
                         const char *after)
{
    struct buf out;
    struct view *v;

    buf_init(&out, 1 << 20);
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(view_metadata_each(v, on(mailbox), span_from_str(root), depth, span_from_str(after),
                                 note_name, &out));
    view_close(v);
    const char *text = arena_str(&b->arena, buf_span(&out));

    buf_finish(&out);
    return text;
}

static uint64_t bytes_of(account_id account)
{
    struct view *v;

    assert_ok(view_open(b->store, account, &v));
    uint64_t n = view_metadata_bytes(v);

    view_close(v);
    return n;
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool entry, root;
    } cases[] = {
        {"/private/comment", true, true},
        {"/SHARED/Comment", true, true},
        {"/private/a b\"c", true, true},
        {"/private", false, true},
        {"/shared", false, true},
        {"/private/vendor", false, true},
        {"/shared/VENDOR/acme", false, true},
        {"/shared/vendor/acme/x", true, true},
        {"/shared/vendors", true, true},
        {"/private/vendor-x/y", true, true},
        {"", false, false},
        {"/", false, false},
        {"private/comment", false, false},
        {"/privatex/comment", false, false},
        {"/public/comment", false, false},
        {"/private/", false, false},
        {"/private//a", false, false},
        {"//private/a", false, false},
        {"/private/a/", false, false},
        {"/private/a*", false, false},
        {"/private/%a", false, false},
        {"/private/\x19", false, false},
        {"/private/\x7f", false, false},
        {"/private/\xc3\xa4", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct span name = span_from_str(cases[i].name);

        assert_int_equal(metadata_name_is_valid(name, false), cases[i].entry);
        assert_int_equal(metadata_name_is_valid(name, true), cases[i].root);
    }
    char longest[METADATA_NAME_BYTES_MAX + 2] = "/private/";

    memset(longest + 9, 'n', METADATA_NAME_BYTES_MAX - 9);
    assert_true(metadata_name_is_valid(span_from_str(longest), false));
    assert_ok(set("INBOX", longest, "x"));
    assert_string_equal(get("INBOX", longest), "x");
    assert_int_equal(strlen(names("INBOX", longest, METADATA_DEPTH_ALL, "")),
                     METADATA_NAME_BYTES_MAX + 1);
    longest[METADATA_NAME_BYTES_MAX] = 'n';
    assert_err(set("INBOX", longest, "x"), ERR_INVALID);
    assert_true(metadata_name_is_private(SPAN("/Private/x")));
    assert_false(metadata_name_is_private(SPAN("/shared/x")));
}

static void test_entries(void **state)
{
    (void)state;
    assert_null(get("INBOX", "/private/comment"));
    assert_ok(set("INBOX", "/private/Comment", "mine"));
    assert_ok(set("Sent", "/private/comment", "another"));
    assert_ok(set("", "/private/comment", "the account's"));
    assert_string_equal(get("INBOX", "/PRIVATE/comment"), "mine");
    assert_string_equal(get("Sent", "/private/comment"), "another");
    assert_string_equal(get("", "/private/comment"), "the account's");
    assert_int_equal(bytes_of(b->account), 3 * (64 + 16) + 4 + 7 + 13);
    assert_ok(set("INBOX", "/private/comment", ""));
    assert_string_equal(get("INBOX", "/private/comment"), "");
    bench_reopen(b);
    assert_string_equal(names("INBOX", "/private", METADATA_DEPTH_ALL, ""), "/private/Comment ");
    assert_ok(set("INBOX", "/private/comment", NULL));
    assert_ok(set("INBOX", "/private/comment", NULL));
    assert_null(get("INBOX", "/private/comment"));
    assert_err(
        set_in(b->account, (struct metadata_where){.mailbox = 999}, "/private/a", "x", &wide),
        ERR_NOT_FOUND);
    assert_err(set_in(77777, on(""), "/private/a", "x", &wide), ERR_NOT_FOUND);
}

static void test_depth(void **state)
{
    static const char *const all[] = {"/private/a",     "/private/a/b", "/private/a/b/c",
                                      "/private/a/b-c", "/private/ab",  "/shared/a"};

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        assert_ok(set("INBOX", all[i], "x"));
    }
    assert_string_equal(names("INBOX", "/private/a", METADATA_DEPTH_0, ""), "/private/a ");
    assert_string_equal(names("INBOX", "/private/a", METADATA_DEPTH_1, ""),
                        "/private/a /private/a/b /private/a/b-c ");
    assert_string_equal(names("INBOX", "/PRIVATE/A", METADATA_DEPTH_ALL, ""),
                        "/private/a /private/a/b /private/a/b-c /private/a/b/c ");
    assert_string_equal(names("INBOX", "/private", METADATA_DEPTH_1, ""),
                        "/private/a /private/ab ");
    assert_string_equal(names("INBOX", "/private/none", METADATA_DEPTH_ALL, ""), "");
    // Going on behind one, as batches do.
    assert_string_equal(names("INBOX", "/private/a", METADATA_DEPTH_ALL, "/private/a"),
                        "/private/a/b /private/a/b-c /private/a/b/c ");
    assert_string_equal(names("INBOX", "/private/a", METADATA_DEPTH_ALL, "/Private/a/b-c"),
                        "/private/a/b/c ");
    assert_string_equal(names("INBOX", "/private/a", METADATA_DEPTH_ALL, "/private/a/b/c"), "");
}

static void test_limits(void **state)
{
    struct metadata_limits few = {1024, 2, 64 + 10 + 64 + 10 + 10};
    struct metadata_change two[] = {{SPAN("/private/c"), SPAN("1")}, {SPAN("/private/d"), {0}}};

    (void)state;
    assert_ok(set_in(b->account, on("INBOX"), "/private/a", "1", &few));
    assert_ok(set_in(b->account, on("INBOX"), "/private/b", "1", &few));
    assert_err(set_in(b->account, on("INBOX"), "/private/c", "1", &few), ERR_QUOTA);
    few.account_bytes = 1000;
    assert_err(set_in(b->account, on("INBOX"), "/private/c", "1", &few), ERR_LIMIT);
    assert_ok(set_in(b->account, on("Sent"), "/private/c", "1", &few));
    assert_ok(set_in(b->account, on("INBOX"), "/private/a", "12345", &few));
    // What shrinks fits whatever the limit is.
    few = (struct metadata_limits){1024, 1, 10};
    assert_err(set_in(b->account, on("INBOX"), "/private/a", "123456", &few), ERR_QUOTA);
    assert_ok(set_in(b->account, on("INBOX"), "/private/a", "1234", &few));
    assert_ok(set_in(b->account, on("INBOX"), "/private/b", NULL, &few));
    // One that goes makes room for one that comes; none of them without the other.
    few = (struct metadata_limits){1024, 1, 1000};
    assert_err(metadata_set(b->store, b->account, &tester, on("INBOX"), two, 2, &few), ERR_LIMIT);
    assert_null(get("INBOX", "/private/c"));
    two[1].name = SPAN("/private/a");
    assert_ok(metadata_set(b->store, b->account, &tester, on("INBOX"), two, 2, &few));
    assert_null(get("INBOX", "/private/a"));
    assert_string_equal(get("INBOX", "/private/c"), "1");
    two[1].name = SPAN("no name");
    two[0].value = SPAN("2");
    assert_err(metadata_set(b->store, b->account, &tester, on("INBOX"), two, 2, &wide),
               ERR_INVALID);
    assert_string_equal(get("INBOX", "/private/c"), "1");
}

// Of an entry that is named twice the last counts, and it is counted once.
static void test_named_twice(void **state)
{
    struct metadata_change two[] = {{SPAN("/private/a"), SPAN("one")}, {SPAN("/PRIVATE/a"), {0}}};

    (void)state;
    assert_ok(set("INBOX", "/private/a", "before"));
    assert_ok(metadata_set(b->store, b->account, &tester, on("INBOX"), two, 2, &wide));
    assert_null(get("INBOX", "/private/a"));
    assert_int_equal(bytes_of(b->account), 0);
    two[1].value = SPAN("last");
    assert_ok(metadata_set(b->store, b->account, &tester, on("INBOX"), two, 2, &wide));
    assert_string_equal(get("INBOX", "/private/a"), "last");
    assert_int_equal(bytes_of(b->account), 64 + 10 + 4);
}

// The newest record about metadata, with the entry's name and what was before.
static const char *newest(account_id account, struct metadata_changed *out)
{
    struct change_scan *scan;
    struct change c;
    struct view *v;
    const char *name = "";

    assert_ok(view_open(b->store, account, &v));
    assert_ok(change_scan_open(v, 0, true, &scan));
    while (change_next(scan, &c) == ERR_OK) {
        if (metadata_change_read(&c, out)) {
            assert_int_equal(c.by.kind, tester.kind);
            name = arena_str(&b->arena, out->name);
            out->before = arena_dup(&b->arena, out->before);
            break;
        }
    }
    change_scan_close(scan);
    view_close(v);
    return name;
}

static modseq version(account_id account)
{
    struct view *v;

    assert_ok(view_open(b->store, account, &v));
    modseq n = view_modseq(v);

    view_close(v);
    return n;
}

static void test_log(void **state)
{
    static char large[3000];
    struct metadata_changed m;
    modseq before;

    (void)state;
    memset(large, 'v', sizeof(large) - 1);
    assert_ok(set("INBOX", "/shared/Comment", large));
    assert_string_equal(newest(b->account, &m), "/shared/comment");
    assert_int_equal(m.where.mailbox, bench_mailbox(b, "INBOX"));
    assert_int_equal(m.where.owner, 0);
    assert_false(m.was_there);
    before = version(b->account);
    assert_ok(set("INBOX", "/shared/comment", large)); // nothing new
    assert_ok(set("INBOX", "/shared/none", NULL));
    assert_int_equal(version(b->account), before);
    assert_ok(set("INBOX", "/shared/comment", "short"));
    assert_string_equal(newest(b->account, &m), "/shared/comment");
    assert_true(m.was_there);
    assert_int_equal(m.before_bytes, sizeof(large) - 1);
    assert_int_equal(m.before.n, METADATA_BEFORE_BYTES_MAX);
    assert_ok(set("INBOX", "/shared/comment", NULL));
    newest(b->account, &m);
    assert_span(m.before, "short");
    // Of the server, in account 0.
    assert_ok(set_in(0, on(""), "/shared/comment", "hello", &wide));
    assert_string_equal(newest(0, &m), "/shared/comment");
    assert_int_equal(m.where.mailbox, 0);
    assert_string_equal(get_in(0, on(""), "/shared/comment"), "hello");
}

static void test_mailboxes(void **state)
{
    struct metadata_changed m;
    mailbox_id id;

    (void)state;
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("a/b"), 0, &id));
    assert_ok(set("a", "/private/comment", "level"));
    assert_ok(set("a/b", "/private/comment", "one"));
    assert_ok(set("a/b", "/shared/comment", "two"));
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("a"), SPAN("c")));
    assert_string_equal(get("c/b", "/shared/comment"), "two");
    assert_string_equal(get("c", "/private/comment"), "level");
    // Deleted with what is below: it stays as a level, without entries, and can have new ones.
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("c")));
    assert_null(get("c", "/private/comment"));
    assert_string_equal(newest(b->account, &m), "/private/comment");
    assert_span(m.before, "level");
    assert_ok(set("c", "/private/comment", "level again"));
    id = bench_mailbox(b, "c/b");
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("c/b")));
    assert_null(get_in(b->account, (struct metadata_where){.mailbox = id}, "/private/comment"));
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("c")));
    assert_int_equal(bytes_of(b->account), 0);
    // INBOX keeps its own.
    assert_ok(set("INBOX", "/private/comment", "in"));
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("INBOX"), SPAN("Old")));
    assert_string_equal(get("INBOX", "/private/comment"), "in");
    assert_string_equal(get("Old", "/private/comment"), "in");
    assert_int_equal(bytes_of(b->account), 2 * (64 + 16 + 2));
}

// What anna keeps on a mailbox of u1 is found as long as that is there, and makes room then.
static void test_of_others(void **state)
{
    struct metadata_where where = {.owner = b->account};
    struct metadata_limits few = {1024, 10, 2 * (64 + 10 + 1)};
    struct metadata_changed m;
    mailbox_id id;

    (void)state;
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("Team"), 0, &id));
    where.mailbox = id;
    assert_ok(set_in(anna, where, "/private/a", "1", &few));
    assert_ok(set("Team", "/private/a", "the owner's"));
    assert_string_equal(get_in(anna, where, "/private/a"), "1");
    newest(anna, &m);
    assert_int_equal(m.where.owner, b->account);
    assert_int_equal(m.where.mailbox, id);
    where.mailbox = bench_mailbox(b, "INBOX");
    assert_ok(set_in(anna, where, "/private/a", "1", &few));
    assert_err(set_in(anna, where, "/private/b", "1", &few), ERR_QUOTA);
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("Team")));
    bench_check(b);
    assert_ok(set_in(anna, where, "/private/b", "1", &few));
    assert_string_equal(get_in(anna, where, "/private/a"), "1");
    where.mailbox = id;
    assert_null(get_in(anna, where, "/private/a"));
    assert_err(set_in(anna, where, "/private/c", "1", &few), ERR_QUOTA);
    // The same with the whole account.
    assert_ok(directory_account_remove(b->store, &tester, b->account));
    where.owner = 77777;
    assert_ok(set_in(anna, where, "/private/c", "1", &few));
    b->account = anna;
    assert_int_equal(bytes_of(anna), 64 + 10 + 1);
}

// ---- damage -------------------------------------------------------------------------------------

struct row {
    struct metadata_where where;
    const char *name;
    struct span value;
    uint64_t wrong; // how much the header says too much
};

static enum err put_row(struct edit *ed, void *arg)
{
    const struct row *r = arg;
    struct change c = {.kind = CHANGE_REPAIRED, .after = SPAN("test")};
    struct key k = key_u64(KEY_METADATA, r->where.owner);

    put_be32(k.p + 9, r->where.mailbox);
    memcpy(k.p + 13, r->name, strlen(r->name));
    k.n = 13 + strlen(r->name);
    ed->header.metadata_bytes += r->wrong;
    enum err e = r->value.n ? edit_put(ed, &k, r->value) : edit_delete(ed, &k);

    return e != ERR_OK ? e : change_put(ed, &c);
}

static void put(struct row r)
{
    assert_ok(store_edit(b->store, b->account, &tester, put_row, &r, NULL));
}

static void hear(void *arg, account_id id, const char *problem, bool is_repaired)
{
    (void)arg;
    (void)id;
    (void)problem;
    (void)is_repaired;
}

static void check(bool repair, uint64_t differences, uint64_t repaired)
{
    struct check_options o = {.repair = repair};
    struct check_totals totals;

    assert_ok(store_check(b->store, &o, hear, NULL, &totals));
    assert_int_equal(totals.differences, differences);
    assert_int_equal(totals.repaired, repaired);
}

static void test_damage(void **state)
{
    static const struct span rows[] = {
        {"\1", 1},                             // nothing
        {"\1\1\20/private/comment", 19},       // no value
        {"\1\1\20/private/comment\5abc", 23},  // cut
        {"\1\1\20/private/comxent\1x", 21},    // another name than the key's
        {"\1\1\11/private*\1x", 14},           // no name
        {"\2\1\20/private/comment\1x", 21},    // another layout
        {"\1\1\20/private/commen\xff\1x", 21}, // no name either
    };
    struct row r = {.where = on("INBOX"), .name = "/private/comment"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct metadata_entry entry;
        struct view *v;

        r.value = rows[i];
        put(r);
        assert_ok(view_open(b->store, b->account, &v));
        assert_int_not_equal(view_metadata(v, r.where, SPAN("/private/comment"), &entry), ERR_OK);
        view_close(v);
        assert_string_equal(names("INBOX", "/private", METADATA_DEPTH_ALL, ""), "");
        check(false, 1, 0);
        check(true, 1, 0);
    }
    assert_ok(set("INBOX", "/private/comment", "anew"));
    bench_check(b);
    assert_ok(set("INBOX", "/private/comment", NULL));
}

static void test_check(void **state)
{
    struct row r = {
        .where = {.mailbox = 999}, .name = "/private/a", .value = SPAN("\1\1\12/private/a\1x")};

    (void)state;
    put(r);
    check(true, 1, 1); // of no mailbox: it goes, and was not counted
    check(true, 0, 0);
    r = (struct row){.where = on("INBOX"), .name = "/private/b", .wrong = 5};
    put(r);
    check(false, 1, 0);
    check(true, 1, 1);
    check(true, 0, 0);
}

// ---- what IMAP goes without ---------------------------------------------------------------------

static const char *without(void)
{
    const struct span *n;
    struct buf out;
    size_t count;

    buf_init(&out, 1 << 16);
    assert_ok(imap_without_get(b->store, b->account, &b->arena, &n, &count));
    for (size_t i = 0; i < count; i++) {
        buf_put(&out, n[i]);
        buf_put_byte(&out, ' ');
    }
    const char *text = arena_str(&b->arena, buf_span(&out));

    buf_finish(&out);
    return text;
}

static void test_without(void **state)
{
    static const struct span rows[] = {{"\1", 1}, {"\1\0", 2}, {"\1\1\0", 3}, {"\1\2\1a", 4}};
    const struct span two[] = {SPAN("IDLE"), SPAN("QRESYNC")}, empty = SPAN("");
    struct span read[IMAP_WITHOUT_MAX];
    size_t n;

    (void)state;
    assert_string_equal(without(), "");
    assert_ok(imap_without_set(b->store, b->account, &tester, two, 2));
    bench_reopen(b);
    assert_string_equal(without(), "IDLE QRESYNC ");
    assert_err(imap_without_set(b->store, b->account, &tester, &empty, 1), ERR_LIMIT);
    assert_err(imap_without_set(b->store, 0, &tester, two, 2), ERR_NOT_FOUND);
    assert_err(imap_without_set(b->store, 77777, &tester, two, 2), ERR_NOT_FOUND);
    assert_ok(imap_without_set(b->store, b->account, &tester, NULL, 0));
    assert_string_equal(without(), "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_err(imap_without_decode(rows[i], read, &n), ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_named_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mailboxes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without, setup, teardown),
    };

    return BENCH_RUN("store-metadata", tests);
}
