// SPDX-License-Identifier: Apache-2.0
//
// A connection to a milter: packets out and in, with a limit of time. Blocks, never longer than the
// limits say.
#ifndef COURIER_FILTER_MILTER_STREAM_H
#define COURIER_FILTER_MILTER_STREAM_H

#include "courier/filter/filter.h"
#include "wire/milter/milter.h"

struct milter_stream {
    int fd;
    const struct filter_limits *limits;
    struct buf in, out;
    size_t used; // bytes of `in` that the last packet took
};

// ERR_UNAVAILABLE, ERR_TIMEOUT. To be closed all the same.
enum err milter_stream_open(struct milter_stream *s, const struct filter *to,
                            const struct filter_limits *limits);
void milter_stream_close(struct milter_stream *s);

// Sends s->out and empties it.
enum err milter_stream_flush(struct milter_stream *s);
// The next packet; its spans live until the next call. ERR_EOF, ERR_INVALID, ERR_TIMEOUT, ERR_IO.
enum err milter_stream_next(struct milter_stream *s, struct milter_reply *out);

#endif
