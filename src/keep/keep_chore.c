// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_chore.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"

#include "base/banned.h"

#define NEVER (-1)

struct keep_chore {
    struct keep_chore_options o;
    pthread_t thread;
    struct lock lock; // guards what follows, and o.interval_ms
    pthread_cond_t changed;
    int64_t next_ms; // the next turn, monotonic; NEVER
    bool stopping;
};

static int64_t after(int64_t interval_ms)
{
    return interval_ms ? clock_monotonic_ms() + interval_ms : NEVER;
}

// Until its turn comes: true, with the one after it set; or the end: false.
static bool wait_for_turn(struct keep_chore *c)
{
    lock_take(&c->lock);
    while (!c->stopping && (c->next_ms == NEVER || clock_monotonic_ms() < c->next_ms)) {
        lock_cond_wait(&c->changed, &c->lock, c->next_ms);
    }
    bool goes_on = !c->stopping;

    c->next_ms = after(c->o.interval_ms);
    lock_release(&c->lock);
    return goes_on;
}

static void *chore_main(void *arg)
{
    struct keep_chore *c = arg;

    pthread_setname_np(pthread_self(), c->o.name);
    while (wait_for_turn(c)) {
        c->o.run(c->o.arg);
    }
    return NULL;
}

static void chore_free(struct keep_chore *c)
{
    pthread_cond_destroy(&c->changed);
    lock_finish(&c->lock);
    free(c);
}

enum err keep_chore_start(const struct keep_chore_options *o, struct keep_chore **out)
{
    struct keep_chore *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->o = *o;
    c->next_ms = o->at_once ? clock_monotonic_ms() : after(o->interval_ms);
    lock_init(&c->lock, LOCK_LEAF); // who wakes it may hold others
    lock_cond_init(&c->changed);
    *out = c; // its first turn may want it
    if (pthread_create(&c->thread, NULL, chore_main, c) != 0) {
        *out = NULL;
        chore_free(c);
        return ERR_NOMEM;
    }
    return ERR_OK;
}

void keep_chore_set_interval(struct keep_chore *c, int64_t interval_ms)
{
    lock_take(&c->lock);
    c->o.interval_ms = interval_ms;
    c->next_ms = after(interval_ms);
    pthread_cond_signal(&c->changed);
    lock_release(&c->lock);
}

void keep_chore_wake(struct keep_chore *c, int64_t delay_ms)
{
    int64_t at = clock_monotonic_ms() + delay_ms;

    lock_take(&c->lock);
    if (c->next_ms == NEVER || at < c->next_ms) {
        c->next_ms = at;
        pthread_cond_signal(&c->changed);
    }
    lock_release(&c->lock);
}

bool keep_chore_is_stopping(struct keep_chore *c)
{
    lock_take(&c->lock);
    bool stopping = c->stopping;

    lock_release(&c->lock);
    return stopping;
}

void keep_chore_stop(struct keep_chore *c)
{
    if (!c) {
        return;
    }
    lock_take(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->changed);
    lock_release(&c->lock);
    pthread_join(c->thread, NULL);
    chore_free(c);
}
