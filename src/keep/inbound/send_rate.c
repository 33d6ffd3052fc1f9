// SPDX-License-Identifier: Apache-2.0
#include "keep/inbound/send_rate.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"

#include "base/banned.h"

#define HOUR_MS 3600000

struct used {
    struct list by_age; // of the last use
    account_id account;
    uint64_t parts; // used recipients times HOUR_MS
    int64_t at_ms;  // when that was so
};

struct send_rate {
    struct lock lock; // LOCK_LEAF
    struct map accounts;
    struct list oldest_first;
};

enum err send_rate_create(struct send_rate **out)
{
    struct send_rate *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    lock_init(&r->lock, LOCK_LEAF);
    map_init(&r->accounts);
    list_init(&r->oldest_first);
    *out = r;
    return ERR_OK;
}

static struct span key_of(const account_id *account)
{
    return span_of(account, sizeof(*account));
}

// Those that have used nothing for an hour.
static void drop_before(struct send_rate *r, int64_t before_ms)
{
    while (!list_is_empty(&r->oldest_first)) {
        struct used *u = LIST_ITEM(r->oldest_first.next, struct used, by_age);

        if (u->at_ms > before_ms) {
            return;
        }
        map_remove(&r->accounts, key_of(&u->account));
        list_remove(&u->by_age);
        free(u);
    }
}

void send_rate_destroy(struct send_rate *r)
{
    if (r) {
        drop_before(r, INT64_MAX);
        map_finish(&r->accounts);
        lock_finish(&r->lock);
        free(r);
    }
}

static struct used *used_of(struct send_rate *r, account_id account, int64_t now_ms)
{
    struct used *u = map_get(&r->accounts, key_of(&account));

    if (u) {
        list_remove(&u->by_age);
        list_append(&r->oldest_first, &u->by_age);
        return u;
    }
    u = calloc(1, sizeof(*u));
    if (!u) {
        return NULL;
    }
    *u = (struct used){.account = account, .at_ms = now_ms};
    if (map_put(&r->accounts, key_of(&account), u, NULL) != ERR_OK) {
        free(u);
        return NULL;
    }
    list_append(&r->oldest_first, &u->by_age);
    return u;
}

bool send_rate_take(struct send_rate *r, account_id account, uint32_t per_hour, int64_t now_ms)
{
    bool fits = false;

    lock_take(&r->lock);
    drop_before(r, now_ms - HOUR_MS);
    struct used *u = used_of(r, account, now_ms);

    if (u) {
        uint64_t back = (uint64_t)(now_ms - u->at_ms) * per_hour;

        u->parts = back < u->parts ? u->parts - back : 0;
        u->at_ms = now_ms;
        fits = u->parts + HOUR_MS <= (uint64_t)per_hour * HOUR_MS;
        u->parts += fits ? HOUR_MS : 0;
    }
    lock_release(&r->lock);
    return fits;
}

void send_rate_give(struct send_rate *r, account_id account, uint32_t n)
{
    uint64_t parts = (uint64_t)n * HOUR_MS;

    lock_take(&r->lock);
    struct used *u = map_get(&r->accounts, key_of(&account));

    if (u) {
        u->parts = parts < u->parts ? u->parts - parts : 0;
    }
    lock_release(&r->lock);
}
