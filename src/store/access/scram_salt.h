// SPDX-License-Identifier: Apache-2.0
//
// What SCRAM (RFC 5802) needs of an account beside the keys of its devices (device.h): one salt and
// iteration count for all its credentials, since both are said before it is known which of them
// the client has; and, only where a setting wants them, keys of the account's own password. Threads
// and blocking: see store.h.
#ifndef STORE_SCRAM_SALT_H
#define STORE_SCRAM_SALT_H

#include "store/store.h"

#define SCRAM_SALT_BYTES     16
#define SCRAM_KEY_PAIR_BYTES 64 // StoredKey and ServerKey
#define SCRAM_ROUNDS_MIN     4096
#define SCRAM_ROUNDS_MAX     1000000

struct scram_salt {
    char salt[SCRAM_SALT_BYTES];
    unsigned iterations;
    bool has_keys;                   // of the account's own password
    char keys[SCRAM_KEY_PAIR_BYTES]; // these
    uint64_t mark;                   // of the password hash they belong to (auth/grant.h)
};

// ERR_NOT_FOUND: the account has none yet.
enum err scram_salt_get(struct store *s, account_id account, struct scram_salt *out);
// Gives the account that salt and count when it has none; `*out` is what it has then.
// ERR_NOT_FOUND: there is no such account.
enum err scram_salt_need(struct store *s, account_id account, const struct scram_salt *wanted,
                         struct scram_salt *out);
// Keys of the account's own password, made with that salt and count. ERR_EXISTS: it has others;
// ERR_NOT_FOUND.
enum err scram_salt_set_keys(struct store *s, account_id account, const struct scram_salt *with);

// Forgets keys of the account's own password; salt and count stay.
enum err scram_salt_drop_keys(struct store *s, account_id account);

// A row of docs/format/store.md. ERR_CORRUPT.
enum err scram_salt_decode(struct span value, struct scram_salt *out);

#endif
