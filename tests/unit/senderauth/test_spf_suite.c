// SPDX-License-Identifier: Apache-2.0
//
// The openspf test suite for RFC 7208 (tests/data/senderauth/spf-rfc7208.txt): each test with a
// resolver that knows, and again with a memo that must be asked twice. A MAIL FROM that is empty is
// a question about HELO.
#include "../test.h"
#include "senderauth/spf.h"
#include "zone.h"

#define TESTS 203

static bool is_listed(struct span list, struct span word)
{
    while (list.n) {
        if (span_eq(span_split(&list, ','), word)) {
            return true;
        }
    }
    return false;
}

static enum err run_memo(const struct spf_question *q, struct zone *z, struct arena *arena,
                         struct spf_result *out)
{
    struct dns_memo *m = NULL;
    struct spf_result kept;
    enum err e;

    assert_ok(dns_memo_create(&m));
    struct resolver r = dns_memo_resolver(m);
    int rounds = 0;

    while ((e = spf_check(q, &r, arena, out)) == ERR_AGAIN) {
        assert_true(zone_feed(z, m)); // there is always a question open
        assert_true(++rounds <= SPF_QUERIES_MAX + 2);
    }
    kept = *out; // its spans are in the arena, none in the memo
    dns_memo_destroy(m);
    *out = kept;
    return e;
}

static int check_test(struct zone *z, const struct span *f)
{
    struct spf_question q = {.helo = f[4], .unix_seconds = 1000000000, .receiver = SPAN("r.test")};
    struct spf_result a, b;
    struct arena arena;
    struct resolver r = zone_resolver(z);
    struct span sender = f[5];
    size_t at = sender.n;

    while (at && sender.p[at - 1] != '@') {
        at--;
    }
    q.local = span_first(sender, at ? at - 1 : 0);
    q.domain = span_skip(sender, at);
    assert_ok(ip_address_parse(f[3], &q.ip));
    arena_init(&arena, 8 << 20);
    assert_ok(spf_check(&q, &r, &arena, &a));
    assert_ok(run_memo(&q, z, &arena, &b));
    assert_int_equal(a.status, b.status);
    assert_int_equal(a.queries, b.queries);
    assert_true(span_eq(a.words, b.words) && a.words.n && a.queries <= SPF_QUERIES_MAX);
    assert_true(span_eq(a.explanation, b.explanation));
    struct span got = span_from_str(spf_status_name(a.status));
    bool has_default = f[6].n == 0 || span_eq(f[6], SPAN("DEFAULT"));
    bool ok = is_listed(f[2], got) && (has_default ? true : span_eq(a.explanation, f[6]));

    if (span_eq(f[6], SPAN("DEFAULT"))) {
        ok &= a.explanation.n == 0;
    }
    if (!ok) {
        print_error("%.*s: got %.*s, want %.*s; explanation \"%.*s\", want \"%.*s\"; %.*s\n",
                    SPAN_ARG(f[1]), SPAN_ARG(got), SPAN_ARG(f[2]), SPAN_ARG(a.explanation),
                    SPAN_ARG(f[6]), SPAN_ARG(a.words));
    }
    arena_finish(&arena);
    return !ok;
}

static void test_suite(void **state)
{
    char *memory = NULL;
    struct span rest = zone_read_file("spf-rfc7208.txt", &memory);
    struct zone *z = malloc(sizeof(*z));
    int tests = 0, failed = 0;

    (void)state;
    zone_init(z);
    while (rest.n) {
        struct span line = span_split(&rest, '\n'), f[8];
        size_t n = zone_fields(&z->arena, line, f, 8);

        if (span_eq(f[0], SPAN("suite"))) {
            zone_clear(z);
        } else if (!zone_take_line(z, f, n) && span_eq(f[0], SPAN("test"))) {
            failed += check_test(z, f);
            tests++;
        }
    }
    zone_finish(z);
    free(z);
    free(memory);
    assert_int_equal(failed, 0);
    assert_int_equal(tests, TESTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
