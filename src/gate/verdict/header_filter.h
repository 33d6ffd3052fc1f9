// SPDX-License-Identifier: Apache-2.0
//
// Takes out of a message what its header must not say: Authentication-Results fields that claim to
// be ours, or cannot be read (RFC 8601 section 5), and Mailkeep-Alert, which marks the server's
// own warnings (docs/alerts.md). And takes Subject aside where a filter may want
// another one. Streams: at most one field is held back. Linear; pure; one thread at a time.
#ifndef GATE_VERDICT_HEADER_FILTER_H
#define GATE_VERDICT_HEADER_FILTER_H

#include "base/buf.h"
#include "base/err.h"

#define HEADER_FIELD_BYTES_MAX   102400 // of one field
#define HEADER_SUBJECT_BYTES_MAX 8192   // a longer Subject stays where it is

struct header_filter {
    struct span ours; // authserv-id; the owner keeps it
    struct buf held;  // the field that is not whole yet
    size_t line;      // where its last line begins
    bool is_in_body;
    unsigned removed; // fields taken out
    bool takes_subject;
    struct buf subject; // the first, a whole field with its line end; empty: none was taken
};

void header_filter_init(struct header_filter *f, struct span ours);
void header_filter_finish(struct header_filter *f);

// Appends what may pass to `out`: at most bytes.n + HEADER_FIELD_BYTES_MAX. ERR_LIMIT: a field is
// too long, or `out` is full.
enum err header_filter_feed(struct header_filter *f, struct span bytes, struct buf *out);
// The end of the message: what is still held.
enum err header_filter_end(struct header_filter *f, struct buf *out);

#endif
