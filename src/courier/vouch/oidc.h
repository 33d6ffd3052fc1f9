// SPDX-License-Identifier: Apache-2.0
//
// Whose token is this? The authority (vouch.h) for tokens of the issuers in the settings: a JWT is
// checked with the issuer's keys, and where the issuer is to be asked about its tokens (RFC 7662)
// each is, and what is no JWT too. What it says is remembered for a part of `check_ms`, so that
// with keep's own checks a revoked token is out within `check_ms`.
#ifndef COURIER_VOUCH_OIDC_H
#define COURIER_VOUCH_OIDC_H

#include "courier/dns/lookup.h"
#include "courier/vouch/oidc_issuer.h"
#include "courier/vouch/vouch.h"

struct oidc_options {
    struct lookup *lookup;
    const struct span *issuers; // as in `oauth_issuers`
    size_t issuer_count;
    const char *ca_file, *secrets_file; // empty: the system's, none
    int64_t check_ms;
    int64_t life_max_ms; // of tokens that are not asked about
};

struct oidc;
// Reads the files, so before the sandbox. An issuer that makes no sense is logged and left out.
// ERR_UNAVAILABLE and others (logged): a file cannot be read.
enum err oidc_create(const struct oidc_options *o, struct oidc **out);
void oidc_destroy(struct oidc *o); // NULL is allowed; when nobody asks any more

// For struct vouch_authority.
void oidc_answer(void *arg, const struct vouch_question *q, struct arena *a,
                 struct vouch_answer *out);

#endif
