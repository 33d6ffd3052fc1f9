// SPDX-License-Identifier: Apache-2.0
//
// What the ways in beside passwords need of an auth.
#ifndef AUTH_AUTH_INTERNAL_H
#define AUTH_AUTH_INTERNAL_H

#include "auth/auth.h"
#include "base/arena.h"

struct store *auth_store(struct auth *a);
// Only what stays for the auth's life: default_domain, own_token.
const struct auth_options *auth_fixed_options(struct auth *a);

// ---- SCRAM (auth_scram.c) -----------------------------------------------------------------------

// Do accounts' own passwords sign in by it?
bool auth_takes_own_scram(struct auth *a);
// The claim's password, the account's own, was right: keys are made of it where they are wanted.
void auth_scram_renew(struct auth *a, struct arena *arena, const struct auth_claim *claim,
                      const struct auth_grant *grant);

#endif
