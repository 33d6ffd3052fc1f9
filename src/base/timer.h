// SPDX-License-Identifier: Apache-2.0
//
// Timers in a binary heap, embedded in what they belong to. Times are those of clock_monotonic_ms.
// Not thread-safe: whoever owns the heap locks, or keeps it on one thread. Never blocks.
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct timer {
    int64_t at_ms;
    size_t place; // in the heap plus one; 0: not in it
    void (*fire)(struct timer *t);
};

struct timer_heap {
    struct timer **items;
    size_t n, cap;
};

void timer_heap_init(struct timer_heap *h);
void timer_heap_finish(struct timer_heap *h);

// Makes sure that `n` timers can be set without ERR_NOMEM.
enum err timer_heap_reserve(struct timer_heap *h, size_t n);
// Sets or moves a timer. ERR_NOMEM leaves it unset.
enum err timer_set(struct timer_heap *h, struct timer *t, int64_t at_ms);
void timer_cancel(struct timer_heap *h, struct timer *t); // allowed when not set
// The earliest timer, or NULL.
struct timer *timer_first(const struct timer_heap *h);

#endif
