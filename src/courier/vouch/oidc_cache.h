// SPDX-License-Identifier: Apache-2.0
//
// What issuers have said about tokens, for a short time. The tokens themselves are not kept: only
// their digests. Any thread; does not block.
#ifndef COURIER_VOUCH_OIDC_CACHE_H
#define COURIER_VOUCH_OIDC_CACHE_H

#include "base/arena.h"
#include "base/err.h"

#define OIDC_CACHE_MAX 10000 // the oldest make room

struct oidc_said {
    bool is_active;
    struct span name; // of whom; empty when it is not active
    int64_t until_ms; // since 1970; 0: not said
};

struct oidc_cache;
enum err oidc_cache_create(int64_t keep_ms, struct oidc_cache **out);
void oidc_cache_destroy(struct oidc_cache *c); // NULL is allowed

// `place` is the issuer's. False: nothing is known now.
bool oidc_cache_get(struct oidc_cache *c, size_t place, struct span token, struct arena *a,
                    struct oidc_said *out);
// Without memory nothing is remembered.
void oidc_cache_put(struct oidc_cache *c, size_t place, struct span token,
                    const struct oidc_said *said);

#endif
