// SPDX-License-Identifier: Apache-2.0
#include "order/threader.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "order/threader_internal.h"

#include "base/banned.h"

#define COUNT_MAX (1u << 31)

void threader_init(struct threader *t, enum thread_algorithm algorithm)
{
    *t = (struct threader){.algorithm = algorithm};
    sorter_init(&t->sorter, 0);
}

void threader_finish(struct threader *t)
{
    free(t->messages);
    free(t->pool);
    free(t->dummies);
    free(t->parents);
    free(t->ids.slots);
    free(t->splays);
    free(t->children);
    free(t->siblings);
    free(t->tokens);
    sorter_finish(&t->sorter);
    *t = (struct threader){0};
}

size_t threader_memory(const struct threader *t)
{
    size_t nodes = t->parents ? t->node_cap : 0;

    return t->cap * sizeof(*t->messages) + (t->pool_cap + t->dummy_cap) * sizeof(uint64_t) +
           nodes * sizeof(uint32_t) * (t->children ? 3 : 1) + t->ids.count * sizeof(uint32_t) +
           (t->splays ? nodes * sizeof(*t->splays) : 0) + t->token_cap * sizeof(uint32_t) +
           sorter_memory(&t->sorter);
}

bool thread_grow(void **array, size_t *cap, size_t n, size_t element)
{
    if (n <= *cap) {
        return true;
    }
    size_t more = *cap ? *cap * 2 : 1024;

    more = more < n ? n : more;
    void *p = reallocarray(*array, more, element);

    if (!p) {
        return false;
    }
    *array = p;
    *cap = more;
    return true;
}

// ---- what comes in ------------------------------------------------------------------------------

enum err threader_add(struct threader *t, const struct thread_message *m, struct span references)
{
    size_t count = references.n / 8;

    if (t->n >= COUNT_MAX || t->pool_n + count >= COUNT_MAX || count > THREAD_REFERENCES_MAX) {
        return ERR_LIMIT;
    }
    if (!thread_grow((void **)&t->messages, &t->cap, t->n + 1, sizeof(*t->messages)) ||
        !thread_grow((void **)&t->pool, &t->pool_cap, t->pool_n + count, sizeof(*t->pool))) {
        return ERR_NOMEM;
    }
    struct thread_message *out = &t->messages[t->n++];

    *out = *m;
    out->references = (uint32_t)t->pool_n;
    out->reference_count = (uint16_t)count;
    for (size_t i = 0; i < count; i++) {
        t->pool[t->pool_n++] = get_le64(references.p + i * 8);
    }
    return ERR_OK;
}

static bool grow_nodes(struct threader *t, size_t nodes)
{
    size_t cap = t->node_cap, splay_cap = t->node_cap;

    if (!thread_grow((void **)&t->parents, &cap, nodes, sizeof(*t->parents))) {
        return false;
    }
    if (t->splays && cap > splay_cap &&
        !thread_grow((void **)&t->splays, &splay_cap, cap, sizeof(*t->splays))) {
        return false;
    }
    t->node_cap = cap;
    return true;
}

uint32_t thread_dummy(struct threader *t, uint64_t id)
{
    if (!thread_grow((void **)&t->dummies, &t->dummy_cap, t->dummy_n + 1, sizeof(*t->dummies)) ||
        !grow_nodes(t, t->n + t->dummy_n + 2)) {
        return 0;
    }
    t->dummies[t->dummy_n++] = id;
    uint32_t node = (uint32_t)(t->n + t->dummy_n);

    t->parents[node] = 0;
    if (t->splays) {
        t->splays[node] = (struct thread_splay){0};
    }
    return node;
}

// ---- the answer ---------------------------------------------------------------------------------

static bool put(struct threader *t, uint32_t token)
{
    if (!thread_grow((void **)&t->tokens, &t->token_cap, t->token_n + 1, sizeof(*t->tokens))) {
        return false;
    }
    t->tokens[t->token_n++] = token;
    return true;
}

// The nodes on the way down, each with a sibling that is to follow or none: a list through
// `parents`, which are needed no more.
struct descent {
    uint32_t top;
};

// One thread, from its root down; no recursion, it may be as deep as there are messages.
static bool write_thread(struct threader *t, uint32_t root)
{
    struct descent d = {0};
    uint32_t node = root;
    bool ok = put(t, THREAD_OPEN);

    while (ok && node) {
        uint32_t child = t->children[node];

        ok = thread_is_dummy(t, node) || put(t, thread_of_node(t, node)->uid);
        if (child && !t->siblings[child] && !thread_is_dummy(t, node)) {
            node = child; // an only child stands in the same list
            continue;
        }
        if (child) {
            t->parents[child] = d.top;
            d.top = child;
            node = child;
            ok = ok && put(t, THREAD_OPEN);
            continue;
        }
        ok = ok && put(t, THREAD_CLOSE);
        node = 0;
        while (ok && d.top && !node) {
            uint32_t next = t->siblings[d.top], below = t->parents[d.top];

            if (next) {
                t->parents[next] = below;
                d.top = next;
                node = next;
                ok = put(t, THREAD_OPEN);
            } else {
                d.top = below;
                ok = put(t, THREAD_CLOSE);
            }
        }
    }
    return ok;
}

// ---- driving ------------------------------------------------------------------------------------

static enum err begin_link(struct threader *t)
{
    if (!grow_nodes(t, t->n + 1)) {
        return ERR_NOMEM;
    }
    memset(t->parents, 0, (t->n + 1) * sizeof(*t->parents));
    return t->algorithm == THREAD_ORDEREDSUBJECT ? ERR_OK : thread_ids(t);
}

static enum err begin_sort(struct threader *t)
{
    enum err e = sorter_reserve(&t->sorter, t->n);

    if (e) {
        return e;
    }
    sorter_criterion(&t->sorter, false);
    for (size_t i = 0; i < t->n; i++) {
        struct sort_entry *entry = sorter_add(&t->sorter, (uint32_t)i + 1);

        sorter_set_number(&t->sorter, entry, t->messages[i].date);
    }
    sorter_begin(&t->sorter);
    t->phase = THREAD_PHASE_SORT;
    return ERR_AGAIN;
}

static enum err step_link(struct threader *t, size_t budget)
{
    enum err e = t->parents ? ERR_OK : begin_link(t);

    for (; !e && budget && t->at < t->n && t->algorithm != THREAD_ORDEREDSUBJECT; budget--) {
        e = thread_link(t, (uint32_t)++t->at);
    }
    if (!e && (t->at == t->n || t->algorithm == THREAD_ORDEREDSUBJECT)) {
        return begin_sort(t);
    }
    return e ? e : ERR_AGAIN;
}

static enum err step_write(struct threader *t, size_t budget)
{
    size_t until = t->token_n + budget;

    while (t->at && t->token_n < until) {
        uint32_t root = (uint32_t)t->at;

        t->at = t->siblings[root];
        if (!write_thread(t, root)) {
            return ERR_NOMEM;
        }
    }
    t->phase = t->at ? t->phase : THREAD_PHASE_DONE;
    return t->at ? ERR_AGAIN : ERR_OK;
}

enum err threader_step(struct threader *t, size_t budget)
{
    enum err e;

    switch (t->phase) {
    case THREAD_PHASE_LINK:
        return step_link(t, budget);
    case THREAD_PHASE_SORT:
        t->phase = sorter_step(&t->sorter, budget) ? THREAD_PHASE_TREE : t->phase;
        return ERR_AGAIN;
    case THREAD_PHASE_TREE:
        e = thread_tree(t);
        if (!e) {
            sorter_finish(&t->sorter);
            t->at = t->children[0];
            t->phase = THREAD_PHASE_WRITE;
        }
        return e ? e : ERR_AGAIN;
    case THREAD_PHASE_WRITE:
        return step_write(t, budget);
    default:
        return ERR_OK;
    }
}
