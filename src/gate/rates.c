// SPDX-License-Identifier: Apache-2.0
#include "gate/rates.h"

#include "base/banned.h"

#define WINDOW_MS 60000

void rates_init(struct rates *r)
{
    *r = (struct rates){.began_ms = 0};
    lock_init(&r->lock, LOCK_LEAF);
    map_init(&r->now);
    map_init(&r->before);
}

void rates_finish(struct rates *r)
{
    map_finish(&r->now);
    map_finish(&r->before);
    lock_finish(&r->lock);
}

// With the lock held.
static void turn(struct rates *r, int64_t now_ms)
{
    int64_t age = now_ms - r->began_ms;

    if (age < WINDOW_MS) {
        return;
    }
    map_finish(&r->before);
    r->before = r->now;
    map_init(&r->now);
    r->began_ms = age < 2 * WINDOW_MS ? r->began_ms + WINDOW_MS : now_ms;
    if (age >= 2 * WINDOW_MS) {
        map_finish(&r->before);
        map_init(&r->before);
    }
}

static uint64_t count_in(const struct map *m, struct span key)
{
    return (uint64_t)(uintptr_t)map_get(m, key);
}

bool rates_admit(struct rates *r, const struct address *a, uint64_t per_minute, int64_t now_ms)
{
    struct address_key key = address_key(a);
    struct span k = span_of(key.b, sizeof(key.b));

    lock_take(&r->lock);
    turn(r, now_ms);
    uint64_t count = count_in(&r->now, k);
    uint64_t left_ms = (uint64_t)(WINDOW_MS - (now_ms - r->began_ms));
    bool admits = count + count_in(&r->before, k) * left_ms / WINDOW_MS < per_minute;

    if (admits && (count || r->now.n < RATES_ADDRESSES_MAX)) {
        // Without memory one goes uncounted.
        (void)map_put(&r->now, k, (void *)(uintptr_t)(count + 1), NULL);
    }
    lock_release(&r->lock);
    return admits;
}
