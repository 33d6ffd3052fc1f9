// SPDX-License-Identifier: Apache-2.0
//
// Access control lists: letters, entries, what is inherited, who finds what, damage.
#include "store/share/acl.h"
#include "store/store_internal.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;
static account_id anna, bert, cora; // cora is of another domain

static account_id account(const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN(""), true, &id));
    return id;
}

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    assert_ok(directory_domain_add(b->store, &tester, SPAN("example.net")));
    anna = account("anna@example.org");
    bert = account("bert@example.org");
    cora = account("cora@example.net");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static uint32_t rights(const char *letters)
{
    uint32_t r;

    assert_ok(acl_rights_parse(span_from_str(letters), &r));
    return r;
}

static enum err set(const char *mailbox, struct acl_who who, bool negative, enum acl_how how,
                    const char *letters)
{
    struct acl_change c = {.mailbox = bench_mailbox(b, mailbox),
                           .who = who,
                           .name = SPAN("somebody"),
                           .is_negative = negative,
                           .how = how,
                           .rights = rights(letters)};

    return acl_set(b->store, b->account, &tester, &c);
}

static struct acl_who one(account_id id)
{
    return (struct acl_who){ACL_ACCOUNT, id};
}

static const struct acl_who anyone = {.kind = ACL_ANYONE};

static const char *may(const char *mailbox, account_id reader)
{
    static char room[ACL_RIGHTS_BYTES_MAX + 1];
    mailbox_id id = bench_mailbox(b, mailbox);
    struct view *v;

    assert_ok(view_open(b->store, b->account, &v));
    struct span s = acl_rights_format(view_acl_rights(v, id, reader, reader != cora), room);

    view_close(v);
    room[s.n] = '\0';
    return room;
}

static bool finds(account_id reader, const char *domain)
{
    account_id *owners;
    size_t n;

    assert_ok(acl_owners(b->store, reader, span_from_str(domain), &b->arena, &owners, &n));
    assert_true(n <= 1);
    assert_true(n == 0 || owners[0] == b->account);
    return n == 1;
}

static void test_letters(void **state)
{
    char room[ACL_RIGHTS_BYTES_MAX];
    uint32_t r;

    (void)state;
    assert_span(acl_rights_format(rights("lrs"), room), "lrs");
    assert_span(acl_rights_format(rights("aetxkpiwsrl"), room), "lrswipkxteacd");
    assert_span(acl_rights_format(rights("c"), room), "kxc");
    assert_span(acl_rights_format(rights("d"), room), "ted");
    assert_span(acl_rights_format(rights("t"), room), "td");
    assert_span(acl_rights_format(rights(""), room), "");
    assert_err(acl_rights_parse(SPAN("lrz"), &r), ERR_INVALID);
    assert_err(acl_rights_parse(SPAN("L"), &r), ERR_INVALID);
    assert_err(acl_rights_parse(SPAN("l r"), &r), ERR_INVALID);
}

static void test_entries(void **state)
{
    (void)state;
    assert_string_equal(may("INBOX", anna), "");
    assert_ok(set("INBOX", one(anna), false, ACL_SET, "lrs"));
    assert_string_equal(may("INBOX", anna), "lrs");
    assert_string_equal(may("INBOX", bert), "");
    assert_ok(set("INBOX", one(anna), false, ACL_ADD, "wi"));
    assert_string_equal(may("INBOX", anna), "lrswi");
    assert_ok(set("INBOX", one(anna), false, ACL_REMOVE, "sx"));
    assert_string_equal(may("INBOX", anna), "lrwi");
    // What is given to all, less what is taken from one.
    assert_ok(set("INBOX", anyone, false, ACL_SET, "lrp"));
    assert_ok(set("INBOX", one(bert), true, ACL_SET, "r"));
    assert_string_equal(may("INBOX", anna), "lrwip");
    assert_string_equal(may("INBOX", bert), "lp");
    assert_string_equal(may("INBOX", cora), "");
    assert_ok(set("INBOX", one(bert), true, ACL_SET, ""));
    assert_string_equal(may("INBOX", bert), "lrp");
    assert_ok(set("INBOX", one(anna), false, ACL_SET, ""));
    assert_string_equal(may("INBOX", anna), "lrp");
    assert_err(set("INBOX", one(b->account), false, ACL_SET, "l"), ERR_INVALID);
    assert_err(set("nowhere", one(anna), false, ACL_SET, "l"), ERR_NOT_FOUND);
}

static void test_who_finds(void **state)
{
    mailbox_id id;

    (void)state;
    assert_false(finds(anna, "example.org"));
    assert_ok(set("INBOX", one(anna), false, ACL_SET, "lr"));
    assert_ok(set("Sent", one(anna), false, ACL_SET, "lr"));
    assert_true(finds(anna, "example.org"));
    assert_false(finds(bert, "example.org"));
    assert_ok(set("INBOX", one(anna), false, ACL_SET, ""));
    assert_true(finds(anna, "example.org"));
    assert_ok(set("Sent", one(anna), false, ACL_SET, ""));
    assert_false(finds(anna, "example.org"));
    // Anyone, and the owner does not find themselves.
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("Team"), 0, &id));
    assert_ok(set("Team", anyone, false, ACL_SET, "lr"));
    assert_true(finds(bert, "example.org"));
    assert_false(finds(cora, "example.net"));
    assert_false(finds(b->account, "example.org"));
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("Team")));
    assert_false(finds(bert, "example.org"));
}

static void test_other_domain(void **state)
{
    (void)state;
    assert_ok(set("INBOX", anyone, false, ACL_SET, "lr"));
    assert_ok(directory_account_rename(b->store, &tester, b->account, SPAN("u1@example.net")));
    assert_true(finds(cora, "example.net"));
}

static void test_inherited(void **state)
{
    mailbox_id id;

    (void)state;
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("a"), 0, &id));
    assert_ok(set("a", one(anna), false, ACL_SET, "lrk"));
    // Levels that are made on the way have it too.
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("a/b/c"), 0, &id));
    assert_string_equal(may("a/b", anna), "lrkc");
    assert_string_equal(may("a/b/c", anna), "lrkc");
    // From then on each has its own.
    assert_ok(set("a", one(anna), false, ACL_SET, ""));
    assert_string_equal(may("a/b/c", anna), "lrkc");
    assert_true(finds(anna, "example.org"));
    // It goes with a mailbox that is renamed, and is gone with one that is deleted.
    assert_ok(mailbox_rename(b->store, b->account, &tester, SPAN("a/b"), SPAN("d")));
    assert_string_equal(may("d/c", anna), "lrkc");
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("d")));
    assert_ok(mailbox_delete(b->store, b->account, &tester, SPAN("d/c")));
    assert_false(finds(anna, "example.org"));
    assert_ok(mailbox_create(b->store, b->account, &tester, SPAN("d/c"), 0, &id));
    assert_string_equal(may("d/c", anna), "");
}

static void test_kept(void **state)
{
    (void)state;
    assert_ok(set("INBOX", one(anna), false, ACL_SET, "lr"));
    assert_ok(set("INBOX", one(anna), true, ACL_SET, "s"));
    bench_reopen(b);
    assert_true(finds(anna, "example.org"));
    assert_string_equal(may("INBOX", anna), "lr");
    assert_ok(set("INBOX", one(anna), false, ACL_ADD, "s"));
    assert_string_equal(may("INBOX", anna), "lr");
}

static void test_limit(void **state)
{
    (void)state;
    for (account_id id = 1000; id < 1000 + ACL_ENTRIES_MAX; id++) {
        assert_ok(set("INBOX", one(id), false, ACL_SET, "l"));
    }
    assert_err(set("INBOX", one(5000), false, ACL_SET, "l"), ERR_LIMIT);
    assert_ok(set("INBOX", one(1000), false, ACL_SET, "lr"));
}

// A row as it is, and nobody told of it.
static enum err put_row(struct edit *ed, void *arg)
{
    struct key k = key_u32(KEY_ACL, bench_mailbox(b, "Sent"));
    struct change c = {.kind = CHANGE_ACL, .after = SPAN("test")};
    const struct span *row = arg;
    enum err e = row->n ? edit_put(ed, &k, *row) : edit_delete(ed, &k);

    return e != ERR_OK ? e : change_put(ed, &c);
}

static void put(struct span row)
{
    assert_ok(store_edit(b->store, b->account, &tester, put_row, &row, NULL));
}

static void hear(void *arg, account_id id, const char *problem, bool is_repaired)
{
    (void)arg;
    (void)id;
    (void)problem;
    (void)is_repaired;
}

static uint64_t repaired(void)
{
    struct check_options o = {.repair = true};
    struct check_totals totals;

    assert_ok(store_check(b->store, &o, hear, NULL, &totals));
    assert_int_equal(totals.repaired, totals.differences);
    return totals.repaired;
}

static void test_damage(void **state)
{
    static const struct span rows[] = {
        {"\1", 1},                 // no count
        {"\1\0", 2},               // empty
        {"\1\1\3\1\1\1", 6},       // no such kind
        {"\1\1\2\1", 4},           // cut
        {"\1\1\2\0\0", 5},         // neither given nor taken
        {"\1\1\1\0\1\1", 6},       // account 0
        {"\1\1\2\xff\xff\1\0", 7}, // rights that there are not
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct acl acl;

        assert_err(acl_decode(rows[i], &b->arena, &acl), ERR_CORRUPT);
        put(rows[i]);
        assert_string_equal(may("Sent", anna), "");
        assert_err(set("Sent", one(anna), false, ACL_SET, "l"), ERR_CORRUPT);
    }
    put(SPAN(""));
}

static void test_check(void **state)
{
    static const char row[] = {1, 1, 1, 0, 1, 0}; // anna's: l

    (void)state;
    assert_true(anna < 128);
    char with[sizeof(row)];

    memcpy(with, row, sizeof(row));
    with[3] = (char)anna;
    put(span_of(with, sizeof(with)));
    assert_string_equal(may("Sent", anna), "l");
    assert_false(finds(anna, "example.org"));
    assert_int_equal(repaired(), 1);
    assert_true(finds(anna, "example.org"));
    assert_int_equal(repaired(), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_letters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_finds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inherited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check, setup, teardown),
    };

    return BENCH_RUN("store-acl", tests);
}
