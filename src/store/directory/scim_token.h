// SPDX-License-Identifier: Apache-2.0
//
// Provisioning tokens (rows `T` of account 0): what an identity provider shows when it makes and
// suspends accounts by SCIM (docs/protocol/scim.md). Each acts over the domains it was made for and
// no others. Only a digest is kept. Threads and blocking: see store.h.
#ifndef STORE_SCIM_TOKEN_H
#define STORE_SCIM_TOKEN_H

#include "store/store.h"

#define SCIM_TOKENS_MAX         100
#define SCIM_TOKEN_NAME_MAX     64
#define SCIM_TOKEN_DOMAINS_MAX  100
#define SCIM_TOKEN_DIGEST_BYTES 32 // SHA-256
#define SCIM_TOKEN_USED_EVERY_S 60 // how exactly it is kept when a token was used

struct scim_token {
    struct span name;   // letters, digits, '-', '.', '_'
    struct span digest; // SHA-256 of the token
    int64_t created;    // seconds since 1970
    int64_t used;       // the same, last; 0: never
    size_t domain_count;
    const struct span *domains; // folded; at least one
};

bool scim_token_name_is_valid(struct span name);

// Of `t` name, digest and domains count. ERR_EXISTS; ERR_LIMIT: too many; ERR_NOT_FOUND: one of the
// domains is not here, `*out_domain` (may be NULL) says which; ERR_INVALID.
enum err scim_token_add(struct store *s, const struct actor *by, const struct scim_token *t,
                        struct span *out_domain);
// ERR_NOT_FOUND.
enum err scim_token_remove(struct store *s, const struct actor *by, struct span name);
typedef bool scim_token_fn(void *arg, const struct scim_token *t); // false: stop
// In order of name; spans live while `fn` runs.
enum err scim_token_list(struct store *s, scim_token_fn *fn, void *arg);
// The one of that digest, compared in constant time; spans live in the arena. ERR_NOT_FOUND.
enum err scim_token_find(struct store *s, struct span digest, struct arena *a,
                         struct scim_token *out);
// It is used now. Written when the time that is kept is a minute old.
enum err scim_token_used(struct store *s, const struct scim_token *t);

bool scim_token_has_domain(const struct scim_token *t, struct span domain);

// A row of docs/format/store.md, for the check: spans point into key and value, `domains` has room
// for SCIM_TOKEN_DOMAINS_MAX. ERR_CORRUPT.
enum err scim_token_decode(struct span key, struct span value, struct span *domains,
                           struct scim_token *out);

// A domain goes, and with it whatever tokens could do there; one without domains goes, too.
struct edit;
enum err scim_token_edit_domain_gone(struct edit *ed, struct span domain);

#endif
