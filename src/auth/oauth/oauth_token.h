// SPDX-License-Identifier: Apache-2.0
//
// The texts that our own authorization server gives away. Access and refresh tokens ("mkt_",
// "mkr_") carry, encrypted, where what is kept of them is found, and 32 random bytes; codes
// ("mkc_", "mkd_") are random alone. Whoever holds one can read nothing out of it, and of all of
// them only the SHA-256 is kept. Pure but for randomness; any thread.
#ifndef AUTH_OAUTH_TOKEN_H
#define AUTH_OAUTH_TOKEN_H

#include "base/span.h"
#include "store/access/oauth_family.h"

#define OAUTH_KEY_BYTES        16
#define OAUTH_TOKEN_TEXT_BYTES 68 // "mkt_" and base64url of 48 bytes
#define OAUTH_CODE_TEXT_BYTES  47 // "mkc_" and base64url of 32 bytes

enum oauth_token_kind { OAUTH_ACCESS_TOKEN, OAUTH_REFRESH_TOKEN };

struct oauth_place {
    account_id account; // below 2^48
    uint64_t family;    // below 2^48
    uint32_t generation;
};

// ERR_NOMEM (of the cipher).
enum err oauth_token_make(const char key[OAUTH_KEY_BYTES], enum oauth_token_kind kind,
                          const struct oauth_place *place, char out[OAUTH_TOKEN_TEXT_BYTES]);
// Does it look like an access token of ours? Others are somebody else's.
bool oauth_token_is_own(struct span text);
// Where what is kept of it would be. Any text may be read; ERR_INVALID: we have not made it.
enum err oauth_token_read(const char key[OAUTH_KEY_BYTES], struct span text,
                          enum oauth_token_kind *out_kind, struct oauth_place *out);
void oauth_code_make(char letter, char out[OAUTH_CODE_TEXT_BYTES]); // 'c', 'd'
void oauth_digest(struct span text, char out[OAUTH_DIGEST_BYTES]);

// RFC 4648 section 5, without padding; the characters written, without NUL. `room` must be enough.
size_t oauth_base64url(const void *p, size_t n, char *out, size_t room);

#endif
