// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_signins.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "keep/keep_chore.h"

#include "base/banned.h"

#define WRITE_MS  5000 // docs/format/store.md says "some seconds"
#define URGENT_MS 20   // many that come together are one commit an account

struct keep_signins {
    struct keep_chore *chore;
    struct signin_log *log;
    // 0: nothing waits, 1: something waits for its time, 2: not long. Asked for each sign-in, so
    // that the chore's lock is not taken for each.
    _Atomic int waiting;
};

static void wake(void *arg, bool is_urgent)
{
    struct keep_signins *k = arg;
    int wanted = is_urgent ? 2 : 1, now = atomic_load(&k->waiting);

    while (now < wanted) {
        if (atomic_compare_exchange_weak(&k->waiting, &now, wanted)) {
            keep_chore_wake(k->chore, is_urgent ? URGENT_MS : WRITE_MS);
            return;
        }
    }
}

static void take_turn(void *arg)
{
    struct keep_signins *k = arg;

    atomic_store(&k->waiting, 0); // before: what comes now may miss this turn
    signin_log_flush(k->log);
}

static bool find_place(void *arg, struct span network, struct signin_place *out)
{
    return keep_places_find(arg, network, out);
}

enum err keep_signins_start(struct store *s, struct keep_places *places, struct span default_domain,
                            int64_t keep_ms, struct keep_signins **out)
{
    struct keep_signins *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    const struct signin_log_options log = {.store = s,
                                           .default_domain = default_domain,
                                           .keep_ms = keep_ms,
                                           .place = find_place,
                                           .place_arg = places,
                                           .wake = wake,
                                           .arg = k};
    const struct keep_chore_options chore = {.name = "keep-signins", .run = take_turn, .arg = k};
    enum err e = signin_log_create(&log, &k->log);

    e = e == ERR_OK ? keep_chore_start(&chore, &k->chore) : e;
    if (e != ERR_OK) {
        signin_log_destroy(k->log);
        free(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

struct signin_log *keep_signins_log(struct keep_signins *k)
{
    return k->log;
}

void keep_signins_set(struct keep_signins *k, int64_t keep_ms)
{
    signin_log_set_keep(k->log, keep_ms);
}

void keep_signins_stop(struct keep_signins *k)
{
    if (!k) {
        return;
    }
    keep_chore_stop(k->chore);
    signin_log_flush(k->log); // what came since
    signin_log_destroy(k->log);
    free(k);
}
