// SPDX-License-Identifier: Apache-2.0
//
// Password hashes brought from another server, in the notations of Dovecot ("{BLF-CRYPT}$2y$..."),
// LDAP (RFC 2307, "{SSHA}...", "{PBKDF2-SHA256}...") and crypt(5) ("$6$..."):
//
//   bcrypt ($2a$, $2b$, $2y$), SHA-256 and SHA-512 crypt ($5$, $6$), yescrypt at the cost that
//   Debian writes ($y$j9T$); PBKDF2 with SHA-1, SHA-256 and SHA-512; SSHA, SSHA256, SSHA512
//
// A hash names its own cost, so whoever may hand one in could have every sign-in take hours: a cost
// over the limits below is refused while reading. What hides nothing or next to nothing (clear
// text, no salt, MD5, DES) is refused by name. Pure; any thread; may block only as long as hashing
// takes, a second or two at the very limits.
#ifndef AUTH_FOREIGN_HASH_H
#define AUTH_FOREIGN_HASH_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define FOREIGN_BCRYPT_COST_MAX   14      // 2^14 rounds
#define FOREIGN_CRYPT_ROUNDS_MAX  1000000 // of SHA-256 and SHA-512 crypt
#define FOREIGN_PBKDF2_ROUNDS_MAX 2000000
#define FOREIGN_SALT_BYTES_MAX    64
#define FOREIGN_DIGEST_BYTES_MAX  64
#define FOREIGN_CRYPT_BYTES_MAX   127

enum foreign_kind { FOREIGN_CRYPT, FOREIGN_PBKDF2, FOREIGN_SALTED };
enum foreign_digest { FOREIGN_SHA1, FOREIGN_SHA256, FOREIGN_SHA512 };

struct foreign_hash {
    enum foreign_kind kind;
    enum foreign_digest digest_kind; // of PBKDF2 and SALTED
    uint32_t rounds;                 // of PBKDF2
    size_t salt_bytes, digest_bytes;
    unsigned char salt[FOREIGN_SALT_BYTES_MAX], digest[FOREIGN_DIGEST_BYTES_MAX];
    char crypt[FOREIGN_CRYPT_BYTES_MAX + 1]; // of CRYPT: the whole text
};

// Takes a hash apart. ERR_INVALID (nothing we know, or damaged), ERR_UNSUPPORTED (known and not
// taken), ERR_LIMIT (its cost is too high); *out_why then says it as a sentence for an
// administrator (static text).
enum err foreign_hash_read(struct span text, struct foreign_hash *out, const char **out_why);

// ERR_OK, ERR_DENIED (wrong), ERR_NOMEM. Compares in constant time. A password with a NUL byte
// fits none, one over 511 bytes no crypt hash; bcrypt looks at the first 72 bytes only.
enum err foreign_hash_verify(const struct foreign_hash *h, struct span password);

#endif
