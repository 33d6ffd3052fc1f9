// SPDX-License-Identifier: Apache-2.0
//
// Step (1) of REFERENCES (RFC 5256): each message's references say who is whose parent. A link that
// would make a loop is not made, which takes the root of a node. Threads are short, so the way up
// is usually walked; when one is very deep, a link-cut tree (Sleator and Tarjan) beside the parents
// answers in log n, or a chain of n messages would cost n * n.
#include <stdlib.h>
#include <string.h>

#include "order/threader_internal.h"

#include "base/banned.h"

#define WALK_MAX 200

// ---- which node has a Message-ID ----------------------------------------------------------------

static uint64_t id_of_node(const struct threader *t, uint32_t node)
{
    return thread_is_dummy(t, node) ? t->dummies[node - t->n - 1] : thread_of_node(t, node)->id;
}

// The slot where the Message-ID is, or would be.
static uint32_t *slot_of(const struct threader *t, uint64_t id)
{
    size_t mask = t->ids.count - 1, i = (size_t)(id ^ id >> 32) & mask;

    while (t->ids.slots[i] && id_of_node(t, t->ids.slots[i]) != id) {
        i = (i + 1) & mask;
    }
    return &t->ids.slots[i];
}

static enum err slots_make(struct threader *t, size_t wanted)
{
    struct thread_slots old = t->ids;
    size_t count = 1024;

    while (count < wanted * 2) {
        count *= 2;
    }
    uint32_t *slots = calloc(count, sizeof(*slots));

    if (!slots) {
        return ERR_NOMEM;
    }
    t->ids = (struct thread_slots){slots, count, old.used};
    for (size_t i = 0; i < old.count; i++) {
        if (old.slots[i]) {
            *slot_of(t, id_of_node(t, old.slots[i])) = old.slots[i];
        }
    }
    free(old.slots);
    return ERR_OK;
}

enum err thread_ids(struct threader *t)
{
    enum err e = slots_make(t, t->n);

    for (size_t i = 0; !e && i < t->n; i++) {
        uint32_t *slot = t->messages[i].has_id ? slot_of(t, t->messages[i].id) : NULL;

        if (slot && !*slot) {
            *slot = (uint32_t)i + 1;
            t->ids.used++;
        }
    }
    return e;
}

static enum err node_of_id(struct threader *t, uint64_t id, uint32_t *out)
{
    uint32_t *slot = slot_of(t, id);

    if (!*slot) {
        if ((t->ids.used + 1) * 3 > t->ids.count * 2) {
            enum err e = slots_make(t, t->ids.used + 1);

            if (e) {
                return e;
            }
            slot = slot_of(t, id);
        }
        *slot = thread_dummy(t, id);
        t->ids.used++;
    }
    *out = *slot;
    return *out ? ERR_OK : ERR_NOMEM;
}

// ---- the link-cut tree --------------------------------------------------------------------------

static bool is_top(const struct thread_splay *s, uint32_t x)
{
    uint32_t up = s[x].up;

    return !up || (s[up].child[0] != x && s[up].child[1] != x);
}

static void rotate(struct thread_splay *s, uint32_t x)
{
    uint32_t up = s[x].up, above = s[up].up;
    int side = s[up].child[1] == x;
    uint32_t inner = s[x].child[!side];

    if (!is_top(s, up)) {
        s[above].child[s[above].child[1] == up] = x;
    }
    s[x].up = above;
    s[x].child[!side] = up;
    s[up].up = x;
    s[up].child[side] = inner;
    if (inner) {
        s[inner].up = up;
    }
}

static void splay(struct thread_splay *s, uint32_t x)
{
    while (!is_top(s, x)) {
        uint32_t up = s[x].up;

        if (!is_top(s, up)) {
            uint32_t above = s[up].up;
            bool same = (s[up].child[1] == x) == (s[above].child[1] == up);

            rotate(s, same ? up : x);
        }
        rotate(s, x);
    }
}

// The way from the root to `x` becomes one splay tree with `x` at its top.
static void expose(struct thread_splay *s, uint32_t x)
{
    uint32_t below = 0;

    for (uint32_t y = x; y; y = s[y].up) {
        splay(s, y);
        s[y].child[1] = below;
        below = y;
    }
    splay(s, x);
}

static uint32_t splay_root(struct thread_splay *s, uint32_t x)
{
    expose(s, x);
    while (s[x].child[0]) {
        x = s[x].child[0];
    }
    splay(s, x);
    return x;
}

static enum err splays_make(struct threader *t)
{
    t->splays = calloc(t->node_cap, sizeof(*t->splays));
    if (!t->splays) {
        return ERR_NOMEM;
    }
    for (size_t i = 1; i <= t->n + t->dummy_n; i++) {
        t->splays[i].up = t->parents[i];
    }
    return ERR_OK;
}

// ---- links --------------------------------------------------------------------------------------

static enum err root_of(struct threader *t, uint32_t node, uint32_t *out)
{
    for (unsigned i = 0; i < WALK_MAX; i++) {
        if (!t->parents[node]) {
            *out = node;
            return ERR_OK;
        }
        node = t->parents[node];
    }
    enum err e = t->splays ? ERR_OK : splays_make(t);

    if (!e) {
        *out = splay_root(t->splays, node);
    }
    return e;
}

// `child` has no parent. Nothing happens when the link would make a loop.
static enum err link_nodes(struct threader *t, uint32_t parent, uint32_t child)
{
    uint32_t root;
    enum err e = root_of(t, parent, &root);

    if (e || root == child) {
        return e;
    }
    t->parents[child] = parent;
    if (t->splays) {
        expose(t->splays, child);
        t->splays[child].up = parent;
    }
    return ERR_OK;
}

static void unlink_node(struct threader *t, uint32_t child)
{
    if (t->splays && t->parents[child]) {
        struct thread_splay *s = t->splays;

        expose(s, child);
        s[s[child].child[0]].up = 0;
        s[child].child[0] = 0;
    }
    t->parents[child] = 0;
}

enum err thread_link(struct threader *t, uint32_t node)
{
    const struct thread_message m = *thread_of_node(t, node);
    uint32_t before = 0;

    for (size_t i = 0; i < m.reference_count; i++) { // (A)
        uint32_t one;
        enum err e = node_of_id(t, t->pool[m.references + i], &one);

        if (!e && before && !t->parents[one]) {
            e = link_nodes(t, before, one);
        }
        if (e) {
            return e;
        }
        before = one;
    }
    unlink_node(t, node); // (B)
    return before ? link_nodes(t, before, node) : ERR_OK;
}
