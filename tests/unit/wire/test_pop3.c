// SPDX-License-Identifier: Apache-2.0
//
// POP3 commands, responses, and TOP cut at every place.
#include "../test.h"
#include "wire/dot.h"
#include "wire/pop3/pop3_command.h"

static const struct {
    const char *in, *want;
} rows[] = {
    {"USER mrose", "USER mrose"},
    {"user mrose ", "USER mrose"},
    {"USER", "invalid: expected an argument"},
    {"PASS tanstaaf ", "PASS tanstaaf "},
    {"PASS a b  c", "PASS a b  c"},
    {"PASS", "invalid: expected an argument"},
    {"APOP mrose c4c9334bac560ecc979e58001b3e22fb",
     "unsupported: APOP is not done here, use AUTH or STLS"},
    {"AUTH", "AUTH"},
    {"AUTH PLAIN", "AUTH PLAIN"},
    {"AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", "AUTH PLAIN i dGVzdAB0ZXN0AHRlc3Q="},
    {"AUTH PLAIN =", "AUTH PLAIN i ="},
    {"AUTH PLAIN a b", "invalid: expected a mechanism and perhaps one response"},
    {"STLS", "STLS"},
    {"STLS x", "invalid: expected the end of the command"},
    {"CAPA", "CAPA"},
    {"UTF8", "UTF8"},
    {"UTF8 USER", "invalid: expected the end of the command"},
    {"LANG", "LANG"},
    {"LANG de", "LANG de"},
    {"STAT", "STAT"},
    {"LIST", "LIST"},
    {"LIST 2", "LIST #2"},
    {"UIDL 4294967295", "UIDL #4294967295"},
    {"UIDL 4294967296", "invalid: expected the number of a message"},
    {"LIST 0", "invalid: expected the number of a message"},
    {"LIST -1", "invalid: expected the number of a message"},
    {"LIST 1 2", "invalid: expected the end of the command"},
    {"RETR 1", "RETR #1"},
    {"RETR", "invalid: expected the number of a message"},
    {"TOP 1 10", "TOP #1 10"},
    {"TOP 1 0", "TOP #1"},
    {"TOP 1", "invalid: expected a number of lines"},
    {"TOP 1 -1", "invalid: expected a number of lines"},
    {"DELE 1", "DELE #1"},
    {"NOOP", "NOOP"},
    {"RSET", "RSET"},
    {"QUIT", "QUIT"},
    {"", "unsupported: unknown command"},
    {"XTND", "unsupported: unknown command"},
};

static void describe(struct buf *out, struct span line)
{
    struct pop3_command c;
    const char *why = "";
    enum err e = pop3_parse(line, &c, &why);

    buf_clear(out);
    if (e) {
        buf_printf(out, "%s: %s", e == ERR_INVALID ? "invalid" : "unsupported", why);
        return;
    }
    buf_put_str(out, pop3_command_name(c.id));
    if (c.text.p) {
        buf_printf(out, " %.*s", SPAN_ARG(c.text));
    }
    if (c.initial.p) {
        buf_printf(out, " i %.*s", SPAN_ARG(c.initial));
    }
    if (c.number) {
        buf_printf(out, " #%u", c.number);
    }
    if (c.lines) {
        buf_printf(out, " %u", c.lines);
    }
}

static void test_commands(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        describe(&got, span_from_str(rows[i].in));
        assert_span(buf_span(&got), rows[i].want);
    }
    describe(&got, (struct span){"USER a\0b", 8});
    assert_span(buf_span(&got), "invalid: a NUL byte in the command");
    assert_int_equal(pop3_command_states(POP3_RETR), POP3_STATE_TRANSACTION);
    buf_finish(&got);
}

static void test_responses(void **state)
{
    static char large[1000];
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    pop3_ok_put(&b, SPAN(""), false);
    pop3_ok_put(&b, SPAN("hi\r\n-ERR \xc3\xa9"), false);
    pop3_err_put(&b, "IN-USE", SPAN("locked \xc3\xa9\xff"), true);
    assert_span(buf_span(&b), "+OK\r\n+OK hi?"
                              "?-ERR ?\r\n-ERR [IN-USE] locked \xc3\xa9?\r\n");
    buf_clear(&b);
    memset(large, 'x', sizeof(large));
    pop3_err_put(&b, NULL, span_of(large, sizeof(large)), false);
    assert_int_equal(b.n, POP3_RESPONSE_BYTES_MAX);
    buf_finish(&b);
}

static const struct {
    const char *in;
    uint32_t lines;
    const char *want;
} tops[] = {
    {"A: 1\r\nB: 2\r\n\r\none\r\ntwo\r\n", 0, "A: 1\r\nB: 2\r\n\r\n"},
    {"A: 1\r\n\r\none\r\ntwo\r\n", 1, "A: 1\r\n\r\none\r\n"},
    {"A: 1\r\n\r\n\r\n\r\ntwo\r\n", 2, "A: 1\r\n\r\n\r\n\r\n"},
    {"A: 1\r\n\r\none\r\ntwo", 9, "A: 1\r\n\r\none\r\ntwo"},
    {"\r\none\r\n", 0, "\r\n"},
    {"A\n\none\ntwo\n", 1, "A\n\none\n"},
    {"A\r\n\rx\r\n\r\nbody", 0, "A\r\n\rx\r\n\r\n"},
    {"A: 1", 5, "A: 1"},
};

static void test_top_cut_at_every_place(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
        struct span in = span_from_str(tops[i].in);

        for (size_t cut = 0; cut <= 2 * in.n; cut++) { // the second half: byte by byte from there
            struct pop3_top t;
            size_t first = cut % (in.n + 1);

            buf_clear(&out);
            pop3_top_begin(&t, tops[i].lines);
            buf_put(&out, pop3_top_take(&t, span_first(in, first)));
            if (cut <= in.n) {
                buf_put(&out, pop3_top_take(&t, span_skip(in, first)));
            }
            for (size_t k = first; cut > in.n && k < in.n; k++) {
                buf_put(&out, pop3_top_take(&t, span_of(in.p + k, 1)));
            }
            assert_span(buf_span(&out), tops[i].want);
        }
    }
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_top_cut_at_every_place),
    };

    return cmocka_run_group_tests_name("pop3", tests, NULL, NULL);
}
