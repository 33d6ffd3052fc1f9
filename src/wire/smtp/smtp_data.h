// SPDX-License-Identifier: Apache-2.0
//
// The message in an SMTP conversation, as a stream: DATA (RFC 5321 sections 4.1.1.4 and 4.5.2) and
// BDAT (RFC 3030). Content comes out in pieces that point into the input; nothing is buffered.
//
// Only CR LF . CR LF ends DATA. A CR or LF alone and a NUL are passed on as content and noted in
// `scan.faults`: whatever another server makes of such bytes, here they never end a message, and
// the caller refuses the whole of it, at once or at its end. Pure; any thread, one reader on one
// at a time.
#ifndef WIRE_SMTP_SMTP_DATA_H
#define WIRE_SMTP_SMTP_DATA_H

#include "base/err.h"
#include "wire/text_scan.h"

struct smtp_data {
    struct text_scan scan; // of the content so far; complete after ERR_EOF
    int state;             // private
};

void smtp_data_begin(struct smtp_data *d);

// Takes bytes off the front of *in. ERR_OK: *out_piece is content (never empty), call again.
// ERR_AGAIN: *in is used up. ERR_EOF: the end was found, *in is what follows it (the next command,
// or a smuggler's); not to be called again.
enum err smtp_data_read(struct smtp_data *d, struct span *in, struct span *out_piece);

struct smtp_bdat {
    struct text_scan scan; // of all chunks; for BODY=BINARYMIME its faults mean nothing
    uint64_t max_bytes;    // of the message
    uint64_t total;        // announced so far; stays at most max_bytes
    uint64_t left;         // of the present chunk
    uint64_t chunks;       // seen, empty ones too
    bool over;             // a chunk went over max_bytes: it and what follows is dropped
    bool last;             // the present chunk is the last
};

void smtp_bdat_begin(struct smtp_bdat *b, uint64_t max_bytes);

// A BDAT command was read, and `bytes` follow it. ERR_LIMIT: the message is now too large; the
// chunk is to be read all the same (its bytes are dropped), or the connection closed. ERR_CONFLICT:
// a chunk after the last one.
enum err smtp_bdat_chunk(struct smtp_bdat *b, uint64_t bytes, bool last);

// As smtp_data_read; ERR_EOF is the end of the chunk (b->last: of the message).
enum err smtp_bdat_read(struct smtp_bdat *b, struct span *in, struct span *out_piece);

#endif
