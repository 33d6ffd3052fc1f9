// SPDX-License-Identifier: Apache-2.0
//
// keep's questions about where networks are, by way of the courier (ipc PLACE_*). Who asks waits a
// bounded time; what has been answered is remembered for a while. A courier that does not answer
// means that nothing is known, and nobody waits again for some seconds.
#ifndef KEEP_LOGIN_KEEP_PLACES_H
#define KEEP_LOGIN_KEEP_PLACES_H

#include "ipc/message.h"
#include "store/access/signin.h"

struct keep_places;

struct keep_places_options {
    // As in struct keep_vouch_options.
    enum err (*send)(void *arg, struct span frame);
    void *arg;
    int64_t timeout_ms; // for one question
};

enum err keep_places_create(const struct keep_places_options *o, struct keep_places **out);
void keep_places_destroy(struct keep_places *p); // when nobody asks any more; NULL is allowed
// With each reload: forgets what was answered. Off: nothing is asked. Any thread.
void keep_places_set(struct keep_places *p, bool is_on);

// Where a network of the sign-in history ("192.0.2.0/24") is. False: not known, or no network of
// the Internet. One thread at a time; may wait.
bool keep_places_find(struct keep_places *p, struct span network, struct signin_place *out);

// PLACE_ANSWER has come. ERR_INVALID: it makes no sense. Any thread; does not block.
enum err keep_places_answer(struct keep_places *p, struct span fields);
// The courier is gone, or comes no more: whoever waits goes on. Any thread; does not block.
void keep_places_lost(struct keep_places *p);
void keep_places_end(struct keep_places *p);

#endif
