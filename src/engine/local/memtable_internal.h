// SPDX-License-Identifier: Apache-2.0
//
// What the journal has and the index has not yet, in memory: an ordered map that keeps all versions
// of a key. One thread (the committer) adds; any number of threads read at the same time without
// locks. Entries are never changed or removed; the table goes as a whole when its last reference
// does.
#ifndef ENGINE_LOCAL_MEMTABLE_INTERNAL_H
#define ENGINE_LOCAL_MEMTABLE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define MEMTABLE_HEIGHT_MAX 16

struct memtable;

struct memtable_node {
    uint64_t seq; // of the commit
    uint32_t key_n, value_n;
    bool deleted;
    uint8_t height;
    _Atomic(struct memtable_node *) next[]; // [height], then key and value
};

// Behind the links lie the key and the value.
static inline const char *node_bytes_of(const struct memtable_node *n)
{
    return (const char *)n + sizeof(*n) + n->height * sizeof(n->next[0]);
}

static inline struct span node_key(const struct memtable_node *n)
{
    return (struct span){node_bytes_of(n), n->key_n};
}

static inline struct span node_value(const struct memtable_node *n)
{
    return (struct span){node_bytes_of(n) + n->key_n, n->value_n};
}

struct memtable *memtable_create(void); // one reference; NULL without memory
struct memtable *memtable_ref(struct memtable *t);
void memtable_unref(struct memtable *t); // NULL is allowed

// Bytes of memory it holds, and whether nothing was put.
size_t memtable_bytes(struct memtable *t);
bool memtable_is_empty(const struct memtable *t);

// Adds an entry; `value` NULL deletes. `seq` never goes back, and no key comes twice with the same
// one. ERR_NOMEM.
enum err memtable_put(struct memtable *t, struct span key, const struct span *value, uint64_t seq);
// Makes sure that puts of `count` entries with `bytes` of keys and values cannot fail.
enum err memtable_reserve(struct memtable *t, size_t count, size_t bytes);

// The newest entry for the key at or below `seq` (it may be a deletion); NULL when there is none.
const struct memtable_node *memtable_get(const struct memtable *t, struct span key, uint64_t seq);
// The same for the first key at or above `key`, ...
const struct memtable_node *memtable_seek(const struct memtable *t, struct span key, uint64_t seq);
// ... for the next key behind `n`, ...
const struct memtable_node *memtable_next(const struct memtable_node *n, uint64_t seq);
// ... and for the last key below `key`.
const struct memtable_node *memtable_before(const struct memtable *t, struct span key,
                                            uint64_t seq);

#endif
