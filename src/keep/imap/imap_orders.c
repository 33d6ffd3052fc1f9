// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_orders.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"

#include "base/banned.h"

struct order {
    struct imap_order is;
    struct list link; // least lately used first; in no list once it was replaced
    size_t holders, bytes;
    bool is_kept; // in the map and the list
    size_t key_n;
    char key[];
};

struct imap_orders {
    struct lock lock;
    struct map map;
    struct list list;
    size_t bytes, bytes_max;
    size_t sorting; // bytes of imap_orders_begin
};

enum err imap_orders_create(size_t bytes_max, struct imap_orders **out)
{
    struct imap_orders *o = calloc(1, sizeof(*o));

    if (!o) {
        return ERR_NOMEM;
    }
    lock_init(&o->lock, LOCK_LEAF);
    map_init(&o->map);
    list_init(&o->list);
    o->bytes_max = bytes_max;
    *out = o;
    return ERR_OK;
}

static void order_free(struct order *x)
{
    free(x->is.numbers);
    free(x);
}

// Out of the map; freed when nobody holds it.
static void order_drop(struct imap_orders *o, struct order *x)
{
    map_remove(&o->map, span_of(x->key, x->key_n));
    list_remove(&x->link);
    o->bytes -= x->bytes;
    x->is_kept = false;
    if (!x->holders) {
        order_free(x);
    }
}

void imap_orders_destroy(struct imap_orders *o)
{
    if (!o) {
        return;
    }
    while (!list_is_empty(&o->list)) {
        order_drop(o, LIST_ITEM(o->list.next, struct order, link));
    }
    map_finish(&o->map);
    lock_finish(&o->lock);
    free(o);
}

struct imap_order *imap_orders_get(struct imap_orders *o, struct span key)
{
    lock_take(&o->lock);
    struct order *x = map_get(&o->map, key);

    if (x) {
        x->holders++;
        list_remove(&x->link);
        list_append(&o->list, &x->link);
    }
    lock_release(&o->lock);
    return x ? &x->is : NULL;
}

static struct order *order_make(struct span key, uint64_t mark, uint32_t *numbers, size_t n)
{
    struct order *x = calloc(1, sizeof(*x) + key.n);

    if (!x) {
        free(numbers);
        return NULL;
    }
    x->is = (struct imap_order){mark, n, numbers};
    x->holders = 1;
    x->bytes = sizeof(*x) + 2 * key.n + n * sizeof(*numbers);
    x->key_n = key.n;
    memcpy(x->key, key.p, key.n);
    list_init(&x->link);
    return x;
}

struct imap_order *imap_orders_put(struct imap_orders *o, struct span key, uint64_t mark,
                                   uint32_t *numbers, size_t n)
{
    struct order *x = order_make(key, mark, numbers, n);

    if (!x || x->bytes > o->bytes_max / 2) {
        return x ? &x->is : NULL;
    }
    lock_take(&o->lock);
    struct order *old = map_get(&o->map, key);

    if (old) {
        order_drop(o, old);
    }
    if (map_put(&o->map, key, x, NULL) == ERR_OK) {
        x->is_kept = true;
        list_append(&o->list, &x->link);
        o->bytes += x->bytes;
    }
    while (o->bytes > o->bytes_max) {
        order_drop(o, LIST_ITEM(o->list.next, struct order, link));
    }
    lock_release(&o->lock);
    return &x->is;
}

void imap_orders_release(struct imap_orders *o, struct imap_order *order)
{
    struct order *x = order ? LIST_ITEM(order, struct order, is) : NULL;

    if (!x) {
        return;
    }
    lock_take(&o->lock);
    ASSERT(x->holders);
    bool is_last = --x->holders == 0 && !x->is_kept;

    lock_release(&o->lock);
    if (is_last) {
        order_free(x);
    }
}

bool imap_orders_begin(struct imap_orders *o, size_t bytes)
{
    lock_take(&o->lock);
    bool may = !o->sorting || (o->sorting <= IMAP_SORTING_BYTES_MAX &&
                               bytes <= IMAP_SORTING_BYTES_MAX - o->sorting);

    o->sorting += may ? bytes : 0;
    lock_release(&o->lock);
    return may;
}

void imap_orders_end(struct imap_orders *o, size_t bytes)
{
    lock_take(&o->lock);
    o->sorting -= bytes;
    lock_release(&o->lock);
}

size_t imap_orders_count(struct imap_orders *o, size_t *out_bytes)
{
    lock_take(&o->lock);
    size_t n = o->map.n;

    *out_bytes = o->bytes;
    lock_release(&o->lock);
    return n;
}
