// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "delivery/srs.h"

#define NOW 1800000000

static const char key[SRS_KEY_BYTES] = "0123456789abcdef0123456789abcde";
static const char other[SRS_KEY_BYTES] = "another key, which nobody guess";
static struct arena arena;

static struct span rewrite(const char *k, struct span sender, const char *domain)
{
    struct span out = SPAN("");

    assert_ok(srs_rewrite(k, sender, span_from_str(domain), NOW, &arena, &out));
    return out;
}

static struct span local_of(struct span address)
{
    return span_first(address, span_find_byte(address, '@'));
}

static void test_there_and_back(void **state)
{
    struct span out, back;

    (void)state;
    arena_init(&arena, 1 << 20);
    out = rewrite(key, SPAN("anna@example.net"), "example.org");
    assert_true(span_starts(out, SPAN("SRS0=")));
    assert_true(span_ends(out, SPAN("=example.net=anna@example.org")));
    assert_ok(srs_restore(key, local_of(out), NOW, &arena, &back));
    assert_span(back, "anna@example.net");
    // Folded on its way.
    char lower[64];
    struct span local = local_of(out);

    for (size_t i = 0; i < local.n; i++) {
        lower[i] = byte_lower(local.p[i]);
    }
    assert_ok(srs_restore(key, span_of(lower, local.n), NOW, &arena, &back));
    assert_span(back, "anna@example.net");
    assert_ok(srs_restore(key, local, NOW + 21 * 86400, &arena, &back));
    assert_err(srs_restore(key, local, NOW + 22 * 86400, &arena, &back), ERR_DENIED);
    assert_err(srs_restore(key, local, NOW - 2 * 86400, &arena, &back), ERR_DENIED);
    assert_err(srs_restore(other, local, NOW, &arena, &back), ERR_DENIED);
    arena_finish(&arena);
}

static void test_forwarded_twice_and_more(void **state)
{
    struct span one, two, three, back;

    (void)state;
    arena_init(&arena, 1 << 20);
    one = rewrite(key, SPAN("anna@example.net"), "first.example");
    two = rewrite(other, one, "second.example");
    assert_true(span_starts(two, SPAN("SRS1=")));
    three = rewrite(key, two, "third.example");
    assert_true(span_starts(three, SPAN("SRS1=")));
    assert_true(three.n <= two.n + 2); // it does not grow with each hop
    assert_ok(srs_restore(key, local_of(three), NOW, &arena, &back));
    assert_true(span_eq(back, one)); // straight to the first, who knows the sender
    assert_ok(srs_restore(other, local_of(two), NOW, &arena, &back));
    assert_true(span_eq(back, one));
    arena_finish(&arena);
}

static void test_what_is_none(void **state)
{
    static const char *const bad[] = {"SRS0=",         "SRS0==",       "SRS0=AAAA=AA=b=c",
                                      "SRS1=AAAA=b",   "SRS1=AAAA=b=", "SRS0=AAAAAA",
                                      "SRS0=A=AA=b=c", "SRS1+AAAA=b=c"};
    struct span out;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_span(rewrite(key, SPAN(""), "example.org"), "");
    assert_span(rewrite(key, SPAN("postmaster"), "example.org"), "postmaster");
    assert_err(srs_restore(key, SPAN("anna"), NOW, &arena, &out), ERR_NOT_FOUND);
    assert_err(srs_restore(key, SPAN("SRS2=x"), NOW, &arena, &out), ERR_NOT_FOUND);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum err e = srs_restore(key, span_from_str(bad[i]), NOW, &arena, &out);

        assert_true(e == ERR_DENIED || e == ERR_NOT_FOUND);
    }
    assert_err(srs_rewrite(key,
                           SPAN("a-very-long-local-part-of-an-address-that-is-long@"
                                "a-rather-long-domain.example.net"),
                           SPAN("example.org"), NOW, &arena, &out),
               ERR_LIMIT);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_forwarded_twice_and_more),
        cmocka_unit_test(test_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
