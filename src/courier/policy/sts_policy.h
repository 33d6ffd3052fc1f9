// SPDX-License-Identifier: Apache-2.0
//
// The texts of MTA-STS (RFC 8461): the TXT record that announces a policy and the policy itself.
// Pure; any thread.
#ifndef COURIER_POLICY_STS_POLICY_H
#define COURIER_POLICY_STS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define STS_ID_BYTES_MAX     32
#define STS_POLICY_BYTES_MAX 65536
#define STS_AGE_S_MAX        31557600 // a year (RFC 8461 section 3.2)

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

// Why a policy that is announced could not be had.
enum sts_problem { STS_NO_PROBLEM, STS_NOT_FETCHED, STS_NOT_VALID, STS_NOT_TRUSTED };

struct sts_policy {
    enum sts_mode mode;
    uint32_t max_age_s;
    struct buf mx; // patterns in lower case, a LF behind each
};
void sts_policy_finish(struct sts_policy *p);

// The id of a TXT record (section 3.1). ERR_NOT_FOUND: it is none of MTA-STS; ERR_INVALID: it is,
// and broken.
enum err sts_record_read(struct span txt, struct span *out_id);

// A policy from the body of the HTTPS response (section 3.2); unknown fields are passed over, of a
// field given twice the first counts. ERR_INVALID.
enum err sts_policy_read(struct span text, struct sts_policy *out);

// Does a pattern fit the name of an MX (section 4.1)? "*." stands for exactly one label.
bool sts_policy_allows(const struct sts_policy *p, struct span host);

#endif
