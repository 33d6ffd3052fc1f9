// SPDX-License-Identifier: Apache-2.0
//
// The public ARC test suite (tests/data/senderauth/arc-verify.txt, arc-sign.txt): 171 chains to be
// judged and 17 messages to be sealed with exactly the expected signatures.
#include "../test.h"
#include "mime/mime_header.h"
#include "senderauth/arc.h"
#include "senderauth/auth_results.h"
#include "zone.h"

static struct auth_message *read_message(struct span bytes, bool will_sign)
{
    struct auth_message *m = NULL;

    assert_ok(auth_message_create(will_sign, &m));
    for (size_t n = 1; bytes.n; bytes = span_skip(bytes, n), n = n * 3 % 101 + 1) {
        assert_ok(auth_message_feed(m, span_first(bytes, n)));
    }
    assert_ok(auth_message_finish(m));
    return m;
}

static void verify_memo(struct auth_message *m, struct zone *z, struct arena *arena,
                        struct arc_result *out)
{
    struct dns_memo *memo = NULL;
    enum err e;
    int rounds = 0;

    assert_ok(dns_memo_create(&memo));
    struct resolver r = dns_memo_resolver(memo);

    while ((e = arc_verify(m, &r, arena, out)) == ERR_AGAIN) {
        assert_true(zone_feed(z, memo));
        assert_true(++rounds <= 1); // all keys are asked for at once
    }
    assert_ok(e);
    dns_memo_destroy(memo);
}

// "test", name, expected, message. The suite wants an empty answer where the chain has ended.
static int check_verify(struct zone *z, const struct span *f)
{
    struct auth_message *m = read_message(f[3], false);
    struct resolver r = zone_resolver(z);
    struct arc_result a, b;
    struct arena arena;

    arena_init(&arena, 8 << 20);
    assert_ok(arc_verify(m, &r, &arena, &a));
    verify_memo(m, z, &arena, &b);
    assert_int_equal(a.status, b.status);
    assert_true(a.words.n && span_eq(a.words, b.words));
    struct span got = a.is_over ? SPAN("") : span_from_str(arc_status_name(a.status));
    bool ok = span_eq(got, f[2]);

    if (!ok) {
        print_error("%.*s: got \"%.*s\", want \"%.*s\": %.*s\n", SPAN_ARG(f[1]), SPAN_ARG(got),
                    SPAN_ARG(f[2]), SPAN_ARG(a.words));
    }
    auth_message_destroy(m);
    arena_finish(&arena);
    return !ok;
}

// The text without blanks and line breaks.
static struct span squeeze(struct arena *arena, struct span s)
{
    char *p = arena_alloc(arena, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_space(s.p[i])) {
            p[n++] = s.p[i];
        }
    }
    return span_of(p, n);
}

static size_t count_parts(struct span s)
{
    size_t n = 0;

    while (s.n) {
        span_split(&s, ';');
        n++;
    }
    return n;
}

// Both have the same parts between semicolons, in any order.
static bool same_parts(struct arena *arena, struct span a, struct span b)
{
    struct span rest = squeeze(arena, a), all = squeeze(arena, b);

    if (count_parts(rest) != count_parts(all)) {
        return false;
    }
    while (rest.n) {
        struct span part = span_split(&rest, ';'), other = all;
        bool found = false;

        while (other.n && !found) {
            found = span_eq(span_split(&other, ';'), part);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static struct span field(struct span block, const char *name)
{
    struct span s = mime_header_get(block, span_from_str(name));

    return s.p ? s : SPAN("");
}

// What the newest of our own results says of the chain: the suite wants it taken from there.
static enum arc_status status_of(struct span results)
{
    return span_find(results, SPAN("\tarc=fail")) < results.n   ? ARC_FAIL
           : span_find(results, SPAN("\tarc=pass")) < results.n ? ARC_PASS
                                                                : ARC_NONE;
}

static size_t take_list(struct span value, struct span *out, size_t max)
{
    size_t n = 0;

    while (value.n && n < max) {
        out[n++] = span_split(&value, ':');
    }
    return n;
}

// "test", name, domain, selector, key, our id, fields, time, message, AAR, AMS, AS.
static int check_sign(const struct span *f)
{
    struct auth_message *m = read_message(f[8], true);
    struct span names[16];
    struct dkim_signer s = {.domain = f[2], .selector = f[3], .fields = names};
    struct dkim_private_key *key = NULL;
    struct arena arena;
    struct buf results, out;
    uint64_t now = 0;

    assert_ok(dkim_key_from_pem(f[4], &key));
    assert_true(span_to_u64(f[7], INT64_MAX, &now));
    s.key = key;
    s.now_s = (int64_t)now;
    s.field_count = take_list(f[6], names, 16);
    arena_init(&arena, 8 << 20);
    buf_init(&results, 1 << 20);
    buf_init(&out, 1 << 20);
    assert_ok(auth_results_join(&results, auth_message_header(m), f[5]));
    enum err e = arc_seal(m, &s, status_of(buf_span(&results)), buf_span(&results), &out);

    if (e != (f[9].n ? ERR_OK : ERR_DENIED)) {
        print_error("%.*s: %s\n", SPAN_ARG(f[1]), err_name(e));
    }
    assert_err(e, f[9].n ? ERR_OK : ERR_DENIED);
    struct span got = buf_span(&out);
    bool ok = same_parts(&arena, field(got, "ARC-Authentication-Results"), f[9]) &&
              same_parts(&arena, field(got, "ARC-Message-Signature"), f[10]) &&
              same_parts(&arena, field(got, "ARC-Seal"), f[11]);

    if (!ok) {
        print_error("%.*s: got\n%.*s\nwant\n%.*s\n%.*s\n%.*s\n", SPAN_ARG(f[1]), SPAN_ARG(got),
                    SPAN_ARG(f[11]), SPAN_ARG(f[10]), SPAN_ARG(f[9]));
    }
    dkim_key_destroy(key);
    auth_message_destroy(m);
    buf_finish(&results);
    buf_finish(&out);
    arena_finish(&arena);
    return !ok;
}

static void run_suite(const char *file, bool is_signing, int want)
{
    char *memory = NULL;
    struct span rest = zone_read_file(file, &memory);
    struct zone *z = malloc(sizeof(*z));
    int tests = 0, failed = 0;

    zone_init(z);
    while (rest.n) {
        struct span line = span_split(&rest, '\n'), f[12];
        size_t n = zone_fields(&z->arena, line, f, 12);

        if (span_eq(f[0], SPAN("suite"))) {
            zone_clear(z);
        } else if (!zone_take_line(z, f, n) && span_eq(f[0], SPAN("test"))) {
            failed += is_signing ? check_sign(f) : check_verify(z, f);
            tests++;
        }
    }
    zone_finish(z);
    free(z);
    free(memory);
    assert_int_equal(failed, 0);
    assert_int_equal(tests, want);
}

static void test_verify(void **state)
{
    (void)state;
    run_suite("arc-verify.txt", false, 171);
}

static void test_sign(void **state)
{
    (void)state;
    run_suite("arc-sign.txt", true, 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
