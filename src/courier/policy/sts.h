// SPDX-License-Identifier: Apache-2.0
//
// MTA-STS (RFC 8461) for a domain: its policy, fetched when the domain's TXT record names a new
// one, remembered for max_age. A policy that was fetched holds until it ends, whatever an attacker
// does to the DNS or the web server meanwhile. The memory is this process's: it begins empty.
// Blocks; any thread but the loop's.
#ifndef COURIER_POLICY_STS_H
#define COURIER_POLICY_STS_H

#include "courier/https/https.h"
#include "courier/policy/sts_policy.h"

struct sts;

// `port` is 443; another one for tests.
enum err sts_create(const struct https_client *client, uint16_t port, struct sts **out);
void sts_destroy(struct sts *s); // NULL is allowed

// The policy for `domain` (A-labels, lower case), a copy to be given to sts_policy_finish. Mode
// STS_NONE when it has none.
// `*out_problem`: with what was tried last, when the domain announces a policy; a policy that was
// known before may be good all the same.
void sts_find(struct sts *s, struct span domain, struct sts_policy *out,
              enum sts_problem *out_problem);

#endif
