// SPDX-License-Identifier: Apache-2.0
//
// A token that is a signed JWT (RFC 7515, 7519, 9068; the advice of RFC 8725), taken apart: nothing
// in it is believed before oidc_signature_check and oidc_claims_check have said yes. Pure but for
// memory; any thread.
#ifndef COURIER_VOUCH_OIDC_TOKEN_H
#define COURIER_VOUCH_OIDC_TOKEN_H

#include <jansson.h>

#include "courier/vouch/oidc_key.h"

#define OIDC_TOKEN_BYTES_MAX 8192

struct oidc_token {
    struct span key_id;      // "kid"; p NULL: none
    enum oidc_alg alg;       // as the token says, to be compared with the issuer's
    struct span signed_part; // of the token
    struct span signature;   // decoded
    json_t *header, *claims; // objects
    struct span issuer;      // "iss"; empty: none
};

// Spans are of `token`, of the arena and of the objects. ERR_UNSUPPORTED: it is no JWT at all, so
// something that its issuer alone can read. ERR_INVALID with words: a JWT that cannot be taken, an
// algorithm not here, a critical header, a type that is something else than an access token.
// ERR_NOMEM.
enum err oidc_token_read(struct span token, struct arena *arena, struct oidc_token *out,
                         const char **out_why);
void oidc_token_finish(struct oidc_token *t);

#endif
