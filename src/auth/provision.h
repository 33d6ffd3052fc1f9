// SPDX-License-Identifier: Apache-2.0
//
// The text of a provisioning token (store/directory/scim_token.h): "scim-" and 48 characters with
// 240 random bits, so that a digest of it is enough to keep. Pure but for randomness; any thread.
#ifndef AUTH_PROVISION_H
#define AUTH_PROVISION_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define PROVISION_TOKEN_BYTES 53

// Without NUL.
void provision_token_make(char out[PROVISION_TOKEN_BYTES]);
// Does it look like one? Nothing else is ever compared.
bool provision_token_is(struct span text);
// SHA-256 of the text. ERR_NOMEM.
enum err provision_token_digest(struct span text, unsigned char out[32]);

#endif
