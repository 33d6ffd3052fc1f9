// SPDX-License-Identifier: Apache-2.0
//
// Conversations that wait a few seconds for the next message to the same server under the same
// policy. A bounded number; any thread; blocks for nothing but its lock.
#ifndef COURIER_RELAY_HOP_POOL_H
#define COURIER_RELAY_HOP_POOL_H

#include "courier/relay/hop.h"

#define HOP_MESSAGES_MAX 100 // over one connection
#define HOP_KEY_BYTES    32

// What makes two conversations the same: a digest of address, names, policy and login.
struct hop_key {
    unsigned char b[HOP_KEY_BYTES];
};

struct hop_pool;

enum err hop_pool_create(unsigned max, int64_t keep_ms, struct hop_pool **out);
void hop_pool_destroy(struct hop_pool *p); // says QUIT to all; NULL is allowed

// Takes a waiting conversation out. ERR_NOT_FOUND.
enum err hop_pool_get(struct hop_pool *p, const struct hop_key *key, struct hop *out);
// Gives one back; one that is broken, has carried enough, or is one too many is closed. The pool
// owns it from now on.
void hop_pool_put(struct hop_pool *p, const struct hop_key *key, struct hop *h);
// Ends those that have waited long enough.
void hop_pool_tidy(struct hop_pool *p);

#endif
