// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the threader share: threader.c drives, thread_link.c makes parents out of
// references, thread_tree.c makes the tree and its order. Only these.
#ifndef ORDER_THREADER_INTERNAL_H
#define ORDER_THREADER_INTERNAL_H

#include "order/threader.h"

static inline bool thread_is_dummy(const struct threader *t, uint32_t node)
{
    return node > t->n;
}

static inline struct thread_message *thread_of_node(const struct threader *t, uint32_t node)
{
    return &t->messages[node - 1];
}

// Another node without a message; 0 without memory. `id` is 0 for one made for a subject.
uint32_t thread_dummy(struct threader *t, uint64_t id);
// `n` elements of an array that grows by doubling; false without memory.
bool thread_grow(void **array, size_t *cap, size_t n, size_t element);

// ---- thread_link.c ------------------------------------------------------------------------------

// Every message's Message-ID to its node; the first message of those with the same has it.
enum err thread_ids(struct threader *t);
// Step (1) of RFC 5256 for one message.
enum err thread_link(struct threader *t, uint32_t node);

// ---- thread_tree.c ------------------------------------------------------------------------------

// Steps (2) to (6): parents become final, children and siblings are made in order; the roots are
// siblings of each other, children of node 0.
enum err thread_tree(struct threader *t);

#endif
