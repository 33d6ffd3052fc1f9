// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_keys.h"

#include <stdlib.h>

#include "base/log.h"
#include "keep/keep_chore.h"

#include "base/banned.h"

struct keep_keys {
    struct keep_chore *chore;
    struct store *store;
    sign_keys_ask *ask;
    void *arg;
};

static enum err ask_unless_stopping(void *arg, struct span name, struct arena *a,
                                    struct span *out_records)
{
    struct keep_keys *k = arg;

    return keep_chore_is_stopping(k->chore) ? ERR_UNAVAILABLE
                                            : k->ask(k->arg, name, a, out_records);
}

static void look(void *arg)
{
    struct keep_keys *k = arg;
    unsigned activated;
    enum err e = sign_keys_follow(k->store, ask_unless_stopping, k, &activated);

    if (e != ERR_OK && e != ERR_UNAVAILABLE) {
        log_warn("whether the DNS shows new DKIM keys could not be looked at: %s", err_name(e));
    }
}

enum err keep_keys_start(struct store *s, int64_t interval_ms, sign_keys_ask *ask, void *arg,
                         struct keep_keys **out)
{
    struct keep_keys *k = calloc(1, sizeof(*k));

    if (!k) {
        return ERR_NOMEM;
    }
    *k = (struct keep_keys){.store = s, .ask = ask, .arg = arg};
    const struct keep_chore_options o = {
        .name = "keep-keys", .run = look, .arg = k, .interval_ms = interval_ms};
    enum err e = keep_chore_start(&o, &k->chore);

    if (e != ERR_OK) {
        free(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

void keep_keys_set(struct keep_keys *k, int64_t interval_ms)
{
    keep_chore_set_interval(k->chore, interval_ms);
}

void keep_keys_stop(struct keep_keys *k)
{
    if (k) {
        keep_chore_stop(k->chore);
        free(k);
    }
}
