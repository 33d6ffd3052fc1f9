// SPDX-License-Identifier: Apache-2.0
//
// A nonblocking byte stream over a socket, in the clear or over TLS. Knows nothing of loops: the
// owner asks what to wait for. One thread at a time; never blocks. The process ignores SIGPIPE.
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "net/tls.h"

struct stream {
    int fd;
    void *ssl;               // NULL in the clear
    struct tls_context *tls; // one reference while ssl is set
    bool handshaken;         // true in the clear
    bool read_wants_write, write_wants_read;
};

void stream_init(struct stream *s, int fd); // takes over the descriptor
// Closes; says goodbye on TLS first if that needs no waiting.
void stream_finish(struct stream *s);
// Gives up the descriptor of a clear stream to the caller.
int stream_release_fd(struct stream *s);

// Starts TLS as the server on a clear stream; then call stream_handshake until it is done.
enum err stream_start_tls(struct stream *s, struct tls_context *t);
// ERR_OK: done. ERR_AGAIN: wait for stream_events. ERR_INVALID: refused, close the connection.
enum err stream_handshake(struct stream *s);

// Reads at most `max` bytes to the buffer's end. ERR_AGAIN, ERR_EOF (an orderly end), ERR_LIMIT (no
// room in the buffer), ERR_IO.
enum err stream_read(struct stream *s, struct buf *into, size_t max);
// Writes what can be written now; *out_taken bytes may be fewer. ERR_AGAIN when none, ERR_IO.
enum err stream_write(struct stream *s, struct span bytes, size_t *out_taken);
// No more will be written: half-close (TLS: close_notify).
void stream_shutdown(struct stream *s);
// After the shutdown: takes what the peer still sends and drops it, because closing over unread
// input turns into a reset that may destroy the last words on their way. `budget` counts down the
// bytes. ERR_AGAIN: wait for EPOLLIN and call again; anything else: close now (ERR_EOF: the peer
// has closed, ERR_LIMIT: the budget is used up, ERR_IO: gone).
enum err stream_drain(int fd, size_t *budget);
// The peer waits for our acknowledgement before it sends the rest of what we wait for (Nagle's
// algorithm against our delayed one): says it now.
void stream_acknowledge(int fd);
// Bytes already decrypted wait inside: read before waiting.
bool stream_has_pending(const struct stream *s);

// The EPOLL* bits to wait for, given what the owner wants.
uint32_t stream_events(const struct stream *s, bool want_read, bool want_write);

// "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty in the clear. Static or the session's storage.
struct stream_tls_text {
    char s[96];
};
struct stream_tls_text stream_tls_text(const struct stream *s);

#endif
