// SPDX-License-Identifier: Apache-2.0
//
// What the throttle has locked, told and lifted.
#include <arpa/inet.h>
#include <stdio.h>

#include "auth/throttle_internal.h"
#include "base/ip_network.h"

#include "base/banned.h"

// In the arena; empty without memory.
static struct span network_text(const struct throttle_network *n, struct arena *a)
{
    unsigned char whole[16] = {0};
    char host[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];
    bool is_six = n->n == sizeof(n->b);

    memcpy(whole, n->b, n->n);
    if (n->n == 0 || !inet_ntop(is_six ? AF_INET6 : AF_INET, whole, host, sizeof(host))) {
        return SPAN("");
    }
    snprintf(text, sizeof(text), "%s%s", host, is_six ? "/64" : n->n == 3 ? "/24" : "");
    return arena_dup(a, span_from_str(text));
}

static void describe(const struct culprit *c, int64_t now, struct arena *a,
                     struct throttle_ban *out)
{
    *out = (struct throttle_ban){
        .kind = c->kind,
        .name = arena_dup(a, span_of(c->name, c->name_n)),
        .network = network_text(&c->network, a),
        .left_ms = c->locked_until_ms - now,
        .length_ms = c->lock_ms,
        .failures = c->locked_by,
        .times = c->times,
    };
}

// Calls it with each, which may forget that one; with the lock held.
static void each(struct throttle *t, void (*fn)(struct culprit *c, void *arg), void *arg)
{
    for (unsigned kind = 0; kind < THROTTLE_KINDS; kind++) {
        for (struct list *e = t->by_age[kind].next, *next; e != &t->by_age[kind]; e = next) {
            next = e->next;
            fn(LIST_ITEM(e, struct culprit, by_age), arg);
        }
    }
}

struct teller {
    int64_t now;
    struct arena *arena;
    struct throttle_ban *bans; // NULL: only counts
    size_t n;
};

static void tell(struct culprit *c, void *arg)
{
    struct teller *t = arg;

    if (c->locked_until_ms > t->now) {
        if (t->bans) {
            describe(c, t->now, t->arena, &t->bans[t->n]);
        }
        t->n++;
    }
}

enum err throttle_bans(struct throttle *t, int64_t now_ms, struct arena *a,
                       struct throttle_ban **out, size_t *out_n)
{
    struct teller told = {.now = now_ms, .arena = a};

    lock_take(&t->lock);
    each(t, tell, &told);
    told.bans = arena_zalloc(a, told.n + 1, sizeof(*told.bans));
    if (told.bans) {
        told.n = 0;
        each(t, tell, &told);
    }
    lock_release(&t->lock);
    if (!told.bans) {
        return ERR_NOMEM;
    }
    *out = told.bans;
    *out_n = told.n;
    return ERR_OK;
}

struct lifter {
    struct throttle *throttle;
    struct span name;
    unsigned char network[IP_NETWORK_BYTES_MAX];
    size_t network_n;
    int64_t now;
    unsigned lifted;
};

static bool is_meant(const struct culprit *c, const struct lifter *l)
{
    size_t n = c->network.n < l->network_n ? c->network.n : l->network_n;

    if (l->name.n && !span_eq(l->name, span_of(c->name, c->name_n))) {
        return false;
    }
    // An address stands for its network, and the network for its addresses.
    return l->network_n == 0 || (n > 0 && (c->network.n == 8) == (l->network_n == 8) &&
                                 memcmp(c->network.b, l->network, n) == 0);
}

static void lift(struct culprit *c, void *arg)
{
    struct lifter *l = arg;

    if (is_meant(c, l)) {
        l->lifted += c->locked_until_ms > l->now;
        throttle_forget(l->throttle, c);
    }
}

unsigned throttle_lift(struct throttle *t, struct span name, struct span network, int64_t now_ms)
{
    struct lifter l = {.throttle = t, .name = name, .now = now_ms};
    size_t slash = span_find_byte(network, '/');

    l.network_n = ip_network(span_first(network, slash), slash == network.n ? 4 : 3, 8, l.network);
    if (network.n && l.network_n == 0) {
        return 0; // no address: nothing is meant by it
    }
    lock_take(&t->lock);
    each(t, lift, &l);
    lock_release(&t->lock);
    return l.lifted;
}
