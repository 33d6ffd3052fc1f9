// SPDX-License-Identifier: Apache-2.0
//
// Secrets that the server makes for itself and keeps in account 0: keys for hashes in addresses,
// tokens, cookies; and keys that sign what leaves (DKIM), by domain and selector, whose private
// half is given out to whoever signs and shown to nobody. Threads and blocking: see store.h.
#ifndef STORE_SECRET_H
#define STORE_SECRET_H

#include "store/store.h"

#define SECRET_BYTES 32

// The secret of this name ("srs"; at most 32 bytes), made at the first call.
enum err store_secret(struct store *s, const char *name, char out[SECRET_BYTES]);

// ---- keys that sign -----------------------------------------------------------------------------

#define SIGNING_PEM_BYTES_MAX    8192
#define SIGNING_RECORD_BYTES_MAX 2048
#define SIGNING_NAME_BYTES_MAX   250 // domain and selector together
#define SIGNING_KEYS_MAX         40  // of a domain

// A new key is prepared: its record is to be published. Only active ones sign. A retired one signs
// nothing new; its record has to stay until what it signed has arrived.
#define SIGNING_RETIRED_S (7 * 86400) // as long as mail may be on its way, and some more
enum signing_state { SIGNING_PREPARED = 1, SIGNING_ACTIVE, SIGNING_RETIRED };

struct signing_key {
    struct span domain, selector; // ASCII, lower case
    enum signing_state state;
    unsigned algorithm;       // as whoever made it says: enum dkim_algorithm
    int64_t created, changed; // seconds since 1970; the state's change
    struct span pem;          // PKCS#8: a secret
    struct span record;       // the TXT record at <selector>._domainkey.<domain>
};

// Stores a new key (domain, selector, algorithm, pem, record) as prepared. Whether the domain is
// ours is the caller's to know. ERR_EXISTS: the selector is taken; ERR_LIMIT; ERR_INVALID.
enum err signing_key_add(struct store *s, const struct actor *by, const struct signing_key *key);
// Activating one retires the active one of the same algorithm. ERR_NOT_FOUND.
enum err signing_key_set_state(struct store *s, const struct actor *by, struct span domain,
                               struct span selector, enum signing_state state);
// Forgets the key for good. ERR_NOT_FOUND, ERR_DENIED (it is active).
enum err signing_key_remove(struct store *s, const struct actor *by, struct span domain,
                            struct span selector);
// With the private half only where said. False: stop.
typedef bool signing_key_fn(void *arg, const struct signing_key *key);
// In order of domain and selector; `domain` empty: all. Without `pem`.
enum err signing_key_list(struct store *s, struct span domain, signing_key_fn *fn, void *arg);
// The domain's active keys with `pem`, under one snapshot: to sign with.
enum err signing_key_active(struct store *s, struct span domain, signing_key_fn *fn, void *arg);

#endif
