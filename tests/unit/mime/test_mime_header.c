// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "mime/mime_header.h"

#define BLOCK "From x\nA: 1\r\nB:  2\r\n\tmore\r\n: none\r\nA : 3\nC:\n\n"

static void test_fields_in_order(void **state)
{
    static const struct {
        const char *name, *body, *line;
    } rows[] = {
        {"", "From x", "From x\n"},
        {"A", " 1", "A: 1\r\n"},
        {"B", "  2\r\n\tmore", "B:  2\r\n\tmore\r\n"},
        {"", ": none", ": none\r\n"},
        {"A", " 3", "A : 3\n"},
        {"C", "", "C:\n"},
    };
    struct span block = SPAN(BLOCK);
    struct mime_field f;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(mime_header_next(&block, &f));
        assert_span(f.name, rows[i].name);
        assert_span(f.body, rows[i].body);
        assert_span(f.line, rows[i].line);
    }
    assert_false(mime_header_next(&block, &f));
    assert_span(block, "\n");
}

static void test_find(void **state)
{
    struct span block = SPAN(BLOCK);
    struct mime_field f;

    (void)state;
    assert_true(mime_header_find(&block, SPAN("a"), &f));
    assert_span(f.body, " 1");
    assert_true(mime_header_find(&block, SPAN("a"), &f));
    assert_span(f.body, " 3");
    assert_false(mime_header_find(&block, SPAN("a"), &f));
    assert_span(mime_header_get(SPAN(BLOCK), SPAN("b")), "2\r\n\tmore");
    assert_int_equal(mime_header_get(SPAN(BLOCK), SPAN("C")).n, 0);
    assert_non_null(mime_header_get(SPAN(BLOCK), SPAN("C")).p);
    assert_null(mime_header_get(SPAN(BLOCK), SPAN("D")).p);
    assert_null(mime_header_get(SPAN(BLOCK), SPAN("")).p);
    assert_null(mime_header_get((struct span){NULL, 0}, SPAN("A")).p);
}

static void test_unfold_and_text(void **state)
{
    static const struct {
        const char *in, *unfolded, *text;
    } rows[] = {
        {" a\r\n b ", "a b", "a b"},
        {"a\n\tb\r\n  c", "a\tb  c", "a b  c"},
        {"a\rb", "a b", "a b"},
        {"a\r\r\n b", "a  b", "a  b"},
        {"=?utf-8?q?=C3=A9?=\r\n =?utf-8?q?x?=", "=?utf-8?q?=C3=A9?= =?utf-8?q?x?=", "\xc3\xa9x"},
        {"", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 100);
        mime_header_unfold(&b, span_from_str(rows[i].in));
        assert_span(buf_span(&b), rows[i].unfolded);
        buf_clear(&b);
        mime_header_text(&b, span_from_str(rows[i].in));
        assert_span(buf_span(&b), rows[i].text);
        buf_finish(&b);
    }
}

static void check_filter(const char *block, const struct span *names, size_t n, bool is_not,
                         const char *want)
{
    struct buf b;

    buf_init(&b, 1000);
    mime_header_filter(&b, span_from_str(block), names, n, is_not);
    assert_span(buf_span(&b), want);
    buf_finish(&b);
}

static void test_filter(void **state)
{
    const struct span names[] = {SPAN("c"), SPAN("b"), SPAN("")};

    (void)state;
    check_filter(BLOCK, names, 3, false, "B:  2\r\n\tmore\r\nC:\n\n");
    check_filter(BLOCK, names, 3, true, "From x\nA: 1\r\n: none\r\nA : 3\n\n");
    check_filter(BLOCK, names, 0, true, BLOCK);
    check_filter(BLOCK, names, 0, false, "\n");
    check_filter("B: 1\r\n\r\nbody", names, 3, false, "B: 1\r\n\r\n");
    check_filter("B: 1", names, 3, false, "B: 1");
    check_filter("", names, 3, false, "");
}

static void test_names(void **state)
{
    char text[MIME_NAME_BYTES_MAX + 2];
    size_t body;

    (void)state;
    memset(text, 'a', sizeof(text));
    text[MIME_NAME_BYTES_MAX - 1] = ':';
    assert_int_equal(mime_header_name(span_of(text, sizeof(text)), &body), MIME_NAME_BYTES_MAX - 1);
    assert_int_equal(body, MIME_NAME_BYTES_MAX);
    text[MIME_NAME_BYTES_MAX - 1] = 'a';
    text[MIME_NAME_BYTES_MAX] = ':';
    assert_int_equal(mime_header_name(span_of(text, sizeof(text)), &body), 0);
    assert_int_equal(mime_header_name(SPAN("a b: c"), &body), 0);
    assert_int_equal(mime_header_name(SPAN("a\t : c"), &body), 1);
    assert_int_equal(mime_header_name(SPAN(": c"), &body), 0);
    assert_int_equal(mime_header_name(SPAN("\xc3: c"), &body), 0);
    assert_int_equal(mime_header_name(SPAN(""), &body), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_in_order), cmocka_unit_test(test_find),
        cmocka_unit_test(test_unfold_and_text), cmocka_unit_test(test_filter),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
