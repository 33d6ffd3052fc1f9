// SPDX-License-Identifier: Apache-2.0
//
// keep's questions to directories and issuers of tokens, by way of the courier (ipc VOUCH_*). Who
// asks waits, for a bounded time; a bounded number waits at once. A courier that is away or goes
// away meanwhile gives ERR_UNAVAILABLE, never a no.
#ifndef KEEP_LOGIN_KEEP_VOUCH_H
#define KEEP_LOGIN_KEEP_VOUCH_H

#include "auth/vouch.h"
#include "ipc/message.h"

struct keep_vouch;

struct keep_vouch_options {
    // Sends a frame to the courier; ERR_UNAVAILABLE: it is not there. Any thread; never blocks. No
    // lock is held.
    enum err (*send)(void *arg, struct span frame);
    void *arg;
    int64_t timeout_ms; // for one question
    unsigned open_max;  // questions at once
};

enum err keep_vouch_create(const struct keep_vouch_options *o, struct keep_vouch **out);
// When nobody asks any more. NULL is allowed.
void keep_vouch_destroy(struct keep_vouch *v);

// For struct auth_vouch, with the keep_vouch as `arg`.
enum err keep_vouch_ask(void *arg, const struct auth_vouch_question *q, struct arena *a,
                        struct auth_vouch_answer *out);

// VOUCH_ANSWER has come: for whoever waits for it, or for nobody any more. ERR_INVALID: it makes no
// sense. Any thread; does not block.
enum err keep_vouch_answer(struct keep_vouch *v, struct span fields);
// The courier is gone, and with it what it was asked. Any thread; does not block.
void keep_vouch_lost(struct keep_vouch *v);
// Whoever waits, or asks from now on, gets ERR_UNAVAILABLE: the end of the process is not held up.
void keep_vouch_end(struct keep_vouch *v);

#endif
