// SPDX-License-Identifier: Apache-2.0
//
// The second factor of an account as it is kept: the secret of the app, the last step whose code
// was used, recovery codes (digests only), and how often a wrong code was said. A code is looked at
// and marked as used in one commit, so nobody uses one twice, whatever ends in between. Codes
// themselves are auth/'s business. Threads and blocking: see store.h.
#ifndef STORE_TOTP_ROW_H
#define STORE_TOTP_ROW_H

#include "store/store.h"

#define TOTP_ROW_SECRET_BYTES 20
#define TOTP_ROW_DIGEST_BYTES 32 // SHA-256
#define TOTP_ROW_CODES_MAX    10
#define TOTP_ROW_WRONG_FREE   5           // wrong codes before the first pause
#define TOTP_ROW_PAUSE_S      60          // the first pause; twice as long after each wrong code
#define TOTP_ROW_PAUSE_MAX_S  (12 * 3600) // the longest

enum totp_state {
    TOTP_PENDING = 1, // a secret is there, and no code of it was seen yet: asks nothing of anybody
    TOTP_ON,
};

struct totp_recovery {
    unsigned char digest[TOTP_ROW_DIGEST_BYTES];
    int64_t used; // seconds since 1970; 0: not yet
};

struct totp_row {
    enum totp_state state;
    int64_t made, on_since; // seconds since 1970; on_since 0 while pending
    unsigned char secret[TOTP_ROW_SECRET_BYTES];
    uint64_t last_step;  // codes up to this step count no more
    uint32_t wrong;      // wrong codes since the last right one
    int64_t shut_until;  // no code is looked at before; 0: now
    unsigned code_count; // 0 while pending
    struct totp_recovery codes[TOTP_ROW_CODES_MAX];
};

// ERR_NOT_FOUND: there is none. The caller cleans the secret away.
enum err totp_row_get(struct store *s, account_id account, struct totp_row *out);

// A secret to be confirmed; one that waits for that already is replaced. ERR_EXISTS: it is on.
enum err totp_row_begin(struct store *s, account_id account, const struct actor *by,
                        const unsigned char secret[TOTP_ROW_SECRET_BYTES]);

// What a code came to.
enum totp_answer {
    TOTP_RIGHT,
    TOTP_RIGHT_RECOVERY, // a recovery code, which is used up now
    TOTP_WRONG,
    TOTP_REPLAYED, // it was right once
    TOTP_SHUT,     // too many wrong ones; not looked at
};

// Whether the secret gives the code for a step above `after`, and which one; else ERR_NOT_FOUND.
// Pure: may run several times.
typedef enum err totp_find_fn(void *arg, struct span secret, uint64_t after, uint64_t *out_step);

struct totp_attempt {
    totp_find_fn *find;            // NULL with a recovery code
    void *arg;                     // of it
    const unsigned char *recovery; // its digest, or NULL
    int64_t now;                   // seconds since 1970
};

// Looks at a code of an account whose second factor is on, and marks it as used. Wrong ones are
// counted; recovery codes cannot be guessed and are looked at in any case. `*out_left` (may be
// NULL) are the recovery codes not used yet. ERR_NOT_FOUND: it is not on.
enum err totp_row_try(struct store *s, account_id account, const struct totp_attempt *attempt,
                      enum totp_answer *out, unsigned *out_left);

// Turns a pending one on with its first code, and gives it recovery codes. ERR_DENIED: the code is
// wrong; ERR_EXISTS: it is on already; ERR_NOT_FOUND.
enum err totp_row_confirm(struct store *s, account_id account, const struct actor *by,
                          const struct totp_attempt *attempt,
                          const unsigned char (*digests)[TOTP_ROW_DIGEST_BYTES], unsigned count);

// New recovery codes for the old ones. ERR_NOT_FOUND: it is not on.
enum err totp_row_codes(struct store *s, account_id account, const struct actor *by,
                        const unsigned char (*digests)[TOTP_ROW_DIGEST_BYTES], unsigned count);

// ERR_NOT_FOUND: there was none.
enum err totp_row_remove(struct store *s, account_id account, const struct actor *by);

// A row of docs/format/store.md, for the check. ERR_CORRUPT, ERR_UNSUPPORTED.
enum err totp_row_decode(struct span key, struct span value, struct totp_row *out);

#endif
