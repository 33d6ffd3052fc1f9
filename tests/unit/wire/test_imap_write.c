// SPDX-License-Identifier: Apache-2.0
//
// What the writer says is read back with the parser's own tokens: whatever the value, it is one
// element, and the value.
#include "../test.h"
#include "wire/imap/grammar/imap_parse_internal.h"
#include "wire/imap/imap_write.h"

static void begin(struct imap_cursor *c, struct arena *arena, struct imap_parse_error *error,
                  struct span text, bool utf8)
{
    *c = (struct imap_cursor){
        .text = text, .arena = arena, .error = error, .utf8_names = utf8, .separator = '/'};
}

static void test_strings(void **state)
{
    static const struct {
        const char *in;
        bool utf8;
        const char *string, *astring;
    } rows[] = {
        {"", false, "\"\"", "\"\""},
        {"abc", false, "\"abc\"", "abc"},
        {"a b", false, "\"a b\"", "\"a b\""},
        {"NIL", false, "\"NIL\"", "\"NIL\""},
        {"nil", false, "\"nil\"", "\"nil\""},
        {"a\"b\\c", false, "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\""},
        {"a\r\nb", false, "{4}\r\na\r\nb", "{4}\r\na\r\nb"},
        {"a\rb", true, "{3}\r\na\rb", "{3}\r\na\rb"},
        {"\xc3\xa9", false, "{2}\r\n\xc3\xa9", "{2}\r\n\xc3\xa9"},
        {"\xc3\xa9", true, "\"\xc3\xa9\"", "\"\xc3\xa9\""},
        {"\xc3", true, "{1}\r\n\xc3", "{1}\r\n\xc3"},
        {"\"\"\"\"\"\"\"\"\"", false, "{9}\r\n\"\"\"\"\"\"\"\"\"", "{9}\r\n\"\"\"\"\"\"\"\"\""},
        {"\t", false, "\"\t\"", "\"\t\""},
        {"a]", false, "\"a]\"", "\"a]\""},
        {"{5}", false, "\"{5}\"", "\"{5}\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 1000);
        imap_write_string(&b, span_from_str(rows[i].in), rows[i].utf8);
        assert_span(buf_span(&b), rows[i].string);
        buf_clear(&b);
        imap_write_astring(&b, span_from_str(rows[i].in), rows[i].utf8);
        assert_span(buf_span(&b), rows[i].astring);
        buf_finish(&b);
    }
    struct buf b;

    buf_init(&b, 1000);
    imap_write_nstring(&b, (struct span){NULL, 0}, false);
    imap_write_nstring(&b, SPAN(""), false);
    imap_write_string(&b, SPAN("a\0b"), false);
    imap_write_literal_head(&b, 50000000000, true);
    assert_span(buf_span(&b), "NIL\"\"{3}\r\na\x80"
                              "b~{50000000000}\r\n");
    buf_finish(&b);
}

// All short values over the bytes that matter.
static void test_strings_read_back(void **state)
{
    static const char bytes[] = "a \"\\\r\n{}()5\x80%";
    const size_t base = sizeof(bytes) - 1;
    struct arena arena;
    struct buf b;

    (void)state;
    arena_init(&arena, 1 << 20);
    buf_init(&b, 1000);
    for (size_t v = 0; v < base * base * base * base; v++) {
        struct imap_parse_error error;
        struct imap_cursor c;
        struct span back;
        char value[4] = {bytes[v % base], bytes[v / base % base], bytes[v / base / base % base],
                         bytes[v / base / base / base]};

        buf_clear(&b);
        if (v % 2) {
            imap_write_astring(&b, span_of(value, 4), v % 4 == 1);
        } else {
            imap_write_string(&b, span_of(value, 4), v % 4 == 0);
        }
        begin(&c, &arena, &error, buf_span(&b), false);
        assert_ok(imap_take_astring(&c, "", &back));
        assert_true(imap_at_end(&c) && span_eq(back, span_of(value, 4)));
        arena_reset(&arena);
    }
    buf_finish(&b);
    arena_finish(&arena);
}

// A buffer that fills up holds no half of a literal.
static void test_a_full_buffer(void **state)
{
    char value[100];

    (void)state;
    memset(value, '\n', sizeof(value));
    for (size_t max = 0; max < 120; max++) {
        struct buf b;

        buf_init(&b, max);
        imap_write_string(&b, span_of(value, sizeof(value)), false);
        assert_true(b.n == 0 || b.n == 107);
        assert_int_equal(buf_result(&b), max < 107 ? ERR_LIMIT : ERR_OK);
        buf_finish(&b);
    }
}

static void test_mailbox_names(void **state)
{
    static const struct {
        const char *name, *utf7, *utf8;
    } rows[] = {
        {"INBOX", "INBOX", "INBOX"},
        {"a b", "\"a b\"", "\"a b\""},
        {"a&b", "a&-b", "a&b"},
        {"\xc3\xa9", "&AOk-", "\"\xc3\xa9\""},
        {"x*", "\"x*\"", "\"x*\""},
        {"NIL", "\"NIL\"", "\"NIL\""},
        {"\xf0\x9f\x98\x80/\xf0\x9f\x98\x80", "&2D3eAA-/&2D3eAA-",
         "\"\xf0\x9f\x98\x80/\xf0\x9f\x98\x80\""},
    };
    struct arena arena;

    (void)state;
    arena_init(&arena, 65536);
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        bool utf8 = i % 2;
        struct imap_parse_error error;
        struct imap_cursor c;
        struct span back;
        struct buf b;

        buf_init(&b, 1000);
        imap_write_mailbox(&b, span_from_str(rows[i / 2].name), utf8);
        assert_span(buf_span(&b), utf8 ? rows[i / 2].utf8 : rows[i / 2].utf7);
        begin(&c, &arena, &error, buf_span(&b), utf8);
        assert_ok(imap_take_mailbox(&c, false, &back));
        assert_span(back, rows[i / 2].name);
        buf_finish(&b);
    }
    // No canonical name, and still one element.
    struct buf b;

    buf_init(&b, 1000);
    imap_write_mailbox(&b, SPAN("a\r\n* BYE"), false);
    imap_write_mailbox(&b, SPAN("\xff"), false);
    assert_span(buf_span(&b), "{8}\r\na\r\n* BYE{1}\r\n\xff");
    buf_finish(&b);
    arena_finish(&arena);
}

static void test_status_lines(void **state)
{
    static const struct {
        const char *tag;
        enum imap_condition condition;
        const char *code, *text, *want;
    } rows[] = {
        {"a1", IMAP_OK, "", "done", "a1 OK done\r\n"},
        {"", IMAP_BYE, "", "bye", "* BYE bye\r\n"},
        {"a", IMAP_NO, "TRYCREATE", "no such mailbox", "a NO [TRYCREATE] no such mailbox\r\n"},
        {"a", IMAP_BAD, "", "x\r\n* BYE y", "a BAD x??* BYE y\r\n"},
        {"a", IMAP_OK, "UIDNEXT 5] x\r\nb OK [A", "t", "a OK [UIDNEXT 5? x??b OK [A] t\r\n"},
        {"a\r\n", IMAP_OK, "", "t", "a?? OK t\r\n"},
        {"a", IMAP_OK, "", "[ALERT] x", "a OK  [ALERT] x\r\n"},
        {"a", IMAP_OK, "", "", "a OK .\r\n"},
        {"a", IMAP_OK, "", "\xc3\xa9", "a OK \xc3\xa9\r\n"},
        {"a", IMAP_OK, "", "\xc3\t", "a OK ??\r\n"},
        {"", IMAP_PREAUTH, "", "x", "* PREAUTH x\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;

        buf_init(&b, 1000);
        imap_write_status_line(&b, span_from_str(rows[i].tag), rows[i].condition,
                               span_from_str(rows[i].code), span_from_str(rows[i].text));
        assert_span(buf_span(&b), rows[i].want);
        buf_finish(&b);
    }
}

static void test_refusals_in_words(void **state)
{
    static const struct {
        const char *in, *want;
        unsigned state;
    } rows[] = {
        {"a1 SELECT", "a1 BAD expected a space and a mailbox name, at byte 10\r\n", 0},
        {"a1 FOO", "a1 BAD unknown command\r\n", 0},
        {"foo", "* BAD expected a tag and a space, at byte 1\r\n", 0},
        {"a SELECT a//b", "a NO [CANNOT] a mailbox name has no empty level\r\n", 0},
        {"a FETCH 1 FLAGS", "a BAD this command needs a login first\r\n",
         IMAP_STATE_NOT_AUTHENTICATED},
        {"a SEARCH ((((((((((((((((((((((((((((((((((((((((((((((((((((((",
         "a NO [LIMIT] SEARCH is nested over 50 deep\r\n", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena;
        struct imap_command cmd;
        struct imap_parse_error error;
        struct buf b;

        arena_init(&arena, 65536);
        buf_init(&b, 1000);
        assert_true(imap_parse(span_from_str(rows[i].in), &arena,
                               &(struct imap_parse_options){.state = rows[i].state}, &cmd,
                               &error) != ERR_OK);
        imap_write_parse_error(&b, &error);
        assert_span(buf_span(&b), rows[i].want);
        buf_finish(&b);
        arena_finish(&arena);
    }
}

static void test_status_items(void **state)
{
    (void)state;
    assert_string_equal(imap_status_item_name(IMAP_STATUS_UIDNEXT), "UIDNEXT");
    assert_string_equal(imap_status_item_name(IMAP_STATUS_DELETED_STORAGE), "DELETED-STORAGE");
    assert_null(imap_status_item_name(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),       cmocka_unit_test(test_strings_read_back),
        cmocka_unit_test(test_a_full_buffer), cmocka_unit_test(test_mailbox_names),
        cmocka_unit_test(test_status_lines),  cmocka_unit_test(test_refusals_in_words),
        cmocka_unit_test(test_status_items),
    };

    return cmocka_run_group_tests_name("imap_write", tests, NULL, NULL);
}
