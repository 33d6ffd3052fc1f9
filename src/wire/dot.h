// SPDX-License-Identifier: Apache-2.0
//
// A text as SMTP's DATA (RFC 5321 section 4.5.2) and POP3's multi-line responses (RFC 1939 section
// 3) send it: a dot before every line that starts with one, CR LF at the end, and "." on a line of
// its own. The text goes through in pieces of any size. Pure; any thread, one writer on one at a
// time.
#ifndef WIRE_DOT_H
#define WIRE_DOT_H

#include "base/buf.h"

enum dot_mode {
    DOT_STRICT, // SMTP: a CR or LF alone or a NUL is refused; no server may see it
    DOT_MEND,   // POP3: a CR or LF alone becomes CR LF, a NUL becomes byte 0x80 (as in IMAP)
};

struct dot_writer {
    enum dot_mode mode;
    uint64_t content_bytes; // as the receiver counts them: after mending, without stuffed dots
    bool in_line, cr;       // private
};

void dot_writer_init(struct dot_writer *w, enum dot_mode mode);

// The most bytes that `n` more bytes of text add to the output.
static inline size_t dot_room(size_t n)
{
    return 2 * n + 2;
}

// Appends the text. ERR_INVALID (strict): the connection must not be used for this message any
// more; nothing of the piece was appended. ERR_LIMIT: no room in `out`.
enum err dot_write(struct dot_writer *w, struct span text, struct buf *out);

// Appends what is missing of the last line's end, and ".". Errors as above (a CR at the very end).
enum err dot_write_end(struct dot_writer *w, struct buf *out);

#endif
