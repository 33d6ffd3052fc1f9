// SPDX-License-Identifier: Apache-2.0
//
// Patterns: regular expressions against a table and against the C library's, wildcards against a
// plain matcher that tries everything, and that both stop when their steps are used up.
#include <regex.h>

#include "../test.h"
#include "sieve/pattern/sieve_glob.h"
#include "sieve/pattern/sieve_regex.h"

#define STEPS 1000000u
#define NONE  -1

static const struct {
    const char *pattern, *text;
    bool is_nocase;
    int from, to; // NONE: no match
    const char *group1;
} table[] = {
    {"abc", "xabcx", false, 1, 4, NULL},
    {"", "abc", false, 0, 0, NULL},
    {"a|ab|abc", "abcd", false, 0, 3, NULL}, // the longest
    {"(a|ab)(c|bcd)", "abcd", false, 0, 4, "a"},
    {"x*", "aaa", false, 0, 0, NULL},
    {"^a$", "a", false, 0, 1, NULL},
    {"^a$", "a\n", false, NONE, 0, NULL},
    {"ÄB", "xäbx", true, 1, 4, NULL},
    {"ÄB", "xäbx", false, NONE, 0, NULL},
    {"a.c", "aüc", false, 0, 4, NULL},
    {"[^a]", "aaü", false, 2, 4, NULL},
    {"[ä-ö]", "õ", false, 0, 2, NULL},
    {"[[:alpha:]]+", "12Grüße3", false, 2, 9, NULL},
    {"[]x-]+", "a]-x", false, 1, 4, NULL},
    {"[^]]", "]a", false, 1, 2, NULL},
    {"[[.-.]a]", "-", false, 0, 1, NULL},
    {"a{2,3}", "aaaa", false, 0, 3, NULL},
    {"a{,2}b", "aaab", false, 1, 4, NULL},
    {"(ab){2}", "ababab", false, 0, 4, "ab"},
    {"a{0}b", "ab", false, 1, 2, NULL},
    {"(a*)*b", "aaab", false, 0, 4, "aaa"},
    {"(a*)+", "", false, 0, 0, ""},
    {"\\.\\*", "a.*", false, 1, 3, NULL},
    {"\\w+\\s\\w+", "- ab_1 c", false, 2, 8, NULL},
    {"(foo|bar)?baz", "baz", false, 0, 3, NULL},
    {"^(.*)@(.*)$", "a@b@c", false, 0, 5, "a@b"},
    {"[A-C]x", "bX", true, 0, 2, NULL},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct arena arena;
        const struct sieve_regex *regex;
        const char *problem = NULL;
        struct sieve_group_span groups[SIEVE_GROUPS_MAX];
        struct span text = span_from_str(table[i].text);
        uint64_t steps = STEPS;
        size_t n = 0;

        arena_init(&arena, 16 << 20);
        assert_ok(sieve_regex_compile(&arena, span_from_str(table[i].pattern), table[i].is_nocase,
                                      false, &regex, &problem));
        enum err e = sieve_regex_match(regex, text, &arena, &steps, groups, &n);

        if (table[i].from == NONE ? e != ERR_NOT_FOUND
                                  : e != ERR_OK || (int)groups[0].from != table[i].from ||
                                        (int)groups[0].to != table[i].to) {
            print_error("%s on %s: %s\n", table[i].pattern, table[i].text, err_name(e));
            fail();
        }
        if (table[i].group1) {
            assert_true(n > 1);
            assert_span(span_of(text.p + groups[1].from, groups[1].to - groups[1].from),
                        table[i].group1);
        }
        arena_finish(&arena);
    }
}

static uint32_t seed = 12345;

static uint32_t pick(uint32_t n)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % n;
}

// A small expression of every construct; few repeats, so that the C library stays quick.
static void make(struct buf *out, unsigned depth)
{
    unsigned pieces = 1 + pick(3);

    for (unsigned i = 0; i < pieces; i++) {
        switch (depth ? pick(7) : pick(4)) {
        case 0:
            buf_put_str(out, "a");
            break;
        case 1:
            buf_put_str(out, "b");
            break;
        case 2:
            buf_put_str(out, ".");
            break;
        case 3:
            buf_put_str(out, pick(2) ? "[ab]" : "[^a]");
            break;
        case 4:
        case 5:
            buf_put_str(out, "(");
            make(out, depth - 1);
            buf_put_str(out, ")");
            break;
        case 6:
            buf_put_str(out, "(");
            make(out, depth - 1);
            buf_put_str(out, "|");
            make(out, depth - 1);
            buf_put_str(out, ")");
            break;
        }
        const char *repeats[] = {"", "", "", "*", "?", "+", "{2}", "{1,2}"};

        buf_put_str(out, repeats[pick(8)]);
    }
}

static void compare(const char *pattern, const char *text)
{
    struct arena arena;
    const struct sieve_regex *regex;
    const char *problem;
    struct sieve_group_span groups[SIEVE_GROUPS_MAX];
    regmatch_t theirs[1];
    regex_t other;
    uint64_t steps = STEPS;
    size_t n;

    arena_init(&arena, 64 << 20);
    assert_int_equal(regcomp(&other, pattern, REG_EXTENDED), 0);
    assert_ok(sieve_regex_compile(&arena, span_from_str(pattern), false, false, &regex, &problem));
    bool is_theirs = regexec(&other, text, 1, theirs, 0) == 0;
    enum err e = sieve_regex_match(regex, span_from_str(text), &arena, &steps, groups, &n);

    if (is_theirs != (e == ERR_OK) || (is_theirs && ((size_t)theirs[0].rm_so != groups[0].from ||
                                                     (size_t)theirs[0].rm_eo != groups[0].to))) {
        print_error("\"%s\" on \"%s\": %s\n", pattern, text, err_name(e));
        fail();
    }
    for (size_t i = 1; e == ERR_OK && i < n; i++) {
        assert_true(groups[i].from == SIZE_MAX ||
                    (groups[i].from <= groups[i].to && groups[i].from >= groups[0].from &&
                     groups[i].to <= groups[0].to));
    }
    regfree(&other);
    arena_finish(&arena);
}

static void test_like_the_c_library(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        struct buf pattern;
        char text[12];
        size_t n = pick(10);

        buf_init(&pattern, 10000);
        make(&pattern, 3);
        buf_put_byte(&pattern, '\0');
        for (size_t k = 0; k < n; k++) {
            text[k] = "abc"[pick(3)];
        }
        text[n] = '\0';
        compare(pattern.p, text);
        buf_finish(&pattern);
    }
}

static void test_steps(void **state)
{
    static const char *const hard[] = {"(a+)+$", "(a|a)*c", "(a*)*c", "(.*)(.*)(.*)(.*)x",
                                       "((a?){100}){10}c"};
    char text[20000];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = 'b';
    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++) {
        struct arena arena;
        const struct sieve_regex *regex;
        const char *problem;
        struct sieve_group_span groups[SIEVE_GROUPS_MAX];
        uint64_t steps = UINT64_MAX, few = 5000;
        size_t n;

        arena_init(&arena, 64 << 20);
        assert_ok(
            sieve_regex_compile(&arena, span_from_str(hard[i]), false, false, &regex, &problem));
        if (i < 4) {
            assert_err(
                sieve_regex_match(regex, span_of(text, sizeof(text)), &arena, &steps, groups, &n),
                ERR_NOT_FOUND);
            assert_true(UINT64_MAX - steps < sizeof(text) * 2000); // linear in the text
        }
        assert_err(sieve_regex_match(regex, span_of(text, sizeof(text)), &arena, &few, groups, &n),
                   ERR_LIMIT);
        arena_finish(&arena);
    }
}

static bool plain(const char *p, const char *t)
{
    if (*p == '\0') {
        return *t == '\0';
    }
    if (*p == '*') {
        return plain(p + 1, t) || (*t && plain(p, t + 1));
    }
    return *t && (*p == '?' || *p == *t) && plain(p + 1, t + 1);
}

static void test_wildcards(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        struct arena arena;
        struct sieve_group_span groups[SIEVE_GROUPS_MAX];
        char pattern[10], text[12];
        size_t pn = pick(8), tn = pick(10), n = 0;
        uint64_t steps = STEPS;

        for (size_t k = 0; k < pn; k++) {
            pattern[k] = "ab*?*"[pick(5)];
        }
        for (size_t k = 0; k < tn; k++) {
            text[k] = "ab"[pick(2)];
        }
        pattern[pn] = text[tn] = '\0';
        arena_init(&arena, 1 << 20);
        enum err e =
            sieve_glob(span_of(pattern, pn), span_of(text, tn), i & 1, &arena, &steps, groups, &n);

        if ((e == ERR_OK) != plain(pattern, text)) {
            print_error("\"%s\" on \"%s\": %s\n", pattern, text, err_name(e));
            fail();
        }
        // The groups, put in for the wildcards, make the text again.
        for (size_t k = 0, g = 1, at = 0; e == ERR_OK && k < pn; k++) {
            bool is_wild = pattern[k] == '*' || pattern[k] == '?';

            assert_true(!is_wild || (g < n && groups[g].from == at));
            at = is_wild ? groups[g++].to : at + 1;
            assert_true(k + 1 < pn || at == tn);
        }
        arena_finish(&arena);
    }
}

static void test_wildcard_steps(void **state)
{
    char text[5000], pattern[4000];
    struct arena arena;
    struct sieve_group_span groups[SIEVE_GROUPS_MAX];
    uint64_t steps = UINT64_MAX, few = 1000;
    size_t n;

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = i % 2 ? 'a' : '*';
    }
    pattern[sizeof(pattern) - 1] = 'b';
    arena_init(&arena, 4 << 20);
    assert_err(sieve_glob(span_of(pattern, sizeof(pattern)), span_of(text, sizeof(text)), false,
                          &arena, &steps, groups, &n),
               ERR_NOT_FOUND);
    assert_true(UINT64_MAX - steps < 100000);
    assert_err(sieve_glob(span_of(pattern, sizeof(pattern)), span_of(text, sizeof(text)), false,
                          &arena, &few, groups, &n),
               ERR_LIMIT);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_like_the_c_library),
        cmocka_unit_test(test_steps),          cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_wildcard_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
