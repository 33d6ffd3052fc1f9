// SPDX-License-Identifier: Apache-2.0
//
// A hash map from byte strings (copied) to pointers (not owned). Hashed with a secret seed, so that
// nobody outside can choose keys that collide. Not thread-safe: the owner locks.
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

struct map_entry;

struct map {
    struct map_entry **slots;
    size_t slot_count; // a power of two, or 0
    size_t n;          // entries
};

void map_init(struct map *m);
// Frees the map and its keys, not what the values point to.
void map_finish(struct map *m);

// The value, or NULL.
void *map_get(const struct map *m, struct span key);
// Stores or replaces; `out_old` (may be NULL) gets the value before or NULL. ERR_NOMEM only.
enum err map_put(struct map *m, struct span key, void *value, void **out_old);
// Removes and returns the value, or NULL when there was none.
void *map_remove(struct map *m, struct span key);

// Walks all entries in no order; start with *cursor = 0, ends with false. The map must not change
// meanwhile.
bool map_next(const struct map *m, size_t *cursor, struct span *out_key, void **out_value);

// A 64-bit hash with the process's secret seed; for other tables. Any thread.
uint64_t map_hash(struct span key);

#endif
