// SPDX-License-Identifier: Apache-2.0
//
// A treap: a search tree by key that is a heap by a pseudo-random priority, which keeps it flat
// (about 2 log2 n deep) without bookkeeping. Changes copy the path from the root.
#include <stdlib.h>

#include "base/map.h"
#include "engine/memory/memory_tree_internal.h"

#include "base/banned.h"

struct memory_node {
    atomic_size_t refs;
    uint64_t priority; // a function of the key, so equal contents make equal trees
    struct memory_item *item;
    struct memory_node *left, *right;
};

struct memory_body *memory_body_create(void)
{
    struct memory_body *b = calloc(1, sizeof(*b));

    if (b) {
        b->refs = 1;
        buf_init(&b->bytes, ENGINE_BODY_BYTES_MAX);
        buf_init(&b->summary, ENGINE_SUMMARY_BYTES_MAX);
    }
    return b;
}

struct memory_body *memory_body_ref(struct memory_body *b)
{
    b->refs++;
    return b;
}

void memory_body_unref(struct memory_body *b)
{
    if (b && --b->refs == 0) {
        buf_finish(&b->bytes);
        buf_finish(&b->summary);
        free(b);
    }
}

static struct memory_item *item_create(struct span key, struct span value, struct memory_body *body)
{
    struct memory_item *i = malloc(sizeof(*i) + key.n + value.n);

    if (i) {
        i->refs = 1;
        i->body = body ? memory_body_ref(body) : NULL;
        i->key_n = key.n;
        i->value_n = value.n;
        memcpy(i->bytes, key.n ? key.p : "", key.n);
        memcpy(i->bytes + key.n, value.n ? value.p : "", value.n);
    }
    return i;
}

static struct memory_item *item_ref(struct memory_item *i)
{
    i->refs++;
    return i;
}

static void item_unref(struct memory_item *i)
{
    if (--i->refs == 0) {
        memory_body_unref(i->body);
        free(i);
    }
}

memory_tree *memory_tree_ref(memory_tree *t)
{
    if (t) {
        t->refs++;
    }
    return t;
}

void memory_tree_unref(memory_tree *t)
{
    while (t && --t->refs == 0) { // the depth is logarithmic, so is the recursion
        memory_tree *right = t->right;

        memory_tree_unref(t->left);
        item_unref(t->item);
        free(t);
        t = right;
    }
}

// Takes over the references to item and children, also when it fails (NULL).
static memory_tree *node_create(struct memory_item *item, uint64_t priority, memory_tree *left,
                                memory_tree *right)
{
    memory_tree *t = malloc(sizeof(*t));

    if (!t) {
        item_unref(item);
        memory_tree_unref(left);
        memory_tree_unref(right);
        return NULL;
    }
    t->refs = 1;
    t->priority = priority;
    t->item = item;
    t->left = left;
    t->right = right;
    return t;
}

// A copy of `t` with other children, whose references it takes over.
static memory_tree *node_copy(const memory_tree *t, memory_tree *left, memory_tree *right)
{
    return node_create(item_ref(t->item), t->priority, left, right);
}

// `t` with `left` as left child, turned right when the child's priority is higher.
static memory_tree *join_left(const memory_tree *t, memory_tree *left)
{
    if (left->priority <= t->priority) {
        return node_copy(t, left, memory_tree_ref(t->right));
    }
    memory_tree *down = node_copy(t, memory_tree_ref(left->right), memory_tree_ref(t->right));
    memory_tree *up = down ? node_copy(left, memory_tree_ref(left->left), down) : NULL;

    memory_tree_unref(left);
    return up;
}

static memory_tree *join_right(const memory_tree *t, memory_tree *right)
{
    if (right->priority <= t->priority) {
        return node_copy(t, memory_tree_ref(t->left), right);
    }
    memory_tree *down = node_copy(t, memory_tree_ref(t->left), memory_tree_ref(right->left));
    memory_tree *up = down ? node_copy(right, down, memory_tree_ref(right->right)) : NULL;

    memory_tree_unref(right);
    return up;
}

static memory_tree *tree_put(memory_tree *t, struct memory_item *item)
{
    if (!t) {
        return node_create(item_ref(item), map_hash(item_key(item)), NULL, NULL);
    }
    int c = span_cmp(item_key(item), item_key(t->item));

    if (c == 0) {
        return node_create(item_ref(item), t->priority, memory_tree_ref(t->left),
                           memory_tree_ref(t->right));
    }
    memory_tree *child = tree_put(c < 0 ? t->left : t->right, item);

    if (!child) {
        return NULL;
    }
    return c < 0 ? join_left(t, child) : join_right(t, child);
}

enum err memory_tree_put(memory_tree *t, struct span key, struct span value,
                         struct memory_body *body, memory_tree **out)
{
    struct memory_item *item = item_create(key, value, body);

    if (!item) {
        return ERR_NOMEM;
    }
    memory_tree *changed = tree_put(t, item);

    item_unref(item);
    if (!changed) {
        return ERR_NOMEM;
    }
    *out = changed;
    return ERR_OK;
}

// Both trees as one, all of `a` being below all of `b`. False without memory.
static bool tree_merge(memory_tree *a, memory_tree *b, memory_tree **out)
{
    if (!a || !b) {
        *out = memory_tree_ref(a ? a : b);
        return true;
    }
    memory_tree *middle;
    bool a_up = a->priority >= b->priority;

    if (!tree_merge(a_up ? a->right : a, a_up ? b : b->left, &middle)) {
        return false;
    }
    *out = a_up ? node_copy(a, memory_tree_ref(a->left), middle)
                : node_copy(b, middle, memory_tree_ref(b->right));
    return *out != NULL;
}

// The key is known to be there.
static bool tree_delete(memory_tree *t, struct span key, memory_tree **out)
{
    int c = span_cmp(key, item_key(t->item));
    memory_tree *child;

    if (c == 0) {
        return tree_merge(t->left, t->right, out);
    }
    if (!tree_delete(c < 0 ? t->left : t->right, key, &child)) {
        return false;
    }
    *out = c < 0 ? node_copy(t, child, memory_tree_ref(t->right))
                 : node_copy(t, memory_tree_ref(t->left), child);
    return *out != NULL;
}

enum err memory_tree_delete(memory_tree *t, struct span key, memory_tree **out)
{
    memory_tree *changed;

    if (!memory_tree_get(t, key)) {
        *out = memory_tree_ref(t);
        return ERR_OK;
    }
    if (!tree_delete(t, key, &changed)) {
        return ERR_NOMEM;
    }
    *out = changed;
    return ERR_OK;
}

const struct memory_item *memory_tree_get(const memory_tree *t, struct span key)
{
    while (t) {
        int c = span_cmp(key, item_key(t->item));

        if (c == 0) {
            return t->item;
        }
        t = c < 0 ? t->left : t->right;
    }
    return NULL;
}

const struct memory_item *memory_tree_above(const memory_tree *t, struct span key, bool after)
{
    const struct memory_item *best = NULL;

    while (t) {
        int c = span_cmp(item_key(t->item), key);

        if (c > 0 || (c == 0 && !after)) {
            best = t->item;
            t = t->left;
        } else {
            t = t->right;
        }
    }
    return best;
}

const struct memory_item *memory_tree_below(const memory_tree *t, struct span key)
{
    const struct memory_item *best = NULL;

    while (t) {
        if (span_cmp(item_key(t->item), key) < 0) {
            best = t->item;
            t = t->right;
        } else {
            t = t->left;
        }
    }
    return best;
}
