// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include "../test.h"
#include "base/buf.h"
#include "wire/imap/imap_match.h"

static unsigned match(struct span pattern, struct span name)
{
    struct arena arena;
    struct imap_pattern *p;

    arena_init(&arena, 1 << 20);
    assert_ok(imap_pattern_compile(pattern, '/', &arena, &p));
    unsigned answer = imap_pattern_match(p, name);

    arena_finish(&arena);
    return answer;
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *name;
        unsigned want;
    } rows[] = {
        {"*", "a", 3},
        {"*", "a/b/c", 3},
        {"%", "a", 1},
        {"%", "a/b", 0},
        {"%/%", "a/b", 1},
        {"%/%", "a", 2},
        {"%/%", "a/b/c", 0},
        {"a/%", "a", 2},
        {"a/%", "a/b", 1},
        {"a/%", "a/", 1},
        {"a%", "abc", 1},
        {"a%c", "abc", 1},
        {"a%c", "ab/c", 0},
        {"a*c", "ab/c", 3},
        {"a*c", "ab/d", 2},
        {"a", "a", 1},
        {"a", "A", 0},
        {"a", "ab", 0},
        {"ab", "a", 0},
        {"", "a", 0},
        {"", "", 1},
        {"*%*", "a/b", 3},
        {"%%", "ab", 1},
        {"%*%", "", 3},
        {"*a*a*b", "aab", 3},
        {"*a*a*b", "ab", 2},
        {"inbox", "INBOX", 1},
        {"InBoX/%", "INBOX/x", 1},
        {"i%x", "INBOX", 1},
        {"inbox/x", "INBOX/X", 0},
        {"inboxes", "INBOXES", 0},
        {"INBOX", "inbox", 1},
        {"*/b", "a/b", 3},
        {"\xc3\xa9*", "\xc3\xa9t\xc3\xa9", 3},
        {"\xc3%", "\xc3\xa9", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned got = match(span_from_str(rows[i].pattern), span_from_str(rows[i].name));

        if (got != rows[i].want) {
            fail_msg("row %zu \"%s\" \"%s\": %u", i, rows[i].pattern, rows[i].name, got);
        }
    }
}

// The rule itself, without any cleverness.
static bool naive(const char *p, const char *s)
{
    if (*p == '\0') {
        return *s == '\0';
    }
    if (*p == '*' || *p == '%') {
        return naive(p + 1, s) || (*s && (*p == '*' || *s != '/') && naive(p, s + 1));
    }
    return *p == *s && naive(p + 1, s + 1);
}

// Does some "name/..." match?
static bool naive_children(const char *p, const char *s)
{
    if (*s == '\0') {
        // Any way on: the separator, then whatever the pattern wants.
        for (; *p == '%'; p++) {
        }
        if (*p == '*') {
            return true;
        }
        return *p == '/';
    }
    if (*p == '*' || *p == '%') {
        return naive_children(p + 1, s) || ((*p == '*' || *s != '/') && naive_children(p, s + 1));
    }
    return *p && *p == *s && naive_children(p + 1, s + 1);
}

// All patterns of up to 5 tokens against all names of up to 4 bytes over a small alphabet.
static void test_against_the_naive_rule(void **state)
{
    static const char tokens[] = "ab/%*";
    char pattern[8], name[8];
    size_t count = 0;

    (void)state;
    for (unsigned p = 0; p < 6 * 6 * 6 * 6 * 6; p++) {
        size_t pn = 0;

        for (unsigned v = p; v; v /= 6) {
            if (v % 6) {
                pattern[pn++] = tokens[v % 6 - 1];
            }
        }
        pattern[pn] = '\0';
        struct arena arena;
        struct imap_pattern *compiled;

        arena_init(&arena, 1 << 20);
        assert_ok(imap_pattern_compile(span_from_str(pattern), '/', &arena, &compiled));
        for (unsigned s = 0; s < 4 * 4 * 4 * 4; s++, count++) {
            size_t sn = 0;

            for (unsigned v = s; v; v /= 4) {
                if (v % 4) {
                    name[sn++] = tokens[v % 4 - 1];
                }
            }
            name[sn] = '\0';
            unsigned want = (naive(pattern, name) ? IMAP_MATCH_YES : 0) |
                            (naive_children(pattern, name) ? IMAP_MATCH_CHILDREN : 0);
            unsigned got = imap_pattern_match(compiled, span_from_str(name));

            if (got != want) {
                fail_msg("\"%s\" \"%s\": got %u, want %u", pattern, name, got, want);
            }
        }
        arena_finish(&arena);
    }
    assert_int_equal(count, 7776 * 256);
}

// Patterns of more than one word of states.
static void test_long_patterns(void **state)
{
    char pattern[4096], name[1100];

    (void)state;
    memset(name, 'a', sizeof(name));
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = i % 2 ? '*' : 'a';
    }
    for (size_t n = 1; n <= 1024; n++) {
        assert_int_equal(match(span_of(pattern, 2 * n), span_of(name, n)) & 1, 1);
        assert_int_equal(match(span_of(pattern, 2 * n), span_of(name, n - 1)) & 1, 0);
    }
    assert_int_equal(match(span_of(pattern, 4096), span_of(name, 1024)), 0);
    memset(pattern, '%', sizeof(pattern));
    assert_int_equal(match(span_of(pattern, 4096), span_of(name, 1024)), 1);
    assert_int_equal(match(span_of(name, 1024), span_of(name, 1024)), 1);
    assert_int_equal(match(span_of(name, 1024), span_of(name, 1023)), 0);
}

// What makes a backtracking matcher run for hours.
static void test_hostile_patterns_are_fast(void **state)
{
    char name[1024];
    struct arena arena;
    struct imap_pattern *p;
    struct timespec from, to;
    struct buf pattern;

    (void)state;
    memset(name, 'a', sizeof(name));
    buf_init(&pattern, 1 << 20);
    for (int i = 0; i < 200; i++) {
        buf_put_str(&pattern, "%*a*");
    }
    buf_put_byte(&pattern, 'b');
    arena_init(&arena, 1 << 20);
    assert_ok(imap_pattern_compile(buf_span(&pattern), '/', &arena, &p));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(imap_pattern_match(p, span_of(name, sizeof(name))), IMAP_MATCH_CHILDREN);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_true(to.tv_sec - from.tv_sec < 10); // milliseconds without sanitizers
    arena_finish(&arena);
    buf_finish(&pattern);
}

static void test_joining_with_the_reference(void **state)
{
    static const struct {
        const char *reference, *pattern, *want;
    } rows[] = {
        {"", "*", "*"},     {"a/", "%", "a/%"}, {"a", "%", "a%"},
        {"a/", "/b", "/b"}, {"a/", "", "a/"},   {"", "", ""},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_span(imap_pattern_join(span_from_str(rows[i].reference),
                                      span_from_str(rows[i].pattern), '/', &arena),
                    rows[i].want);
    }
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_against_the_naive_rule),
        cmocka_unit_test(test_long_patterns),
        cmocka_unit_test(test_hostile_patterns_are_fast),
        cmocka_unit_test(test_joining_with_the_reference),
    };

    return cmocka_run_group_tests_name("imap_match", tests, NULL, NULL);
}
