// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"

#include "base/banned.h"

#define CHUNK_MIN        1024
#define CHUNK_MAX        (PAGES_LARGE - sizeof(struct arena_chunk))
#define CHUNK_SECRET_MAX (256 * 1024) // all of it is overwritten
#define CHUNK_KEEP       4096         // a kept chunk is at most this large

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; // of bytes
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

void arena_init_secret(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max, .is_secret = true};
}

static void chunk_free(const struct arena *a, struct arena_chunk *c)
{
    if (a->is_secret) {
        explicit_bzero(c->bytes, c->size);
    }
    pages_free(c, sizeof(*c) + c->size);
}

void arena_finish(struct arena *a)
{
    struct arena_chunk *c = a->chunks;

    while (c) {
        struct arena_chunk *next = c->next;

        chunk_free(a, c);
        c = next;
    }
    *a = (struct arena){.max = a->max, .is_secret = a->is_secret};
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *last = a->chunks;

    while (last && last->next) {
        struct arena_chunk *next = last->next;

        chunk_free(a, last);
        last = next;
    }
    if (last && last->size > CHUNK_KEEP) {
        chunk_free(a, last);
        last = NULL;
    }
    if (last && a->is_secret) {
        explicit_bzero(last->bytes, last->size);
    }
    a->chunks = last;
    a->used = last ? last->size : 0;
    a->at = last ? last->bytes : NULL;
    a->end = last ? last->bytes + last->size : NULL;
}

// Chunks double up to the most; a larger request gets a chunk of its own size.
static bool arena_grow(struct arena *a, size_t n)
{
    size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_MIN;
    size_t most = a->is_secret ? CHUNK_SECRET_MAX : CHUNK_MAX;

    if (size > most) {
        size = most;
    }
    if (size < n) {
        size = n;
    }
    if (size > a->max - a->used) {
        size = a->max - a->used;
    }
    if (size < n) {
        return false;
    }
    struct arena_chunk *c = pages_alloc(sizeof(*c) + size);

    if (!c) {
        return false;
    }
    c->next = a->chunks;
    c->size = size;
    a->chunks = c;
    a->used += size;
    a->at = c->bytes;
    a->end = c->bytes + size;
    return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);

    if (n > SIZE_MAX / 2) {
        return NULL;
    }
    n = n ? (n + align - 1) & ~(align - 1) : align;
    if ((size_t)(a->end - a->at) < n && !arena_grow(a, n)) {
        return NULL;
    }
    void *p = a->at;

    a->at += n;
    return p;
}

void *arena_zalloc(struct arena *a, size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n)) {
        return NULL;
    }
    void *p = arena_alloc(a, n);

    if (p) {
        memset(p, 0, n);
    }
    return p;
}

struct span arena_dup(struct arena *a, struct span s)
{
    char *p = arena_alloc(a, s.n);

    if (!p) {
        return (struct span){NULL, 0};
    }
    if (s.n) {
        memcpy(p, s.p, s.n);
    }
    return (struct span){p, s.n};
}

char *arena_str(struct arena *a, struct span s)
{
    char *p = s.n < SIZE_MAX / 2 ? arena_alloc(a, s.n + 1) : NULL;

    if (!p) {
        return NULL;
    }
    if (s.n) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = '\0';
    return p;
}
