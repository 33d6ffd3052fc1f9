// SPDX-License-Identifier: Apache-2.0
//
// What a token or the issuer's answer about it says (RFC 7519 section 4.1, 7662 section 2.2, OpenID
// Connect Core section 5.1): is it for us, now, and whose is it? Pure; any thread.
#ifndef COURIER_VOUCH_OIDC_CLAIMS_H
#define COURIER_VOUCH_OIDC_CLAIMS_H

#include <jansson.h>

#include "courier/vouch/oidc_issuer.h"

#define OIDC_SKEW_S         60 // between our clock and the issuer's
#define OIDC_NAME_BYTES_MAX 1024

enum oidc_source {
    OIDC_FROM_JWT,    // signed by the issuer
    OIDC_FROM_ISSUER, // its answer to our question
};

struct oidc_person {
    struct span name; // of the objects
    int64_t until_ms; // since 1970; 0: not said
};

// NULL, and `*out` is set; or why not (static). With OIDC_FROM_JWT `iss`, `aud` and `exp` must be
// there; the issuer's own answer may leave `iss` and `exp` out (it says "active").
const char *oidc_claims_check(const json_t *claims, const struct oidc_issuer *issuer,
                              enum oidc_source source, int64_t now_s, struct oidc_person *out);

#endif
