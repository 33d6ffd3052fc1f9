// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_trail.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include "base/banned.h"

#define ROUND_MS   (60 * 60 * 1000)
#define COLLECT_MS 1000 // refusals of that time are one commit

struct keep_trail {
    struct trail *trail;
    pthread_t thread;
    struct lock lock; // LOCK_SUPERVISOR: what follows
    pthread_cond_t changed;
    int64_t keep_ms;
    bool stopping, has_refusals, is_due;
};

static void on_refused(void *arg)
{
    struct keep_trail *k = arg;

    lock_take(&k->lock);
    k->has_refusals = true;
    pthread_cond_signal(&k->changed);
    lock_release(&k->lock);
}

static void flush(struct keep_trail *k)
{
    enum err e = trail_flush(k->trail);

    if (e != ERR_OK && e != ERR_UNAVAILABLE) {
        log_warn("refused mail could not be noted for `mailkeep trace`: %s", err_name(e));
    }
}

static bool is_stopping(struct keep_trail *k)
{
    lock_take(&k->lock);
    bool stopping = k->stopping;

    lock_release(&k->lock);
    return stopping;
}

static void forget(struct keep_trail *k, int64_t keep_ms)
{
    bool more = true;

    while (more && !is_stopping(k)) {
        enum err e = trail_trim(k->trail, clock_real_ms() - keep_ms, &more);

        if (e != ERR_OK) {
            if (e != ERR_UNAVAILABLE) {
                log_warn("old mail could not be forgotten for `mailkeep trace`: %s", err_name(e));
            }
            return;
        }
    }
}

// Waits for refusals and lets some come together, or for the hour.
static void wait_for_work(struct keep_trail *k, int64_t next_ms)
{
    while (!k->stopping && !k->has_refusals && !k->is_due && clock_monotonic_ms() < next_ms) {
        lock_cond_wait(&k->changed, &k->lock, next_ms);
    }
    int64_t until = clock_monotonic_ms() + COLLECT_MS;

    while (k->has_refusals && !k->stopping && clock_monotonic_ms() < until) {
        lock_cond_wait(&k->changed, &k->lock, until);
    }
    k->has_refusals = false;
}

static void *trail_main(void *arg)
{
    struct keep_trail *k = arg;
    int64_t next_ms = 0;
    bool stopping = false;

    pthread_setname_np(pthread_self(), "keep-trail");
    while (!stopping) {
        lock_take(&k->lock);
        wait_for_work(k, next_ms);
        int64_t keep_ms = k->keep_ms;
        bool is_due = k->is_due || clock_monotonic_ms() >= next_ms;

        stopping = k->stopping;
        k->is_due = false;
        lock_release(&k->lock);
        flush(k);
        if (is_due && !stopping) {
            forget(k, keep_ms);
            next_ms = clock_monotonic_ms() + ROUND_MS;
        }
    }
    return NULL;
}

enum err keep_trail_start(struct trail *t, int64_t keep_ms, struct keep_trail **out)
{
    struct keep_trail *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->trail = t;
    k->keep_ms = keep_ms;
    lock_init(&k->lock, LOCK_SUPERVISOR);
    lock_cond_init(&k->changed);
    trail_set_wake(t, on_refused, k);
    if (pthread_create(&k->thread, NULL, trail_main, k) != 0) {
        trail_set_wake(t, NULL, NULL);
        pthread_cond_destroy(&k->changed);
        lock_finish(&k->lock);
        free(k);
        return ERR_NOMEM;
    }
    *out = k;
    return ERR_OK;
}

void keep_trail_set(struct keep_trail *k, int64_t keep_ms)
{
    lock_take(&k->lock);
    k->is_due |= k->keep_ms != keep_ms;
    k->keep_ms = keep_ms;
    pthread_cond_signal(&k->changed);
    lock_release(&k->lock);
}

void keep_trail_stop(struct keep_trail *k)
{
    if (!k) {
        return;
    }
    lock_take(&k->lock);
    k->stopping = true;
    pthread_cond_signal(&k->changed);
    lock_release(&k->lock);
    pthread_join(k->thread, NULL);
    trail_set_wake(k->trail, NULL, NULL);
    pthread_cond_destroy(&k->changed);
    lock_finish(&k->lock);
    free(k);
}
