// SPDX-License-Identifier: Apache-2.0
//
// ENVELOPE, BODY and BODYSTRUCTURE as they go over the wire; sections of a message.
#include "../test.h"
#include "mime/mime_imap.h"
#include "mime/mime_reader.h"
#include "mime/mime_section.h"

static void test_strings(void **state)
{
    static const struct {
        struct span in;
        const char *want;
    } rows[] = {
        {{"abc", 3}, "\"abc\""},
        {{"", 0}, "\"\""},
        {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {{"a\tb", 3}, "\"a\tb\""},
        {{"a\nb", 3}, "{3}\r\na\nb"},
        {{"a\rb\"", 4}, "{4}\r\na\rb\""},
        {{"\xc3\xa9", 2}, "{2}\r\n\xc3\xa9"},
        {{"a\0b", 3}, "\"a?b\""},
        {{"\0\xc3\0", 3}, "{3}\r\n?\xc3?"},
        {{NULL, 0}, "NIL"},
    };
    char big[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 100);
        mime_imap_nstring(&b, rows[i].in);
        assert_span(buf_span(&b), rows[i].want);
        buf_finish(&b);
    }
    struct buf b;

    memset(big, '"', sizeof(big));
    buf_init(&b, 4000);
    mime_imap_string(&b, span_of(big, sizeof(big)));
    assert_true(span_starts(buf_span(&b), SPAN("{2000}\r\n")));
    assert_int_equal(b.n, 2008);
    buf_finish(&b);
}

static const struct {
    const char *header, *want;
} envelopes[] = {
    {"", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
    {"Subject:\nFrom: \nDate: x\n\n", "(\"x\" \"\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
    {"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\nFrom: Fred Foobar <foobar@Blurdybloop.example>"
     "\r\nSubject: afternoon\r\n meeting\r\nTo: mooch@owatagu.siam.edu.example\r\n"
     "Message-Id: <B27397-0100000@Blurdybloop.example>\r\nIn-Reply-To:\r\n\r\n",
     "(\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"afternoon meeting\" "
     "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
     "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
     "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
     "((NIL NIL \"mooch\" \"owatagu.siam.edu.example\")) NIL NIL \"\" "
     "\"<B27397-0100000@Blurdybloop.example>\")"},
    {"From: a@b\nSender: c@d\nReply-To: <>\n\n",
     "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL "
     "NIL NIL)"},
    {"To: a@b\nCc: Group: c@d, e@f;, g\nTo: h@i\n\n",
     "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"h\" \"i\")) "
     "((NIL NIL \"Group\" NIL)(NIL NIL \"c\" \"d\")(NIL NIL \"e\" \"f\")(NIL NIL NIL NIL)"
     "(NIL NIL \"g\" \"\")) NIL NIL NIL)"},
    {"Subject: a\nFrom: <@x:a@b>\nFrom: c@d\nSubject: b\n\n",
     "(NIL \"a\" ((NIL \"@x\" \"a\" \"b\")) ((NIL \"@x\" \"a\" \"b\")) ((NIL \"@x\" \"a\" \"b\")) "
     "NIL NIL NIL NIL NIL)"},
    {"Subject: \xc3\xa9\"\nTo: \xc3\xa9 <a@b>\n\n",
     "(NIL {3}\r\n\xc3\xa9\" NIL NIL NIL (({2}\r\n\xc3\xa9 NIL \"a\" \"b\")) NIL NIL NIL NIL)"},
};

static void test_envelopes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(envelopes) / sizeof(envelopes[0]); i++) {
        struct buf b;

        buf_init(&b, 10000);
        mime_imap_envelope(&b, span_from_str(envelopes[i].header));
        if (!span_eq(buf_span(&b), span_from_str(envelopes[i].want))) {
            fail_msg("row %zu: %.*s", i, SPAN_ARG(buf_span(&b)));
        }
        buf_finish(&b);
    }
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\n"

static const struct {
    const char *message, *body, *structure;
} structures[] = {
    {"", "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)",
     "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)"},
    {"Content-Type: TEXT/PLAIN; charset=us-ascii\nContent-Id: <i>\nContent-MD5: m\n\none\ntwo\n",
     "(\"TEXT\" \"PLAIN\" (\"charset\" \"us-ascii\") \"<i>\" NIL \"7bit\" 8 2)",
     "(\"TEXT\" \"PLAIN\" (\"charset\" \"us-ascii\") \"<i>\" NIL \"7bit\" 8 2 \"m\" NIL NIL NIL)"},
    {"Content-Type: image/png\nContent-Transfer-Encoding: Base64\nContent-Description: d\n"
     "Content-Disposition: inline; filename=x\nContent-Language: en, de\nContent-Location: l\n\nx",
     "(\"image\" \"png\" NIL NIL \"d\" \"base64\" 1)",
     "(\"image\" \"png\" NIL NIL \"d\" \"base64\" 1 NIL (\"inline\" (\"filename\" \"x\")) "
     "(\"en\" \"de\") \"l\")"},
    {"Content-Transfer-Encoding: x-foo\nContent-Disposition: attachment\n\n",
     "(\"text\" \"plain\" NIL NIL NIL \"x-foo\" 0 0)",
     "(\"text\" \"plain\" NIL NIL NIL \"x-foo\" 0 0 NIL (\"attachment\" NIL) NIL NIL)"},
    {MIXED "\n", "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")",
     "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\")"
     " NIL NIL NIL)"},
    {MIXED "Content-Language: en\n\n--b\n\n1\n--b\nContent-Type: a/b\n\n2\n--b--",
     "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 0)(\"a\" \"b\" NIL NIL NIL \"7bit\" 1) "
     "\"mixed\")",
     "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)"
     "(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") "
     "NIL (\"en\") NIL)"},
    {MIXED "\n--b\nContent-Type: message/rfc822\n\nSubject: s\n\nin\nside\n--b\n\n2\n--b--",
     "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 "
     "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
     "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 7 1) 3)(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 "
     "0) \"mixed\")",
     "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 "
     "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
     "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 7 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)"
     "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL) \"mixed\" "
     "(\"boundary\" \"b\") NIL NIL NIL)"},
};

static void check_structure(size_t row, const struct mime_part *p, bool has_extension,
                            const char *want)
{
    struct buf b;

    buf_init(&b, 10000);
    mime_imap_structure(&b, p, has_extension);
    if (!span_eq(buf_span(&b), span_from_str(want))) {
        print_error("row %zu:\n got %.*s\nwant %s\n", row, SPAN_ARG(buf_span(&b)), want);
        fail();
    }
    buf_finish(&b);
}

static void test_structures(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(structures) / sizeof(structures[0]); i++) {
        struct arena arena;
        struct mime_message m;

        arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
        assert_ok(mime_read(span_from_str(structures[i].message), NULL, &arena, &m));
        check_structure(i, &m.parts[0], false, structures[i].body);
        check_structure(i, &m.parts[0], true, structures[i].structure);
        arena_finish(&arena);
    }
}

#define ONE   "Subject: one\n\nbody"
#define INNER "Subject: in\nContent-Type: multipart/x; boundary=c\n\n--c\nX: 1\n\nc1\n--c--\n"
#define NESTED                                                                                     \
    MIXED "\n--b\nA: b\n\none\n--b\nContent-Type: message/rfc822\n\n" INNER                        \
          "\n--b\nContent-Type: message/rfc822\n\nS: t\n\nsimple\n--b--\n"

static const struct {
    const char *message;
    uint32_t path[4];
    size_t path_n;
    enum mime_section_text text;
    const char *want; // NULL: no such part
} sections[] = {
    {ONE, {0}, 0, MIME_SECTION_ALL, ONE},
    {ONE, {0}, 0, MIME_SECTION_HEADER, "Subject: one\n\n"},
    {ONE, {0}, 0, MIME_SECTION_TEXT, "body"},
    {ONE, {1}, 1, MIME_SECTION_ALL, "body"},
    {ONE, {1}, 1, MIME_SECTION_MIME, "Subject: one\n\n"},
    {ONE, {1}, 1, MIME_SECTION_HEADER, NULL},
    {ONE, {1}, 1, MIME_SECTION_TEXT, NULL},
    {ONE, {2}, 1, MIME_SECTION_ALL, NULL},
    {ONE, {0}, 1, MIME_SECTION_ALL, NULL},
    {ONE, {1, 1}, 2, MIME_SECTION_ALL, NULL},
    {NESTED, {1}, 1, MIME_SECTION_ALL, "one"},
    {NESTED, {1}, 1, MIME_SECTION_MIME, "A: b\n\n"},
    {NESTED, {1}, 1, MIME_SECTION_TEXT, NULL},
    {NESTED, {1, 1}, 2, MIME_SECTION_ALL, NULL},
    {NESTED, {2}, 1, MIME_SECTION_ALL, INNER},
    {NESTED, {2}, 1, MIME_SECTION_MIME, "Content-Type: message/rfc822\n\n"},
    {NESTED, {2}, 1, MIME_SECTION_HEADER, "Subject: in\nContent-Type: multipart/x; boundary=c\n\n"},
    {NESTED, {2}, 1, MIME_SECTION_TEXT, "--c\nX: 1\n\nc1\n--c--\n"},
    {NESTED, {2, 1}, 2, MIME_SECTION_ALL, "c1"},
    {NESTED, {2, 1}, 2, MIME_SECTION_MIME, "X: 1\n\n"},
    {NESTED, {2, 2}, 2, MIME_SECTION_ALL, NULL},
    {NESTED, {3}, 1, MIME_SECTION_TEXT, "simple"},
    {NESTED, {3, 1}, 2, MIME_SECTION_ALL, "simple"},
    {NESTED, {3, 1}, 2, MIME_SECTION_MIME, "S: t\n\n"},
    {NESTED, {3, 1, 1}, 3, MIME_SECTION_ALL, NULL},
    {NESTED, {4}, 1, MIME_SECTION_ALL, NULL},
    {NESTED, {4294967295u}, 1, MIME_SECTION_ALL, NULL},
    {"Content-Type: message/rfc822\n\nA: b\n\nx", {1}, 1, MIME_SECTION_HEADER, "A: b\n\n"},
    {"Content-Type: message/rfc822\n\nA: b\n\nx", {1, 1}, 2, MIME_SECTION_ALL, "x"},
    {MIXED "\nno parts", {1}, 1, MIME_SECTION_ALL, "no parts"},
};

static void test_sections(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        struct arena arena;
        struct mime_message m;
        struct mime_range range = {0};
        struct span message = span_from_str(sections[i].message);
        struct mime_section s = {sections[i].path, sections[i].path_n, sections[i].text};

        arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
        assert_ok(mime_read(message, NULL, &arena, &m));
        enum err e = mime_section_find(mime_section_table(&m), &s, &range);
        struct span got = span_first(span_skip(message, range.offset), range.size);

        if (e != (sections[i].want ? ERR_OK : ERR_NOT_FOUND) ||
            (sections[i].want && !span_eq(got, span_from_str(sections[i].want)))) {
            fail_msg("row %zu: %s \"%.*s\"", i, err_name(e), SPAN_ARG(got));
        }
        arena_finish(&arena);
    }
}

static void test_section_details(void **state)
{
    struct arena arena;
    struct mime_message m;
    struct mime_range r;
    uint32_t one = 1;

    (void)state;
    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    assert_ok(mime_read(SPAN("Content-Transfer-Encoding: base64\n\nYQ=="), NULL, &arena, &m));
    struct mime_section s = {NULL, 0, MIME_SECTION_MIME};

    assert_err(mime_section_find(mime_section_table(&m), &s, &r), ERR_INVALID);
    s = (struct mime_section){&one, 1, MIME_SECTION_ALL};
    assert_ok(mime_section_find(mime_section_table(&m), &s, &r));
    assert_int_equal(r.encoding, MIME_BASE64);
    s = (struct mime_section){&one, 1, MIME_SECTION_MIME};
    assert_ok(mime_section_find(mime_section_table(&m), &s, &r));
    assert_int_equal(r.encoding, MIME_7BIT);
    r = mime_section_partial((struct mime_range){.offset = 10, .size = 5}, 2, 2);
    assert_int_equal(r.offset, 12);
    assert_int_equal(r.size, 2);
    r = mime_section_partial((struct mime_range){.offset = 10, .size = 5}, UINT64_MAX, UINT64_MAX);
    assert_int_equal(r.offset, 15);
    assert_int_equal(r.size, 0);
    r = mime_section_partial((struct mime_range){.offset = 10, .size = 5}, 3, UINT64_MAX);
    assert_int_equal(r.size, 2);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),         cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_structures),      cmocka_unit_test(test_sections),
        cmocka_unit_test(test_section_details),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
