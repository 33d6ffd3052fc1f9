// SPDX-License-Identifier: Apache-2.0
//
// Lines and text scans: every row in one piece, byte by byte, and (scans) cut at every place.
#include "../test.h"
#include "wire/line.h"
#include "wire/text_scan.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct {
    struct span in;
    bool lf_ends;
    enum line_kind kind;
    const char *line;
    size_t bytes;
} lines[] = {
    {BYTES(""), false, LINE_MORE, NULL, 0},
    {BYTES("NOOP"), false, LINE_MORE, NULL, 0},
    {BYTES("NOOP\r"), false, LINE_MORE, NULL, 0},
    {BYTES("NOOP\r\nQUIT\r\n"), false, LINE_WHOLE, "NOOP", 6},
    {BYTES("\r\n"), false, LINE_WHOLE, "", 2},
    {BYTES("NOOP\nQUIT\r\n"), false, LINE_BARE_LF, NULL, 0},
    {BYTES("\n"), false, LINE_BARE_LF, NULL, 0},
    {BYTES("NOOP\rQUIT\r\n"), false, LINE_BARE_CR, NULL, 0},
    {BYTES("NOOP\r\r\n"), false, LINE_BARE_CR, NULL, 0},
    {BYTES("NO\0OP\r\n"), false, LINE_NUL, NULL, 0},
    {BYTES("NOOP\r\0\n"), false, LINE_NUL, NULL, 0},
    {BYTES("0123456789\r\n"), false, LINE_WHOLE, "0123456789", 12},
    {BYTES("01234567890\r\n"), false, LINE_TOO_LONG, NULL, 0},
    {BYTES("0123456789012345"), false, LINE_TOO_LONG, NULL, 0},
    {BYTES("NOOP\nQUIT\r\n"), true, LINE_WHOLE, "NOOP", 5},
    {BYTES("NOOP\r\nQUIT\r\n"), true, LINE_WHOLE, "NOOP", 6},
    {BYTES("NO\rOP\n"), true, LINE_BARE_CR, NULL, 0},
};

static void test_lines_whole_and_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        for (size_t start = lines[i].in.n;; start = 0) {
            struct line_reader r = {.lf_ends = lines[i].lf_ends};
            enum line_kind kind = LINE_MORE;
            struct span line = SPAN("");
            size_t bytes = 0;

            for (size_t n = start; n <= lines[i].in.n && kind == LINE_MORE; n++) {
                kind = line_next(&r, span_first(lines[i].in, n), 12, &line, &bytes);
            }
            if (kind != lines[i].kind) {
                fail_msg("row %zu from %zu: %d", i, start, (int)kind);
            }
            if (kind == LINE_WHOLE) {
                assert_span(line, lines[i].line);
                assert_int_equal(bytes, lines[i].bytes);
                assert_int_equal(r.at, 0);
            }
            if (start == 0) {
                break;
            }
        }
    }
}

static const struct {
    struct span in;
    unsigned faults;
    uint64_t lines, longest;
    bool eight_bit;
} scans[] = {
    {BYTES(""), 0, 0, 0, false},
    {BYTES("a\r\nbcd\r\n"), 0, 2, 3, false},
    {BYTES("a\r\nbcde"), 0, 1, 4, false},
    {BYTES("a\r\nb\xc3\xa9"), 0, 1, 3, true},
    {BYTES("\r\n\r\n"), 0, 2, 0, false},
    {BYTES("\n.\n"), TEXT_BARE_LF, 0, 3, false},
    {BYTES("\n.\r\n"), TEXT_BARE_LF, 1, 2, false},
    {BYTES("\r\n.\n"), TEXT_BARE_LF, 1, 2, false},
    {BYTES("\r.\r"), TEXT_BARE_CR, 0, 3, false},
    {BYTES("\r\n.\r"), TEXT_BARE_CR, 1, 2, false},
    {BYTES("\r.\r\n"), TEXT_BARE_CR, 1, 2, false},
    {BYTES("\r\n\0.\r\n"), TEXT_NUL, 2, 2, false},
    {BYTES("\r\n.\r\r\n"), TEXT_BARE_CR, 2, 2, false},
    {BYTES("\r\r\n.\r\r\n"), TEXT_BARE_CR, 2, 2, false},
    {BYTES("a\n\r\nb"), TEXT_BARE_LF, 1, 2, false},
    {BYTES("a\r\r\n\n\0"), TEXT_BARE_CR | TEXT_BARE_LF | TEXT_NUL, 1, 2, false},
};

static void check_scan(size_t i, const struct text_scan *s)
{
    if (s->faults != scans[i].faults || s->lines != scans[i].lines ||
        s->longest != scans[i].longest || s->eight_bit != scans[i].eight_bit ||
        s->bytes != scans[i].in.n) {
        fail_msg("row %zu: faults %x, lines %d, longest %d", i, s->faults, (int)s->lines,
                 (int)s->longest);
    }
}

static void test_scans_cut_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(scans) / sizeof(scans[0]); i++) {
        struct text_scan bytewise = {0};

        for (size_t cut = 0; cut <= scans[i].in.n; cut++) {
            struct text_scan s = {0};

            text_scan_put(&s, span_first(scans[i].in, cut));
            text_scan_put(&s, span_skip(scans[i].in, cut));
            text_scan_end(&s);
            check_scan(i, &s);
        }
        for (size_t k = 0; k < scans[i].in.n; k++) {
            text_scan_put(&bytewise, span_of(scans[i].in.p + k, 1));
        }
        text_scan_end(&bytewise);
        check_scan(i, &bytewise);
    }
}

static void test_faults_have_names(void **state)
{
    (void)state;
    assert_string_equal(text_fault_name(TEXT_NUL | TEXT_BARE_CR), "a NUL byte");
    assert_string_equal(text_fault_name(TEXT_BARE_LF), "a line feed without carriage return");
    assert_string_equal(text_fault_name(TEXT_BARE_CR), "a carriage return without line feed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_whole_and_byte_by_byte),
        cmocka_unit_test(test_scans_cut_at_every_place),
        cmocka_unit_test(test_faults_have_names),
    };

    return cmocka_run_group_tests_name("wire_line", tests, NULL, NULL);
}
