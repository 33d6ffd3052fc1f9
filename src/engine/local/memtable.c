// SPDX-License-Identifier: Apache-2.0
//
// A skip list ordered by key and, for equal keys, newest first. A node is complete before it is
// linked with a release store, so a reader that sees it sees all of it.
#include <stdalign.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/pages.h"
#include "engine/local/memtable_internal.h"

#include "base/banned.h"

#define CHUNK_MIN (256u << 10)
#define CHUNK_MAX (PAGES_LARGE - sizeof(struct chunk))

struct chunk {
    struct chunk *next;
    size_t size;
    alignas(16) char bytes[];
};

struct memtable {
    atomic_size_t refs;
    struct chunk *chunks;
    char *at, *end;
    atomic_size_t held;
    uint64_t dice;              // for heights
    struct memtable_node *head; // of full height, without key
    // Where the last put went: batches come sorted, so the next one is usually near.
    struct memtable_node *finger[MEMTABLE_HEIGHT_MAX];
};

static struct memtable_node *load(const struct memtable_node *n, int level)
{
    return atomic_load_explicit(&n->next[level], memory_order_acquire);
}

// ---- memory -------------------------------------------------------------------------------------

static bool table_grow(struct memtable *t, size_t n)
{
    // Chunks double: a small table holds little, and a large one has few faults.
    size_t size = t->chunks ? t->chunks->size * 2 : CHUNK_MIN;

    size = size > CHUNK_MAX ? CHUNK_MAX : size;
    size = size < n ? n : size;
    struct chunk *c = pages_alloc(sizeof(*c) + size);

    if (!c) {
        return false;
    }
    c->next = t->chunks;
    c->size = size;
    t->chunks = c;
    t->at = c->bytes;
    t->end = c->bytes + size;
    atomic_fetch_add_explicit(&t->held, size, memory_order_relaxed);
    return true;
}

static size_t node_bytes(int height, size_t key_n, size_t value_n)
{
    size_t n = sizeof(struct memtable_node) + (size_t)height * sizeof(void *) + key_n + value_n;

    return (n + 15) & ~(size_t)15;
}

static struct memtable_node *node_alloc(struct memtable *t, int height, struct span key,
                                        const struct span *value)
{
    size_t value_n = value ? value->n : 0, n = node_bytes(height, key.n, value_n);

    if ((size_t)(t->end - t->at) < n && !table_grow(t, n)) {
        return NULL;
    }
    struct memtable_node *node = (struct memtable_node *)(void *)t->at;

    t->at += n;
    node->key_n = (uint32_t)key.n;
    node->value_n = (uint32_t)value_n;
    node->deleted = !value;
    node->height = (uint8_t)height;
    char *p = (char *)node + sizeof(*node) + (size_t)height * sizeof(node->next[0]);

    memcpy(p, key.n ? key.p : "", key.n);
    if (value_n) {
        memcpy(p + key.n, value->p, value_n);
    }
    return node;
}

struct memtable *memtable_create(void)
{
    struct memtable *t = calloc(1, sizeof(*t));

    if (!t) {
        return NULL;
    }
    t->refs = 1;
    t->dice = 0x9e3779b97f4a7c15u;
    t->head = node_alloc(t, MEMTABLE_HEIGHT_MAX, SPAN(""), NULL);
    if (!t->head) {
        free(t);
        return NULL;
    }
    for (int i = 0; i < MEMTABLE_HEIGHT_MAX; i++) {
        atomic_init(&t->head->next[i], NULL);
        t->finger[i] = t->head;
    }
    return t;
}

struct memtable *memtable_ref(struct memtable *t)
{
    t->refs++;
    return t;
}

void memtable_unref(struct memtable *t)
{
    if (!t || --t->refs != 0) {
        return;
    }
    for (struct chunk *c = t->chunks; c;) {
        struct chunk *next = c->next;

        pages_free(c, sizeof(*c) + c->size);
        c = next;
    }
    free(t);
}

size_t memtable_bytes(struct memtable *t)
{
    return atomic_load_explicit(&t->held, memory_order_relaxed);
}

bool memtable_is_empty(const struct memtable *t)
{
    return !load(t->head, 0);
}

enum err memtable_reserve(struct memtable *t, size_t count, size_t bytes)
{
    size_t n = bytes + count * node_bytes(MEMTABLE_HEIGHT_MAX, 0, 16);

    return (size_t)(t->end - t->at) >= n || table_grow(t, n) ? ERR_OK : ERR_NOMEM;
}

// ---- order --------------------------------------------------------------------------------------

// By key, then newest first.
static int node_compare(const struct memtable_node *n, struct span key, uint64_t seq)
{
    int c = span_cmp(node_key(n), key);

    return c ? c : n->seq > seq ? -1 : n->seq < seq;
}

// The last node below (key, seq), the head if none.
static const struct memtable_node *find_below(const struct memtable *t, struct span key,
                                              uint64_t seq)
{
    const struct memtable_node *at = t->head;

    for (int level = MEMTABLE_HEIGHT_MAX; level-- > 0;) {
        for (const struct memtable_node *n = load(at, level); n && node_compare(n, key, seq) < 0;
             n = load(at, level)) {
            at = n;
        }
    }
    return at;
}

// The first node at or behind (key, seq). The writer may have put something in between since the
// node below was found, so it is not simply the one next to it.
static const struct memtable_node *find_at(const struct memtable *t, struct span key, uint64_t seq)
{
    const struct memtable_node *n = load(find_below(t, key, seq), 0);

    while (n && node_compare(n, key, seq) < 0) {
        n = load(n, 0);
    }
    return n;
}

static int random_height(struct memtable *t)
{
    int height = 1;

    t->dice ^= t->dice << 13;
    t->dice ^= t->dice >> 7;
    t->dice ^= t->dice << 17;
    for (uint64_t r = t->dice; height < MEMTABLE_HEIGHT_MAX && (r & 3) == 0; r >>= 2) {
        height++;
    }
    return height;
}

// Moves the finger to the nodes right before (key, seq) on each level. Climbs only as high as the
// last place is wrong, so near puts are cheap.
static void finger_move(struct memtable *t, struct span key, uint64_t seq)
{
    int level = 0;

    for (; level < MEMTABLE_HEIGHT_MAX; level++) {
        const struct memtable_node *f = t->finger[level], *n = load(f, level);

        if ((f == t->head || node_compare(f, key, seq) < 0) &&
            (!n || node_compare(n, key, seq) > 0)) {
            break; // right here, and so on all levels above
        }
    }
    struct memtable_node *at = level < MEMTABLE_HEIGHT_MAX ? t->finger[level] : t->head;

    while (level-- > 0) {
        for (struct memtable_node *n = load(at, level); n && node_compare(n, key, seq) < 0;
             n = load(at, level)) {
            at = n;
        }
        t->finger[level] = at;
    }
}

enum err memtable_put(struct memtable *t, struct span key, const struct span *value, uint64_t seq)
{
    int height = random_height(t);
    struct memtable_node *node = node_alloc(t, height, key, value);

    if (!node) {
        return ERR_NOMEM;
    }
    node->seq = seq;
    finger_move(t, key, seq);
    for (int i = 0; i < height; i++) {
        atomic_init(&node->next[i], load(t->finger[i], i));
    }
    for (int i = 0; i < height; i++) {
        atomic_store_explicit(&t->finger[i]->next[i], node, memory_order_release);
        t->finger[i] = node;
    }
    return ERR_OK;
}

// ---- reading ------------------------------------------------------------------------------------

// The first entry at or behind `n` that is visible at `seq`: the newest such of its key.
static const struct memtable_node *first_visible(const struct memtable_node *n, uint64_t seq)
{
    while (n && n->seq > seq) {
        n = load(n, 0);
    }
    return n;
}

const struct memtable_node *memtable_get(const struct memtable *t, struct span key, uint64_t seq)
{
    const struct memtable_node *n = find_at(t, key, seq);

    return n && span_eq(node_key(n), key) ? n : NULL;
}

const struct memtable_node *memtable_seek(const struct memtable *t, struct span key, uint64_t seq)
{
    return first_visible(find_at(t, key, seq), seq);
}

const struct memtable_node *memtable_next(const struct memtable_node *n, uint64_t seq)
{
    struct span key = node_key(n);

    do {
        n = first_visible(load(n, 0), seq);
    } while (n && span_eq(node_key(n), key));
    return n;
}

const struct memtable_node *memtable_before(const struct memtable *t, struct span key, uint64_t seq)
{
    for (;;) {
        const struct memtable_node *n = find_below(t, key, UINT64_MAX);

        if (n == t->head) {
            return NULL;
        }
        // `n` is the oldest entry of its key: if it is too new, all of them are.
        key = node_key(n);
        if (n->seq <= seq) {
            return memtable_get(t, key, seq);
        }
    }
}
