// SPDX-License-Identifier: Apache-2.0
//
// Inside of the connection pool, shared by task_conn.c (what a session calls, one run),
// conn_pool.c (workers, run queue, timers) and conn_slots.c (memory of connections).
//
// The word `state` of a connection decides who owns it: its generation in the upper half, flags in
// the lower. Whoever turns SCHEDULED on owns the connection until it turns it off, which it does
// only when no reason is set: reasons that come meanwhile cause another run by the same chain.
// Slots are never given back to malloc while the pool lives, so that a late event or wakeup meets a
// word with another generation or without LIVE, and nothing worse.
#ifndef NET_TASK_CONN_INTERNAL_H
#define NET_TASK_CONN_INTERNAL_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/timer.h"
#include "net/task_conn.h"

// Flags of `state`; those up to STOPPING are the public reasons of the same value.
#define STATE_EVENT_IN  (1u << 8)  // epoll says readable
#define STATE_EVENT_OUT (1u << 9)  // epoll says writable
#define STATE_EVENT_HUP (1u << 10) // epoll says broken
#define STATE_TIMER     (1u << 11) // the heap's timer has fired
#define STATE_KILL      (1u << 12) // drop everything and end
#define STATE_REASONS   ((1u << 13) - 1)
#define STATE_SCHEDULED (1u << 16) // in the run queue or on a worker
#define STATE_LIVE      (1u << 17) // the slot is in use

#define NEVER           INT64_MAX

struct task_conn {
    _Atomic uint64_t state;
    struct conn_pool *pool;
    const struct conn_handler *handler;
    void *arg;
    struct task_conn *next; // in the run queue or the free list
    struct buf in, out;
    uint32_t in_at, out_at; // consumed, sent
    uint32_t index;
    int fd;
    uint32_t held; // reasons kept back until the output has gone
    bool want_input, eof, broken, closing, aborting, again, wants_writable;
    bool has_heard, has_said; // in this run: bytes came in, went out
    bool draining;            // the session is over, the client may still talk
    size_t drain_budget;
    int64_t deadline;         // the session's, or NEVER
    int64_t blocked_until;    // while output waits: the write timeout; else NEVER
    _Atomic int64_t timer_at; // when the heap's timer fires, or NEVER
    struct timer timer;       // under the pool's timer lock
};

#define SLOTS_A_CHUNK 256

struct conn_pool {
    struct conn_pool_options options;
    _Atomic int64_t write_timeout_ms;
    int epoll_fd, event_fd, timer_fd;

    struct lock run_lock; // guards the next six
    struct task_conn *run_first, *run_last;
    unsigned sleeping;
    bool signalled; // an event of event_fd has not been seen by a worker yet
    bool ending;

    struct lock timer_lock;
    struct timer_heap timers;

    struct lock slot_lock; // guards the rest
    pthread_cond_t all_gone;
    struct task_conn **chunks; // connections_max / SLOTS_A_CHUNK pointers, filled as needed
    _Atomic unsigned chunk_n;
    struct task_conn *free_slots;
    unsigned live;
    bool stopping;

    unsigned thread_n;
    pthread_t threads[];
};

// What a worker lends to the connection it runs, so that idle ones own no buffers.
struct conn_lender {
    struct buf in, out;
};

#define EVENT_WAKE  UINT32_MAX
#define EVENT_TIMER (UINT32_MAX - 1)

static inline uint32_t conn_generation(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

// ---- conn_slots.c -------------------------------------------------------------------------------

enum err conn_slots_init(struct conn_pool *p);
void conn_slots_finish(struct conn_pool *p);
// A free slot, not live yet. ERR_LIMIT, ERR_NOMEM, ERR_UNAVAILABLE.
enum err conn_slot_take(struct conn_pool *p, struct task_conn **out);
void conn_slot_give(struct task_conn *c);
// The slot of an index that was handed out, or NULL.
struct task_conn *conn_slot_at(struct conn_pool *p, uint32_t index);

// ---- conn_pool.c --------------------------------------------------------------------------------

// Adds reasons; puts the connection into the run queue when nobody owns it. Any thread.
void conn_raise(struct task_conn *c, uint32_t reasons);
// For the owner: into the run queue once more.
void conn_requeue(struct task_conn *c);
// The same on a worker that looks into the queue next: nobody is woken for it.
void conn_requeue_here(struct task_conn *c);
// For the owner: makes sure that STATE_TIMER comes at `at_ms` or before.
void conn_timer_need(struct task_conn *c, int64_t at_ms);
void conn_timer_drop(struct task_conn *c);

// ---- task_conn.c --------------------------------------------------------------------------------

// Runs a connection that the caller owns, and parks, requeues or ends it.
void conn_run_owned(struct task_conn *c, struct conn_lender *l);

#endif
