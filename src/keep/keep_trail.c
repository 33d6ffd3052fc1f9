// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_trail.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/keep_chore.h"

#include "base/banned.h"

#define ROUND_MS   (60 * 60 * 1000)
#define COLLECT_MS 1000 // refusals of that time are one commit

struct keep_trail {
    struct keep_chore *chore;
    struct trail *trail;
    _Atomic int64_t keep_ms;
    int64_t forgotten_keep_ms; // the thread's: what the last forgetting went by
    int64_t forget_at_ms;      // the thread's: the next one, monotonic
};

static void on_refused(void *arg)
{
    struct keep_trail *k = arg;

    keep_chore_wake(k->chore, COLLECT_MS);
}

static void flush(struct keep_trail *k)
{
    enum err e = trail_flush(k->trail);

    if (e != ERR_OK && e != ERR_UNAVAILABLE) {
        log_warn("refused mail could not be noted for `mailkeep trace`: %s", err_name(e));
    }
}

static void forget(struct keep_trail *k, int64_t keep_ms)
{
    bool more = true;

    while (more && !keep_chore_is_stopping(k->chore)) {
        enum err e = trail_trim(k->trail, clock_real_ms() - keep_ms, &more);

        if (e != ERR_OK) {
            if (e != ERR_UNAVAILABLE) {
                log_warn("old mail could not be forgotten for `mailkeep trace`: %s", err_name(e));
            }
            return;
        }
    }
}

static void take_turn(void *arg)
{
    struct keep_trail *k = arg;
    int64_t keep_ms = atomic_load(&k->keep_ms);

    flush(k);
    if (keep_ms != k->forgotten_keep_ms || clock_monotonic_ms() >= k->forget_at_ms) {
        forget(k, keep_ms);
        k->forgotten_keep_ms = keep_ms;
        k->forget_at_ms = clock_monotonic_ms() + ROUND_MS;
    }
}

enum err keep_trail_start(struct trail *t, int64_t keep_ms, struct keep_trail **out)
{
    struct keep_trail *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    k->trail = t;
    k->keep_ms = keep_ms;
    const struct keep_chore_options o = {
        .name = "keep-trail", .run = take_turn, .arg = k, .interval_ms = ROUND_MS, .at_once = true};
    enum err e = keep_chore_start(&o, &k->chore);

    if (e != ERR_OK) {
        free(k);
        return e;
    }
    trail_set_wake(t, on_refused, k);
    *out = k;
    return ERR_OK;
}

void keep_trail_set(struct keep_trail *k, int64_t keep_ms)
{
    if (atomic_exchange(&k->keep_ms, keep_ms) != keep_ms) {
        keep_chore_wake(k->chore, 0);
    }
}

void keep_trail_stop(struct keep_trail *k)
{
    if (!k) {
        return;
    }
    keep_chore_stop(k->chore);
    trail_set_wake(k->trail, NULL, NULL);
    flush(k); // what was refused since
    free(k);
}
