// SPDX-License-Identifier: Apache-2.0
//
// TLSA records (RFC 6698 section 2.1) as SMTP uses them (RFC 7672 section 3.1). Pure; any thread.
#ifndef COURIER_POLICY_TLSA_H
#define COURIER_POLICY_TLSA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct tlsa {
    uint8_t usage, selector, matching;
    struct span data; // a digest, or the whole certificate or key
};

// From a record's bytes. ERR_INVALID: too short to be one.
enum err tlsa_read(struct span record, struct tlsa *out);

// Can a certificate be checked with it? Usages 2 (DANE-TA) and 3 (DANE-EE) only, known selector and
// matching type, a digest of the right length. Records that cannot be used still demand TLS.
bool tlsa_is_usable(const struct tlsa *t);

#endif
