// SPDX-License-Identifier: Apache-2.0
//
// Tokens of issuers elsewhere on which sessions rest: asked about again and again, so that a
// session ends when its token has expired or was revoked. The token is kept in memory for as long
// as a session lives by it, and nowhere else. Any thread.
#ifndef KEEP_LOGIN_KEEP_TOKENS_H
#define KEEP_LOGIN_KEEP_TOKENS_H

#include "auth/auth.h"
#include "keep/login/keep_sessions.h"

#define KEEP_TOKENS_MAX 50000

struct keep_tokens;

struct keep_tokens_options {
    struct auth *auth;
    struct keep_sessions *sessions;
    int64_t check_ms;    // between two questions about a token
    int64_t patience_ms; // until a session that is told to end is dropped
};

enum err keep_tokens_create(const struct keep_tokens_options *o, struct keep_tokens **out);
void keep_tokens_destroy(struct keep_tokens *t); // NULL is allowed

// Somebody has signed in by this token: sets grant->token. ERR_LIMIT, ERR_NOMEM: it cannot be kept,
// so they cannot be let in.
enum err keep_tokens_add(struct keep_tokens *t, struct span token, struct auth_grant *grant);

// Asks about those whose turn it is and ends the sessions of those that are no good; forgets those
// by which nobody is here. To be called every second or so. Blocks: one thread at a time.
void keep_tokens_check(struct keep_tokens *t);

// What keep_sessions_enter is given as the device.
static inline uint32_t keep_tokens_device(const struct auth_grant *g)
{
    return g->token ? KEEP_SESSIONS_TOKEN | g->token : g->device;
}

#endif
