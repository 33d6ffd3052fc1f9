// SPDX-License-Identifier: Apache-2.0
#include "net/worker_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/lock.h"
#include "net/thread_internal.h"

#include "base/banned.h"

struct worker_pool {
    struct lock lock; // guards all but the threads
    pthread_cond_t more;
    struct worker_task *first, *last;
    size_t waiting, queue_max;
    bool stopping;
    const char *name;
    unsigned thread_n;
    pthread_t threads[];
};

static struct worker_task *next_task(struct worker_pool *p)
{
    lock_take(&p->lock);
    while (!p->first && !p->stopping) {
        lock_cond_wait(&p->more, &p->lock, -1);
    }
    struct worker_task *t = p->first;

    if (t) {
        p->first = t->next;
        p->waiting--;
    }
    lock_release(&p->lock);
    return t;
}

static void *worker_main(void *arg)
{
    struct worker_pool *p = arg;
    struct worker_task *t;

    while ((t = next_task(p))) {
        t->run(t);
    }
    return NULL;
}

enum err worker_pool_create(const char *name, unsigned threads, size_t queue_max,
                            struct worker_pool **out)
{
    struct worker_pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));

    if (!p) {
        return ERR_NOMEM;
    }
    lock_init(&p->lock, LOCK_NET_WORKERS);
    lock_cond_init(&p->more);
    p->queue_max = queue_max;
    p->name = name;
    while (p->thread_n < threads) {
        enum err e = thread_start(name, worker_main, p, &p->threads[p->thread_n]);

        if (e != ERR_OK) {
            worker_pool_destroy(p);
            return e;
        }
        p->thread_n++;
    }
    *out = p;
    return ERR_OK;
}

enum err worker_pool_submit(struct worker_pool *p, struct worker_task *t)
{
    enum err e = ERR_OK;

    t->next = NULL;
    lock_take(&p->lock);
    if (p->stopping) {
        e = ERR_UNAVAILABLE;
    } else if (p->waiting >= p->queue_max) {
        e = ERR_LIMIT;
    } else {
        if (p->first) {
            p->last->next = t;
        } else {
            p->first = t;
        }
        p->last = t;
        p->waiting++;
        pthread_cond_signal(&p->more);
    }
    lock_release(&p->lock);
    return e;
}

void worker_pool_set_queue_max(struct worker_pool *p, size_t queue_max)
{
    lock_take(&p->lock);
    p->queue_max = queue_max;
    lock_release(&p->lock);
}

void worker_pool_destroy(struct worker_pool *p)
{
    if (!p) {
        return;
    }
    lock_take(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    lock_release(&p->lock);
    for (unsigned i = 0; i < p->thread_n; i++) {
        pthread_join(p->threads[i], NULL);
    }
    pthread_cond_destroy(&p->more);
    lock_finish(&p->lock);
    free(p);
}
