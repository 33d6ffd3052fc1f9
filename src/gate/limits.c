// SPDX-License-Identifier: Apache-2.0
#include "gate/limits.h"

#include <stdlib.h>

#include "base/log.h"

#include "base/banned.h"

struct tally {
    unsigned count; // never 0
};

static const struct {
    enum setting_id per_address, total;
} settings_of[LIMITS__COUNT] = {
    [LIMITS_LOGIN] = {SETTING_LOGIN_CONNECTIONS_PER_ADDRESS, SETTING_LOGIN_CONNECTIONS_MAX},
    [LIMITS_MAIL] = {SETTING_SMTP_CONNECTIONS_PER_ADDRESS, SETTING_SMTP_CONNECTIONS_MAX},
    [LIMITS_HTTP] = {SETTING_HTTP_CONNECTIONS_PER_ADDRESS, SETTING_HTTP_CONNECTIONS_MAX},
    [LIMITS_ADMIN] = {SETTING_HTTP_CONNECTIONS_PER_ADDRESS, SETTING_HTTP_CONNECTIONS_MAX},
};

void limits_init(struct limits *l, enum limits_kind kind)
{
    l->kind = kind;
    lock_init(&l->lock, LOCK_LEAF);
    map_init(&l->tallies);
    l->total = 0;
}

void limits_finish(struct limits *l)
{
    ASSERT(l->total == 0);
    map_finish(&l->tallies);
    lock_finish(&l->lock);
}

// With the lock held. One more for the address; a tally is made for the first.
static enum err add(struct limits *l, struct span key, struct tally *t)
{
    if (!t) {
        t = calloc(1, sizeof(*t));
        enum err e = t ? map_put(&l->tallies, key, t, NULL) : ERR_NOMEM;

        if (e != ERR_OK) {
            free(t);
            return e;
        }
    }
    t->count++;
    l->total++;
    return ERR_OK;
}

enum err limits_enter(struct limits *l, const struct settings *s, const struct address *peer,
                      enum dialogue_end *out_why)
{
    struct address_key key = address_key(peer);
    struct span k = span_of(key.b, sizeof(key.b));
    enum err e = ERR_LIMIT;

    lock_take(&l->lock);
    struct tally *t = map_get(&l->tallies, k);

    if (t && t->count >= conf_value_count(s, settings_of[l->kind].per_address)) {
        *out_why = DIALOGUE_TOO_MANY_FROM_ADDRESS;
    } else {
        *out_why = DIALOGUE_TOO_MANY_CLIENTS;
        if (l->total < conf_value_count(s, settings_of[l->kind].total)) {
            e = add(l, k, t);
        }
    }
    lock_release(&l->lock);
    return e;
}

void limits_leave(struct limits *l, const struct address *peer)
{
    struct address_key key = address_key(peer);
    struct span k = span_of(key.b, sizeof(key.b));

    lock_take(&l->lock);
    struct tally *t = map_get(&l->tallies, k);

    ASSERT(t && l->total > 0);
    l->total--;
    if (--t->count == 0) {
        map_remove(&l->tallies, k);
        free(t);
    }
    lock_release(&l->lock);
}
