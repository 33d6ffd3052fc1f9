// SPDX-License-Identifier: Apache-2.0
//
// Password hashes: Argon2id (RFC 9106) in the PHC string format; those brought from elsewhere are
// verified, too, until the next sign-in makes one of ours of them. Hashing takes tens of
// milliseconds and the memory the parameters say, so callers in keep go through auth.h, which
// bounds how many run at a time; the command line calls these directly. Any thread.
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define PASSWORD_BYTES_MAX 1024 // longer ones are refused unseen
#define PASSWORD_HASH_MAX  320  // bytes of the text of a hash

struct password_params {
    uint32_t memory_kib; // 65,536 by default
    uint32_t passes;     // 3
    uint32_t lanes;      // 1
};
void password_params_default(struct password_params *p);

// Argon2 with several lanes ends threads in a way for which the C library opens a file. A process
// that is about to lose that right calls this before.
void password_preload(void);

// Appends a PHC string with a fresh 16-byte salt. ERR_LIMIT (password too long), ERR_NOMEM,
// ERR_INVALID (parameters).
enum err password_hash(struct span password, const struct password_params *p, struct buf *out);

// A hash of ours or one brought from elsewhere (foreign_hash.h). ERR_OK, ERR_DENIED (wrong),
// ERR_INVALID (not a hash we know), ERR_NOMEM. Constant time in the password's contents.
enum err password_verify(struct span password, struct span hash);

// Whether a hash that somebody hands in may be stored: `*out` is then what to store, a part of
// `text`. A sign-in must not take long or much memory: an Argon2 hash may cost what ours does, or
// up to PASSWORD_FOREIGN_KIB_MAX and PASSWORD_FOREIGN_WORK_MAX; for others see foreign_hash.h.
// ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT: *out_why is a sentence for an administrator (static).
#define PASSWORD_FOREIGN_KIB_MAX  262144  // 256 MiB
#define PASSWORD_FOREIGN_WORK_MAX 1048576 // KiB times passes
enum err password_hash_accept(struct span text, const struct password_params *ours,
                              struct span *out, const char **out_why);

// What stands in a hash's place when the password is the directory's (docs/directories.md), and
// when the directory does not know the person any more: nobody gets in by any credential. Neither
// fits any password.
#define PASSWORD_OF_DIRECTORY "{DIRECTORY}"
#define PASSWORD_OF_NOBODY    "{DIRECTORY-AWAY}"
bool password_is_directorys(struct span hash);
bool password_is_nobodys(struct span hash);

// Of another kind than Argon2.
bool password_is_foreign(struct span hash);

// The hash is no Argon2id, or was made with other parameters than `p`.
bool password_needs_rehash(struct span hash, const struct password_params *p);

// Why a new password is refused, as a part of a sentence for its owner (static text); NULL when it
// is good enough: 8 characters, UTF-8 without controls, not made of the address, of keys in a row,
// of one piece repeated or of digits alone, and none of the words that are tried first, whatever
// digits and signs are put around it. weak_password.c has the list.
const char *password_weakness(struct span password, struct span address);

#endif
