// SPDX-License-Identifier: Apache-2.0
//
// Looks from time to time whether the DNS shows the keys that are to sign (delivery/sign_keys.h),
// on a thread of its own.
#ifndef KEEP_KEEP_KEYS_H
#define KEEP_KEEP_KEYS_H

#include "delivery/sign_keys.h"

struct keep_keys;

// Looks every `interval_ms`; 0: never.
enum err keep_keys_start(struct store *s, int64_t interval_ms, sign_keys_ask *ask, void *arg,
                         struct keep_keys **out);
// Another interval, from now. Any thread.
void keep_keys_set(struct keep_keys *k, int64_t interval_ms);
// Ends the thread; waits for the question it asks. NULL is allowed.
void keep_keys_stop(struct keep_keys *k);

#endif
