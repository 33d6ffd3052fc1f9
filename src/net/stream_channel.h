// SPDX-License-Identifier: Apache-2.0
//
// What binds a sign-in to one TLS connection (RFC 5056), on the server's side. As stream.h.
#ifndef NET_STREAM_CHANNEL_H
#define NET_STREAM_CHANNEL_H

#include "net/stream.h"

#define STREAM_EXPORTER_BYTES         32
#define STREAM_SERVER_POINT_BYTES_MAX 64

// tls-exporter (RFC 9266). Bytes written to `out`: 0 in the clear, before the handshake is done, or
// by TLS 1.2 without the extended master secret, with which the binding would not be unique.
size_t stream_channel_exporter(const struct stream *s, unsigned char out[STREAM_EXPORTER_BYTES]);

// tls-server-end-point (RFC 5929 section 4): our certificate, hashed with the hash of its
// signature. 0 in the clear, and for a signature without a hash of its own (Ed25519).
size_t stream_channel_server_point(const struct stream *s,
                                   unsigned char out[STREAM_SERVER_POINT_BYTES_MAX]);

#endif
