// SPDX-License-Identifier: Apache-2.0
//
// What our own authorization server goes by, apart from any store and any socket: scopes, PKCE, and
// the codes that people type. Pure but for randomness; any thread.
#ifndef AUTH_OAUTH_RULES_H
#define AUTH_OAUTH_RULES_H

#include "base/buf.h"
#include "store/access/device.h"

// Scopes as words with a blank between them (RFC 6749 section 3.3): imap, smtp, pop3, sieve, jmap,
// mail for all of these, read-only. None: all of mail. *out is a device's scope. False: a word that
// is none of these, or nothing to be done with what is asked.
bool oauth_scope_read(struct span text, unsigned *out);
void oauth_scope_put(struct buf *out, unsigned scope);
// Is the first no more than the second?
bool oauth_scope_is_within(unsigned scope, unsigned granted);

// PKCE (RFC 7636), the method S256 only.
#define OAUTH_CHALLENGE_BYTES 43 // base64url of SHA-256
bool oauth_challenge_is_valid(struct span challenge);
// Section 4.6; compares in constant time.
bool oauth_verifier_fits(struct span verifier, struct span challenge);

// What a person types to let a device in (RFC 8628 section 6.1): 8 letters out of 20, no vowels,
// 34 bits.
#define OAUTH_USER_CODE_CHARS      8
#define OAUTH_USER_CODE_TEXT_BYTES 9 // "BCDF-GHJK"
void oauth_user_code_make(char out[OAUTH_USER_CODE_CHARS]);
void oauth_user_code_show(const char code[OAUTH_USER_CODE_CHARS],
                          char out[OAUTH_USER_CODE_TEXT_BYTES]);
// In any case, dashes and blanks or not.
bool oauth_user_code_read(struct span typed, char out[OAUTH_USER_CODE_CHARS]);

#endif
