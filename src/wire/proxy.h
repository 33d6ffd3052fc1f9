// SPDX-License-Identifier: Apache-2.0
//
// The header that a load balancer puts in front of a connection to say whose it is: the PROXY
// protocol (HAProxy, doc/proxy-protocol.txt), versions 1 (a line) and 2 (bytes). Whom to believe
// is the caller's business: it is read from listed addresses only, there it must be present, and
// anything malformed ends the connection. Pure; any thread.
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H

#include "base/err.h"
#include "base/span.h"

#define PROXY_LINE_BYTES_MAX   107  // version 1, CR LF counted
#define PROXY_HEADER_BYTES_MAX 4096 // version 2: more than any balancer sends

enum proxy_family {
    PROXY_LOCAL, // the balancer itself (a health check), or it does not know: use the real peer
    PROXY_IPV4,
    PROXY_IPV6,
    PROXY_UNIX, // no addresses that would help anybody
};

struct proxy_header {
    int version;
    enum proxy_family family;
    unsigned char source[16], target[16]; // in network order; IPv4: the first four bytes
    uint16_t source_port, target_port;
    bool tls;              // version 2: the client spoke TLS to the balancer
    struct span authority; // version 2: the name the client asked for (SNI); points into the input
    struct span alpn;
};

// Reads the header at the front of `input`. ERR_AGAIN: not whole yet. ERR_INVALID: none, or a
// broken one. ERR_LIMIT: too long. ERR_OK sets both outputs; `*out_bytes` is the header's length.
enum err proxy_read(struct span input, struct proxy_header *out, size_t *out_bytes);

#endif
