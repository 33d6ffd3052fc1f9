// SPDX-License-Identifier: Apache-2.0
//
// An issuer for tests: makes keys, publishes them, signs tokens with them.
#ifndef TESTS_UNIT_COURIER_OIDC_MAKER_H
#define TESTS_UNIT_COURIER_OIDC_MAKER_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "courier/vouch/oidc_key.h"

// A key pair that signs with `alg`; the caller frees it.
EVP_PKEY *maker_key(enum oidc_alg alg);
// Appends the public key as a JWK; `more` are further members with a comma in front.
void maker_put_jwk(struct buf *out, const EVP_PKEY *key, const char *id, const char *more);
// Appends header "." claims "." signature, as they are; the signature as `alg` makes it.
void maker_put_token(struct buf *out, EVP_PKEY *key, enum oidc_alg alg, const char *header,
                     const char *claims);
// The same with HMAC-SHA-256 and any secret: what a confused verifier would take.
void maker_put_hmac_token(struct buf *out, struct span secret, const char *header,
                          const char *claims);
void maker_base64url(struct buf *out, struct span in);

#endif
