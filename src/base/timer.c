// SPDX-License-Identifier: Apache-2.0
#include "base/timer.h"

#include <stdlib.h>

#include "base/log.h"

#include "base/banned.h"

void timer_heap_init(struct timer_heap *h)
{
    *h = (struct timer_heap){.n = 0};
}

void timer_heap_finish(struct timer_heap *h)
{
    free(h->items);
    timer_heap_init(h);
}

enum err timer_heap_reserve(struct timer_heap *h, size_t n)
{
    if (n <= h->cap) {
        return ERR_OK;
    }
    size_t cap = h->cap ? h->cap : 64;

    while (cap < n) {
        cap *= 2;
    }
    struct timer **items = realloc(h->items, cap * sizeof(*items));

    if (!items) {
        return ERR_NOMEM;
    }
    h->items = items;
    h->cap = cap;
    return ERR_OK;
}

static void put(struct timer_heap *h, size_t i, struct timer *t)
{
    h->items[i] = t;
    t->place = i + 1;
}

static void sift_up(struct timer_heap *h, size_t i, struct timer *t)
{
    while (i > 0 && h->items[(i - 1) / 2]->at_ms > t->at_ms) {
        put(h, i, h->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, t);
}

static void sift_down(struct timer_heap *h, size_t i, struct timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->n) {
            break;
        }
        if (child + 1 < h->n && h->items[child + 1]->at_ms < h->items[child]->at_ms) {
            child++;
        }
        if (h->items[child]->at_ms >= t->at_ms) {
            break;
        }
        put(h, i, h->items[child]);
        i = child;
    }
    put(h, i, t);
}

enum err timer_set(struct timer_heap *h, struct timer *t, int64_t at_ms)
{
    if (!t->place) {
        enum err e = timer_heap_reserve(h, h->n + 1);

        if (e != ERR_OK) {
            return e;
        }
        t->at_ms = at_ms;
        sift_up(h, h->n++, t);
        return ERR_OK;
    }
    bool earlier = at_ms < t->at_ms;

    t->at_ms = at_ms;
    if (earlier) {
        sift_up(h, t->place - 1, t);
    } else {
        sift_down(h, t->place - 1, t);
    }
    return ERR_OK;
}

void timer_cancel(struct timer_heap *h, struct timer *t)
{
    if (!t->place) {
        return;
    }
    size_t i = t->place - 1;
    struct timer *last = h->items[--h->n];

    ASSERT(h->items[i] == t);
    t->place = 0;
    if (last == t) {
        return;
    }
    if (i > 0 && h->items[(i - 1) / 2]->at_ms > last->at_ms) {
        sift_up(h, i, last);
    } else {
        sift_down(h, i, last);
    }
}

struct timer *timer_first(const struct timer_heap *h)
{
    return h->n ? h->items[0] : NULL;
}
