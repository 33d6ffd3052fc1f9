// SPDX-License-Identifier: Apache-2.0
//
// A region of memory with one lifetime: that of a command, a request, a parse. Allocations are
// never freed one by one; everything goes with arena_reset or arena_finish. An arena is born with
// a cap, so that nobody's input can make it grow without end. Not thread-safe: one owner at a time.
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/span.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; // newest first
    char *at, *end;             // free part of the newest chunk
    size_t used, max;           // bytes taken from malloc so far, and the cap
    bool is_secret;             // what is given back is overwritten first
};

// Prepares an arena in the caller's memory; allocates nothing yet. `max` is the cap in bytes.
void arena_init(struct arena *a, size_t max);

// The same for what may hold a password.
void arena_init_secret(struct arena *a, size_t max);

// Frees everything. The arena may be used again as after arena_init.
void arena_finish(struct arena *a);

// Forgets everything; keeps one small chunk so that the next command allocates nothing.
void arena_reset(struct arena *a);

// `n` bytes, aligned for any type, not cleared. NULL when the cap or memory is reached.
void *arena_alloc(struct arena *a, size_t n);

// `count` elements of `size` bytes, cleared; NULL on overflow, at the cap, or without memory.
void *arena_zalloc(struct arena *a, size_t count, size_t size);

// A copy of the span in the arena; p is NULL on failure (and for nothing else).
struct span arena_dup(struct arena *a, struct span s);

// A NUL-terminated copy, for calls into libraries; NULL on failure.
char *arena_str(struct arena *a, struct span s);

#endif
