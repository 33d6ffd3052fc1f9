// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc_cache.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"

#include "base/banned.h"

#define KEY_BYTES (8 + 32)

struct entry {
    struct list by_age;
    char key[KEY_BYTES];
    int64_t ends_ms; // monotonic
    int64_t until_ms;
    bool is_active;
    size_t n;
    char name[];
};

struct oidc_cache {
    int64_t keep_ms;
    struct lock lock;
    struct map entries;
    struct list oldest_first;
};

enum err oidc_cache_create(int64_t keep_ms, struct oidc_cache **out)
{
    struct oidc_cache *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->keep_ms = keep_ms;
    lock_init(&c->lock, LOCK_LEAF);
    map_init(&c->entries);
    list_init(&c->oldest_first);
    *out = c;
    return ERR_OK;
}

static void entry_drop(struct oidc_cache *c, struct entry *e)
{
    map_remove(&c->entries, span_of(e->key, KEY_BYTES));
    list_remove(&e->by_age);
    free(e);
}

// Those that are over, and as many more as are too many.
static void make_room(struct oidc_cache *c, int64_t now, size_t max)
{
    while (!list_is_empty(&c->oldest_first)) {
        struct entry *e = LIST_ITEM(c->oldest_first.next, struct entry, by_age);

        if (e->ends_ms > now && c->entries.n <= max) {
            return;
        }
        entry_drop(c, e);
    }
}

void oidc_cache_destroy(struct oidc_cache *c)
{
    if (c) {
        make_room(c, INT64_MAX, 0);
        map_finish(&c->entries);
        lock_finish(&c->lock);
        free(c);
    }
}

static bool make_key(size_t place, struct span token, char key[KEY_BYTES])
{
    unsigned n = 32;

    put_be64(key, place);
    return EVP_Digest(token.p, token.n, (unsigned char *)key + 8, &n, EVP_sha256(), NULL) == 1;
}

bool oidc_cache_get(struct oidc_cache *c, size_t place, struct span token, struct arena *a,
                    struct oidc_said *out)
{
    char key[KEY_BYTES];
    bool is_there = false;

    if (!make_key(place, token, key)) {
        return false;
    }
    lock_take(&c->lock);
    make_room(c, clock_monotonic_ms(), OIDC_CACHE_MAX);
    const struct entry *e = map_get(&c->entries, span_of(key, KEY_BYTES));

    if (e) {
        *out = (struct oidc_said){.is_active = e->is_active,
                                  .name = arena_dup(a, span_of(e->name, e->n)),
                                  .until_ms = e->until_ms};
        is_there = out->name.p != NULL;
    }
    lock_release(&c->lock);
    return is_there;
}

void oidc_cache_put(struct oidc_cache *c, size_t place, struct span token,
                    const struct oidc_said *said)
{
    struct entry *e = calloc(1, sizeof(*e) + said->name.n);

    if (!e || !make_key(place, token, e->key)) {
        free(e);
        return;
    }
    e->until_ms = said->until_ms;
    e->is_active = said->is_active;
    e->n = said->name.n;
    if (e->n) {
        memcpy(e->name, said->name.p, e->n);
    }
    lock_take(&c->lock);
    struct entry *old = map_get(&c->entries, span_of(e->key, KEY_BYTES));

    if (old) {
        entry_drop(c, old);
    }
    make_room(c, clock_monotonic_ms(), OIDC_CACHE_MAX - 1);
    e->ends_ms = clock_monotonic_ms() + c->keep_ms;
    if (map_put(&c->entries, span_of(e->key, KEY_BYTES), e, NULL) == ERR_OK) {
        list_append(&c->oldest_first, &e->by_age);
    } else {
        free(e);
    }
    lock_release(&c->lock);
}
