// SPDX-License-Identifier: Apache-2.0
#include "../store/support.h"
#include "delivery/resolve.h"
#include "store/rules.h"

static struct bench bench;
static struct bench *const b = &bench;

static void alias(const char *address, unsigned count, const char *const *targets)
{
    struct span t[8];

    for (unsigned i = 0; i < count; i++) {
        t[i] = span_from_str(targets[i]);
    }
    assert_ok(route_alias_set(b->store, &tester, span_from_str(address), t, count));
}
#define ALIAS(address, ...)                                                                        \
    alias(address, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                         \
          (const char *[]){__VA_ARGS__})

static account_id account(const char *name)
{
    account_id id;

    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN("$"), false, &id));
    return id;
}

static void forward(account_id id, bool keep, const char *to)
{
    struct span t = span_from_str(to);
    struct forwarding f = {keep, &t, 1};

    assert_ok(forwarding_set(b->store, id, &tester, &f));
}

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    account_id anna = account("anna@example.org"), bob = account("bob@example.org");
    account_id full = account("full@example.org"), away = account("away@example.org");
    account_id loop = account("loop@example.org"), gone = account("gone@example.org");

    (void)anna;
    (void)bob;
    assert_ok(quota_set(b->store, full, &tester, 10, UINT64_MAX));
    forward(away, false, "away@elsewhere.example");
    forward(loop, true, "circle@example.org");
    assert_ok(directory_account_set_state(b->store, &tester, gone, ACCOUNT_SUSPENDED));
    ALIAS("team@example.org", "anna@example.org", "bob@example.org", "full@example.org");
    ALIAS("all@example.org", "team@example.org", "anna@example.org", "x@elsewhere.example");
    ALIAS("circle@example.org", "loop@example.org");
    ALIAS("snake@example.org", "tail@example.org");
    ALIAS("tail@example.org", "snake@example.org");
    ALIAS("dead@example.org", "nobody@example.org");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_close(b);
    return 0;
}

// Targets as "anna bob>team (0)" and so on, verdicts behind '|'.
static const char *resolve(bool remote, unsigned count, const char *const *recipients)
{
    struct resolve_options o = {.separators = SPAN("+"), .allow_remote = remote, .bytes = 100};
    struct resolution r;
    struct span to[8];
    struct buf text;

    for (unsigned i = 0; i < count; i++) {
        to[i] = span_from_str(recipients[i]);
    }
    assert_ok(delivery_resolve(b->store, &o, to, count, &b->arena, &r));
    buf_init(&text, 4096);
    for (size_t i = 0; i < r.count; i++) {
        const struct resolve_target *t = &r.targets[i];

        assert_true(span_eq(t->wanted, to[t->recipient]));
        buf_printf(&text, "%.*s%s%.*s ", SPAN_ARG(span_first(t->address, t->address.n - 12)),
                   t->forwarded_by.n ? ">" : "",
                   (int)(t->forwarded_by.n ? t->forwarded_by.n - 12 : 0), t->forwarded_by.p);
    }
    buf_put_byte(&text, '|');
    for (unsigned i = 0; i < count; i++) {
        buf_printf(&text, " %d", r.verdicts[i]);
    }
    char *out = arena_str(&b->arena, buf_span(&text));

    buf_finish(&text);
    return out;
}
#define RESOLVE(remote, ...)                                                                       \
    resolve(remote, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                        \
            (const char *[]){__VA_ARGS__})

static void test_expansion(void **state)
{
    (void)state;
    assert_string_equal(RESOLVE(false, "anna@example.org"), "anna | 0");
    assert_string_equal(RESOLVE(false, "anna+x@example.org", "ANNA@example.org"), "anna | 0 0");
    assert_string_equal(RESOLVE(false, "team@example.org"), "anna>team bob>team | 0");
    // Each once, whoever asked first; what a group has in vain is left out.
    assert_string_equal(RESOLVE(false, "bob@example.org", "team@example.org", "team@example.org"),
                        "bob anna>team | 0 0 0");
    assert_string_equal(RESOLVE(false, "all@example.org"), "anna>all x@elsew>all bob>team | 0");
    assert_string_equal(RESOLVE(false, "away@example.org"), "away@elsew>away | 0");
}

static void test_refusals(void **state)
{
    (void)state;
    assert_string_equal(RESOLVE(false, "nobody@example.org"), "| 1");
    assert_string_equal(RESOLVE(false, "gone@example.org"), "| 2");
    assert_string_equal(RESOLVE(false, "full@example.org"), "| 3");
    assert_string_equal(RESOLVE(false, "x@elsewhere.example"), "| 4");
    assert_string_equal(RESOLVE(true, "x@elsewhere.example"), "x@elsew | 0");
    assert_string_equal(RESOLVE(false, "dead@example.org"), "| 1");
    assert_string_equal(RESOLVE(false, "no address"), "| 1");
    // A member that did not get it does not count as served because its group was.
    assert_string_equal(RESOLVE(false, "team@example.org", "full@example.org"),
                        "anna>team bob>team | 0 3");
}

// Q02
static void test_loops_end(void **state)
{
    (void)state;
    assert_string_equal(RESOLVE(false, "snake@example.org"), "| 6");
    assert_string_equal(RESOLVE(false, "snake@example.org", "tail@example.org"), "| 6 6");
    assert_string_equal(RESOLVE(false, "circle@example.org"), "loop>circle | 0");
    assert_string_equal(RESOLVE(false, "loop@example.org"), "loop | 0");
}

// Q02
static void test_large_and_deep(void **state)
{
    struct resolve_options o = {.separators = SPAN("+")};
    struct span *members = calloc(ALIAS_TARGETS_MAX, sizeof(*members)),
                to = SPAN("huge@example.org");
    char(*texts)[40] = calloc(ALIAS_TARGETS_MAX, sizeof(*texts)), name[40];
    struct span groups[6];
    struct resolution r;

    (void)state;
    for (unsigned g = 0; g < 6; g++) {
        for (unsigned i = 0; i < ALIAS_TARGETS_MAX; i++) {
            snprintf(texts[i], sizeof(texts[i]), "m%u.%u@elsewhere.example", g, i);
            members[i] = span_from_str(texts[i]);
        }
        snprintf(name, sizeof(name), "group%u@example.org", g);
        groups[g] = arena_dup(&b->arena, span_from_str(name));
        assert_ok(route_alias_set(b->store, &tester, groups[g], members, ALIAS_TARGETS_MAX));
    }
    assert_ok(route_alias_set(b->store, &tester, to, groups, 5));
    assert_ok(delivery_resolve(b->store, &o, &to, 1, &b->arena, &r));
    assert_int_equal(r.count, RESOLVE_TARGETS_MAX);
    assert_int_equal(r.verdicts[0], RESOLVE_OK);
    assert_ok(delivery_resolve(b->store, &o, groups, 6, &b->arena, &r));
    assert_int_equal(r.count, RESOLVE_TARGETS_MAX);
    assert_int_equal(r.verdicts[4], RESOLVE_OK);
    assert_int_equal(r.verdicts[5], RESOLVE_TOO_MANY);
    // Deeper than anybody means.
    for (int i = 0; i < 30; i++) {
        struct span next;

        snprintf(name, sizeof(name), "deep%d@example.org", i + 1);
        next = i == 29 ? SPAN("anna@example.org") : arena_dup(&b->arena, span_from_str(name));
        snprintf(name, sizeof(name), "deep%d@example.org", i);
        assert_ok(route_alias_set(b->store, &tester, span_from_str(name), &next, 1));
    }
    to = SPAN("deep0@example.org");
    assert_ok(delivery_resolve(b->store, &o, &to, 1, &b->arena, &r));
    assert_int_equal(r.verdicts[0], RESOLVE_LOOP);
    to = SPAN("deep15@example.org");
    assert_ok(delivery_resolve(b->store, &o, &to, 1, &b->arena, &r));
    assert_int_equal(r.verdicts[0], RESOLVE_OK);
    free(members);
    free(texts);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_expansion),
        T(test_refusals),
        T(test_loops_end),
        T(test_large_and_deep),
    };

    return BENCH_RUN("delivery-resolve", tests);
}
