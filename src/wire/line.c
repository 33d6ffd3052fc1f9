// SPDX-License-Identifier: Apache-2.0
#include "wire/line.h"

#include "base/banned.h"

// What the byte at `i` makes of the line; LINE_MORE: one more byte of it.
static enum line_kind look(const struct line_reader *r, struct span input, size_t i)
{
    bool after_cr = i > 0 && input.p[i - 1] == '\r';

    switch (input.p[i]) {
    case '\0':
        return LINE_NUL;
    case '\n':
        return after_cr || r->lf_ends ? LINE_WHOLE : LINE_BARE_LF;
    default:
        return after_cr ? LINE_BARE_CR : LINE_MORE;
    }
}

enum line_kind line_next(struct line_reader *r, struct span input, size_t max_bytes,
                         struct span *out_line, size_t *out_bytes)
{
    for (; r->at < input.n; r->at++) {
        size_t i = r->at;

        if (i >= max_bytes) {
            return LINE_TOO_LONG;
        }
        enum line_kind kind = look(r, input, i);

        if (kind == LINE_WHOLE) {
            *out_line = span_first(input, i > 0 && input.p[i - 1] == '\r' ? i - 1 : i);
            *out_bytes = i + 1;
            r->at = 0;
        }
        if (kind != LINE_MORE) {
            return kind;
        }
    }
    return LINE_MORE;
}
