// SPDX-License-Identifier: Apache-2.0
//
// The gate's shared state: configuration and the conversations with keep and the courier.
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
        for (unsigned i = 0; i < SERVICE_PROTOCOLS_MAX; i++) {
            tls_context_unref(c->tls[i]);
        }
        free(c);
    }
}

void gate_config_read_networks(struct gate_config *c)
{
    network_list_read(c->settings, SETTING_SMTP_RELAY_NETWORKS, &c->relays);
    network_list_read(c->settings, SETTING_LMTP_NETWORKS, &c->lmtp);
    network_list_read(c->settings, SETTING_PROXY_NETWORKS, &c->fronts);
    network_list_read(c->settings, SETTING_XCLIENT_NETWORKS, &c->renamers);
}

struct gate_config *gate_config_now(struct gate *g)
{
    lock_take(&g->lock);
    struct gate_config *c = gate_config_ref(g->config);

    lock_release(&g->lock);
    return c;
}

static enum err send_to(struct gate *g, struct channel *const *peer, struct span frames, int fd)
{
    lock_take(&g->lock);
    enum err e = *peer ? channel_send(*peer, frames, &fd, fd >= 0) : ERR_UNAVAILABLE;

    lock_release(&g->lock);
    return e;
}

enum err gate_keep_send(struct gate *g, struct span frames, int fd)
{
    return send_to(g, &g->keep, frames, fd);
}

enum err gate_courier_send(struct gate *g, struct span frames, int fd)
{
    return send_to(g, &g->courier, frames, fd);
}

void gate_counts_init(struct gate *g)
{
    for (unsigned i = 0; i < LIMITS__COUNT; i++) {
        limits_init(&g->limits[i], (enum limits_kind)i);
    }
    rates_init(&g->connects);
    rates_init(&g->messages);
}

void gate_counts_finish(struct gate *g)
{
    for (unsigned i = 0; i < LIMITS__COUNT; i++) {
        limits_finish(&g->limits[i]);
    }
    rates_finish(&g->connects);
    rates_finish(&g->messages);
}
