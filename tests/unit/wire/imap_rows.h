// SPDX-License-Identifier: Apache-2.0
//
// Tables of commands for the tests of the IMAP parser: what goes in, and either the dump of the
// command or where and why it is refused.
#ifndef TESTS_UNIT_WIRE_IMAP_ROWS_H
#define TESTS_UNIT_WIRE_IMAP_ROWS_H

#include "../test.h"
#include "imap_dump.h"

struct imap_row {
    const char *in;
    const char *want;    // the dump; NULL: refused
    int position;        // of the refusal
    const char *because; // its sentence
    enum imap_fault fault;
};

#define GOOD(in, want)                                                                             \
    {                                                                                              \
        in, want, 0, NULL, IMAP_FAULT_SYNTAX                                                       \
    }
#define BAD(in, position, because)                                                                 \
    {                                                                                              \
        in, NULL, position, because, IMAP_FAULT_SYNTAX                                             \
    }
#define FAULT(fault, in, position, because)                                                        \
    {                                                                                              \
        in, NULL, position, because, fault                                                         \
    }

static inline bool imap_row_holds(const struct imap_row *row,
                                  const struct imap_parse_options *options, struct buf *got)
{
    struct arena arena;
    struct imap_command cmd;
    struct imap_parse_error error;

    arena_init(&arena, IMAP_ARENA_BYTES);
    enum err e = imap_parse(span_from_str(row->in), &arena, options, &cmd, &error);
    bool holds;

    buf_clear(got);
    if (e) {
        buf_printf(got, "fault %d at %zu: %s", (int)error.fault, error.position, error.expected);
        holds = !row->want && error.fault == row->fault &&
                error.position == (size_t)row->position &&
                span_eq(span_from_str(error.expected), span_from_str(row->because));
    } else {
        imap_dump_command(got, &cmd);
        holds = row->want && span_eq(buf_span(got), span_from_str(row->want));
    }
    arena_finish(&arena);
    return holds;
}

static inline void check_imap_rows(const struct imap_row *rows, size_t n,
                                   const struct imap_parse_options *options)
{
    struct buf got;
    size_t wrong = 0;

    buf_init(&got, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        if (!imap_row_holds(&rows[i], options, &got)) {
            print_error("row %zu \"%.100s\"\n    got  %.*s\n    want %s (at %d)\n", i, rows[i].in,
                        SPAN_ARG(buf_span(&got)), rows[i].want ? rows[i].want : rows[i].because,
                        rows[i].position);
            wrong++;
        }
    }
    buf_finish(&got);
    assert_int_equal(wrong, 0);
}

#define CHECK_ROWS(rows, ...)                                                                      \
    check_imap_rows(rows, sizeof(rows) / sizeof(rows[0]), &(struct imap_parse_options){__VA_ARGS__})

#endif
