// SPDX-License-Identifier: Apache-2.0
//
// Access tokens that our own authorization server has given away: a claim in, a grant of the device
// that the token belongs to out.
#ifndef AUTH_TOKEN_OWN_H
#define AUTH_TOKEN_OWN_H

#include "auth/grant.h"
#include "auth/oauth/oauth_token.h"

#define OAUTH_SECRET_NAME "oauth tokens" // of store_secret

// `claim->password` is the token, of the shape oauth_token_is_own; the name is not looked at: an
// empty one is right, and whoever calls compares another with the grant's account. Any thread; may
// block on the disk. ERR_DENIED: it is not good (out->why is set when it was, and something else is
// in the way; then the device is, too). ERR_UNAVAILABLE: the store cannot be read now.
enum err auth_token_own(struct store *s, const struct auth_claim *claim, struct auth_grant *out);

#endif
