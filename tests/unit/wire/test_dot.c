// SPDX-License-Identifier: Apache-2.0
//
// Dot-stuffed texts: each row is written in one piece, byte by byte and cut at every place.
#include "../test.h"
#include "wire/dot.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct {
    enum dot_mode mode;
    struct span in;
    const char *want; // NULL: refused
    uint64_t content;
} rows[] = {
    {DOT_STRICT, BYTES(""), ".\r\n", 0},
    {DOT_STRICT, BYTES("a"), "a\r\n.\r\n", 3},
    {DOT_STRICT, BYTES("a\r\n"), "a\r\n.\r\n", 3},
    {DOT_STRICT, BYTES("\r\n"), "\r\n.\r\n", 2},
    {DOT_STRICT, BYTES("."), "..\r\n.\r\n", 3},
    {DOT_STRICT, BYTES(".\r\n"), "..\r\n.\r\n", 3},
    {DOT_STRICT, BYTES("a\r\n.\r\n.b\r\n..c\r\n"), "a\r\n..\r\n..b\r\n...c\r\n.\r\n", 15},
    {DOT_STRICT, BYTES("a.b\r\n \r\n"), "a.b\r\n \r\n.\r\n", 8},
    {DOT_STRICT, BYTES("\xff\x80\r\n"), "\xff\x80\r\n.\r\n", 4},
    {DOT_STRICT, BYTES("a\nb"), NULL, 0},
    {DOT_STRICT, BYTES("a\rb"), NULL, 0},
    {DOT_STRICT, BYTES("a\0b"), NULL, 0},
    {DOT_STRICT, BYTES("a\r"), NULL, 0},
    {DOT_STRICT, BYTES("a\r\r\n"), NULL, 0},
    {DOT_STRICT, BYTES("\n.\n"), NULL, 0},
    {DOT_STRICT, BYTES("\n.\r\n"), NULL, 0},
    {DOT_STRICT, BYTES("\r\n.\n"), NULL, 0},
    {DOT_STRICT, BYTES("\r.\r"), NULL, 0},
    {DOT_STRICT, BYTES("\r\n.\r"), NULL, 0},
    {DOT_STRICT, BYTES("\r.\r\n"), NULL, 0},
    {DOT_STRICT, BYTES("\r\n\0.\r\n"), NULL, 0},
    {DOT_STRICT, BYTES("\r\n.\r\r\n"), NULL, 0},
    {DOT_MEND, BYTES("a\n.\nb"), "a\r\n..\r\nb\r\n.\r\n", 9},
    {DOT_MEND, BYTES("a\r.\rb\r"), "a\r\n..\r\nb\r\n.\r\n", 9},
    {DOT_MEND, BYTES("a\r\r\n.\r\n"), "a\r\n\r\n..\r\n.\r\n", 8},
    {DOT_MEND, BYTES("a\0b\r\0"),
     "a\x80"
     "b\r\n\x80\r\n.\r\n",
     8},
    {DOT_MEND, BYTES("\n\r\n\r"), "\r\n\r\n\r\n.\r\n", 6},
};

// Writes the pieces [0, cut) and [cut, n), the second in steps of `step`.
static enum err write_cut(struct dot_writer *w, struct span in, size_t cut, size_t step,
                          struct buf *out)
{
    struct span rest = span_skip(in, cut);
    enum err e = dot_write(w, span_first(in, cut), out);

    while (!e && rest.n) {
        e = dot_write(w, span_first(rest, step), out);
        rest = span_skip(rest, step);
    }
    return e ? e : dot_write_end(w, out);
}

static void check_row(size_t i, size_t cut, size_t step)
{
    struct dot_writer w;
    struct buf out;

    buf_init(&out, 1000);
    dot_writer_init(&w, rows[i].mode);
    enum err e = write_cut(&w, rows[i].in, cut, step, &out);

    if (e != (rows[i].want ? ERR_OK : ERR_INVALID)) {
        fail_msg("row %zu cut at %zu: %s", i, cut, err_name(e));
    }
    if (!e) {
        assert_span(buf_span(&out), rows[i].want);
        assert_int_equal(w.content_bytes, rows[i].content);
    }
    buf_finish(&out);
}

static void test_rows_cut_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t cut = 0; cut <= rows[i].in.n; cut++) {
            check_row(i, cut, SIZE_MAX);
            check_row(i, cut, 1);
        }
    }
}

static void test_refused_piece_leaves_no_trace(void **state)
{
    struct dot_writer w;
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    dot_writer_init(&w, DOT_STRICT);
    assert_ok(dot_write(&w, SPAN("good\r\n"), &out));
    assert_err(dot_write(&w, SPAN("more\r\nbad\nworse"), &out), ERR_INVALID);
    assert_span(buf_span(&out), "good\r\n");
    buf_finish(&out);
}

static void test_output_has_a_cap_and_room_is_enough(void **state)
{
    struct dot_writer w;
    struct buf out;

    (void)state;
    buf_init(&out, 4);
    dot_writer_init(&w, DOT_STRICT);
    assert_err(dot_write(&w, SPAN("hello"), &out), ERR_LIMIT);
    buf_finish(&out);
    buf_init(&out, dot_room(6));
    dot_writer_init(&w, DOT_MEND);
    assert_ok(dot_write(&w, SPAN("\n.\n.\n."), &out));
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_cut_at_every_place),
        cmocka_unit_test(test_refused_piece_leaves_no_trace),
        cmocka_unit_test(test_output_has_a_cap_and_room_is_enough),
    };

    return cmocka_run_group_tests_name("wire_dot", tests, NULL, NULL);
}
