// SPDX-License-Identifier: Apache-2.0
//
// Who is signed in on the page of their own account: browsers, each by a text of 128 random bits of
// which only the digest is kept, in memory. A session says what was shown (auth/grant.h), and
// whoever uses it asks whether that still holds. Nothing of it is about pages: another front, such
// as a webmail, can take it over. Any thread; does not block.
#ifndef KEEP_OAUTH_SESSION_H
#define KEEP_OAUTH_SESSION_H

#include "auth/grant.h"

#define OAUTH_SESSION_CHARS   32      // hexadecimal
#define OAUTH_SESSION_IDLE_MS 900000  // without a request
#define OAUTH_SESSION_LIFE_MS 3600000 // in any case
#define OAUTH_SESSIONS_MAX    5000    // then the oldest goes
#define OAUTH_SESSIONS_OF_ONE 10      // of one account; the same

struct oauth_sessions;
enum err oauth_sessions_create(struct oauth_sessions **out);
void oauth_sessions_destroy(struct oauth_sessions *s); // NULL is allowed

// Always a new one: what a browser had before is nobody's business. ERR_NOMEM.
enum err oauth_session_begin(struct oauth_sessions *s, const struct auth_grant *grant,
                             char out[OAUTH_SESSION_CHARS]);
// ERR_NOT_FOUND: it is over, or there is none of that text.
enum err oauth_session_find(struct oauth_sessions *s, struct span text, struct auth_grant *out);
// More was shown in it: a code.
void oauth_session_prove(struct oauth_sessions *s, struct span text);
void oauth_session_end(struct oauth_sessions *s, struct span text);
// All of an account; how many there were.
unsigned oauth_sessions_end(struct oauth_sessions *s, account_id account);

#endif
