// SPDX-License-Identifier: Apache-2.0
//
// By which way mail leaves (relay_route.h): patterns, what comes before what, secrets.
#include "store/directory/relay_route.h"
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

static void set(const char *pattern, const char *host)
{
    struct relay_route r = {.pattern = span_from_str(pattern),
                            .kind = RELAY_BY_HOST,
                            .tls = RELAY_ROUTE_REQUIRED,
                            .port = 587,
                            .host = span_from_str(host),
                            .user = SPAN("us"),
                            .password = SPAN("secret")};

    assert_ok(relay_route_set(b->store, &tester, &r));
}

// The host of the route that counts, or "".
static const char *by(const char *destination, const char *sender, account_id account)
{
    static char host[64];
    struct relay_route r;
    enum err e = relay_route_find(b->store, span_from_str(destination), span_from_str(sender),
                                  account, &b->arena, &r);

    if (e == ERR_NOT_FOUND) {
        return "";
    }
    assert_ok(e);
    snprintf(host, sizeof(host), "%.*s", SPAN_ARG(r.host));
    return host;
}

static void test_what_comes_first(void **state)
{
    (void)state;
    assert_string_equal(by("a.example.net", "u1@example.org", 0), "");
    set("*", "all");
    assert_string_equal(by("a.example.net", "", 0), "all");
    set("@example.org", "domain");
    assert_string_equal(by("a.example.net", "u1@example.org", 0), "domain");
    assert_string_equal(by("a.example.net", "U1@EXAMPLE.org", 0), "domain");
    assert_string_equal(by("a.example.net", "x@example.com", b->account), "domain"); // its account
    assert_string_equal(by("a.example.net", "x@example.com", 0), "all");
    set("u1@example.org", "sender");
    assert_string_equal(by("a.example.net", "u1@example.org", 0), "sender");
    assert_string_equal(by("a.example.net", "x@example.com", b->account), "sender");
    assert_string_equal(by("a.example.net", "u2@example.org", 0), "domain");
    set(".net", "net");
    set(".example.net", "below");
    assert_string_equal(by("a.example.net", "u1@example.org", 0), "below");
    assert_string_equal(by("a.b.example.net", "u1@example.org", 0), "below");
    assert_string_equal(by("example.net", "u1@example.org", 0), "net");
    set("a.example.net", "exact");
    assert_string_equal(by("a.example.net", "u1@example.org", 0), "exact");
    assert_string_equal(by("local:", "", 0), "all");
    assert_ok(relay_route_remove(b->store, &tester, SPAN("a.example.net")));
    assert_string_equal(by("a.example.net", "u1@example.org", 0), "below");
    assert_err(relay_route_remove(b->store, &tester, SPAN("a.example.net")), ERR_NOT_FOUND);
}

static void test_patterns(void **state)
{
    static const struct {
        const char *given, *want; // NULL: refused
    } rows[] = {
        {"Example.NET", "example.net"},
        {".Example.NET", ".example.net"},
        {"*", "*"},
        {"@Example.org", "@example.org"},
        {"Anna@Example.org", "anna@example.org"},
        {"", NULL},
        {".", NULL},
        {"@", NULL},
        {"a b", NULL},
        {"a@b@c", NULL},
        {"..net", NULL},
        {"*.net", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span out = SPAN("");
        const char *reason = NULL;
        enum err e = relay_pattern_check(&b->arena, span_from_str(rows[i].given), &out, &reason);

        if (e != (rows[i].want ? ERR_OK : ERR_INVALID)) {
            print_error("%s: %s\n", rows[i].given, err_name(e));
            fail();
        }
        if (rows[i].want) {
            assert_span(out, rows[i].want);
        } else {
            assert_non_null(reason);
        }
    }
}

struct listed {
    unsigned n;
    bool secret;
};

static bool list_one(void *arg, const struct relay_route *r)
{
    struct listed *l = arg;

    l->n++;
    l->secret |= r->password.n > 0;
    assert_true(r->has_password);
    assert_int_not_equal(r->changed, 0);
    return l->n < 2;
}

static void test_list(void **state)
{
    struct listed l = {0};
    struct relay_route r;

    (void)state;
    set("a.example", "one");
    set("b.example", "two");
    set("c.example", "three");
    assert_ok(relay_route_list(b->store, list_one, &l));
    assert_int_equal(l.n, 2); // it said stop
    assert_false(l.secret);
    assert_ok(relay_route_find(b->store, SPAN("a.example"), SPAN(""), 0, &b->arena, &r));
    assert_span(r.password, "secret");
    set("a.example", "other");
    assert_string_equal(by("a.example", "", 0), "other");
}

static void test_what_is_no_route(void **state)
{
    static char large[2000];
    struct relay_route good = {.pattern = SPAN("a.example"), .kind = RELAY_BY_MX}, r;

    (void)state;
    memset(large, 'x', sizeof(large));
    assert_ok(relay_route_set(b->store, &tester, &good));
    r = good;
    r.host = SPAN("host");
    assert_err(relay_route_set(b->store, &tester, &r), ERR_INVALID);
    r.kind = RELAY_BY_HOST;
    r.user = SPAN("user");
    assert_err(relay_route_set(b->store, &tester, &r), ERR_INVALID); // no password
    r.password = span_of(large, RELAY_CREDENTIAL_BYTES_MAX + 1);
    assert_err(relay_route_set(b->store, &tester, &r), ERR_LIMIT);
    r.password = span_of(large, RELAY_CREDENTIAL_BYTES_MAX);
    r.user = span_of(large, RELAY_CREDENTIAL_BYTES_MAX);
    r.host = span_of(large, RELAY_HOST_BYTES_MAX);
    r.words = span_of(large, RELAY_WORDS_BYTES_MAX);
    r.pattern = span_of(large, RELAY_PATTERN_BYTES_MAX);
    assert_ok(relay_route_set(b->store, &tester, &r));
    r.pattern = SPAN("");
    assert_err(relay_route_set(b->store, &tester, &r), ERR_LIMIT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_comes_first),
        T(test_patterns),
        T(test_list),
        T(test_what_is_no_route),
    };

    return BENCH_RUN("store-relay-route", tests);
}
