// SPDX-License-Identifier: Apache-2.0
//
// Roles (role.h): who may do what over which domains, what becomes of it when accounts, domains and
// roles go, and what the change log says.
#include "store/directory/role.h"
#include "store/store_internal.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;
static account_id helper, other;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    assert_ok(directory_domain_add(b->store, &tester, SPAN("example.net")));
    assert_ok(directory_domain_add(b->store, &tester, SPAN("example.com")));
    assert_ok(directory_account_add(b->store, &tester, SPAN("hilde@example.org"), SPAN(""), false,
                                    &helper));
    assert_ok(directory_account_add(b->store, &tester, SPAN("otto@example.net"), SPAN(""), false,
                                    &other));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static enum err give(account_id id, const char *role, const char *one, const char *two)
{
    struct span domains[] = {span_from_str(one ? one : ""), span_from_str(two ? two : "")};

    return role_grant(b->store, &tester, id, span_from_str(role), domains,
                      (size_t)((one != NULL) + (two != NULL)), NULL);
}

static enum err take(account_id id, const char *role, const char *domain)
{
    struct span domains[] = {span_from_str(domain ? domain : "")};

    return role_revoke(b->store, &tester, id, span_from_str(role), domains, domain != NULL);
}

static struct role_holder holder(account_id id)
{
    struct role_holder h;

    assert_ok(role_holder_get(b->store, id, &b->arena, &h));
    return h;
}

static uint32_t over(account_id id, const char *domain)
{
    struct role_holder h = holder(id);

    return role_rights_over(&h, span_from_str(domain));
}

static uint32_t everywhere(account_id id)
{
    struct role_holder h = holder(id);

    return role_rights_everywhere(&h);
}

static uint32_t rights_of(const char *role)
{
    struct role r;

    assert_ok(role_find(b->store, span_from_str(role), &b->arena, &r));
    return r.rights;
}

// The newest words of an account's log.
static const char *last_words(account_id id)
{
    static char words[600];
    struct change_scan *scan;
    struct change c;
    struct view *v;

    assert_ok(view_open(b->store, id, &v));
    assert_ok(change_scan_open(v, 0, true, &scan));
    assert_ok(change_next(scan, &c));
    snprintf(words, sizeof(words), "%.*s", SPAN_ARG(c.after));
    change_scan_close(scan);
    view_close(v);
    return words;
}

static void test_nobody_has_a_role_at_first(void **state)
{
    (void)state;
    assert_int_equal(holder(helper).count, 0);
    assert_int_equal(everywhere(helper) | over(helper, "example.org"), 0);
    assert_int_equal(holder(99).count, 0);
    assert_err(take(helper, "owner", NULL), ERR_NOT_FOUND);
}

static void test_a_role_over_one_domain(void **state)
{
    (void)state;
    assert_ok(give(helper, "help-desk", "Example.ORG", NULL));
    assert_string_equal(last_words(0),
                        "hilde@example.org: the role help-desk over example.org given");
    assert_string_equal(last_words(helper), "the role help-desk over example.org given");
    assert_int_equal(over(helper, "example.org"), RIGHT_SEE | RIGHT_PASSWORDS);
    assert_int_equal(over(helper, "example.net"), 0);
    assert_int_equal(over(helper, "xexample.org"), 0);
    assert_int_equal(everywhere(helper), 0);
    assert_err(give(helper, "help-desk", "example.org", NULL), ERR_EXISTS);
    assert_ok(give(helper, "help-desk", "example.org", "example.net"));
    assert_int_equal(over(helper, "example.net"), RIGHT_SEE | RIGHT_PASSWORDS);
    assert_int_equal(holder(helper).count, 1);
    assert_ok(give(helper, "auditor", "example.net", NULL));
    assert_int_equal(over(helper, "example.net"), ROLE_RIGHTS_LOOK | RIGHT_PASSWORDS);
    assert_ok(take(helper, "help-desk", "example.net"));
    assert_int_equal(over(helper, "example.net"), ROLE_RIGHTS_LOOK);
    assert_string_equal(last_words(helper), "the role help-desk over example.net taken away");
    assert_err(take(helper, "help-desk", "example.net"), ERR_NOT_FOUND);
    bench_reopen(b);
    assert_int_equal(over(helper, "example.org"), RIGHT_SEE | RIGHT_PASSWORDS);
    // The last domain taken is the role taken, never the role over everything.
    assert_ok(take(helper, "help-desk", "example.org"));
    assert_int_equal(over(helper, "example.org") | everywhere(helper), 0);
    assert_int_equal(holder(helper).count, 1);
    assert_ok(take(helper, "auditor", NULL));
    assert_int_equal(holder(helper).count, 0);
}

static void test_a_role_over_all_domains(void **state)
{
    (void)state;
    assert_ok(give(helper, "owner", "example.org", NULL));
    assert_ok(give(helper, "owner", NULL, NULL));
    assert_int_equal(everywhere(helper), ROLE_RIGHTS_ALL);
    assert_int_equal(over(helper, "not.yet.here"), ROLE_RIGHTS_ALL);
    assert_string_equal(last_words(helper), "the role owner over all domains given");
    assert_err(give(helper, "owner", "example.org", NULL), ERR_EXISTS);
    assert_err(give(helper, "owner", NULL, NULL), ERR_EXISTS);
    assert_err(take(helper, "owner", "example.org"), ERR_INVALID);
    assert_ok(take(helper, "owner", NULL));
    assert_int_equal(holder(helper).count, 0);
}

static void test_what_is_not_there(void **state)
{
    struct span nowhere = SPAN("example.invalid"), here = SPAN("example.org");
    const char *what = "";

    (void)state;
    assert_err(role_grant(b->store, &tester, helper, SPAN("owner"), &nowhere, 1, &what),
               ERR_NOT_FOUND);
    assert_string_equal(what, "domain");
    assert_err(role_grant(b->store, &tester, helper, SPAN("king"), &here, 1, &what), ERR_NOT_FOUND);
    assert_string_equal(what, "role");
    assert_err(role_grant(b->store, &tester, 99, SPAN("owner"), &here, 1, &what), ERR_NOT_FOUND);
    assert_string_equal(what, "account");
    assert_err(role_grant(b->store, &tester, 0, SPAN("owner"), &here, 1, &what), ERR_NOT_FOUND);
    assert_int_equal(holder(helper).count, 0);
}

static void test_sets_of_ones_own(void **state)
{
    struct role r = {.name = SPAN("night-shift"),
                     .words = SPAN("looks after the queue at night"),
                     .rights = RIGHT_SEE | RIGHT_QUEUE};

    (void)state;
    assert_ok(role_add(b->store, &tester, &r));
    assert_string_equal(last_words(0), "role night-shift made: see, queue");
    assert_err(role_add(b->store, &tester, &r), ERR_EXISTS);
    assert_int_equal(rights_of("night-shift"), RIGHT_SEE | RIGHT_QUEUE);
    assert_ok(give(helper, "night-shift", NULL, NULL));
    assert_int_equal(everywhere(helper), RIGHT_SEE | RIGHT_QUEUE);
    assert_err(role_remove(b->store, &tester, SPAN("night-shift")), ERR_DENIED);
    assert_ok(take(helper, "night-shift", NULL));
    assert_ok(role_remove(b->store, &tester, SPAN("night-shift")));
    assert_err(role_remove(b->store, &tester, SPAN("night-shift")), ERR_NOT_FOUND);
    assert_err(give(helper, "night-shift", NULL, NULL), ERR_NOT_FOUND);
    assert_err(role_remove(b->store, &tester, SPAN("owner")), ERR_INVALID);
}

static void test_names_of_sets(void **state)
{
    static const struct {
        const char *name;
        uint32_t rights;
        enum err expected;
    } cases[] = {
        {"owner", RIGHT_SEE, ERR_EXISTS},
        {"auditor", RIGHT_SEE, ERR_EXISTS},
        {"", RIGHT_SEE, ERR_INVALID},
        {"Night", RIGHT_SEE, ERR_INVALID},
        {"a b", RIGHT_SEE, ERR_INVALID},
        {"-x", RIGHT_SEE, ERR_INVALID},
        {"n\xc3\xa4"
         "chtlich",
         RIGHT_SEE, ERR_INVALID},
        {"none", 0, ERR_INVALID},
        {"more", 1u << ROLE_RIGHTS, ERR_INVALID},
        {"0123456789012345678901234567890123456789012345678901234567890123", RIGHT_SEE, ERR_OK},
        {"01234567890123456789012345678901234567890123456789012345678901234", RIGHT_SEE,
         ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct role r = {
            .name = span_from_str(cases[i].name), .words = SPAN("x"), .rights = cases[i].rights};

        assert_err(role_add(b->store, &tester, &r), cases[i].expected);
    }
}

static void test_limits(void **state)
{
    char name[40];

    (void)state;
    for (int i = 0; i < ROLE_SETS_MAX + 1; i++) {
        snprintf(name, sizeof(name), "set-%d", i);
        struct role r = {.name = span_from_str(name), .words = SPAN(""), .rights = RIGHT_SEE};

        assert_err(role_add(b->store, &tester, &r), i < ROLE_SETS_MAX ? ERR_OK : ERR_LIMIT);
    }
    for (int i = 0; i < ROLE_GRANTS_MAX + 1; i++) {
        snprintf(name, sizeof(name), "set-%d", i);
        assert_err(give(helper, name, NULL, NULL), i < ROLE_GRANTS_MAX ? ERR_OK : ERR_LIMIT);
    }
    for (int i = 0; i < ROLE_DOMAINS_MAX + 1; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        assert_ok(directory_domain_add(b->store, &tester, span_from_str(name)));
        assert_err(give(other, "help-desk", name, NULL), i < ROLE_DOMAINS_MAX ? ERR_OK : ERR_LIMIT);
    }
    assert_int_equal(holder(other).grants[0].domain_count, ROLE_DOMAINS_MAX);
}

// R06
static void test_who_goes_loses_it(void **state)
{
    account_id again;

    (void)state;
    assert_ok(give(helper, "owner", NULL, NULL));
    assert_ok(directory_account_rename(b->store, &tester, helper, SPAN("hilda@example.net")));
    assert_int_equal(everywhere(helper), ROLE_RIGHTS_ALL);
    assert_ok(directory_account_remove(b->store, &tester, helper));
    assert_int_equal(holder(helper).count, 0);
    assert_ok(directory_account_add(b->store, &tester, SPAN("hilda@example.net"), SPAN(""), false,
                                    &again));
    assert_int_equal(holder(again).count, 0);
}

// R06
static void test_a_domain_that_comes_again_is_anothers(void **state)
{
    (void)state;
    assert_ok(give(helper, "domain-admin", "example.com", "example.org"));
    assert_ok(give(other, "domain-admin", "example.com", NULL));
    assert_ok(directory_domain_remove(b->store, &tester, SPAN("example.com")));
    assert_int_equal(holder(other).count, 0);
    assert_int_equal(everywhere(other), 0);
    assert_ok(directory_domain_add(b->store, &tester, SPAN("example.com")));
    assert_int_equal(over(helper, "example.com") | over(other, "example.com"), 0);
    assert_int_equal(over(helper, "example.org"), rights_of("domain-admin"));
}

static void test_who_covers_whom(void **state)
{
    struct role_holder owner, desk, nobody, all_desk;

    (void)state;
    assert_ok(give(b->account, "domain-admin", "example.org", NULL));
    assert_ok(give(helper, "help-desk", "example.org", NULL));
    assert_ok(give(other, "help-desk", NULL, NULL));
    owner = holder(b->account);
    desk = holder(helper);
    all_desk = holder(other);
    nobody = holder(99);
    assert_true(role_covers(&owner, &desk));
    assert_false(role_covers(&desk, &owner));
    assert_false(role_covers(&owner, &all_desk));
    assert_true(role_covers(&all_desk, &desk));
    assert_false(role_covers(&desk, &all_desk));
    assert_true(role_covers(&nobody, &nobody));
    assert_true(role_covers(&desk, &nobody));
    assert_false(role_covers(&nobody, &desk));
    assert_true(role_covers(&desk, &desk));
}

// What a newer release or damage may have left gives nothing.
static enum err plant(struct edit *ed, void *arg)
{
    const struct span *value = arg;
    struct key k = key_u64(KEY_ROLES_OF, helper);
    struct change c = {.kind = CHANGE_REPAIRED, .after = SPAN("planted")};
    enum err e = change_put(ed, &c);

    return e == ERR_OK ? edit_put(ed, &k, *value) : e;
}

static enum err unplant(struct edit *ed, void *arg)
{
    struct key k = key_u64(KEY_ROLES_OF, helper);
    struct change c = {.kind = CHANGE_REPAIRED, .after = SPAN("planted")};
    enum err e = change_put(ed, &c);

    (void)arg;
    return e == ERR_OK ? edit_delete(ed, &k) : e;
}

// R06
#define ROW(bytes)                                                                                 \
    {                                                                                              \
        bytes, sizeof(bytes) - 1                                                                   \
    }

static void test_rows_that_are_wrong(void **state)
{
    static const struct {
        struct span value;
        enum err expected;
    } cases[] = {
        {ROW("\1\1\5owner\1\0\0"), ERR_OK},
        {ROW("\1\1\5queen\1\0\0"), ERR_OK}, // no such role: no rights
        {ROW("\1\0"), ERR_CORRUPT},
        {ROW("\1\1\5owner\2\0\0"), ERR_CORRUPT},    // over no domain
        {ROW("\1\1\5owner\0\0\0"), ERR_CORRUPT},    // scope
        {ROW("\1\1\5owner\1\1\1a\0"), ERR_CORRUPT}, // all, and one
        {ROW("\1\1\5owner\2\1\0\0"), ERR_CORRUPT},  // without a name
        {ROW("\1\1\5owner\1\0"), ERR_CORRUPT},
        {ROW("\1\1\5OWNER\1\0\0"), ERR_CORRUPT},
        {ROW("\1\2\5owner\1\0\0"), ERR_CORRUPT},
        {ROW("\2\1\5owner\1\0\0"), ERR_UNSUPPORTED},
    };
    struct role_holder h;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span value = cases[i].value;

        assert_ok(store_edit(b->store, 0, &tester, plant, &value, NULL));
        assert_err(role_holder_get(b->store, helper, &b->arena, &h), cases[i].expected);
        if (i == 1) {
            assert_int_equal(role_rights_everywhere(&h), 0);
        }
    }
    assert_ok(store_edit(b->store, 0, &tester, unplant, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_has_a_role_at_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_role_over_one_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_role_over_all_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets_of_ones_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_of_sets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_goes_loses_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_domain_that_comes_again_is_anothers, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_who_covers_whom, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_are_wrong, setup, teardown),
    };

    return BENCH_RUN("store-role", tests);
}
