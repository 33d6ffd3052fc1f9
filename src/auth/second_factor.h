// SPDX-License-Identifier: Apache-2.0
//
// The second factor: what a right password is not enough for. With one on, the account's own
// password opens no mail protocol, because none of them asks for a code: there an app password
// (a device) or a token does. Pages and the API take the password and a code. Runs in keep and,
// without a server, in the command line. Any thread; may block on the disk.
#ifndef AUTH_SECOND_FACTOR_H
#define AUTH_SECOND_FACTOR_H

#include "auth/grant.h"
#include "store/access/totp_row.h"

// Has the account one that is confirmed?
enum err second_factor_is_on(struct store *s, account_id account, bool *out);

// Looks at a code of the app, or a recovery code, and marks it as used, durably. ERR_DENIED: it is
// not good; *out_why (static) says it to whoever had the right password. ERR_NOT_FOUND: there is no
// second factor. `now` in seconds since 1970.
enum err second_factor_check(struct store *s, account_id account, struct span code, int64_t now,
                             const char **out_why);

// The last question after a secret was right: does it do? Where a second factor is required
// (store/directory/factor_policy.h), nothing does before one is on, devices neither. `grant` is
// what the secret gave; sets its by_code, wants_code and why. ERR_DENIED: no, see grant->why; other
// errors: nobody can say.
enum err second_factor_admit(struct store *s, const struct auth_claim *claim,
                             struct auth_grant *grant);

// totp_row.h's attempt with a typed code. False: it is no code of an app.
struct second_factor_code {
    uint32_t code;
    int64_t now;
    unsigned window; // steps the clock may be off
};
bool second_factor_attempt(struct span typed, int64_t now, struct second_factor_code *c,
                           struct totp_attempt *out);

#endif
