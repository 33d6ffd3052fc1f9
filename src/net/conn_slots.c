// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/log.h"
#include "net/task_conn_internal.h"

#include "base/banned.h"

static unsigned chunk_max(const struct conn_pool *p)
{
    return (p->options.connections_max + SLOTS_A_CHUNK - 1) / SLOTS_A_CHUNK;
}

enum err conn_slots_init(struct conn_pool *p)
{
    lock_init(&p->slot_lock, LOCK_LEAF);
    lock_cond_init(&p->all_gone);
    p->chunks = calloc(chunk_max(p), sizeof(*p->chunks));
    return p->chunks ? ERR_OK : ERR_NOMEM;
}

void conn_slots_finish(struct conn_pool *p)
{
    for (unsigned i = 0; i < p->chunk_n; i++) {
        free(p->chunks[i]);
    }
    free(p->chunks);
    pthread_cond_destroy(&p->all_gone);
    lock_finish(&p->slot_lock);
}

// One more chunk of slots; the lock is held. The heap of timers grows first, so that setting a
// connection's timer can never fail.
static enum err grow(struct conn_pool *p)
{
    unsigned n = p->chunk_n;

    if (n == chunk_max(p)) {
        return ERR_LIMIT;
    }
    struct task_conn *chunk = calloc(SLOTS_A_CHUNK, sizeof(*chunk));

    if (!chunk) {
        return ERR_NOMEM;
    }
    for (unsigned i = SLOTS_A_CHUNK; i-- > 0;) {
        chunk[i].index = n * SLOTS_A_CHUNK + i;
        chunk[i].pool = p;
        chunk[i].next = p->free_slots;
        p->free_slots = &chunk[i];
    }
    p->chunks[n] = chunk;
    atomic_store_explicit(&p->chunk_n, n + 1, memory_order_release);
    return ERR_OK;
}

static enum err reserve_timers(struct conn_pool *p)
{
    size_t slots = ((size_t)atomic_load(&p->chunk_n) + 1) * SLOTS_A_CHUNK;

    lock_take(&p->timer_lock);
    enum err e = timer_heap_reserve(&p->timers, slots);

    lock_release(&p->timer_lock);
    return e;
}

enum err conn_slot_take(struct conn_pool *p, struct task_conn **out)
{
    enum err e = reserve_timers(p);

    if (e != ERR_OK) {
        return e;
    }
    lock_take(&p->slot_lock);
    if (p->stopping) {
        e = ERR_UNAVAILABLE;
    } else if (p->live >= p->options.connections_max) {
        e = ERR_LIMIT;
    } else if (!p->free_slots) {
        e = grow(p);
    }
    struct task_conn *c = p->free_slots;

    if (e == ERR_OK) {
        p->free_slots = c->next;
        p->live++;
        *out = c;
    }
    lock_release(&p->slot_lock);
    return e;
}

void conn_slot_give(struct task_conn *c)
{
    struct conn_pool *p = c->pool;

    lock_take(&p->slot_lock);
    c->next = p->free_slots;
    p->free_slots = c;
    ASSERT(p->live > 0);
    if (--p->live == 0) {
        pthread_cond_broadcast(&p->all_gone);
    }
    lock_release(&p->slot_lock);
}

struct task_conn *conn_slot_at(struct conn_pool *p, uint32_t index)
{
    unsigned chunk = index / SLOTS_A_CHUNK;

    if (chunk >= atomic_load_explicit(&p->chunk_n, memory_order_acquire)) {
        return NULL;
    }
    return &p->chunks[chunk][index % SLOTS_A_CHUNK];
}
