// SPDX-License-Identifier: Apache-2.0
//
// The layer of COMPRESS=DEFLATE (RFC 4978) between a session and its connection: raw DEFLATE (RFC
// 1951) both ways, bytes in and bytes out. session_conn.c puts it between the two; it has no
// socket, so that a test and a fuzzer drive it by hand. One thread at a time.
//
// Between two runs it holds no compressor: what a run says is compressed by itself, and ends at a
// byte. Of the decompressor only what the client has said last is kept (the window, at most 32 KiB,
// as far as there is any), unless the client stopped in the middle of a block.
#ifndef KEEP_SESSION_DEFLATE_H
#define KEEP_SESSION_DEFLATE_H

#include "base/buf.h"
#include "base/err.h"

struct session_deflate;

// `in_max`: bytes of decompressed input kept unread; `out_max`: the cap of the output. ERR_NOMEM.
enum err session_deflate_create(size_t in_max, size_t out_max, struct session_deflate **out);
void session_deflate_destroy(struct session_deflate *d); // NULL is allowed

// ---- input --------------------------------------------------------------------------------------

// Decompresses some of what came (at most 16 KiB at a time); `*out_taken` bytes of `raw` are done
// with, also on an error. ERR_OK: session_deflate_input grew. ERR_AGAIN: nothing came of it.
// ERR_LIMIT: in_max bytes are unread. ERR_EOF: the client has ended its stream. ERR_INVALID: it is
// no DEFLATE. ERR_NOMEM.
enum err session_deflate_read(struct session_deflate *d, struct span raw, size_t *out_taken);
// Decompressed and not consumed; until the next read or consume.
struct span session_deflate_input(const struct session_deflate *d);
void session_deflate_consume(struct session_deflate *d, size_t n);

// ---- output -------------------------------------------------------------------------------------

// What is to be said, in the clear. The same buffer for the layer's life.
struct buf *session_deflate_output(struct session_deflate *d);
// What is said from here on shares nothing with what was said before, so that the length of the one
// tells nothing about the other.
void session_deflate_part(struct session_deflate *d);
// Moves the output, compressed, to the end of `to`. `flush`: all of it, so that the client can read
// it; else a part may wait inside. ERR_NOMEM, ERR_LIMIT: `to` is full. Then the stream is broken.
enum err session_deflate_write(struct session_deflate *d, bool flush, struct buf *to);

// The run is over and everything was flushed: gives memory back.
void session_deflate_rest(struct session_deflate *d);

// Bytes it holds now.
size_t session_deflate_memory(const struct session_deflate *d);

#endif
