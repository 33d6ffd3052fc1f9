// SPDX-License-Identifier: Apache-2.0
//
// Milter packets as they are on the wire, and answers: good, cut, broken.
#include "../test.h"
#include "wire/milter/milter.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static void test_packets_are_written(void **state)
{
    static const struct span mail[] = {BYTES("<a@b>"), BYTES("SIZE=1")};
    static const struct span macros[] = {BYTES("j"), BYTES("mx")};
    static const struct span bad[] = {BYTES("a\0b")};
    static const struct span want = BYTES("\0\0\0\15O\0\0\0\6\0\0\0\1\0\0\0\2"
                                          "\0\0\0\7DCj\0mx\0"
                                          "\0\0\0\21Chost\0"
                                          "4\0\31"
                                          "1.2.3.4\0"
                                          "\0\0\0\4Ch\0U"
                                          "\0\0\0\16M<a@b>\0SIZE=1\0"
                                          "\0\0\0\4Babc"
                                          "\0\0\0\1E");
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    milter_negotiate_put(&b, 1, 2);
    assert_ok(milter_macros_put(&b, MILTER_CONNECT, macros, 2));
    assert_ok(milter_connect_put(&b, SPAN("host"), MILTER_IPV4, 25, SPAN("1.2.3.4")));
    assert_ok(milter_connect_put(&b, SPAN("h"), MILTER_NO_ADDRESS, 0, SPAN("")));
    assert_ok(milter_strings_put(&b, MILTER_MAIL, mail, 2));
    assert_ok(milter_body_put(&b, SPAN("abc")));
    milter_simple_put(&b, MILTER_END);
    assert_true(span_eq(buf_span(&b), want));
    assert_err(milter_strings_put(&b, MILTER_HELO, bad, 1), ERR_INVALID);
    assert_err(milter_macros_put(&b, MILTER_MAIL, macros, 1), ERR_INVALID);
    assert_err(milter_body_put(&b, (struct span){b.p, 65536}), ERR_LIMIT);
    buf_finish(&b);
}

static const struct {
    struct span in; // the first packet of it is read
    const char *want;
} answers[] = {
    {BYTES("\0\0\0\1c\0\0\0\1a"), "c 5"},
    {BYTES("\0\0\0\1a"), "a 5"},
    {BYTES("\0\0\0\7+<a@b>\0"), "+ 11 <a@b>"},
    {BYTES("\0\0\0\6+<a@b>\0"), "invalid"}, // its NUL is not in the packet
    {BYTES("\0\0\0\10+<a@b>\0"), "again"},
    {BYTES("\0\0\0\6e<a@b>"), "invalid"},
    {BYTES("\0\0\0\11e<a@b>\0x\0"), "e 13 <a@b> params x"},
    {BYTES("\0\0\0\14y550 5.7.1\0"), "again"},
    {BYTES("\0\0\0\15y550 5.7.1\0\0"), "again"},
    {BYTES("\0\0\0\11y550 no!\0"), "y 13 550 no! code 550"},
    {BYTES("\0\0\0\7y250 x\0"), "invalid"},
    {BYTES("\0\0\0\11i\0\0\0\2X\0y\0"), "i 13  X=y at 2"},
    {BYTES("\0\0\0\10m\0\0\0\1X\0\0"), "m 12  X= at 1"},
    {BYTES("\0\0\0\4h\0y\0"), "invalid"},
    {BYTES("\0\0\0\5hX\0y\0"), "h 9  X=y at 0"},
    {BYTES("\0\0\0\5hX\0y!"), "invalid"},
    {BYTES("\0\0\0\3bab"), "b 7 ab"},
    {BYTES("\0\0\0\15O\0\0\0\6\0\0\0\1\0\0\0\2"), "O 17  version 6 1 2"},
    {BYTES("\0\0\0\5O\0\0\0\6"), "invalid"},
    {BYTES("\0\0\0\2cx"), "invalid"},
    {BYTES("\0\0\0\1Z"), "invalid"},
    {BYTES("\0\0\0\0"), "again"},
    {BYTES("\0\0\0\0c"), "invalid"},
    {BYTES("\xff\xff\xff\xff"
           "c"),
     "limit"},
    {BYTES("\0\0\0\2c"), "again"},
    {BYTES(""), "again"},
};

static void describe(struct buf *out, enum err e, const struct milter_reply *r, size_t bytes)
{
    buf_clear(out);
    if (e) {
        buf_put_str(out, e == ERR_AGAIN ? "again" : e == ERR_LIMIT ? "limit" : "invalid");
        return;
    }
    buf_printf(out, "%c %zu%s%.*s", (char)r->answer, bytes,
               r->text.n || r->name.n || r->version ? " " : "", SPAN_ARG(r->text));
    if (r->params.n) {
        buf_printf(out, " params %.*s", SPAN_ARG(r->params));
    }
    if (r->code) {
        buf_printf(out, " code %u", r->code);
    }
    if (r->name.n) {
        buf_printf(out, " %.*s=%.*s at %u", SPAN_ARG(r->name), SPAN_ARG(r->value), r->index);
    }
    if (r->version) {
        buf_printf(out, " version %u %u %u", r->version, r->actions, r->steps);
    }
}

static void test_answers_cut_at_every_place(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 4096);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        for (size_t n = 0; n <= answers[i].in.n; n++) {
            struct milter_reply r;
            size_t bytes = 0;
            enum err e = milter_read(span_first(answers[i].in, n), &r, &bytes);

            if (e == ERR_AGAIN && n < answers[i].in.n) {
                continue;
            }
            describe(&got, e, &r, bytes);
            if (!span_eq(buf_span(&got), span_from_str(answers[i].want))) {
                fail_msg("row %zu: got \"%.*s\", want \"%s\"", i, SPAN_ARG(buf_span(&got)),
                         answers[i].want);
            }
        }
    }
    buf_finish(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_are_written),
        cmocka_unit_test(test_answers_cut_at_every_place),
    };

    return cmocka_run_group_tests_name("milter", tests, NULL, NULL);
}
