// SPDX-License-Identifier: Apache-2.0
//
// An event loop: one thread, one epoll. Sources (descriptors) and timers belong to the loop's
// thread; only loop_post and loop_stop may be called from elsewhere. Callbacks never block.
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/list.h"
#include "base/timer.h"

struct loop;

// A descriptor in the loop, embedded by its owner. `ready` gets EPOLL* bits. It may remove and
// free any source, its own included.
struct loop_source {
    int fd;
    uint32_t events; // as registered
    void (*ready)(struct loop_source *s, uint32_t events);
    struct loop *loop; // NULL: not in a loop
};

// A piece of work for the loop's thread, embedded by its owner; `next` is the loop's.
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *t);
};

enum err loop_create(struct loop **out);
void loop_destroy(struct loop *l); // NULL is allowed; sources must be gone

// Runs until loop_stop. The caller's thread becomes the loop's thread.
void loop_run(struct loop *l);
// Any thread, also a signal handler's: loop_run returns after the current round.
void loop_stop(struct loop *l);

// Level-triggered unless EPOLLET is given. `fd` and `ready` are set before.
enum err loop_add(struct loop *l, struct loop_source *s, uint32_t events);
// Changes the events; no system call when they are the same.
enum err loop_change(struct loop_source *s, uint32_t events);
// Takes it out; does not close the descriptor. Allowed when it is in no loop.
void loop_remove(struct loop_source *s);

enum err loop_timer_set(struct loop *l, struct timer *t, int64_t at_ms);
void loop_timer_cancel(struct loop *l, struct timer *t);

// Runs `t->run(t)` on the loop's thread soon. Any thread; does not block. A task may be posted
// again only after it has started to run.
void loop_post(struct loop *l, struct loop_task *t);

// The time as of this round of the loop, monotonic milliseconds.
int64_t loop_now_ms(const struct loop *l);

#endif
