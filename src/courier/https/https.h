// SPDX-License-Identifier: Apache-2.0
//
// A small answer over HTTPS, for policies, keys and tokens: the certificate is checked, no redirect
// is followed, the type is the one that is wanted, size and time are bounded. The host is looked up
// by us, and private addresses are refused like an MX's unless they are allowed. Blocks; any thread
// but the loop's.
#ifndef COURIER_HTTPS_HTTPS_H
#define COURIER_HTTPS_HTTPS_H

#include <stdatomic.h>

#include "courier/dns/lookup_host.h"
#include "courier/https/https_url.h"

struct https_client {
    struct lookup *lookup;
    struct span ca_pem; // certificates to check against; empty: the system's
    bool allow_private;
    int64_t timeout_ms; // for all of it
    const atomic_bool *is_stopping;
};

struct https_request {
    struct span url;
    // One of which the answer must have: "text/plain"; `type` NULL: any, and any status 2xx; the
    // second may be NULL.
    const char *type, *other_type;
    // A form to post (application/x-www-form-urlencoded); p NULL: GET.
    struct span form;
    // The same with JSON, and one more header field, "Name: text"; p NULL: none.
    struct span json;
    const char *field;
    // Who asks, by Basic (RFC 7617); both are ASCII without control characters. Empty user: nobody.
    struct span user, secret;
};

#define HTTPS_PROBLEM_BYTES 256

// Once, before the first thread. ERR_UNAVAILABLE.
enum err https_init(void);

// Appends the body, as far as `out` has room. ERR_UNAVAILABLE with words in `problem`; ERR_DENIED:
// the same, because of the server's certificate; ERR_NOT_FOUND: it answered with a status of 4xx;
// ERR_INVALID: that is no URL to go to.
enum err https_fetch(const struct https_client *c, const struct https_request *r, struct buf *out,
                     char problem[HTTPS_PROBLEM_BYTES]);

#endif
