// SPDX-License-Identifier: Apache-2.0
//
// Sign-ins by a token of OAuth 2.0 instead of a password (RFC 6750, 7628): a token of our own is
// looked up, any other's issuer is asked by way of the courier (vouch.h). Runs in keep only. The
// throttle counts and the answers are those of passwords (auth.h), but a good token of our own is
// let in all the same: none can be guessed.
#ifndef AUTH_BEARER_H
#define AUTH_BEARER_H

#include "auth/auth.h"

#define BEARER_TOKEN_BYTES_MAX 8192
#define BEARER_OWN_PREFIX      "mkt_" // how the tokens begin that this server issues

// claim->password is the token; claim->name may be empty, then the token alone says who it is,
// else it must be the token's account. Blocks on the disk; any thread. As auth_password: ERR_OK,
// ERR_DENIED (out->why may be set), ERR_LIMIT, ERR_UNAVAILABLE.
enum err auth_bearer(struct auth *a, const struct auth_claim *claim, struct auth_grant *out);

// Is a token of an issuer elsewhere, by which this account has signed in, still good? ERR_DENIED:
// not any more. ERR_UNAVAILABLE: nobody can say now. Blocks, for a bounded time; any thread.
enum err auth_bearer_again(struct auth *a, struct span token, account_id account);

#endif
