// SPDX-License-Identifier: Apache-2.0
//
// An ordered map that never changes: putting and deleting give a new tree that shares what is the
// same with the old one. A snapshot is a reference to a root. Nodes and items are counted, so a
// tree may be dropped on any thread.
#ifndef ENGINE_MEMORY_MEMORY_TREE_INTERNAL_H
#define ENGINE_MEMORY_MEMORY_TREE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/engine.h"

// A body's bytes; shared by the trees and the writer.
struct memory_body {
    atomic_size_t refs;
    struct buf bytes, summary;
};

struct memory_body *memory_body_create(void); // NULL without memory
struct memory_body *memory_body_ref(struct memory_body *b);
void memory_body_unref(struct memory_body *b); // NULL is allowed

struct memory_item {
    atomic_size_t refs;
    struct memory_body *body; // or NULL
    size_t key_n, value_n;
    char bytes[]; // key, value
};

static inline struct span item_key(const struct memory_item *i)
{
    return (struct span){i->bytes, i->key_n};
}

static inline struct span item_value(const struct memory_item *i)
{
    return (struct span){i->bytes + i->key_n, i->value_n};
}

struct memory_node;
typedef struct memory_node memory_tree; // NULL is the empty tree

memory_tree *memory_tree_ref(memory_tree *t);
void memory_tree_unref(memory_tree *t);

// A new tree in *out (one reference for the caller); `t` stays as it is. ERR_NOMEM.
enum err memory_tree_put(memory_tree *t, struct span key, struct span value,
                         struct memory_body *body, memory_tree **out);
// As put; the same tree when the key is not there.
enum err memory_tree_delete(memory_tree *t, struct span key, memory_tree **out);

const struct memory_item *memory_tree_get(const memory_tree *t, struct span key);
// The first item at or above `key`, or above it with `after`; NULL when there is none.
const struct memory_item *memory_tree_above(const memory_tree *t, struct span key, bool after);
// The last item below `key`; NULL when there is none.
const struct memory_item *memory_tree_below(const memory_tree *t, struct span key);

#endif
