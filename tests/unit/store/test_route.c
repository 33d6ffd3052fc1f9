// SPDX-License-Identifier: Apache-2.0
//
// Where mail goes (route.h), and what owners want done with it (rules.h).
#include "base/clock.h"
#include "store/route.h"
#include "store/rules.h"
#include "store/secret.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static struct route lookup(const char *address)
{
    struct route r;

    assert_ok(route_lookup(b->store, span_from_str(address), SPAN("+"), &b->arena, &r));
    return r;
}

static enum err alias(const char *address, const char *target)
{
    struct span t = span_from_str(target);

    return route_alias_set(b->store, &tester, span_from_str(address), &t, target[0] ? 1 : 0);
}

static void test_lookup(void **state)
{
    static const struct {
        const char *address;
        enum route_kind kind;
        const char *found, *detail;
    } rows[] = {
        {"u1@example.org", ROUTE_ACCOUNT, "u1@example.org", ""},
        {"U1@EXAMPLE.Org", ROUTE_ACCOUNT, "u1@example.org", ""},
        {"u1+bills@example.org", ROUTE_ACCOUNT, "u1@example.org", "bills"},
        {"u1+a+b@example.org", ROUTE_ACCOUNT, "u1@example.org", "a+b"},
        {"+u1@example.org", ROUTE_UNKNOWN, "", ""},
        {"sales@example.org", ROUTE_ALIAS, "sales@example.org", ""},
        {"sales+x@example.org", ROUTE_ALIAS, "sales@example.org", "x"},
        {"plus+name@example.org", ROUTE_ALIAS, "plus+name@example.org", ""}, // exact comes first
        {"u1@example.com", ROUTE_ACCOUNT, "u1@example.org", ""},             // another name
        {"nobody@example.org", ROUTE_UNKNOWN, "", ""},
        {"nobody@catch.example", ROUTE_ALIAS, "@catch.example", ""},
        {"a b@catch.example", ROUTE_ALIAS, "@catch.example", ""},
        {"u1@elsewhere.example", ROUTE_REMOTE, "", ""},
        {"\"a@b\"@example.org", ROUTE_UNKNOWN, "", ""},
    };

    (void)state;
    assert_ok(directory_domain_add(b->store, &tester, SPAN("catch.example")));
    assert_ok(alias("sales@example.org", "u1@example.org"));
    assert_ok(alias("plus+name@example.org", "u1@example.org"));
    assert_ok(alias("@Catch.example", "u1@example.org"));
    assert_ok(route_domain_alias_set(b->store, &tester, SPAN("example.com"), SPAN("Example.org")));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route r = lookup(rows[i].address);

        print_message("%s\n", rows[i].address);
        assert_int_equal(r.kind, rows[i].kind);
        assert_span(r.address, rows[i].found);
        assert_span(r.detail, rows[i].detail);
        if (r.kind == ROUTE_ALIAS) {
            assert_int_equal(r.target_count, 1);
            assert_span(r.targets[0], "u1@example.org");
        }
    }
    assert_true(lookup("nobody@catch.example").is_catch_all);
    struct route r;

    assert_err(route_lookup(b->store, SPAN("nobody"), SPAN("+"), &b->arena, &r), ERR_INVALID);
    assert_ok(route_lookup(b->store, SPAN("u1+x@example.org"), SPAN(""), &b->arena, &r));
    assert_int_equal(r.kind, ROUTE_UNKNOWN); // no details without a separator
}

static void test_names_are_unique(void **state)
{
    account_id id;

    (void)state;
    assert_ok(alias("sales@example.org", "u1@example.org"));
    assert_err(
        directory_account_add(b->store, &tester, SPAN("sales@example.org"), SPAN("$"), false, &id),
        ERR_EXISTS);
    assert_err(alias("u1@example.org", "x@example.org"), ERR_EXISTS);
    assert_err(alias("x@elsewhere.example", "u1@example.org"), ERR_NOT_FOUND);
    assert_err(alias("nobody@example.org", ""), ERR_NOT_FOUND);
    assert_err(alias("no address", "u1@example.org"), ERR_INVALID);
    assert_err(alias("x@example.org", "no address"), ERR_INVALID);
    assert_err(route_domain_alias_set(b->store, &tester, SPAN("example.org"), SPAN("example.org")),
               ERR_EXISTS);
    assert_err(route_domain_alias_set(b->store, &tester, SPAN("a.example"), SPAN("b.example")),
               ERR_NOT_FOUND);
    assert_err(route_domain_alias_set(b->store, &tester, SPAN("a.example"), SPAN("")),
               ERR_NOT_FOUND);
    assert_ok(route_domain_alias_set(b->store, &tester, SPAN("a.example"), SPAN("example.org")));
    assert_err(directory_domain_add(b->store, &tester, SPAN("a.example")), ERR_EXISTS);
    assert_ok(directory_domain_add(b->store, &tester, SPAN("other.example")));
    assert_ok(alias("x@other.example", "u1@example.org"));
    assert_err(directory_domain_remove(b->store, &tester, SPAN("other.example")), ERR_DENIED);
    assert_ok(alias("x@other.example", ""));
    assert_ok(directory_domain_remove(b->store, &tester, SPAN("other.example")));
    assert_ok(route_domain_alias_set(b->store, &tester, SPAN("a.example"), SPAN("")));
    assert_int_equal(lookup("u1@a.example").kind, ROUTE_REMOTE);
}

static void test_state_and_quota(void **state)
{
    (void)state;
    assert_int_equal(lookup("u1@example.org").bytes_left, UINT64_MAX);
    assert_ok(quota_set(b->store, b->account, &tester, 1000, 2));
    assert_int_equal(lookup("u1@example.org").bytes_left, 1000);
    bench_append(b, "INBOX", "Subject: x\r\n\r\nx\r\n", 0);
    assert_int_equal(lookup("u1@example.org").messages_left, 1);
    assert_int_equal(lookup("u1@example.org").bytes_left, 1000 - 17);
    assert_ok(directory_account_set_state(b->store, &tester, b->account, ACCOUNT_SUSPENDED));
    assert_int_equal(lookup("u1@example.org").kind, ROUTE_SUSPENDED);
    assert_ok(directory_account_suspend(b->store, &tester, b->account,
                                        &(struct account_suspension){.takes_mail = true}));
    assert_int_equal(lookup("u1@example.org").kind, ROUTE_ACCOUNT);
    assert_ok(directory_account_suspend(b->store, &tester, b->account,
                                        &(struct account_suspension){.remove_at = 1}));
    assert_int_equal(lookup("u1@example.org").kind, ROUTE_SUSPENDED);
}

static size_t listed;

static bool count_alias(void *arg, struct span address, const struct span *targets, size_t count)
{
    (void)arg;
    (void)address;
    (void)targets;
    listed += count;
    return true;
}

static void test_large_groups(void **state)
{
    struct span *targets = calloc(ALIAS_TARGETS_MAX + 1, sizeof(*targets)), *got;
    char(*texts)[32] = calloc(ALIAS_TARGETS_MAX + 1, sizeof(*texts));
    size_t n;

    (void)state;
    for (size_t i = 0; i <= ALIAS_TARGETS_MAX; i++) {
        snprintf(texts[i], sizeof(texts[i]), "member%zu@example.net", i);
        targets[i] = span_from_str(texts[i]);
    }
    assert_err(
        route_alias_set(b->store, &tester, SPAN("all@example.org"), targets, ALIAS_TARGETS_MAX + 1),
        ERR_LIMIT);
    assert_ok(
        route_alias_set(b->store, &tester, SPAN("all@example.org"), targets, ALIAS_TARGETS_MAX));
    bench_reopen(b);
    assert_ok(route_alias_get(b->store, SPAN("ALL@example.org"), &b->arena, &got, &n));
    assert_int_equal(n, ALIAS_TARGETS_MAX);
    assert_span(got[1999], "member1999@example.net");
    listed = 0;
    assert_ok(route_alias_list(b->store, SPAN("example.org"), count_alias, NULL));
    assert_int_equal(listed, ALIAS_TARGETS_MAX);
    free(targets);
    free(texts);
}

// ---- rules --------------------------------------------------------------------------------------

static enum err put(const char *name, const char *text)
{
    return script_put(b->store, b->account, &tester, span_from_str(name), span_from_str(text));
}

static void test_scripts(void **state)
{
    struct script s;

    (void)state;
    assert_err(script_get(b->store, b->account, SPAN(""), &b->arena, &s), ERR_NOT_FOUND);
    assert_ok(put("main", "keep;"));
    assert_ok(put("h\xc3\xa9", "discard;"));
    assert_err(put("", "keep;"), ERR_INVALID);
    assert_err(put("a\nb", "keep;"), ERR_INVALID);
    assert_err(put("\xff", "keep;"), ERR_INVALID);
    assert_ok(script_activate(b->store, b->account, &tester, SPAN("main")));
    bench_reopen(b);
    assert_ok(script_get(b->store, b->account, SPAN(""), &b->arena, &s));
    assert_span(s.name, "main");
    assert_span(s.text, "keep;");
    assert_true(s.is_active);
    assert_ok(script_rename(b->store, b->account, &tester, SPAN("main"), SPAN("other")));
    assert_ok(script_get(b->store, b->account, SPAN(""), &b->arena, &s));
    assert_span(s.name, "other");
    assert_err(script_rename(b->store, b->account, &tester, SPAN("other"), SPAN("h\xc3\xa9")),
               ERR_EXISTS);
    assert_err(script_rename(b->store, b->account, &tester, SPAN("none"), SPAN("x")),
               ERR_NOT_FOUND);
    assert_err(script_remove(b->store, b->account, &tester, SPAN("other")), ERR_DENIED);
    assert_ok(script_activate(b->store, b->account, &tester, SPAN("")));
    assert_err(script_get(b->store, b->account, SPAN(""), &b->arena, &s), ERR_NOT_FOUND);
    assert_ok(script_remove(b->store, b->account, &tester, SPAN("other")));
    assert_err(script_remove(b->store, b->account, &tester, SPAN("other")), ERR_NOT_FOUND);
    assert_err(script_activate(b->store, b->account, &tester, SPAN("other")), ERR_NOT_FOUND);
}

static void test_script_limits(void **state)
{
    char *big = calloc(1, SCRIPT_BYTES_MAX + 1), name[16];
    struct script s;

    (void)state;
    memset(big, '#', SCRIPT_BYTES_MAX + 1);
    assert_err(
        script_put(b->store, b->account, &tester, SPAN("big"), span_of(big, SCRIPT_BYTES_MAX + 1)),
        ERR_LIMIT);
    assert_ok(
        script_put(b->store, b->account, &tester, SPAN("big"), span_of(big, SCRIPT_BYTES_MAX)));
    assert_ok(script_get(b->store, b->account, SPAN("big"), &b->arena, &s));
    assert_int_equal(s.text.n, SCRIPT_BYTES_MAX);
    for (int i = 1; i < SCRIPTS_MAX; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        assert_ok(put(name, "keep;"));
    }
    assert_err(put("one more", "keep;"), ERR_LIMIT);
    assert_ok(put("s1", "stop;")); // replacing is no new one
    free(big);
}

static void test_forwarding(void **state)
{
    struct span targets[] = {SPAN("A@example.net"), SPAN("b@example.net")};
    struct forwarding f = {false, targets, 2}, got;

    (void)state;
    assert_ok(forwarding_get(b->store, b->account, &b->arena, &got));
    assert_int_equal(got.count, 0);
    assert_ok(forwarding_set(b->store, b->account, &tester, &f));
    bench_reopen(b);
    assert_ok(forwarding_get(b->store, b->account, &b->arena, &got));
    assert_false(got.keeps_copy);
    assert_int_equal(got.count, 2);
    assert_span(got.targets[0], "a@example.net");
    targets[0] = SPAN("nobody");
    assert_err(forwarding_set(b->store, b->account, &tester, &f), ERR_INVALID);
    f.count = 0;
    assert_ok(forwarding_set(b->store, b->account, &tester, &f));
    assert_ok(forwarding_get(b->store, b->account, &b->arena, &got));
    assert_int_equal(got.count, 0);
}

static void test_remembering(void **state)
{
    bool is_new, known;
    uint64_t n;

    (void)state;
    clock_test_fix_real(1000000);
    for (int i = 0; i < 2; i++) {
        assert_ok(rules_remember(b->store, b->account, SPAN("vacation bob"), SPAN("told bob"),
                                 1000100, &is_new));
        assert_int_equal(is_new, i == 0);
    }
    assert_ok(rules_is_remembered(b->store, b->account, SPAN("vacation bob"), &known));
    assert_true(known);
    assert_ok(rules_is_remembered(b->store, b->account, SPAN("vacation eve"), &known));
    assert_false(known);
    assert_ok(rules_forget(b->store, b->account, &n));
    assert_int_equal(n, 0);
    clock_test_fix_real(1000100);
    assert_ok(rules_is_remembered(b->store, b->account, SPAN("vacation bob"), &known));
    assert_false(known);
    assert_ok(rules_forget(b->store, b->account, &n));
    assert_int_equal(n, 1);
    assert_ok(rules_remember(b->store, b->account, SPAN("vacation bob"), SPAN("told bob"), 1000200,
                             &is_new));
    assert_true(is_new);
    clock_test_fix_real(-1);
}

static void test_secrets(void **state)
{
    char one[SECRET_BYTES], again[SECRET_BYTES], other[SECRET_BYTES];

    (void)state;
    assert_ok(store_secret(b->store, "srs", one));
    bench_reopen(b);
    assert_ok(store_secret(b->store, "srs", again));
    assert_ok(store_secret(b->store, "else", other));
    assert_memory_equal(one, again, SECRET_BYTES);
    assert_memory_not_equal(one, other, SECRET_BYTES);
    struct signing_key k = {.domain = SPAN("example.org"),
                            .selector = SPAN("s1"),
                            .algorithm = 1,
                            .pem = SPAN("pem"),
                            .record = SPAN("record")};

    assert_ok(signing_key_add(b->store, &tester, &k)); // and the check knows such keys
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_lookup),       T(test_names_are_unique), T(test_state_and_quota),
        T(test_large_groups), T(test_scripts),          T(test_script_limits),
        T(test_forwarding),   T(test_remembering),      T(test_secrets),
    };

    return BENCH_RUN("store-route", tests);
}
