// SPDX-License-Identifier: Apache-2.0
//
// What the ways in beside passwords need of an auth.
#ifndef AUTH_AUTH_INTERNAL_H
#define AUTH_AUTH_INTERNAL_H

#include "auth/auth.h"

struct store *auth_store(struct auth *a);
// Only what stays for the auth's life: default_domain, own_token.
const struct auth_options *auth_fixed_options(struct auth *a);

#endif
