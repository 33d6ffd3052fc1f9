// SPDX-License-Identifier: Apache-2.0
//
// Threads for work that may block (a password hash, a control command). The queue is bounded: what
// does not fit is refused, and the caller says "try later". Any thread may submit.
#ifndef NET_WORKER_POOL_H
#define NET_WORKER_POOL_H

#include <stddef.h>

#include "base/err.h"

struct worker_pool;

// Embedded by its owner, who keeps it until `run` is called and may free it there.
struct worker_task {
    struct worker_task *next;
    void (*run)(struct worker_task *t);
};

// `name` (static, at most 15 bytes) is shown by ps and debuggers.
enum err worker_pool_create(const char *name, unsigned threads, size_t queue_max,
                            struct worker_pool **out);
// ERR_LIMIT when queue_max tasks wait already, ERR_UNAVAILABLE when stopping. Does not block.
enum err worker_pool_submit(struct worker_pool *p, struct worker_task *t);
// For a reload: what is queued already stays. Any thread.
void worker_pool_set_queue_max(struct worker_pool *p, size_t queue_max);
// Runs what is queued, then ends the threads. Blocks. NULL is allowed.
void worker_pool_destroy(struct worker_pool *p);

#endif
