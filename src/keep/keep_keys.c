// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_keys.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include "base/banned.h"

struct keep_keys {
    struct store *store;
    sign_keys_ask *ask;
    void *arg;
    pthread_t thread;
    struct lock lock; // guards what follows
    pthread_cond_t changed;
    int64_t interval_ms;
    bool stopping;
};

// Until it is time, or the end: false.
static bool wait_for_turn(struct keep_keys *k)
{
    int64_t since = clock_monotonic_ms();

    lock_take(&k->lock);
    while (!k->stopping && (k->interval_ms == 0 || clock_monotonic_ms() < since + k->interval_ms)) {
        lock_cond_wait(&k->changed, &k->lock, k->interval_ms ? since + k->interval_ms : -1);
    }
    bool goes_on = !k->stopping;

    lock_release(&k->lock);
    return goes_on;
}

static enum err ask_unless_stopping(void *arg, struct span name, struct arena *a,
                                    struct span *out_records)
{
    struct keep_keys *k = arg;

    lock_take(&k->lock);
    bool stopping = k->stopping;

    lock_release(&k->lock);
    return stopping ? ERR_UNAVAILABLE : k->ask(k->arg, name, a, out_records);
}

static void *keys_main(void *arg)
{
    struct keep_keys *k = arg;

    pthread_setname_np(pthread_self(), "keep-keys");
    while (wait_for_turn(k)) {
        unsigned activated;
        enum err e = sign_keys_follow(k->store, ask_unless_stopping, k, &activated);

        if (e != ERR_OK && e != ERR_UNAVAILABLE) {
            log_warn("whether the DNS shows new DKIM keys could not be looked at: %s", err_name(e));
        }
    }
    return NULL;
}

enum err keep_keys_start(struct store *s, int64_t interval_ms, sign_keys_ask *ask, void *arg,
                         struct keep_keys **out)
{
    struct keep_keys *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    *k = (struct keep_keys){.store = s, .ask = ask, .arg = arg, .interval_ms = interval_ms};
    lock_init(&k->lock, LOCK_SUPERVISOR);
    lock_cond_init(&k->changed);
    if (pthread_create(&k->thread, NULL, keys_main, k) != 0) {
        pthread_cond_destroy(&k->changed);
        lock_finish(&k->lock);
        free(k);
        return ERR_NOMEM;
    }
    *out = k;
    return ERR_OK;
}

void keep_keys_set(struct keep_keys *k, int64_t interval_ms)
{
    lock_take(&k->lock);
    k->interval_ms = interval_ms;
    pthread_cond_broadcast(&k->changed);
    lock_release(&k->lock);
}

void keep_keys_stop(struct keep_keys *k)
{
    if (!k) {
        return;
    }
    lock_take(&k->lock);
    k->stopping = true;
    pthread_cond_broadcast(&k->changed);
    lock_release(&k->lock);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->changed);
    lock_finish(&k->lock);
    free(k);
}
