// SPDX-License-Identifier: Apache-2.0
//
// The message of DATA and BDAT: the smuggler's line ends (S01), cuts at every byte, a comparison
// with a model that is too simple to be wrong, and chunks with odd sizes (S06).
#include "../test.h"
#include "base/buf.h"
#include "smtp_data_model.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define SMUGGLED "MAIL FROM:<b@example.org>\r\n"

static const struct {
    struct span in;
    enum err want; // ERR_AGAIN: no end in it
    struct span content, rest;
    unsigned faults;
} rows[] = {
    {BYTES(".\r\nQUIT\r\n"), ERR_EOF, BYTES(""), BYTES("QUIT\r\n"), 0},
    {BYTES("a\r\n.\r\n"), ERR_EOF, BYTES("a\r\n"), BYTES(""), 0},
    {BYTES("a\r\n..\r\n.b\r\n...\r\n.\r\nNOOP"), ERR_EOF, BYTES("a\r\n.\r\nb\r\n..\r\n"),
     BYTES("NOOP"), 0},
    {BYTES("\r\n\r\n.\r\n.\r\n"), ERR_EOF, BYTES("\r\n\r\n"), BYTES(".\r\n"), 0},
    {BYTES("a.\r\n.\r\n"), ERR_EOF, BYTES("a.\r\n"), BYTES(""), 0},
    {BYTES("a\r\n."), ERR_AGAIN, BYTES("a\r\n"), BYTES(""), 0},
    {BYTES("a\r\n.\r"), ERR_AGAIN, BYTES("a\r\n"), BYTES(""), 0},
    {BYTES("a\n.\n" SMUGGLED), ERR_AGAIN, BYTES("a\n.\n" SMUGGLED), BYTES(""), TEXT_BARE_LF},
    {BYTES("a\n.\r\n" SMUGGLED), ERR_AGAIN, BYTES("a\n.\r\n" SMUGGLED), BYTES(""), TEXT_BARE_LF},
    {BYTES("a\r\n.\n" SMUGGLED), ERR_AGAIN, BYTES("a\r\n\n" SMUGGLED), BYTES(""), TEXT_BARE_LF},
    {BYTES("a\r.\r" SMUGGLED), ERR_AGAIN, BYTES("a\r.\r" SMUGGLED), BYTES(""), TEXT_BARE_CR},
    {BYTES("a\r\n.\r" SMUGGLED), ERR_AGAIN, BYTES("a\r\n\r" SMUGGLED), BYTES(""), TEXT_BARE_CR},
    {BYTES("a\r.\r\n" SMUGGLED), ERR_AGAIN, BYTES("a\r.\r\n" SMUGGLED), BYTES(""), TEXT_BARE_CR},
    {BYTES("a\r\n\0.\r\n" SMUGGLED), ERR_AGAIN, BYTES("a\r\n\0.\r\n" SMUGGLED), BYTES(""),
     TEXT_NUL},
    {BYTES("a\r\n.\0\r\n" SMUGGLED), ERR_AGAIN, BYTES("a\r\n\0\r\n" SMUGGLED), BYTES(""), TEXT_NUL},
    {BYTES("a\r\n.\r\0\n" SMUGGLED), ERR_AGAIN, BYTES("a\r\n\r\0\n" SMUGGLED), BYTES(""),
     TEXT_NUL | TEXT_BARE_CR | TEXT_BARE_LF},
    {BYTES("a\r\n.\r\r\n" SMUGGLED), ERR_AGAIN, BYTES("a\r\n\r\r\n" SMUGGLED), BYTES(""),
     TEXT_BARE_CR},
    {BYTES("a\r\r\n.\r\r\n" SMUGGLED), ERR_AGAIN, BYTES("a\r\r\n\r\r\n" SMUGGLED), BYTES(""),
     TEXT_BARE_CR},
    {BYTES("a\r\r\n.\r\n" SMUGGLED), ERR_EOF, BYTES("a\r\r\n"), BYTES(SMUGGLED), TEXT_BARE_CR},
    {BYTES("a\n\r\n.\r\n"), ERR_EOF, BYTES("a\n\r\n"), BYTES(""), TEXT_BARE_LF},
    {BYTES("\r\n.\r\r\n.\r\n"), ERR_EOF, BYTES("\r\n\r\r\n"), BYTES(""), TEXT_BARE_CR},
};

static void check_row(size_t i, size_t cut, size_t step)
{
    struct data_outcome got;

    data_outcome_init(&got);
    data_read_cut(&got, rows[i].in, cut, step);
    if (got.e != rows[i].want || !span_eq(buf_span(&got.content), rows[i].content) ||
        got.rest != rows[i].rest.n ||
        (got.e == ERR_EOF && got.data.scan.faults != rows[i].faults)) {
        fail_msg("row %zu cut at %zu: %s, %zu bytes, rest %zu, faults %x", i, cut, err_name(got.e),
                 got.content.n, got.rest, got.data.scan.faults);
    }
    assert_int_equal(got.data.scan.bytes, got.content.n);
    text_scan_end(&got.data.scan);
    assert_int_equal(got.data.scan.faults, rows[i].faults);
    data_outcome_finish(&got);
}

static void test_data_cut_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t cut = 0; cut <= rows[i].in.n; cut++) {
            check_row(i, cut, SIZE_MAX);
            check_row(i, cut, 1);
        }
    }
}

static void random_text(struct buf *out, unsigned *seed)
{
    static const char alphabet[] = "\r\n.\r\n.a\0";
    size_t n = (size_t)rand_r(seed) % 40;

    buf_clear(out);
    while (out->n < n) {
        if (rand_r(seed) % 4 == 0) {
            buf_put(out, SPAN("\r\n."));
        } else {
            buf_put_byte(out, alphabet[rand_r(seed) % (int)(sizeof(alphabet) - 1)]);
        }
    }
}

static void test_data_against_the_model(void **state)
{
    unsigned seed = 5321;
    struct buf text;
    size_t ends = 0;

    (void)state;
    buf_init(&text, 1000);
    for (int round = 0; round < 200000; round++) {
        random_text(&text, &seed);
        size_t cut = (size_t)rand_r(&seed) % (text.n + 1), step = 1 + (size_t)rand_r(&seed) % 5;
        const char *difference = data_differs_from_model(buf_span(&text), cut, step, &ends);

        if (difference) {
            fail_msg("round %d: %s", round, difference);
        }
    }
    assert_true(ends > 1000 && ends < 199000); // both kinds were tried
    buf_finish(&text);
}

static void test_data_measures_lines(void **state)
{
    struct data_outcome got;

    (void)state;
    data_outcome_init(&got);
    data_read_cut(&got, SPAN("a\r\n..bcd\r\n\r\n\xc3\r\n.\r\n"), 3, 2);
    assert_int_equal(got.data.scan.lines, 4);
    assert_int_equal(got.data.scan.longest, 4);
    assert_true(got.data.scan.eight_bit);
    data_outcome_finish(&got);
}

// ---- BDAT ---------------------------------------------------------------------------------------

static void test_chunks_make_a_message(void **state)
{
    struct smtp_bdat b;
    struct span in = SPAN("abc\r"), piece;

    (void)state;
    smtp_bdat_begin(&b, 100);
    assert_ok(smtp_bdat_chunk(&b, 4, false));
    assert_ok(smtp_bdat_read(&b, &in, &piece));
    assert_span(piece, "abc\r");
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_ok(smtp_bdat_chunk(&b, 1, false));
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_AGAIN);
    in = SPAN("\nBDAT 0 LAST");
    assert_ok(smtp_bdat_read(&b, &in, &piece));
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_span(in, "BDAT 0 LAST");
    assert_ok(smtp_bdat_chunk(&b, 0, true));
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_true(b.last);
    assert_int_equal(b.scan.faults, 0); // the CR and LF of two chunks belong together
    assert_int_equal(b.scan.lines, 1);
    assert_int_equal(b.total, 5);
    assert_err(smtp_bdat_chunk(&b, 1, true), ERR_CONFLICT);
}

static void test_chunks_have_a_limit(void **state)
{
    struct smtp_bdat b;
    struct span in = SPAN("0123456789ABCDEF"), piece;

    (void)state;
    smtp_bdat_begin(&b, 10);
    assert_ok(smtp_bdat_chunk(&b, 8, false));
    assert_ok(smtp_bdat_read(&b, &in, &piece));
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_err(smtp_bdat_chunk(&b, 3, false), ERR_LIMIT); // 8 + 3 > 10: dropped
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_span(in, "BCDEF");
    assert_err(smtp_bdat_chunk(&b, 1, true), ERR_LIMIT); // and what follows, too
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_true(b.over && b.last && b.total == 8 && b.scan.bytes == 8);
    smtp_bdat_begin(&b, UINT64_MAX);
    assert_ok(smtp_bdat_chunk(&b, 1, false));
    assert_ok(smtp_bdat_read(&b, &in, &piece));
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_err(smtp_bdat_chunk(&b, UINT64_MAX, true), ERR_LIMIT); // the sum does not wrap
}

static void test_a_million_tiny_chunks(void **state)
{
    struct smtp_bdat b;
    struct span piece;

    (void)state;
    smtp_bdat_begin(&b, UINT64_MAX);
    for (int i = 0; i < 1000000; i++) {
        struct span in = SPAN("x");

        assert_ok(smtp_bdat_chunk(&b, 1, false));
        assert_ok(smtp_bdat_read(&b, &in, &piece));
        assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    }
    assert_int_equal(b.chunks, 1000000);
    assert_int_equal(b.scan.longest, 1000000);
}

static void test_a_bare_cr_at_the_end_of_the_last_chunk(void **state)
{
    struct smtp_bdat b;
    struct span in = SPAN("a\r"), piece;

    (void)state;
    smtp_bdat_begin(&b, 10);
    assert_ok(smtp_bdat_chunk(&b, 2, true));
    assert_ok(smtp_bdat_read(&b, &in, &piece));
    assert_err(smtp_bdat_read(&b, &in, &piece), ERR_EOF);
    assert_int_equal(b.scan.faults, TEXT_BARE_CR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_cut_at_every_place),
        cmocka_unit_test(test_data_against_the_model),
        cmocka_unit_test(test_data_measures_lines),
        cmocka_unit_test(test_chunks_make_a_message),
        cmocka_unit_test(test_chunks_have_a_limit),
        cmocka_unit_test(test_a_million_tiny_chunks),
        cmocka_unit_test(test_a_bare_cr_at_the_end_of_the_last_chunk),
    };

    return cmocka_run_group_tests_name("smtp_data", tests, NULL, NULL);
}
