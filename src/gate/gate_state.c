// SPDX-License-Identifier: Apache-2.0
//
// The gate's shared state: configuration, the conversation with keep, who waits to log in.
#include <stdlib.h>

#include "gate/gate_internal.h"

#include "base/banned.h"

struct gate_config *gate_config_ref(struct gate_config *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void gate_config_unref(struct gate_config *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        settings_unref(c->settings);
        tls_context_unref(c->tls);
        free(c);
    }
}

struct gate_config *gate_config_now(struct gate *g)
{
    lock_take(&g->lock);
    struct gate_config *c = gate_config_ref(g->config);

    lock_release(&g->lock);
    return c;
}

enum err gate_keep_send(struct gate *g, struct span frames, int fd)
{
    lock_take(&g->lock);
    enum err e = g->keep ? channel_send(g->keep, frames, &fd, fd >= 0) : ERR_UNAVAILABLE;

    lock_release(&g->lock);
    return e;
}

struct tally {
    unsigned count;
};

static enum err waiting_add(struct gate *g, struct span key, unsigned max)
{
    struct tally *t = map_get(&g->waiting, key);

    if (!t) {
        t = calloc(1, sizeof(*t));
        enum err e = t ? map_put(&g->waiting, key, t, NULL) : ERR_NOMEM;

        if (e != ERR_OK) {
            free(t);
            return e;
        }
    }
    if (t->count >= max) {
        return ERR_LIMIT;
    }
    t->count++;
    g->waiting_count++;
    return ERR_OK;
}

enum err gate_waiting_enter(struct gate *g, const struct gate_config *c, const struct address *peer,
                            const char **out_reason)
{
    const struct settings *s = c->settings;
    struct address_key key = address_key(peer);
    enum err e = ERR_LIMIT;

    lock_take(&g->lock);
    if (g->waiting_count >= conf_value_count(s, SETTING_LOGIN_CONNECTIONS_MAX)) {
        *out_reason = "Too many clients are logging in; try again in a moment";
    } else {
        *out_reason = "Too many connections from your address are not logged in";
        e = waiting_add(g, span_of(key.b, sizeof(key.b)),
                        (unsigned)conf_value_count(s, SETTING_LOGIN_CONNECTIONS_PER_ADDRESS));
    }
    lock_release(&g->lock);
    return e;
}

void gate_waiting_leave(struct gate *g, const struct address *peer)
{
    struct address_key key = address_key(peer);
    struct span k = span_of(key.b, sizeof(key.b));

    lock_take(&g->lock);
    struct tally *t = map_get(&g->waiting, k);

    if (t) {
        g->waiting_count--;
        if (--t->count == 0) {
            map_remove(&g->waiting, k);
            free(t);
        }
    }
    lock_release(&g->lock);
}
