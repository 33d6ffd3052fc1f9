// SPDX-License-Identifier: Apache-2.0
//
// Sessions in which somebody reads another's account (auth/read_as.h): looked at again and again,
// so that one ends about a second after a role, the second factor, the device or the setting it
// rests on is gone. Any thread.
#ifndef KEEP_LOGIN_KEEP_READERS_H
#define KEEP_LOGIN_KEEP_READERS_H

#include "auth/auth.h"
#include "keep/login/keep_sessions.h"

#define KEEP_READERS_MAX 1000

struct keep_readers;

struct keep_readers_options {
    struct auth *auth;
    struct keep_sessions *sessions;
    int64_t patience_ms; // until a session that is told to end is dropped
    // Called while there are any: keep_readers_check is wanted in a second. Must not block.
    void (*wake)(void *arg);
    void *arg;
};

enum err keep_readers_create(const struct keep_readers_options *o, struct keep_readers **out);
void keep_readers_destroy(struct keep_readers *r); // NULL is allowed

// A number for one more session, which keep_sessions_enter is given as the device.
uint32_t keep_readers_number(struct keep_readers *r);
// The session of that number, which counts already, rests on this grant. ERR_LIMIT, ERR_NOMEM: it
// cannot be looked after, so it may not be opened.
enum err keep_readers_add(struct keep_readers *r, uint32_t number, const struct auth_grant *grant);

// Ends those that may not go on; forgets those that have ended.
// Blocks: one thread at a time.
void keep_readers_check(struct keep_readers *r);

#endif
