// SPDX-License-Identifier: Apache-2.0
#include "base/lock.h"

#include <errno.h>
#include <time.h>

#include "base/log.h"

#include "base/banned.h"

#ifdef MK_LOCK_WITNESS
#define HELD_MAX 16
static _Thread_local struct lock *held[HELD_MAX];
static _Thread_local unsigned held_count;

static void witness_take(struct lock *l)
{
    for (unsigned i = 0; i < held_count; i++) {
        if (held[i]->rank >= l->rank) {
            log_panic("bug: lock of rank %d taken while holding rank %d", (int)l->rank,
                      (int)held[i]->rank);
        }
    }
    ASSERT(held_count < HELD_MAX);
    held[held_count++] = l;
}

static void witness_release(struct lock *l)
{
    for (unsigned i = held_count; i-- > 0;) {
        if (held[i] == l) {
            held[i] = held[--held_count];
            return;
        }
    }
    log_panic("bug: lock of rank %d released but not held", (int)l->rank);
}
#else
static void witness_take(struct lock *l)
{
    (void)l;
}

static void witness_release(struct lock *l)
{
    (void)l;
}
#endif

void lock_init(struct lock *l, enum lock_rank rank)
{
    int r = pthread_mutex_init(&l->mutex, NULL);

    ASSERT(r == 0);
    l->rank = rank;
}

void lock_finish(struct lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

void lock_take(struct lock *l)
{
    witness_take(l);
    int r = pthread_mutex_lock(&l->mutex);

    ASSERT(r == 0);
}

void lock_release(struct lock *l)
{
    witness_release(l);
    int r = pthread_mutex_unlock(&l->mutex);

    ASSERT(r == 0);
}

void lock_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int r = pthread_cond_init(c, &attr);

    ASSERT(r == 0);
    pthread_condattr_destroy(&attr);
}

bool lock_cond_wait(pthread_cond_t *c, struct lock *l, int64_t deadline_ms)
{
    if (deadline_ms < 0) {
        pthread_cond_wait(c, &l->mutex);
        return true;
    }
    struct timespec t = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};

    return pthread_cond_timedwait(c, &l->mutex, &t) != ETIMEDOUT;
}
