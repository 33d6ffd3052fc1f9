// SPDX-License-Identifier: Apache-2.0
//
// ManageSieve: streams to frames (whole and byte by byte), commands, and responses.
#include "../test.h"
#include "wire/managesieve/managesieve.h"

static const struct managesieve_limits small = {
    .line_bytes = 60, .literal_bytes = 10, .skip_bytes = 100};

static const struct {
    const char *in, *want; // a transcript
} streams[] = {
    {"NOOP\r\nLOGOUT\r\n", "C[NOOP]C[LOGOUT]"},
    {"PUTSCRIPT \"a\" {5+}\r\nkeep;\r\nNOOP\r\n", "C[PUTSCRIPT \"a\" {5+}^|keep;]C[NOOP]"},
    {"PUTSCRIPT {1+}\r\na {4+}\r\n\r\n\r\n\r\nNOOP\r\n", "C[PUTSCRIPT {1+}^|a {4+}^|^|^|]C[NOOP]"},
    {"CHECKSCRIPT {11+}\r\n0123456789A\r\nNOOP\r\n", "T[]C[NOOP]"},
    {"PUTSCRIPT {11+}\r\n0123456789A {3+}\r\nabc\r\nNOOP\r\n", "T[]C[NOOP]"},
    {"CHECKSCRIPT {101+}\r\n", "B"},
    {"CHECKSCRIPT {99999999999999999999999+}\r\n", "B"},
    {"CHECKSCRIPT {5}\r\nkeep;\r\n", "B"},
    {"NOOP\n", "B"},
    {"NO\rOP\r\n", "B"},
    {"NOOP \"01234567890123456789012345678901234567890123456789012345678\"\r\n", "B"},
    {"NOOP \"{5+}\"\r\n", "C[NOOP \"{5+}\"]"},
    {"NOOP", ""},
};

static void put_text(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_put_byte(out, s.p[i] == '\r' ? '^' : s.p[i] == '\n' ? '|' : s.p[i]);
    }
}

static void run_stream(struct span in, size_t step, struct buf *out)
{
    struct managesieve_framer f;
    size_t at = 0, have = 0;
    bool open = true;

    managesieve_framer_init(&f, &small);
    while (open) {
        struct span text = SPAN("");
        size_t bytes = 0;
        enum managesieve_frame_kind kind =
            managesieve_frame(&f, span_of(in.p + at, have - at), &text, &bytes);

        if (kind == MANAGESIEVE_MORE) {
            open = have < in.n;
            have = have + step < in.n ? have + step : in.n;
            continue;
        }
        at += bytes;
        open = kind != MANAGESIEVE_BROKEN;
        if (kind != MANAGESIEVE_SKIP) {
            buf_put_byte(out, kind == MANAGESIEVE_BROKEN    ? 'B'
                              : kind == MANAGESIEVE_COMMAND ? 'C'
                                                            : 'T');
        }
        if (kind == MANAGESIEVE_COMMAND || kind == MANAGESIEVE_TOO_BIG) {
            buf_put_byte(out, '[');
            put_text(out, kind == MANAGESIEVE_COMMAND ? text : SPAN(""));
            buf_put_byte(out, ']');
        }
    }
}

static void test_streams_in_pieces_of_every_size(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 4096);
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        for (size_t step = 1; step < 80; step++) {
            buf_clear(&got);
            run_stream(span_from_str(streams[i].in), step, &got);
            assert_span(buf_span(&got), streams[i].want);
        }
    }
    buf_finish(&got);
}

static const struct {
    const char *in, *want;
} rows[] = {
    {"AUTHENTICATE \"PLAIN\" \"QJIrweAPyo6Q1T9xu\"", "AUTHENTICATE [PLAIN] <QJIrweAPyo6Q1T9xu>"},
    {"Authenticate \"DIGEST-MD5\"", "AUTHENTICATE [DIGEST-MD5]"},
    {"AUTHENTICATE {5+}\r\nPLAIN {4+}\r\nAAAA", "AUTHENTICATE [PLAIN] <AAAA>"},
    {"STARTTLS", "STARTTLS"},
    {"LOGOUT", "LOGOUT"},
    {"CAPABILITY", "CAPABILITY"},
    {"HAVESPACE \"myscript\" 999999", "HAVESPACE [myscript] 999999"},
    {"HAVESPACE \"foobar\" 4294967296", "invalid: expected a number of bytes"},
    {"PUTSCRIPT \"foo\" {5+}\r\nkeep;", "PUTSCRIPT [foo] <keep;>"},
    {"PUTSCRIPT \"a\\\"\\\\b\" \"keep;\"", "PUTSCRIPT [a\"\\b] <keep;>"},
    {"PUTSCRIPT \"foo\"", "invalid: expected a space and an argument"},
    {"PUTSCRIPT \"\" \"keep;\"", "invalid: that cannot be the name of a script"},
    {"PUTSCRIPT \"a\x01\" \"keep;\"", "invalid: that cannot be the name of a script"},
    {"PUTSCRIPT {2+}\r\n\r\n \"keep;\"", "invalid: that cannot be the name of a script"},
    {"PUTSCRIPT \"a\xe2\x80\xa8\" \"\"", "invalid: that cannot be the name of a script"},
    {"PUTSCRIPT \"a\xff\" \"\"", "invalid: that cannot be the name of a script"},
    {"PUTSCRIPT \"foo\" {6+}\r\nkeep;", "invalid: a literal is broken"},
    {"LISTSCRIPTS", "LISTSCRIPTS"},
    {"LISTSCRIPTS x", "invalid: expected the end of the command"},
    {"SETACTIVE \"vacationscript\"", "SETACTIVE [vacationscript]"},
    {"SETACTIVE \"\"", "SETACTIVE []"},
    {"GETSCRIPT \"myscript\"", "GETSCRIPT [myscript]"},
    {"GETSCRIPT myscript", "invalid: expected a string"},
    {"GETSCRIPT \"x", "invalid: a quoted string is not closed"},
    {"GETSCRIPT \"x\\", "invalid: a quoted string is not closed"},
    {"DELETESCRIPT \"foo\"", "DELETESCRIPT [foo]"},
    {"RENAMESCRIPT \"foo\" \"bar\"", "RENAMESCRIPT [foo] to [bar]"},
    {"CHECKSCRIPT {5+}\r\nkeep;", "CHECKSCRIPT <keep;>"},
    {"NOOP", "NOOP"},
    {"NOOP \"STARTTLS-SYNC-42\"", "NOOP [STARTTLS-SYNC-42]"},
    {"UNAUTHENTICATE", "UNAUTHENTICATE"},
    {"", "unsupported: unknown command"},
    {"XYZ", "unsupported: unknown command"},
};

static void describe(struct buf *out, struct span text)
{
    struct managesieve_command c;
    struct arena arena;
    const char *why = "";

    arena_init(&arena, 65536);
    enum err e = managesieve_parse(text, &arena, &c, &why);

    if (e) {
        buf_printf(out, "%s: %s", e == ERR_INVALID ? "invalid" : "unsupported", why);
    } else {
        buf_put_str(out, managesieve_command_name(c.id));
        if (c.name.p) {
            buf_printf(out, " [%.*s]", SPAN_ARG(c.name));
        }
        if (c.to.p) {
            buf_printf(out, " to [%.*s]", SPAN_ARG(c.to));
        }
        if (c.content.p) {
            buf_printf(out, " <%.*s>", SPAN_ARG(c.content));
        }
        if (c.bytes) {
            buf_printf(out, " %u", c.bytes);
        }
    }
    arena_finish(&arena);
}

static void test_commands(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&got);
        describe(&got, span_from_str(rows[i].in));
        assert_span(buf_span(&got), rows[i].want);
    }
    buf_finish(&got);
}

static void test_responses(void **state)
{
    struct arena arena;
    struct buf b;
    struct span out, none = {NULL, 0};

    (void)state;
    buf_init(&b, 4096);
    managesieve_result_put(&b, MANAGESIEVE_OK, NULL, none, SPAN(""));
    managesieve_result_put(&b, MANAGESIEVE_OK, "TAG", SPAN("a\"b"), SPAN("Done"));
    managesieve_result_put(&b, MANAGESIEVE_NO, "QUOTA/MAXSIZE", none, SPAN("two\r\nlines"));
    managesieve_result_put(&b, MANAGESIEVE_BYE, NULL, none, SPAN("\xff"));
    assert_span(buf_span(&b), "OK\r\nOK (TAG \"a\\\"b\") \"Done\"\r\n"
                              "NO (QUOTA/MAXSIZE) {10}\r\ntwo\r\nlines\r\nBYE {1}\r\n\xff\r\n");
    buf_finish(&b);
    arena_init(&arena, 4096);
    assert_ok(managesieve_parse_response(SPAN("\"*\""), &arena, &out));
    assert_span(out, "*");
    assert_ok(managesieve_parse_response(SPAN("{4+}\r\nAAAA"), &arena, &out));
    assert_span(out, "AAAA");
    assert_err(managesieve_parse_response(SPAN("AAAA"), &arena, &out), ERR_INVALID);
    assert_err(managesieve_parse_response(SPAN("\"a\" b"), &arena, &out), ERR_INVALID);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_in_pieces_of_every_size),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_responses),
    };

    return cmocka_run_group_tests_name("managesieve", tests, NULL, NULL);
}
