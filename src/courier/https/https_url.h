// SPDX-License-Identifier: Apache-2.0
//
// The URLs that the courier goes to: https, a host, maybe a port and a path. Pure; any thread.
#ifndef COURIER_HTTPS_HTTPS_URL_H
#define COURIER_HTTPS_HTTPS_URL_H

#include "base/err.h"
#include "base/span.h"

#define HTTPS_URL_BYTES_MAX 1024

struct https_url {
    struct span host; // a name, an address, or "[2001:db8::1]"
    uint16_t port;    // 443 when none is said
    struct span path; // with what follows it; empty or begins with "/"
};

// Spans point into `text`. ERR_INVALID on anything but a plain URL: another scheme, somebody's
// name, a fragment, a character that would have to be escaped, a path that goes up; ERR_LIMIT over
// HTTPS_URL_BYTES_MAX.
enum err https_url_parse(struct span text, struct https_url *out);

#endif
