// SPDX-License-Identifier: Apache-2.0
//
// A report as it arrives: attached to a message, or the message itself, packed or not (RFC 7489
// section 7.2.1.1, RFC 8460 section 5.3). What is attached is told by its first bytes, not by its
// name or type, for senders give many. Reads the message twice, in pieces; memory is what
// mime_reader needs for its parts, and a TLS report. Any thread; blocks as `read` does.
#ifndef REPORT_REPORT_MESSAGE_H
#define REPORT_REPORT_MESSAGE_H

#include "base/buf.h"
#include "report/report_read.h"

#define REPORT_MESSAGE_ARENA_MAX (32u << 20) // for the arena

struct report_bytes {
    // Appends [offset, offset + n) of the message, fewer at its end.
    enum err (*read)(void *arg, uint64_t offset, size_t n, struct buf *out);
    void *arg;
};

// The first attachment that is a report. ERR_NOT_FOUND: there is none; ERR_INVALID: it is broken;
// ERR_LIMIT: larger than any report; ERR_NOMEM; the errors of `read` and of the sink. The rows that
// the sink was given count only with ERR_OK. Texts of `*out` live in the arena.
enum err report_message_read(const struct report_bytes *m, const struct report_sink *sink,
                             struct arena *a, struct report *out);

#endif
