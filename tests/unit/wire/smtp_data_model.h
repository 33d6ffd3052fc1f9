// SPDX-License-Identifier: Apache-2.0
//
// The DATA reader beside a model that looks at the whole text at once: for the unit test and the
// fuzzer.
#ifndef TESTS_UNIT_WIRE_SMTP_DATA_MODEL_H
#define TESTS_UNIT_WIRE_SMTP_DATA_MODEL_H

#include "base/buf.h"
#include "wire/smtp/smtp_data.h"

struct data_outcome {
    struct smtp_data data;
    struct buf content;
    enum err e;
    size_t rest; // bytes after the end
};

static inline void data_outcome_init(struct data_outcome *o)
{
    *o = (struct data_outcome){.e = ERR_AGAIN};
    buf_init(&o->content, 1 << 24);
    smtp_data_begin(&o->data);
}

static inline void data_outcome_finish(struct data_outcome *o)
{
    buf_finish(&o->content);
}

static inline void data_read_piece(struct data_outcome *o, struct span in)
{
    struct span piece;

    while (o->e != ERR_EOF && (o->e = smtp_data_read(&o->data, &in, &piece)) == ERR_OK) {
        buf_put(&o->content, piece);
    }
    o->rest += in.n;
}

// The pieces [0, cut) and [cut, n), the second in steps of `step`.
static inline void data_read_cut(struct data_outcome *o, struct span in, size_t cut, size_t step)
{
    struct span rest = span_skip(in, cut);

    data_read_piece(o, span_first(in, cut));
    while (rest.n) {
        data_read_piece(o, span_first(rest, step));
        rest = span_skip(rest, step);
    }
}

// Returns the number of bytes up to the end of the message, the end counted; 0: no end. The
// content is what stands before, each line without its first dot.
static inline size_t data_model(struct span in, struct buf *content)
{
    const struct span end = SPAN("\r\n.\r\n");
    bool at_start = span_starts(in, SPAN(".\r\n"));
    size_t n = at_start ? 0 : span_find(in, end);
    bool whole = at_start || n < in.n;
    size_t stop = whole && !at_start ? n + 2 : n;

    for (size_t i = 0; i < stop; i++) {
        bool line_start = i == 0 || (i >= 2 && in.p[i - 1] == '\n' && in.p[i - 2] == '\r');

        if (!line_start || in.p[i] != '.') {
            buf_put_byte(content, in.p[i]);
        }
    }
    return whole ? stop + 3 : 0;
}

// NULL when the reader and the model agree. Without an end in the text the reader may still hold
// back the CR of an unfinished "." CR LF.
static inline const char *data_differs_from_model(struct span in, size_t cut, size_t step,
                                                  size_t *ends)
{
    struct data_outcome got;
    struct buf want;
    const char *why = NULL;

    data_outcome_init(&got);
    buf_init(&want, 1 << 24);
    data_read_cut(&got, in, cut, step);
    size_t taken = data_model(in, &want);
    bool held = !taken && (span_eq(in, SPAN(".\r")) || span_ends(in, SPAN("\r\n.\r")));

    want.n -= held;
    *ends += taken > 0;
    if ((got.e == ERR_EOF) != (taken > 0)) {
        why = "the end";
    } else if (taken && got.rest != in.n - taken) {
        why = "the place of the end";
    } else if (!span_eq(buf_span(&got.content), buf_span(&want))) {
        why = "the content";
    } else if (got.data.scan.bytes != want.n) {
        why = "the count of bytes";
    }
    buf_finish(&want);
    data_outcome_finish(&got);
    return why;
}

#endif
