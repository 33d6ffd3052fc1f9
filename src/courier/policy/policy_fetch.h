// SPDX-License-Identifier: Apache-2.0
//
// A small text over HTTPS, as MTA-STS wants it (RFC 8461 section 3.3): certificate checked, no
// redirect, text/plain, 64 KiB at the most, one minute. The name is looked up by us, and private
// addresses are refused like an MX's. Blocks; any thread but the loop's.
#ifndef COURIER_POLICY_POLICY_FETCH_H
#define COURIER_POLICY_POLICY_FETCH_H

#include <stdatomic.h>

#include "courier/dns/lookup_host.h"

struct policy_fetch_options {
    struct lookup *lookup;
    struct span ca_pem; // certificates to check against; empty: the system's
    uint16_t port;      // 443; another one for tests
    bool allow_private;
    int64_t timeout_ms;
    const atomic_bool *is_stopping;
};

#define POLICY_PROBLEM_BYTES 256

// Once, before the first thread. ERR_UNAVAILABLE.
enum err policy_fetch_init(void);

// Appends the body. ERR_UNAVAILABLE with words in `problem`; ERR_DENIED: the same, because of the
// server's certificate.
enum err policy_fetch(const struct policy_fetch_options *o, struct span host, struct span path,
                      struct buf *out, char problem[POLICY_PROBLEM_BYTES]);

#endif
