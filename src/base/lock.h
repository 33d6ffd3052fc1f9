// SPDX-License-Identifier: Apache-2.0
//
// Mutexes with a name and a rank. Test builds (MK_LOCK_WITNESS) stop the program when a thread
// takes locks against the order of lock_order.h, also when no deadlock happens that time.
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock_order.h"

struct lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
};

void lock_init(struct lock *l, enum lock_rank rank);
void lock_finish(struct lock *l);
void lock_take(struct lock *l);
void lock_release(struct lock *l);

// A condition bound to CLOCK_MONOTONIC.
void lock_cond_init(pthread_cond_t *c);
// Waits with `l` held, until signalled or `deadline_ms` (monotonic; negative waits for ever) has
// passed; false on the latter. May wake without cause.
bool lock_cond_wait(pthread_cond_t *c, struct lock *l, int64_t deadline_ms);

#endif
