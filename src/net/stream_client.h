// SPDX-License-Identifier: Apache-2.0
//
// Who the client of a TLS connection is, by a certificate that one of our authorities for clients
// has signed (tls_context_ask_clients). As stream.h.
#ifndef NET_STREAM_CLIENT_H
#define NET_STREAM_CLIENT_H

#include "net/stream.h"

#define STREAM_CLIENT_DIGEST_BYTES 32 // SHA-256 of the certificate
#define STREAM_CLIENT_NAMES_MAX    8
#define STREAM_CLIENT_NAME_BYTES   254

struct stream_client {
    unsigned char digest[STREAM_CLIENT_DIGEST_BYTES];
    size_t name_count; // 0: there is no certificate, or none that is good now
    uint8_t name_bytes[STREAM_CLIENT_NAMES_MAX];
    char names[STREAM_CLIENT_NAMES_MAX][STREAM_CLIENT_NAME_BYTES]; // its mail addresses
};

// Cleared in the clear, without a certificate, and for one that was not signed by an authority of
// ours, is not for clients, is not valid at this time (also when TLS has been resumed), or has no
// mail address (rfc822Name, RFC 5280 section 4.2.1.6) in it. Addresses with a byte that is not
// printable ASCII, and those beyond the limits, are left out.
void stream_client_of(const struct stream *s, struct stream_client *out);

#endif
