// SPDX-License-Identifier: Apache-2.0
//
// An issuer's public keys (JWKS, RFC 7517, 7518, 8037) and the signatures made with them (RFC
// 7515). Only what is asymmetric is here: there is no "none" and no HMAC to be talked into. Pure
// but for memory; any thread.
#ifndef COURIER_VOUCH_OIDC_KEY_H
#define COURIER_VOUCH_OIDC_KEY_H

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/err.h"

#define OIDC_KEYS_MAX       64           // of one issuer; more are left out
#define OIDC_KEYS_BYTES_MAX (256u << 10) // of the document
#define OIDC_RSA_BITS_MIN   2048
#define OIDC_RSA_BITS_MAX   8192

enum oidc_alg { OIDC_RS256, OIDC_PS256, OIDC_ES256, OIDC_EDDSA, OIDC_ALG__COUNT };

// ERR_UNSUPPORTED: not one of these; names are compared as they are (RFC 7515 section 4.1.1).
enum err oidc_alg_from_name(struct span name, enum oidc_alg *out);
const char *oidc_alg_name(enum oidc_alg alg); // static

struct oidc_key {
    struct span id; // "kid"; p NULL: it has none
    EVP_PKEY *pkey;
    unsigned algs; // bit n: it may be used with enum oidc_alg n
};

struct oidc_keys {
    struct arena arena;
    struct oidc_key items[OIDC_KEYS_MAX];
    size_t n;
};

// Reads the document. Keys that are not for signatures, or of a kind, curve or size that is not
// taken, are passed over. ERR_INVALID when it is no JWKS or names a key's id twice among those
// taken; ERR_LIMIT over OIDC_KEYS_BYTES_MAX; ERR_NOMEM. `out` is empty then.
enum err oidc_keys_read(struct span json, struct oidc_keys *out);
void oidc_keys_finish(struct oidc_keys *keys);

// The key of that id that may be used with the algorithm. Without an id (p NULL) the only one that
// may; NULL: none, or not just one.
const struct oidc_key *oidc_keys_find(const struct oidc_keys *keys, struct span id,
                                      enum oidc_alg alg);

// ERR_DENIED when it is not the key's signature of these bytes; ERR_NOMEM.
enum err oidc_signature_check(const struct oidc_key *key, enum oidc_alg alg, struct span bytes,
                              struct span signature);

#endif
