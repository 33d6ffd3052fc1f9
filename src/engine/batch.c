// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "engine/engine_internal.h"

#include "base/banned.h"

// Alignment and arena chunks cost something above the bytes themselves.
#define BATCH_ARENA_MAX (2 * (size_t)ENGINE_BATCH_BYTES_MAX)
#define FEW_RUNS        16

enum err batch_create(account_id account, struct batch **out)
{
    struct batch *b = calloc(1, sizeof(*b));

    if (!b) {
        return ERR_NOMEM;
    }
    b->account = account;
    arena_init(&b->arena, BATCH_ARENA_MAX);
    *out = b;
    return ERR_OK;
}

void batch_destroy(struct batch *b)
{
    if (b) {
        arena_finish(&b->arena);
        free(b->ops);
        free(b->bodies);
        free(b);
    }
}

static enum err batch_fail(struct batch *b, enum err e)
{
    if (b->failed == ERR_OK) {
        b->failed = e;
    }
    return e;
}

// Room for one more element; doubles the array.
static void *batch_grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return array;
    }
    size_t wanted = *cap ? *cap * 2 : 16;
    void *p = reallocarray(array, wanted, size);

    if (p) {
        *cap = wanted;
    }
    return p;
}

static enum err batch_add(struct batch *b, enum batch_kind kind, struct span key, struct span value)
{
    if (key.n > ENGINE_KEY_BYTES_MAX || value.n > ENGINE_VALUE_BYTES_MAX ||
        key.n + value.n > ENGINE_BATCH_BYTES_MAX - b->bytes) {
        return batch_fail(b, ERR_LIMIT);
    }
    struct batch_op *ops = batch_grow(b->ops, b->op_count, &b->op_cap, sizeof(*ops));

    if (!ops) {
        return batch_fail(b, ERR_NOMEM);
    }
    b->ops = ops;
    struct batch_op op = {.kind = kind,
                          .key = arena_dup(&b->arena, key),
                          .value = arena_dup(&b->arena, value),
                          .order = b->op_count};

    if (!op.key.p || !op.value.p) {
        return batch_fail(b, ERR_NOMEM);
    }
    b->ops[b->op_count++] = op;
    b->bytes += key.n + value.n;
    b->sealed = false;
    return ERR_OK;
}

enum err batch_put(struct batch *b, struct span key, struct span value)
{
    return batch_add(b, BATCH_PUT, key, value);
}

enum err batch_delete(struct batch *b, struct span key)
{
    return batch_add(b, BATCH_DELETE, key, SPAN(""));
}

static enum err batch_body(struct batch *b, body_id id, int32_t uses)
{
    if (id == 0) {
        return batch_fail(b, ERR_INVALID);
    }
    struct batch_body *bodies = batch_grow(b->bodies, b->body_count, &b->body_cap, sizeof(*bodies));

    if (!bodies) {
        return batch_fail(b, ERR_NOMEM);
    }
    b->bodies = bodies;
    b->bodies[b->body_count++] = (struct batch_body){.id = id, .uses = uses};
    b->sealed = false;
    return ERR_OK;
}

enum err batch_use_body(struct batch *b, body_id id)
{
    return batch_body(b, id, 1);
}

enum err batch_drop_body(struct batch *b, body_id id)
{
    return batch_body(b, id, -1);
}

void batch_set_rider(struct batch *b, struct batch *rider)
{
    b->rider = rider;
}

static int op_compare(const void *x, const void *y)
{
    const struct batch_op *a = x, *b = y;
    int c = span_cmp(a->key, b->key);

    return c ? c : a->order < b->order ? -1 : 1;
}

// How far the run of rising keys that begins at `from` goes.
static size_t run_end(const struct batch_op *ops, size_t from, size_t n)
{
    do {
        from++;
    } while (from < n && op_compare(&ops[from - 1], &ops[from]) < 0);
    return from;
}

// Joins each two neighbouring runs of `from` in `to`; true when there was more than one pair.
static bool merge_runs(const struct batch_op *from, struct batch_op *to, size_t n)
{
    size_t pairs = 0;

    for (size_t at = 0; at < n; pairs++) {
        size_t a = at, b = run_end(from, a, n), middle = b;
        size_t end = middle < n ? run_end(from, middle, n) : n;

        while (at < end) {
            bool first = b == end || (a < middle && op_compare(&from[a], &from[b]) < 0);

            to[at++] = from[first ? a++ : b++];
        }
    }
    return pairs > 1;
}

// An edit gives its keys kind by kind, each kind nearly always in order: a few long runs, which are
// merged with a fraction of the comparisons a sort takes.
static bool sort_few_runs(struct batch *b)
{
    size_t runs = 0, n = b->op_count;

    for (size_t at = 0; at < n && runs <= FEW_RUNS; runs++) {
        at = run_end(b->ops, at, n);
    }
    if (runs <= 1 || runs > FEW_RUNS) {
        return runs <= 1;
    }
    struct batch_op *other = reallocarray(NULL, b->op_cap, sizeof(*other));
    bool more = other;

    while (more) {
        more = merge_runs(b->ops, other, n);
        struct batch_op *spare = b->ops;

        b->ops = other;
        other = spare;
    }
    bool done = other;

    free(other);
    return done;
}

static int body_compare(const void *x, const void *y)
{
    const struct batch_body *a = x, *b = y;

    return a->id < b->id ? -1 : a->id > b->id;
}

static void seal_ops(struct batch *b)
{
    size_t kept = 0;

    if (b->op_count && !sort_few_runs(b)) {
        qsort(b->ops, b->op_count, sizeof(*b->ops), op_compare);
    }
    for (size_t i = 0; i < b->op_count; i++) {
        if (i + 1 < b->op_count && span_eq(b->ops[i].key, b->ops[i + 1].key)) {
            b->bytes -= b->ops[i].key.n + b->ops[i].value.n;
            continue;
        }
        b->ops[kept] = b->ops[i];
        b->ops[kept].order = kept;
        kept++;
    }
    b->op_count = kept;
}

static void seal_bodies(struct batch *b)
{
    size_t kept = 0;

    if (b->body_count) {
        qsort(b->bodies, b->body_count, sizeof(*b->bodies), body_compare);
    }
    for (size_t i = 0; i < b->body_count;) {
        struct batch_body sum = b->bodies[i++];

        while (i < b->body_count && b->bodies[i].id == sum.id) {
            sum.uses += b->bodies[i++].uses;
        }
        if (sum.uses != 0) {
            b->bodies[kept++] = sum;
        }
    }
    b->body_count = kept;
}

enum err batch_seal(struct batch *b)
{
    if (b->failed == ERR_OK && !b->sealed) {
        seal_ops(b);
        seal_bodies(b);
        b->sealed = true;
    }
    return b->failed;
}
