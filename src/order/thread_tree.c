// SPDX-License-Identifier: Apache-2.0
//
// Steps (2) to (6) of REFERENCES (RFC 5256) and what the other algorithms have in their place.
//
// The messages lie sorted by date. Whoever goes through them in that order and hangs each below its
// parent has every set of siblings in order; a dummy, which stands only at the top, has the place
// of its first child. So nothing else is ever sorted.
#include <stdlib.h>
#include <string.h>

#include "order/threader_internal.h"

#include "base/banned.h"

static size_t node_count(const struct threader *t)
{
    return t->n + t->dummy_n + 1;
}

static uint32_t node_at(const struct threader *t, size_t i)
{
    return t->sorter.entries[i].uid;
}

// ---- (3) dummies go -----------------------------------------------------------------------------

// The nearest message above, or, when there is none, the dummy at the top; 0: nothing at all. The
// way there becomes short for those who come after: `near` of a dummy is where it leads.
static uint32_t above(const struct threader *t, uint32_t *near, uint32_t node)
{
    uint32_t end = t->parents[node];

    while (end && thread_is_dummy(t, end) && near[end - t->n] != end) {
        end = near[end - t->n];
    }
    for (uint32_t x = t->parents[node]; x && x != end && thread_is_dummy(t, x);) {
        uint32_t next = near[x - t->n];

        near[x - t->n] = end;
        x = next;
    }
    return end;
}

static enum err prune(struct threader *t)
{
    uint32_t *near = calloc(t->dummy_n + 1, sizeof(*near)), *counts;

    counts = calloc(t->dummy_n + 1, sizeof(*counts));
    if (!near || !counts) {
        free(near);
        free(counts);
        return ERR_NOMEM;
    }
    for (uint32_t i = 1; i <= t->dummy_n; i++) {
        uint32_t node = (uint32_t)t->n + i;

        near[i] = t->parents[node] ? t->parents[node] : node;
    }
    for (uint32_t node = 1; node <= t->n; node++) {
        t->parents[node] = above(t, near, node);
        if (thread_is_dummy(t, t->parents[node])) {
            counts[t->parents[node] - t->n]++;
        }
    }
    for (uint32_t node = 1; node <= t->n; node++) {
        if (thread_is_dummy(t, t->parents[node]) && counts[t->parents[node] - t->n] == 1) {
            t->parents[node] = 0; // an only child takes the dummy's place
        }
    }
    for (uint32_t i = 1; i <= t->dummy_n; i++) {
        t->parents[t->n + i] = 0;
    }
    free(near);
    free(counts);
    return ERR_OK;
}

// ---- subjects -----------------------------------------------------------------------------------

struct subject_slot {
    uint64_t subject; // 0: free
    uint32_t node;
};

struct subject_table {
    struct subject_slot *slots;
    size_t count; // a power of two
};

static enum err table_make(struct subject_table *table, size_t n)
{
    table->count = 16;
    while (table->count < n * 2) {
        table->count *= 2;
    }
    table->slots = calloc(table->count, sizeof(*table->slots));
    return table->slots ? ERR_OK : ERR_NOMEM;
}

static struct subject_slot *table_find(const struct subject_table *table, uint64_t subject)
{
    size_t mask = table->count - 1, i = (size_t)(subject ^ subject >> 32) & mask;

    while (table->slots[i].subject && table->slots[i].subject != subject) {
        i = (i + 1) & mask;
    }
    return &table->slots[i];
}

// ---- (4) and (5): threads with the same subject -------------------------------------------------

struct gathering {
    struct threader *t;
    struct subject_table table;
    uint32_t *roots;   // the top level, in order
    uint32_t *firsts;  // of dummy i: its first child
    uint32_t *aliases; // of dummy i: the one that has its children now
    size_t root_n, dummy_n;
};

static void find_roots(struct gathering *g)
{
    const struct threader *t = g->t;

    for (size_t i = 0; i < t->n; i++) {
        uint32_t node = node_at(t, i), parent = t->parents[node];

        if (!parent) {
            g->roots[g->root_n++] = node;
        } else if (thread_is_dummy(t, parent) && !g->firsts[parent - t->n]) {
            g->firsts[parent - t->n] = node;
            g->roots[g->root_n++] = parent;
        }
    }
}

static const struct thread_message *speaker(const struct gathering *g, uint32_t root)
{
    const struct threader *t = g->t;

    return thread_of_node(t, thread_is_dummy(t, root) ? g->firsts[root - t->n] : root);
}

static bool is_reply(const struct threader *t, uint32_t node)
{
    return thread_of_node(t, node)->is_reply;
}

// (5.B)
static void fill_table(struct gathering *g)
{
    const struct threader *t = g->t;

    for (size_t i = 0; i < g->root_n; i++) {
        uint32_t root = g->roots[i];
        uint64_t subject = speaker(g, root)->subject;

        if (!subject) {
            continue;
        }
        struct subject_slot *slot = table_find(&g->table, subject);
        bool is_better =
            slot->node && !thread_is_dummy(t, slot->node) &&
            (thread_is_dummy(t, root) || (is_reply(t, slot->node) && !is_reply(t, root)));

        if (!slot->node || is_better) {
            *slot = (struct subject_slot){subject, root};
        }
    }
}

// (5.C) for one thread. The arrays of dummies have room for one new dummy a root.
static enum err merge(struct gathering *g, uint32_t root)
{
    struct threader *t = g->t;
    uint64_t subject = speaker(g, root)->subject;
    struct subject_slot *slot = subject ? table_find(&g->table, subject) : NULL;

    if (!slot || slot->node == root) {
        return ERR_OK;
    }
    if (thread_is_dummy(t, slot->node)) {
        if (thread_is_dummy(t, root)) {
            g->aliases[root - t->n] = slot->node;
        } else {
            t->parents[root] = slot->node;
        }
        return ERR_OK;
    }
    if (is_reply(t, root) && !is_reply(t, slot->node)) {
        t->parents[root] = slot->node;
        return ERR_OK;
    }
    uint32_t dummy = thread_dummy(t, 0);

    if (!dummy) {
        return ERR_NOMEM;
    }
    t->parents[root] = t->parents[slot->node] = dummy;
    slot->node = dummy;
    return ERR_OK;
}

static enum err gather(struct gathering *g)
{
    struct threader *t = g->t;
    enum err e = table_make(&g->table, t->n);

    g->dummy_n = t->dummy_n;
    g->roots = calloc(t->n + 1, sizeof(*g->roots));
    g->firsts = calloc(t->dummy_n + 1, sizeof(*g->firsts));
    g->aliases = calloc(t->dummy_n + 1, sizeof(*g->aliases));
    if (e || !g->roots || !g->firsts || !g->aliases) {
        return ERR_NOMEM;
    }
    find_roots(g);
    fill_table(g);
    for (size_t i = 0; !e && i < g->root_n; i++) {
        e = merge(g, g->roots[i]);
    }
    for (uint32_t node = 1; !e && node <= t->n; node++) {
        uint32_t parent = t->parents[node];

        if (thread_is_dummy(t, parent) && parent - t->n <= g->dummy_n &&
            g->aliases[parent - t->n]) {
            t->parents[node] = g->aliases[parent - t->n];
        }
    }
    return e;
}

static enum err gather_subjects(struct threader *t)
{
    struct gathering g = {.t = t};
    enum err e = gather(&g);

    free(g.table.slots);
    free(g.roots);
    free(g.firsts);
    free(g.aliases);
    return e;
}

// ORDEREDSUBJECT: the first message with a subject is the parent of all others.
static enum err order_subjects(struct threader *t)
{
    struct subject_table table;
    uint32_t empty = 0;
    enum err e = table_make(&table, t->n);

    for (size_t i = 0; !e && i < t->n; i++) {
        uint32_t node = node_at(t, i);
        uint64_t subject = thread_of_node(t, node)->subject;
        struct subject_slot *slot = subject ? table_find(&table, subject) : NULL;
        uint32_t *first = slot ? &slot->node : &empty;

        t->parents[node] = *first;
        if (!*first) {
            *first = node;
        }
        if (slot) {
            slot->subject = subject;
        }
    }
    free(table.slots);
    return e;
}

// ---- (6) children in order ----------------------------------------------------------------------

static enum err hang_up(struct threader *t)
{
    t->children = calloc(node_count(t), sizeof(*t->children));
    t->siblings = calloc(node_count(t), sizeof(*t->siblings));
    if (!t->children || !t->siblings) {
        return ERR_NOMEM;
    }
    for (size_t i = t->n; i--;) {
        uint32_t node = node_at(t, i), parent = t->parents[node];

        if (parent) {
            t->siblings[node] = t->children[parent];
            t->children[parent] = node;
        }
    }
    return ERR_OK;
}

static void put_root(struct threader *t, uint32_t node, uint32_t *last)
{
    if (*last) {
        t->siblings[*last] = node;
    } else {
        t->children[0] = node;
    }
    *last = node;
}

static void hang_roots(struct threader *t)
{
    uint32_t last = 0;

    for (size_t i = 0; i < t->n; i++) {
        uint32_t node = node_at(t, i), parent = t->parents[node];

        if (!parent) {
            put_root(t, node, &last);
        } else if (thread_is_dummy(t, parent) && t->children[parent] == node) {
            put_root(t, parent, &last);
        }
    }
}

// REFS: in order of each thread's newest message. A root is put when the last of its thread comes
// by, so going backwards: when the first of it is met.
static enum err hang_roots_by_newest(struct threader *t)
{
    uint32_t *tops = calloc(node_count(t), sizeof(*tops)), first = 0;

    if (!tops) {
        return ERR_NOMEM;
    }
    for (size_t i = t->n; i--;) {
        uint32_t node = node_at(t, i), top = node;

        while (t->parents[top] && !tops[top]) {
            top = t->parents[top];
        }
        bool is_met = tops[top] != 0;

        top = is_met ? tops[top] : top;
        for (uint32_t x = node; x && !tops[x]; x = t->parents[x]) {
            tops[x] = top;
        }
        if (!is_met) {
            t->siblings[top] = first;
            first = top;
        }
    }
    t->children[0] = first;
    free(tops);
    return ERR_OK;
}

enum err thread_tree(struct threader *t)
{
    enum err e = t->algorithm == THREAD_ORDEREDSUBJECT ? order_subjects(t) : prune(t);

    if (!e && t->algorithm == THREAD_REFERENCES) {
        e = gather_subjects(t);
    }
    e = e ? e : hang_up(t);
    if (!e && t->algorithm == THREAD_REFS) {
        return hang_roots_by_newest(t);
    }
    if (!e) {
        hang_roots(t);
    }
    return e;
}
