// SPDX-License-Identifier: Apache-2.0
//
// One line off the front of what a peer has sent: SMTP and POP3 commands, SMTP replies, the PROXY
// header. Strict, because two readers that differ about line ends can be played against each other:
// a line ends at CR LF, and a CR or LF alone or a NUL is reported, not borne. How the bytes come in
// never changes the answer. Pure; any thread, one reader on one at a time.
#ifndef WIRE_LINE_H
#define WIRE_LINE_H

#include "base/span.h"

enum line_kind {
    LINE_MORE,     // not whole yet: call again with the same bytes and more behind them
    LINE_WHOLE,    // *out_line without its end; drop *out_bytes
    LINE_TOO_LONG, // these and below: the place of the next line is not known; say so and close
    LINE_BARE_CR,
    LINE_BARE_LF,
    LINE_NUL,
};

struct line_reader {
    size_t at;    // bytes of the input that were looked at
    bool lf_ends; // a LF without CR ends a line, too
};

// `input`: everything that was not dropped yet. `max_bytes`: of a line, CR LF counted. Outputs are
// set with LINE_WHOLE only.
enum line_kind line_next(struct line_reader *r, struct span input, size_t max_bytes,
                         struct span *out_line, size_t *out_bytes);

#endif
