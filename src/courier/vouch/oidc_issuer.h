// SPDX-License-Identifier: Apache-2.0
//
// One of the setting `oauth_issuers`: who issues tokens, and which of them are for us. Words after
// the URL, separated by blanks:
//     aud=VALUE       what a token must be for; several may be named, one must fit
//     azp=VALUE       which program it was given to; the same
//     alg=RS256       how it is signed: RS256 (without the word), PS256, ES256, EdDSA
//     claim=email     what names the account; without the word "email", which must be verified
//     unverified      an email address need not be
//     scope=VALUE     a scope that it must have
//     client=ID       ask the issuer about each token (RFC 7662), as this client
// Pure; any thread.
#ifndef COURIER_VOUCH_OIDC_ISSUER_H
#define COURIER_VOUCH_OIDC_ISSUER_H

#include "courier/vouch/oidc_key.h"

#define OIDC_ISSUERS_MAX 8
#define OIDC_VALUES_MAX  8 // of aud and of azp

struct oidc_values {
    struct span items[OIDC_VALUES_MAX];
    size_t n;
};

// Spans point into the text it was read from.
struct oidc_issuer {
    struct span url; // as the issuer calls itself, "iss"
    struct oidc_values audiences, parties;
    enum oidc_alg alg;
    struct span claim, scope, client;
    bool must_be_verified;
    int64_t life_max_s; // set by the owner: the most that a token is good which nobody asks about,
                        // since it was issued; 0: what it says
};

// ERR_INVALID with `*out_why` (static): an issuer that says too little of which tokens are for us
// is none. With `aud` its tokens are checked here; without it they must be asked about (`client`)
// and belong to a program of ours (`azp`).
enum err oidc_issuer_read(struct span text, struct oidc_issuer *out, const char **out_why);

// The secret of the issuer's client in a file of lines "CLIENT SECRET"; empty: it has none.
struct span oidc_secret_find(struct span file, struct span client);

#endif
