// SPDX-License-Identifier: Apache-2.0
//
// Exchanges that wait for a client's next message, by the gate's conversation. Bounded in number
// and in time: whoever asks and says no more costs some kilobytes for a minute, and when all places
// are taken the oldest gives way. One thread: the link's.
#ifndef KEEP_KEEP_EXCHANGES_H
#define KEEP_KEEP_EXCHANGES_H

#include "auth/auth_scram.h"

#define KEEP_EXCHANGES_MAX    4000
#define KEEP_EXCHANGE_LIFE_MS 60000

struct keep_exchanges;
enum err keep_exchanges_create(struct keep_exchanges **out);
void keep_exchanges_destroy(struct keep_exchanges *t); // NULL is allowed

// Takes `x` over when it is ERR_OK. One that the conversation had before is forgotten. ERR_NOMEM.
enum err keep_exchanges_put(struct keep_exchanges *t, uint64_t conversation, struct auth_scram *x,
                            int64_t now_ms);
// Gives it to the caller; NULL: there is none, or not any more.
struct auth_scram *keep_exchanges_take(struct keep_exchanges *t, uint64_t conversation,
                                       int64_t now_ms);
void keep_exchanges_clear(struct keep_exchanges *t); // whoever asked is gone
size_t keep_exchanges_count(const struct keep_exchanges *t);

#endif
