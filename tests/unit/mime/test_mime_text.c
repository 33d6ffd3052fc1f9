// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "mime/mime_reader.h"
#include "mime/mime_text.h"

static const struct {
    const char *in, *want;
} pages[] = {
    {"", ""},
    {"plain", "plain\n"},
    {"<p>one<p>two<br>three", "one\ntwo\nthree\n"},
    {"<b>bo</b>ld  and\n\tblanks", "bold and blanks\n"},
    {"<table><tr><td>a</td><td>b</td></tr><tr><td>c", "a b\nc\n"},
    {"a &amp; b &lt;c&gt; &eacute;&euro;&nbsp;d", "a & b <c> \xc3\xa9\xe2\x82\xac d\n"},
    {"&#65;&#x42;&#8364;", "AB\xe2\x82\xac\n"},
    {"&unknown; & &; &#; &#x110000; a&b=c", "&unknown; & &; &#; \xef\xbf\xbd a&b=c\n"},
    {"&amp", "&\n"},
    {"<script>if (a<b) '</x>'</script>after", "after\n"},
    {"<STYLE type=x>p {}</STYLE >after", "after\n"},
    {"<style></styl></style>after", "after\n"},
    {"<title>t</title>after", "after\n"},
    {"<script>never closed", ""},
    {"a<!-- b > c -- d -->e<!DOCTYPE html>f<?xml x?>g", "aefg\n"},
    {"<!-->a", "a\n"},
    {"<!--never closed", ""},
    {"<a title=\"x>y\" href='z>'>link</a>", "link\n"},
    {"1 < 2 <3 << <", "1 < 2 <3 << <\n"},
    {"<", "<\n"},
    {"<div><div><div>", ""},
    {"x\x01y", "x y\n"},
};

static void test_html_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct buf got;

        buf_init(&got, 1000);
        mime_text_from_html(&got, span_from_str(pages[i].in));
        if (!span_eq(buf_span(&got), span_from_str(pages[i].want))) {
            fail_msg("row %zu \"%s\": \"%.*s\"", i, pages[i].in, SPAN_ARG(buf_span(&got)));
        }
        buf_finish(&got);
    }
}

static void test_text_of_a_part_in_any_pieces(void **state)
{
    static const struct {
        const char *message, *want;
    } rows[] = {
        {"\ngr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"Content-Type: text/plain; charset=iso-8859-1\n\ngr\xfc\xdf", "gr\xc3\xbc\xc3\x9f"},
        {"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
         "Z3LDvMOfCg==",
         "gr\xc3\xbc\xc3\x9f\n"},
        {"Content-Type: text/html; charset=koi8-r\nContent-Transfer-Encoding: "
         "quoted-printable\n\n<p>=F0=D2=C9<b>&amp;</b>",
         "\xd0\x9f\xd1\x80\xd0\xb8&\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t piece = 1; piece < 20; piece += 3) {
            struct arena arena;
            struct mime_message m;
            struct mime_text *t;
            struct buf got;
            struct span in = span_from_str(rows[i].message);

            arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
            buf_init(&got, 1000);
            assert_ok(mime_read(in, NULL, &arena, &m));
            assert_ok(mime_text_create(&m.parts[0], &t));
            in = span_skip(in, m.parts[0].body_offset);
            for (size_t at = 0; at < in.n; at += piece) {
                mime_text_feed(t, &got, span_first(span_skip(in, at), piece));
            }
            mime_text_finish(t, &got);
            assert_span(buf_span(&got), rows[i].want);
            mime_text_destroy(t);
            buf_finish(&got);
            arena_finish(&arena);
        }
    }
}

static const struct {
    const char *message;
    size_t chars;
    const char *want;
} previews[] = {
    {"\nhello\n\n  big   world \n", 200, "hello big world"},
    {"\nhello world", 7, "hello w"},
    {"\nhello world", 6, "hello"},
    {"\n\xc3\xa9\xc3\xa9\xc3\xa9", 2, "\xc3\xa9\xc3\xa9"},
    {"\nJoe wrote:\n> quoted\n>> more\nmy answer\n", 200, "my answer"},
    {"\n> only\n> quotes\n", 200, "> only > quotes"},
    {"\ntext\n-- \nsignature\n", 200, "text"},
    {"\n----\n****\ntext\n====", 200, "text"},
    {"\n\n\n", 200, ""},
    {"", 200, ""},
    {"Content-Type: text/html\n\n<style>x</style><p>Hi&zwnj;&nbsp;<b>you</b>", 200, "Hi you"},
    {"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n \n--b\n"
     "Content-Type: text/html\n\n<p>html\n--b--",
     200, "html"},
    {"Content-Type: image/png\n\nxxxx", 200, ""},
    {"\na\x01\x7f\xc2\x85z", 200, "a z"},
};

static void test_previews(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(previews) / sizeof(previews[0]); i++) {
        struct arena arena;
        struct mime_message m;
        struct buf got;

        arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
        buf_init(&got, 1000);
        assert_ok(mime_read(span_from_str(previews[i].message), NULL, &arena, &m));
        mime_text_preview(&got, &m, previews[i].chars);
        if (!span_eq(buf_span(&got), span_from_str(previews[i].want))) {
            fail_msg("row %zu: \"%.*s\"", i, SPAN_ARG(buf_span(&got)));
        }
        buf_finish(&got);
        arena_finish(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_html_in_any_pieces),
        cmocka_unit_test(test_text_of_a_part_in_any_pieces),
        cmocka_unit_test(test_previews),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
