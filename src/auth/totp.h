// SPDX-License-Identifier: Apache-2.0
//
// Codes of an app for two-factor sign-in: HOTP (RFC 4226) and TOTP (RFC 6238) with HMAC-SHA-1, six
// digits and steps of 30 seconds, which is what every such app can do; and the recovery codes for
// when the phone is gone. Pure but for randomness: what was used already is the store's to know
// (store/access/totp_row.h). Any thread.
#ifndef AUTH_TOTP_H
#define AUTH_TOTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define TOTP_SECRET_BYTES 20 // as long as the digest: RFC 4226 section 4, R6
#define TOTP_DIGITS       6
#define TOTP_STEP_S       30
#define TOTP_WINDOW       1 // steps a clock may be off, before and after: RFC 6238 section 5.2

void totp_secret_make(unsigned char out[TOTP_SECRET_BYTES]);

// RFC 4226 section 5.3. `digits`: 1 to 9. ERR_NOMEM.
enum err hotp_code(struct span secret, uint64_t counter, unsigned digits, uint32_t *out);

// The step of a time (RFC 6238 section 4.2); 0 before 1970.
uint64_t totp_step(int64_t now_s);

// A code as people type it: six digits, blanks or a dash between them or not.
bool totp_read(struct span typed, uint32_t *out);

// The newest step within `window` of `now_s` and above `after` whose code it is. Takes the same
// time whether there is one or not. ERR_NOT_FOUND, ERR_NOMEM.
enum err totp_find(struct span secret, uint32_t code, int64_t now_s, unsigned window,
                   uint64_t after, uint64_t *out_step);

// Appends the secret as apps take it typed in: base32 (RFC 4648 section 6), without padding.
void totp_secret_text(struct buf *out, struct span secret);

// Appends "otpauth://totp/..." for a QR code, with who it is for and by whom.
void totp_uri(struct buf *out, struct span secret, struct span account, struct span issuer);

// ---- recovery codes -----------------------------------------------------------------------------

#define RECOVERY_CODES      10
#define RECOVERY_CHARS      16 // 80 random bits: a fast hash is enough
#define RECOVERY_TEXT_BYTES 19 // "k3v9-q2m4-...", with the dashes

// Makes one: its text as it is shown, without NUL, and its SHA-256. ERR_NOMEM.
enum err recovery_code_make(char out[RECOVERY_TEXT_BYTES], unsigned char digest[32]);

// Is it one, as people type it? Then its SHA-256. ERR_INVALID: no; ERR_NOMEM.
enum err recovery_code_read(struct span typed, unsigned char digest[32]);

#endif
