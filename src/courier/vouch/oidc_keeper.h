// SPDX-License-Identifier: Apache-2.0
//
// One issuer's document and keys: fetched when they are wanted, by one thread at a time, and
// remembered. Any thread; what says so blocks.
#ifndef COURIER_VOUCH_OIDC_KEEPER_H
#define COURIER_VOUCH_OIDC_KEEPER_H

#include "courier/https/https.h"
#include "courier/vouch/oidc_document.h"
#include "courier/vouch/oidc_key.h"

#define OIDC_KEYS_FRESH_MS 600000   // after that they are fetched again when they are used
#define OIDC_KEYS_STALE_MS 86400000 // after that, without an answer of the issuer, not used at all

struct oidc_keeper;
// `client` and `issuer` must stay. `again_ms`: fetches that an unknown key causes are that far
// apart.
enum err oidc_keeper_create(const struct https_client *client, struct span issuer, int64_t again_ms,
                            struct oidc_keeper **out);
void oidc_keeper_destroy(struct oidc_keeper *k); // NULL is allowed

// Checks a signature with the key of that id. ERR_DENIED: it is wrong. ERR_NOT_FOUND: the issuer
// has no such key, as far as it may be asked now. ERR_UNAVAILABLE with words: no keys could be had.
// Blocks until `until_ms` (monotonic) at most.
enum err oidc_keeper_check(struct oidc_keeper *k, struct span key_id, enum oidc_alg alg,
                           struct span bytes, struct span signature, int64_t until_ms,
                           char problem[HTTPS_PROBLEM_BYTES]);

// Where the issuer is asked about tokens. ERR_UNAVAILABLE with words. Blocks as above.
enum err oidc_keeper_introspect_url(struct oidc_keeper *k, int64_t until_ms,
                                    char out[HTTPS_URL_BYTES_MAX + 1],
                                    char problem[HTTPS_PROBLEM_BYTES]);

#endif
