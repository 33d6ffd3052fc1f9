// SPDX-License-Identifier: Apache-2.0
//
// Access control lists: letters, entries, groups, what is inherited, who finds what, damage.
#include <stdio.h>

#include "store/route.h"
#include "store/share/group.h"
#include "store/share/share_internal.h"
#include "store/store_internal.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;
static account_id anna, bert, cora; // cora is of another domain

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    assert_ok(directory_domain_add(b->store, &tester, SPAN("example.net")));
    anna = bench_account(b, "anna@example.org");
    bert = bench_account(b, "bert@example.org");
    cora = bench_account(b, "cora@example.net");
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
        {"\1\1\4\1\1\1", 6},       // no such kind
        {"\1\1\3\0\1\1", 6},       // group 0
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

// ---- groups -------------------------------------------------------------------------------------

static enum err alias_of(const char *address, const char *list)
{
    struct span targets[64], all = span_from_str(list);
    size_t n = 0;

    while (all.n) {
        targets[n++] = span_split(&all, ' ');
    }
    return route_alias_set(b->store, &tester, span_from_str(address), targets, n);
}

static void alias(const char *address, const char *list)
{
    assert_ok(alias_of(address, list));
}

static struct acl_who group(const char *address)
{
    struct acl_who who = {0};

    assert_ok(acl_who_find(b->store, &tester, span_from_str(address), &who));
    assert_int_equal(who.kind, ACL_GROUP);
    assert_true(who.id);
    return who;
}

static void share(const char *mailbox, const char *address, const char *letters)
{
    assert_ok(set(mailbox, group(address), false, ACL_SET, letters));
}

static void test_members(void **state)
{
    (void)state;
    alias("team@example.org", "anna@example.org far@away.example cora@example.net");
    share("INBOX", "team@example.org", "lrs");
    assert_string_equal(may("INBOX", anna), "lrs");
    assert_string_equal(may("INBOX", bert), "");
    assert_string_equal(may("INBOX", cora), "lrs"); // wherever they are
    assert_true(finds(anna, "example.org") && finds(cora, "example.net"));
    assert_false(finds(bert, "example.org"));
    // Who comes and who goes.
    alias("team@example.org", "bert@example.org cora@example.net");
    assert_string_equal(may("INBOX", anna), "");
    assert_string_equal(may("INBOX", bert), "lrs");
    assert_true(finds(bert, "example.org"));
    assert_false(finds(anna, "example.org"));
    // What is taken from a group is taken from its members, whatever gives it.
    assert_ok(set("INBOX", one(bert), false, ACL_SET, "lrw"));
    assert_ok(set("INBOX", group("team@example.org"), true, ACL_SET, "ws"));
    assert_string_equal(may("INBOX", bert), "lr");
    assert_string_equal(may("INBOX", cora), "lr");
    assert_ok(set("INBOX", group("team@example.org"), false, ACL_SET, ""));
    assert_string_equal(may("INBOX", cora), "");
    // Asked of one after the other at one moment.
    share("Sent", "team@example.org", "lr");
    struct view *v;

    assert_ok(view_open(b->store, b->account, &v));
    assert_true(view_acl_rights(v, bench_mailbox(b, "Sent"), bert, true) != 0);
    assert_int_equal(view_acl_rights(v, bench_mailbox(b, "Sent"), anna, true), 0);
    assert_true(view_acl_rights(v, bench_mailbox(b, "Sent"), bert, true) != 0);
    view_close(v);
    // The owner finds nothing by it.
    alias("team@example.org", "u1@example.org");
    assert_false(finds(b->account, "example.org"));
}

static void test_groups_of_groups(void **state)
{
    char name[40], to[40];

    (void)state;
    alias("a@example.org", "b@example.org c@example.org");
    alias("b@example.org", "a@example.org anna@example.org"); // a circle
    alias("c@example.org", "b@example.org c@example.org cora@example.net");
    share("INBOX", "a@example.org", "lr");
    assert_string_equal(may("INBOX", anna), "lr");
    assert_string_equal(may("INBOX", cora), "lr");
    assert_string_equal(may("INBOX", bert), "");
    alias("b@example.org", "a@example.org");
    assert_string_equal(may("INBOX", anna), "");
    // Ways for mail that make nobody a member.
    alias("@example.org", "bert@example.org");
    alias("c@example.org", "nobody@example.org anna+x@example.org");
    assert_string_equal(may("INBOX", bert), "");
    assert_string_equal(may("INBOX", anna), "");
    assert_string_equal(may("INBOX", cora), "");
    // As deep as mail goes, and no deeper.
    alias("n0@example.org", "bert@example.org");
    for (int i = 1; i <= GROUP_DEPTH_MAX; i++) {
        snprintf(name, sizeof(name), "n%d@example.org", i);
        snprintf(to, sizeof(to), "n%d@example.org", i - 1);
        alias(name, to);
    }
    snprintf(to, sizeof(to), "n%d@example.org", GROUP_DEPTH_MAX - 1);
    share("Sent", to, "lr");
    share("Trash", name, "lr");
    assert_string_equal(may("Sent", bert), "lr");
    assert_string_equal(may("Trash", bert), "");
    // Where nobody can tell who is a member, what is taken is taken.
    assert_ok(set("Junk", one(bert), false, ACL_SET, "lrw"));
    assert_ok(set("Junk", group(name), true, ACL_SET, "w"));
    assert_string_equal(may("Junk", bert), "lr");
    assert_ok(set("Junk", one(anna), false, ACL_SET, "lrw"));
    assert_string_equal(may("Junk", anna), "lrw");
}

static void test_very_many_groups(void **state)
{
    char name[40];

    (void)state;
    for (int i = 0; i < GROUP_ALIASES_MAX + 1; i++) {
        snprintf(name, sizeof(name), "g%04d@example.org", i);
        alias(name, "anna@example.org");
    }
    // Which of them are looked at nobody can say: the last one takes, all the same.
    assert_ok(set("INBOX", one(anna), false, ACL_SET, "lrw"));
    for (int i = 0; i < GROUP_ALIASES_MAX + 1; i += 100) {
        snprintf(name, sizeof(name), "g%04d@example.org", i);
        assert_ok(set("INBOX", group(name), true, ACL_SET, "w"));
        assert_string_equal(may("INBOX", anna), "lr");
        assert_ok(set("INBOX", group(name), true, ACL_SET, ""));
        assert_string_equal(may("INBOX", anna), "lrw");
    }
    // More than one commit's worth of aliases.
    for (int i = 0; i < 250; i++) {
        snprintf(name, sizeof(name), "h%03d@example.org", i);
        alias(name, "anna@example.org bert@example.org");
    }
    assert_ok(directory_account_remove(b->store, &tester, anna));
    anna = bench_account(b, "anna@example.org");
    share("Sent", "g0000@example.org", "lr");
    assert_string_equal(may("Sent", anna), "lr"); // still its only address, and so said anew
    for (int i = 0; i < 250; i++) {
        struct span *targets;
        size_t n;

        snprintf(name, sizeof(name), "h%03d@example.org", i);
        assert_ok(route_alias_get(b->store, span_from_str(name), &b->arena, &targets, &n));
        assert_true(n == 1 && span_eq(targets[0], SPAN("bert@example.org")));
    }
}

static void test_other_names_of_domains(void **state)
{
    (void)state;
    alias("team@example.org", "anna@other.example");
    share("INBOX", "team@example.org", "lr");
    assert_string_equal(may("INBOX", anna), "");
    assert_ok(
        route_domain_alias_set(b->store, &tester, SPAN("other.example"), SPAN("example.org")));
    assert_string_equal(may("INBOX", anna), "lr");
    assert_true(finds(anna, "example.org"));
    assert_ok(
        route_domain_alias_set(b->store, &tester, SPAN("other.example"), SPAN("example.net")));
    assert_string_equal(may("INBOX", anna), "");
    assert_ok(route_domain_alias_set(b->store, &tester, SPAN("other.example"), SPAN("")));
}

// Nobody inherits: a group of the same name, a person of the same address.
static void test_nobody_inherits(void **state)
{
    (void)state;
    alias("team@example.org", "anna@example.org bert@example.org");
    struct acl_who was = group("team@example.org"), is;

    share("INBOX", "team@example.org", "lr");
    alias("team@example.org", "");
    assert_string_equal(may("INBOX", anna), "");
    assert_false(finds(anna, "example.org"));
    assert_err(acl_who_find(b->store, &tester, SPAN("team@example.org"), &is), ERR_NOT_FOUND);
    assert_err(acl_who_name(b->store, &was, &b->arena, &(struct span){0}), ERR_NOT_FOUND);
    alias("team@example.org", "anna@example.org bert@example.org");
    assert_ok(acl_who_find(b->store, NULL, SPAN("team@example.org"), &is));
    assert_true(is.kind == ACL_GROUP && !is.id);
    is = group("team@example.org");
    assert_true(is.id != was.id);
    assert_string_equal(may("INBOX", anna), "");
    // An account of that name is none of it either.
    alias("team@example.org", "");
    account_id team = bench_account(b, "team@example.org");

    assert_string_equal(may("INBOX", team), "");
    // Who is removed leaves: the next one of that address is somebody else.
    alias("crew@example.org", "anna@example.org bert@example.org");
    alias("alone@example.org", "anna@example.org");
    share("Sent", "crew@example.org", "lr");
    share("Junk", "alone@example.org", "lr");
    assert_string_equal(may("Junk", anna), "lr");
    assert_ok(directory_account_remove(b->store, &tester, anna));
    anna = bench_account(b, "anna@example.org");
    assert_string_equal(may("Sent", anna), "");
    assert_string_equal(may("Junk", anna), "");
    assert_string_equal(may("Sent", bert), "lr");
    struct span *targets;
    size_t n;

    assert_ok(route_alias_get(b->store, SPAN("crew@example.org"), &b->arena, &targets, &n));
    assert_true(n == 1 && span_eq(targets[0], SPAN("bert@example.org")));
    assert_ok(route_alias_get(b->store, SPAN("alone@example.org"), &b->arena, &targets, &n));
    assert_int_equal(n, 1);
}

static void test_renamed_members(void **state)
{
    struct span *targets;
    size_t n;

    (void)state;
    assert_ok(
        route_domain_alias_set(b->store, &tester, SPAN("other.example"), SPAN("example.org")));
    alias("team@example.org", "anna@other.example bert@example.org anna@example.org");
    share("INBOX", "team@example.org", "lr");
    assert_err(directory_account_rename(b->store, &tester, anna, SPAN("team@example.org")),
               ERR_EXISTS);
    assert_ok(directory_account_rename(b->store, &tester, anna, SPAN("ann@example.net")));
    assert_string_equal(may("INBOX", anna), "lr");
    assert_ok(route_alias_get(b->store, SPAN("team@example.org"), &b->arena, &targets, &n));
    assert_int_equal(n, 2);
    assert_span(targets[0], "ann@example.net");
    account_id next = bench_account(b, "anna@example.org");

    assert_string_equal(may("INBOX", next), "");
    assert_ok(route_domain_alias_set(b->store, &tester, SPAN("other.example"), SPAN("")));
}

// A store of before there were groups.
static enum err forget_members(struct edit *ed, void *arg)
{
    struct key all = key_plain(KEY_MEMBER);
    struct change c = {.kind = CHANGE_ACL, .after = SPAN("test")};
    struct scan *scan;
    struct span key, value;
    struct key end = key_after(&all);

    assert_ok(scan_open(ed->view.snapshot, 0, key_span(&all), key_span(&end), false, &scan));
    while (scan_next(scan, &key, &value) == ERR_OK) {
        if (arg || key.n > 1) {
            assert_ok(batch_delete(ed->batch, key));
        }
    }
    scan_close(scan);
    return change_put(ed, &c);
}

static void test_older_store(void **state)
{
    char list[64 * 20] = "", name[20];
    static bool all = true;

    (void)state;
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "%sp%d@a.example", i ? " " : "", i);
        strcat(list, name);
    }
    for (int i = 0; i < 200; i++) { // more than one commit writes
        snprintf(name, sizeof(name), "z%03d@example.org", i);
        alias(name, list);
    }
    alias("team@example.org", "anna@example.org");
    alias("@example.org", "bert@example.org");
    share("INBOX", "team@example.org", "lr");
    assert_ok(store_edit(b->store, 0, &tester, forget_members, &all, NULL));
    assert_string_equal(may("INBOX", anna), "");
    // Nobody knows who is in it yet: what it takes is taken.
    assert_ok(set("Sent", one(bert), false, ACL_SET, "lrw"));
    assert_ok(set("Sent", group("team@example.org"), true, ACL_SET, "w"));
    assert_string_equal(may("Sent", bert), "lr");
    bench_reopen(b);
    assert_string_equal(may("INBOX", anna), "lr");
    assert_string_equal(may("Sent", bert), "lrw");
    bench_check(b);
}

// ---- damage to groups ---------------------------------------------------------------------------

static enum err put_any(struct edit *ed, void *arg)
{
    const struct span *row = arg;
    struct change c = {.kind = CHANGE_ACL, .after = SPAN("test")};
    enum err e = row[1].n ? batch_put(ed->batch, row[0], row[1]) : batch_delete(ed->batch, row[0]);

    return e != ERR_OK ? e : change_put(ed, &c);
}

static void put_in_directory(struct span key, struct span value)
{
    struct span row[] = {key, value};

    assert_ok(store_edit(b->store, 0, &tester, put_any, row, NULL));
}

static void test_groups_checked(void **state)
{
    (void)state;
    alias("team@example.org", "anna@example.org bert@example.org");
    share("INBOX", "team@example.org", "lr");
    uint64_t id = group("team@example.org").id;
    struct key member = group_member_key(SPAN("anna@example.org"), SPAN("team@example.org")),
               wrong = group_member_key(SPAN("cora@example.net"), SPAN("team@example.org")),
               number = key_text(KEY_GROUP, SPAN("team@example.org")),
               back = key_u64(KEY_GROUP_ID, id), other = key_u64(KEY_GROUP_ID, id - 1);
    char room[STR_BYTES_MAX];

    assert_int_equal(repaired(), 0);
    put_in_directory(key_span(&member), SPAN(""));
    assert_string_equal(may("INBOX", anna), "");
    assert_int_equal(repaired(), 1);
    assert_string_equal(may("INBOX", anna), "lr");
    // Somebody let in by a row alone.
    put_in_directory(key_span(&wrong), str_encode(SPAN("cora@example.net"), room));
    assert_string_equal(may("INBOX", cora), "lr");
    assert_int_equal(repaired(), 1);
    assert_string_equal(may("INBOX", cora), "");
    // Another address with the same hash is none.
    put_in_directory(key_span(&wrong), str_encode(SPAN("other@example.net"), room));
    assert_string_equal(may("INBOX", cora), "");
    assert_int_equal(repaired(), 1);
    // A row that cannot be read: nobody knows of any group, and so nothing is given.
    put_in_directory(key_span(&member), SPAN("\7"));
    assert_ok(set("INBOX", one(anna), false, ACL_SET, "lrw"));
    assert_ok(set("INBOX", group("team@example.org"), true, ACL_SET, "w"));
    assert_string_equal(may("INBOX", anna), "lr");
    assert_int_equal(repaired(), 1);
    put_in_directory(key_span(&other), str_encode(SPAN("team@example.org"), room));
    assert_int_equal(repaired(), 1);
    put_in_directory(key_span(&back), SPAN(""));
    assert_int_equal(repaired(), 1);
    assert_string_equal(may("INBOX", bert), "");
    put_in_directory(key_span(&number), SPAN("\1\0\0\0\0\0\0\0\0"));
    assert_string_equal(may("INBOX", bert), "");
    assert_int_equal(repaired(), 1);
    assert_int_equal(repaired(), 0);
}

static void wake(void *arg, account_id id, modseq version)
{
    (void)id;
    (void)version;
    __atomic_fetch_add((unsigned *)arg, 1, __ATOMIC_SEQ_CST);
}

// Who waits is woken by each change of members, by whatever way.
static void test_watched(void **state)
{
    struct store_watch *w;
    unsigned n = 0;

    (void)state;
    assert_ok(acl_owners_watch(b->store, wake, &n, &w));
    alias("team@example.org", "anna@example.org bert@example.org");
    assert_int_equal(n, 1);
    assert_ok(directory_account_rename(b->store, &tester, anna, SPAN("ann@example.org")));
    assert_true(n >= 2);
    n = 0;
    assert_ok(route_domain_alias_set(b->store, &tester, SPAN("x.example"), SPAN("example.org")));
    assert_int_equal(n, 1);
    assert_ok(route_domain_alias_set(b->store, &tester, SPAN("x.example"), SPAN("")));
    assert_int_equal(n, 2);
    assert_ok(directory_account_remove(b->store, &tester, anna));
    assert_true(n >= 3);
    n = 0;
    alias("team@example.org", "");
    assert_int_equal(n, 1);
    store_watch_remove(w);
}

static void test_mark(void **state)
{
    uint64_t first, then;

    (void)state;
    assert_ok(groups_mark(b->store, anna, &first));
    alias("team@example.org", "anna@example.org");
    assert_ok(groups_mark(b->store, anna, &then));
    assert_true(first == then); // an alias that no list names
    share("INBOX", "team@example.org", "l");
    assert_ok(groups_mark(b->store, anna, &then));
    assert_true(first != then);
    alias("team@example.org", "bert@example.org");
    assert_ok(groups_mark(b->store, anna, &then));
    assert_true(first == then);
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
        cmocka_unit_test_setup_teardown(test_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups_of_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_very_many_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_names_of_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_inherits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renamed_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_store, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mark, setup, teardown),
    };

    return BENCH_RUN("store-acl", tests);
}
