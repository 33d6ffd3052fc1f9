// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/hop_pool.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"

#include "base/banned.h"

struct waiting {
    struct list link; // oldest first
    struct hop_key key;
    struct hop hop;
};

struct hop_pool {
    unsigned max;
    int64_t keep_ms;
    struct lock lock; // guards the rest
    struct list all;
    unsigned n;
};

enum err hop_pool_create(unsigned max, int64_t keep_ms, struct hop_pool **out)
{
    struct hop_pool *p = calloc(1, sizeof(*p));

    if (!p) {
        return ERR_NOMEM;
    }
    p->max = max;
    p->keep_ms = keep_ms;
    lock_init(&p->lock, LOCK_LEAF);
    list_init(&p->all);
    *out = p;
    return ERR_OK;
}

// The lock is held.
static void take_out(struct hop_pool *p, struct waiting *w)
{
    list_remove(&w->link);
    p->n--;
}

enum err hop_pool_get(struct hop_pool *p, const struct hop_key *key, struct hop *out)
{
    struct waiting *found = NULL;

    lock_take(&p->lock);
    LIST_EACH(link, &p->all)
    {
        struct waiting *w = LIST_ITEM(link, struct waiting, link);

        if (memcmp(&w->key, key, sizeof(*key)) == 0) {
            found = w;
        }
    }
    if (found) {
        take_out(p, found);
    }
    lock_release(&p->lock);
    if (!found) {
        return ERR_NOT_FOUND;
    }
    *out = found->hop;
    free(found);
    return ERR_OK;
}

void hop_pool_put(struct hop_pool *p, const struct hop_key *key, struct hop *h)
{
    bool good = !h->is_broken && h->messages < HOP_MESSAGES_MAX && p->keep_ms > 0;
    struct waiting *w = good ? malloc(sizeof(*w)) : NULL;

    if (w) {
        *w = (struct waiting){.key = *key, .hop = *h};
        w->hop.idle_since_ms = clock_monotonic_ms();
        lock_take(&p->lock);
        good = p->n < p->max;
        if (good) {
            list_append(&p->all, &w->link);
            p->n++;
        }
        lock_release(&p->lock);
        if (good) {
            return;
        }
        free(w);
    }
    hop_quit(h);
}

static void end_older(struct hop_pool *p, int64_t than_ms)
{
    struct waiting *w = NULL;

    do {
        lock_take(&p->lock);
        w = list_is_empty(&p->all) ? NULL : LIST_ITEM(p->all.next, struct waiting, link);
        if (w && w->hop.idle_since_ms > than_ms) {
            w = NULL;
        }
        if (w) {
            take_out(p, w);
        }
        lock_release(&p->lock);
        if (w) {
            hop_quit(&w->hop);
            free(w);
        }
    } while (w);
}

void hop_pool_tidy(struct hop_pool *p)
{
    end_older(p, clock_monotonic_ms() - p->keep_ms);
}

void hop_pool_destroy(struct hop_pool *p)
{
    if (p) {
        end_older(p, INT64_MAX);
        lock_finish(&p->lock);
        free(p);
    }
}
