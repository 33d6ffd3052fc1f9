// SPDX-License-Identifier: Apache-2.0
//
// Password hashes: Argon2id (RFC 9106) in the PHC string format. Hashing takes tens of milliseconds
// and the memory the parameters say, so callers in keep go through auth.h, which bounds how many
// run at a time; the command line calls these directly. Any thread.
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define PASSWORD_BYTES_MAX 1024 // longer ones are refused unseen
#define PASSWORD_HASH_MAX  256  // bytes of a PHC string

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

// ERR_OK, ERR_DENIED (wrong), ERR_INVALID (not a hash we know), ERR_NOMEM. Constant time in the
// password's contents.
enum err password_verify(struct span password, struct span hash);

// The hash was made with other parameters than `p`.
bool password_needs_rehash(struct span hash, const struct password_params *p);

// Why a new password is refused, as a sentence for its owner (static text); NULL when it is good
// enough: 8 characters, UTF-8 without controls, not the address or its local part, not one of a
// short list everybody tries first.
const char *password_weakness(struct span password, struct span address);

#endif
