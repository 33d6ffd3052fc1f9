// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/random.h"

#include "base/banned.h"

struct map_entry {
    struct map_entry *next;
    void *value;
    uint64_t hash;
    size_t key_bytes;
    char key[];
};

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_make(void)
{
    seed = random_u64();
}

uint64_t map_hash(struct span key)
{
    pthread_once(&seed_once, seed_make);
    return XXH3_64bits_withSeed(key.p, key.n, seed);
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_finish(struct map *m)
{
    for (size_t i = 0; i < m->slot_count; i++) {
        struct map_entry *e = m->slots[i];

        while (e) {
            struct map_entry *next = e->next;

            free(e);
            e = next;
        }
    }
    free(m->slots);
    map_init(m);
}

static struct map_entry **map_find(const struct map *m, struct span key, uint64_t hash)
{
    struct map_entry **at = &m->slots[hash & (m->slot_count - 1)];

    while (*at && ((*at)->hash != hash || !span_eq(span_of((*at)->key, (*at)->key_bytes), key))) {
        at = &(*at)->next;
    }
    return at;
}

void *map_get(const struct map *m, struct span key)
{
    if (m->n == 0) {
        return NULL;
    }
    struct map_entry *e = *map_find(m, key, map_hash(key));

    return e ? e->value : NULL;
}

static bool map_grow(struct map *m)
{
    size_t count = m->slot_count ? m->slot_count * 2 : 16;
    struct map_entry **slots = calloc(count, sizeof(struct map_entry *));

    if (!slots) {
        return m->slot_count > 0; // a fuller table still works
    }
    for (size_t i = 0; i < m->slot_count; i++) {
        struct map_entry *e = m->slots[i];

        while (e) {
            struct map_entry *next = e->next;

            e->next = slots[e->hash & (count - 1)];
            slots[e->hash & (count - 1)] = e;
            e = next;
        }
    }
    free(m->slots);
    m->slots = slots;
    m->slot_count = count;
    return true;
}

enum err map_put(struct map *m, struct span key, void *value, void **out_old)
{
    if (m->n >= m->slot_count && !map_grow(m)) {
        return ERR_NOMEM;
    }
    uint64_t hash = map_hash(key);
    struct map_entry **at = map_find(m, key, hash);

    if (out_old) {
        *out_old = *at ? (*at)->value : NULL;
    }
    if (!*at) {
        struct map_entry *e = malloc(sizeof(*e) + key.n);

        if (!e) {
            return ERR_NOMEM;
        }
        *e = (struct map_entry){.hash = hash, .key_bytes = key.n};
        if (key.n) {
            memcpy(e->key, key.p, key.n);
        }
        *at = e;
        m->n++;
    }
    (*at)->value = value;
    return ERR_OK;
}

void *map_remove(struct map *m, struct span key)
{
    if (m->n == 0) {
        return NULL;
    }
    struct map_entry **at = map_find(m, key, map_hash(key));
    struct map_entry *e = *at;

    if (!e) {
        return NULL;
    }
    void *value = e->value;

    *at = e->next;
    free(e);
    m->n--;
    return value;
}

bool map_next(const struct map *m, size_t *cursor, struct span *out_key, void **out_value)
{
    // The cursor is slot number and position in the slot's list, packed.
    size_t slot = *cursor >> 16, skip = *cursor & 0xffff;

    for (; slot < m->slot_count; slot++, skip = 0) {
        struct map_entry *e = m->slots[slot];

        for (size_t i = 0; e && i < skip; i++) {
            e = e->next;
        }
        if (e) {
            *out_key = span_of(e->key, e->key_bytes);
            *out_value = e->value;
            *cursor = slot << 16 | (skip + 1);
            return true;
        }
    }
    *cursor = slot << 16;
    return false;
}
