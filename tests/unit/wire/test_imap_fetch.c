// SPDX-License-Identifier: Apache-2.0
//
// FETCH, STORE, COPY and MOVE.
#include "imap_rows.h"

static const struct imap_row fetch_rows[] = {
    GOOD("a FETCH 1 FLAGS", "a FETCH  1 FLAGS"),
    GOOD("a UID FETCH 1:* (FLAGS)", "a UID FETCH  1:* FLAGS"),
    GOOD("a FETCH 2:4 ALL", "a FETCH  2:4 FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"),
    GOOD("a FETCH * fast", "a FETCH  * FLAGS INTERNALDATE RFC822.SIZE"),
    GOOD("a FETCH $ FULL", "a FETCH  $ FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY"),
    GOOD("a FETCH 1 (UID MODSEQ EMAILID THREADID SAVEDATE BODYSTRUCTURE envelope)",
         "a FETCH  1 UID MODSEQ EMAILID THREADID SAVEDATE BODYSTRUCTURE ENVELOPE"),
    GOOD("a FETCH 1 (FLAGS flags FLAGS)", "a FETCH  1 FLAGS"),
    GOOD("a FETCH 1 BODY", "a FETCH  1 BODY"),
    GOOD("a FETCH 1 BODY[]", "a FETCH  1 BODY[]!"),
    GOOD("a FETCH 1 BODY.PEEK[]", "a FETCH  1 BODY[]"),
    GOOD("a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
         "a FETCH  1 RFC822! RFC822.HEADER RFC822.TEXT! RFC822.SIZE"),
    GOOD("a FETCH 1 (BODY[HEADER] body[text])", "a FETCH  1 BODY[HEADER]! BODY[TEXT]!"),
    GOOD("a FETCH 1 BODY[1.2.3]", "a FETCH  1 BODY[1.2.3]!"),
    GOOD("a FETCH 1 BODY[4.1.MIME]", "a FETCH  1 BODY[4.1.MIME]!"),
    GOOD("a FETCH 1 BODY[4.2.HEADER]<0.100>", "a FETCH  1 BODY[4.2.HEADER]<0>!+100"),
    GOOD("a FETCH 1 BODY[]<9223372036854775807.9223372036854775807>",
         "a FETCH  1 BODY[]<9223372036854775807>!+9223372036854775807"),
    GOOD("a FETCH 1 BODY[]<4294967295.4294967295>", "a FETCH  1 BODY[]<4294967295>!+4294967295"),
    GOOD("a FETCH 1 BODY.PEEK[HEADER.FIELDS (From \"To\" {2}\r\nCC)]",
         "a FETCH  1 BODY[HEADER.FIELDS (From To CC)]"),
    GOOD("a FETCH 1 BODY[2.HEADER.FIELDS.NOT (\"a b\")]",
         "a FETCH  1 BODY[2.HEADER.FIELDS.NOT (\"a b\")]!"),
    GOOD("a FETCH 1 (BINARY[1] BINARY.PEEK[2.1]<5.6> BINARY.SIZE[3] BINARY[])",
         "a FETCH  1 BINARY[1]! BINARY[2.1]<5>+6 BINARY.SIZE[3] BINARY[]!"),
    GOOD("a FETCH 1 PREVIEW", "a FETCH  1 PREVIEW"),
    GOOD("a FETCH 1 PREVIEW (LAZY)", "a FETCH  1 PREVIEW lazy"),
    GOOD("a FETCH 1 (PREVIEW (LAZY) UID)", "a FETCH  1 PREVIEW lazy UID"),
    GOOD("a FETCH 1 PREVIEW (CHANGEDSINCE 5)", "a FETCH  1 PREVIEW since 5"),
    GOOD("a FETCH 1 (FLAGS) (CHANGEDSINCE 12345)", "a FETCH  1 FLAGS since 12345"),
    GOOD("a UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)",
         "a UID FETCH  1:* FLAGS since 1 vanished"),
    GOOD("a UID FETCH 1:* FLAGS (VANISHED CHANGEDSINCE 1)",
         "a UID FETCH  1:* FLAGS since 1 vanished"),
    GOOD("a FETCH 1 FLAGS ", "a FETCH  1 FLAGS"),
    BAD("a FETCH", 7, "expected a space and a sequence set"),
    BAD("a FETCH ", 8, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a FETCH 0 FLAGS", 8, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a FETCH 1,0 FLAGS", 10, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a FETCH 1: FLAGS", 10, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a FETCH 4294967296 FLAGS", 8, "expected a sequence set such as 1:3,7,10:*"),
    BAD("a FETCH 1", 9, "expected a space after the sequence set"),
    BAD("a FETCH 1 ", 10, "expected a FETCH item such as FLAGS"),
    BAD("a FETCH 1 ()", 11, "expected a FETCH item such as FLAGS"),
    BAD("a FETCH 1 FOO", 10, "expected a FETCH item such as FLAGS"),
    BAD("a FETCH 1 (ALL)", 11, "expected a FETCH item such as FLAGS"),
    BAD("a FETCH 1 (((", 11, "expected a FETCH item such as FLAGS"),
    BAD("a FETCH 1 (FLAGS", 16, "expected a space or \")\" after the item"),
    BAD("a FETCH 1 (FLAGS)x", 17, "expected the end of the command"),
    BAD("a FETCH 1 FLAGS UID", 16, "expected \"(\" before the modifiers of FETCH"),
    BAD("a FETCH 1 BODY.PEEK", 19, "expected \"[\" and a section"),
    BAD("a FETCH 1 FLAGS[1]", 15, "this item has no section"),
    BAD("a FETCH 1 BODY[", 15, "expected HEADER, HEADER.FIELDS, TEXT or MIME"),
    BAD("a FETCH 1 BODY[FOO]", 15, "expected HEADER, HEADER.FIELDS, TEXT or MIME"),
    BAD("a FETCH 1 BODY[0]", 15, "expected a part number of 1 or more"),
    BAD("a FETCH 1 BODY[4294967296]", 15, "expected a part number of 1 or more"),
    BAD("a FETCH 1 BODY[1.]", 17, "expected HEADER, HEADER.FIELDS, TEXT or MIME"),
    BAD("a FETCH 1 BODY[1", 16, "expected \"]\" at the end of the section"),
    BAD("a FETCH 1 BODY[1HEADER]", 16, "expected \"]\" at the end of the section"),
    BAD("a FETCH 1 BODY[MIME]", 15, "MIME needs a part number before it"),
    BAD("a FETCH 1 BODY[HEADER.FIELDS]", 28, "expected a space and the names of header fields"),
    BAD("a FETCH 1 BODY[HEADER.FIELDS ()]", 30, "expected the name of a header field"),
    BAD("a FETCH 1 BODY[HEADER.FIELDS (a]", 32, "expected a space or \")\" after the field's name"),
    BAD("a FETCH 1 BODY[]<>", 17, "expected the first byte's offset"),
    BAD("a FETCH 1 BODY[]<0>", 18, "expected \".\" after the offset"),
    BAD("a FETCH 1 BODY[]<0.0>", 19, "expected a length of 1 or more"),
    BAD("a FETCH 1 BODY[]<0.9223372036854775808>", 19, "expected a length of 1 or more"),
    BAD("a FETCH 1 BODY[]<0.5", 20, "expected \">\" after the length"),
    BAD("a FETCH 1 BINARY[TEXT]", 17, "expected a part number or \"]\""),
    BAD("a FETCH 1 BINARY[1.MIME]", 19, "expected a part number or \"]\""),
    BAD("a FETCH 1 BINARY.SIZE[1]<0.5>", 24, "expected the end of the command"),
    BAD("a FETCH 1 PREVIEW (LAZY x)", 23, "expected \")\" after LAZY"),
    GOOD("a FETCH 1 FLAGS (CHANGEDSINCE 0)", "a FETCH  1 FLAGS since 0"),
    BAD("a FETCH 1 FLAGS (CHANGEDSINCE x)", 30, "expected a mod-sequence"),
    GOOD("a UID FETCH 1:* FLAGS (PARTIAL 1:30)", "a UID FETCH  1:* FLAGS partial 1:30"),
    GOOD("a UID FETCH 1:* FLAGS (CHANGEDSINCE 5 PARTIAL -1:-30)",
         "a UID FETCH  1:* FLAGS since 5 partial -1:30"),
    BAD("a FETCH 1:* FLAGS (PARTIAL 1:30)", 18, "PARTIAL needs UID FETCH"),
    BAD("a UID FETCH 1:* FLAGS (PARTIAL 1:5 PARTIAL 1:2)", 35,
        "expected CHANGEDSINCE, VANISHED or one PARTIAL"),
    BAD("a UID FETCH 1:* FLAGS (PARTIAL)", 30, "expected a space after PARTIAL"),
    BAD("a FETCH 1 FLAGS (FOO)", 17, "expected CHANGEDSINCE, VANISHED or one PARTIAL"),
    BAD("a FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)", 16,
        "VANISHED needs UID FETCH with CHANGEDSINCE"),
    BAD("a UID FETCH 1 FLAGS (VANISHED)", 20, "VANISHED needs UID FETCH with CHANGEDSINCE"),
};

static void test_fetch(void **state)
{
    (void)state;
    CHECK_ROWS(fetch_rows, .state = IMAP_STATE_SELECTED);
}

static const struct imap_row store_rows[] = {
    GOOD("a STORE 1 FLAGS (\\Seen)", "a STORE  1 = (\\Seen)"),
    GOOD("a STORE 1 FLAGS ()", "a STORE  1 = ()"),
    GOOD("a STORE 1:3,5 +flags.silent (\\deleted \\FLAGGED)",
         "a STORE  1:3,5 +silent (\\Flagged \\Deleted)"),
    GOOD("a UID STORE $ -FLAGS \\Draft $Forwarded", "a UID STORE  $ - (\\Draft $Forwarded)"),
    GOOD("a STORE 1 +FLAGS (NonJunk $MDNSent nonjunk)", "a STORE  1 + (NonJunk $MDNSent)"),
    GOOD("a STORE 1 (UNCHANGEDSINCE 0) FLAGS x", "a STORE  1 = unchanged 0 (x)"),
    GOOD("a STORE 1 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Answered)",
         "a STORE  1 +silent unchanged 12121230045 (\\Answered)"),
    BAD("a STORE 1", 9, "expected a space after the sequence set"),
    BAD("a STORE 1 FLAG (x)", 10, "expected FLAGS or FLAGS.SILENT"),
    BAD("a STORE 1 *FLAGS (x)", 10, "expected FLAGS or FLAGS.SILENT"),
    BAD("a STORE 1 FLAGS", 15, "expected a space and the flags"),
    BAD("a STORE 1 FLAGS ", 16, "expected a flag"),
    BAD("a STORE 1 FLAGS (x", 18, "expected a space or \")\" after the flag"),
    BAD("a STORE 1 FLAGS (x ", 19, "expected a flag"),
    BAD("a STORE 1 FLAGS ((x))", 17, "expected a flag"),
    BAD("a STORE 1 FLAGS (\\)", 18, "expected a flag's name after the backslash"),
    BAD("a STORE 1 FLAGS (\\*)", 18, "expected a flag's name after the backslash"),
    BAD("a STORE 1 FLAGS (\\Recent)", 17,
        "expected \\Seen, \\Answered, \\Flagged, \\Deleted, \\Draft or a keyword"),
    BAD("a STORE 1 FLAGS (\\Foo)", 17,
        "expected \\Seen, \\Answered, \\Flagged, \\Deleted, \\Draft or a keyword"),
    BAD("a STORE 1 FLAGS (x) y", 20, "expected the end of the command"),
    BAD("a STORE 1 (CHANGEDSINCE 3) FLAGS x", 11, "expected UNCHANGEDSINCE"),
    BAD("a STORE 1 (UNCHANGEDSINCE x) FLAGS x", 26, "expected a mod-sequence"),
    BAD("a STORE 1 (UNCHANGEDSINCE 3)FLAGS x", 28, "expected a space after the modifier"),
    FAULT(IMAP_FAULT_LIMIT,
          "a STORE 1 FLAGS (12345678901234567890123456789012345678901234567890123456789012345)", 17,
          "a keyword is over 64 bytes"),
    GOOD("a STORE 1 FLAGS 1234567890123456789012345678901234567890123456789012345678901234",
         "a STORE  1 = (1234567890123456789012345678901234567890123456789012345678901234)"),
    GOOD("a COPY 2:4 MEETING", "a COPY  2:4'MEETING'"),
    GOOD("a UID COPY 1 \"a b\"", "a UID COPY  1'a b'"),
    GOOD("a MOVE 42:69 foo", "a MOVE  42:69'foo'"),
    GOOD("a UID MOVE $ inbox", "a UID MOVE  $'INBOX'"),
    BAD("a COPY 1", 8, "expected a space after the sequence set"),
    BAD("a MOVE 1 ", 9, "expected a mailbox name"),
    BAD("a MOVE foo 1", 7, "expected a sequence set such as 1:3,7,10:*"),
};

static void test_store_copy_and_move(void **state)
{
    (void)state;
    CHECK_ROWS(store_rows, .state = IMAP_STATE_SELECTED);
}

// A command made of `head`, `n` times `piece` and `tail`.
static enum err parse_many(const char *head, const char *piece, size_t n, const char *tail,
                           const char **out_why)
{
    struct buf text;
    struct arena arena;
    struct imap_command cmd;
    struct imap_parse_error error = {.expected = ""};

    buf_init(&text, 64 << 20);
    arena_init(&arena, IMAP_ARENA_BYTES);
    buf_put_str(&text, head);
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&text, piece);
    }
    buf_put_str(&text, tail);
    enum err e =
        imap_parse(buf_span(&text), &arena, &(struct imap_parse_options){.state = 0}, &cmd, &error);

    *out_why = error.expected;
    arena_finish(&arena);
    buf_finish(&text);
    return e;
}

static void test_limits(void **state)
{
    static const struct {
        const char *head, *piece, *tail;
        size_t n;
        enum err want;
        const char *because;
    } rows[] = {
        {"a FETCH 1 (", "BODY[] ", "FLAGS)", 999, ERR_OK, ""},
        {"a FETCH 1 (", "BODY[] ", "FLAGS)", 1000, ERR_LIMIT, "FETCH has over 1000 items"},
        {"a FETCH 1 (", "FLAGS ", "FLAGS)", 10000, ERR_OK, ""},
        {"a FETCH 1 BODY[", "1.", "1]", 99, ERR_OK, ""},
        {"a FETCH 1 BODY[", "1.", "1]", 100, ERR_LIMIT, "a part number has over 100 levels"},
        {"a FETCH 1 BODY[HEADER.FIELDS (", "x ", "x)]", 10000, ERR_OK, ""},
        {"a FETCH ", "1,", "1 FLAGS", 100000, ERR_OK, ""},
        {"a FETCH ", "1,", "1 FLAGS", 131071, ERR_OK, ""},
        {"a FETCH ", "1,", "1 FLAGS", 131072, ERR_LIMIT, "the sequence set has too many elements"},
        {"a FETCH ", "1,", "1 FLAGS", 10000000, ERR_LIMIT,
         "the sequence set has too many elements"},
        {"a STORE 1 FLAGS (", "x ", "x)", 10000, ERR_OK, ""},
        {"a LIST \"\" (", "% ", "%)", 999, ERR_OK, ""},
        {"a LIST \"\" (", "% ", "%)", 1000, ERR_LIMIT, "LIST has over 1000 patterns"},
        {"a FETCH 1 ", "(", "FLAGS", 100000, ERR_INVALID, "expected a FETCH item such as FLAGS"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *why;
        enum err e = parse_many(rows[i].head, rows[i].piece, rows[i].n, rows[i].tail, &why);

        if (e != rows[i].want || !span_eq(span_from_str(why), span_from_str(rows[i].because))) {
            fail_msg("row %zu: %s, %s", i, err_name(e), why);
        }
    }
}

static void test_keywords_are_limited(void **state)
{
    struct buf text;
    struct arena arena;
    struct imap_command cmd;
    struct imap_parse_error error;

    (void)state;
    for (int n = 64; n <= 65; n++) {
        buf_init(&text, 65536);
        arena_init(&arena, IMAP_ARENA_BYTES);
        buf_put_str(&text, "a STORE 1 FLAGS (\\Seen");
        for (int i = 0; i < n; i++) {
            buf_printf(&text, " k%d", i);
        }
        buf_put_byte(&text, ')');
        assert_err(imap_parse(buf_span(&text), &arena, &(struct imap_parse_options){.state = 0},
                              &cmd, &error),
                   n == 64 ? ERR_OK : ERR_LIMIT);
        arena_finish(&arena);
        buf_finish(&text);
    }
    assert_span(span_from_str(error.expected), "there are over 64 keywords");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_store_copy_and_move),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_keywords_are_limited),
    };

    return cmocka_run_group_tests_name("imap_fetch", tests, NULL, NULL);
}
