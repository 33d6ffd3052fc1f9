// SPDX-License-Identifier: Apache-2.0
//
// A command of the control protocol (ipc/control_frame.h) as the gate speaks it with keep over a
// pair: frames are written whole, and read in pieces of any size. Pure; one thread at a time.
#ifndef GATE_HTTP_HTTP_KEEP_H
#define GATE_HTTP_HTTP_KEEP_H

#include "base/buf.h"
#include "ipc/control_frame.h"

struct http_keep { // starts as a struct of zeros
    unsigned char header[5];
    unsigned header_n;
    uint32_t left; // of the payload of the frame that is open
    enum control_kind kind;
    bool is_over; // RESULT or ERROR has come in whole
    bool has_failed;
};

void http_keep_put(struct buf *out, enum control_kind kind, struct span payload);

// Takes what can be taken off the front: *out_piece, which lies in the input and may be empty, is
// the next of the payload of a frame of k->kind; *out_bytes are to be dropped. ERR_AGAIN: nothing
// is there. ERR_INVALID: no frame that keep may send.
enum err http_keep_next(struct http_keep *k, struct span input, struct span *out_piece,
                        size_t *out_bytes);

#endif
