// SPDX-License-Identifier: Apache-2.0
//
// Workers, run queue and timers of the connection pool. All workers wait in one epoll: the thread
// that gets an event runs the connection itself, without handing it on.
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "net/task_conn_internal.h"
#include "net/thread_internal.h"

#include "base/banned.h"

#define RUNS_BETWEEN_POLLS 16 // a full run queue must not keep new events out
#define TIMERS_A_ROUND     64
#define KILL_WAIT_MS       3000

static void signal_worker(struct conn_pool *p)
{
    uint64_t one = 1;
    ssize_t ignored = write(p->event_fd, &one, sizeof(one));

    (void)ignored;
}

// With run_lock held: must a sleeping worker be told?
static bool needs_signal(struct conn_pool *p)
{
    if (p->signalled || p->sleeping == 0 || !p->run_first) {
        return false;
    }
    p->signalled = true;
    return true;
}

// With run_lock held.
static void push(struct conn_pool *p, struct task_conn *c)
{
    c->next = NULL;
    if (p->run_first) {
        p->run_last->next = c;
    } else {
        p->run_first = c;
    }
    p->run_last = c;
}

void conn_requeue_here(struct task_conn *c)
{
    lock_take(&c->pool->run_lock);
    push(c->pool, c);
    lock_release(&c->pool->run_lock);
}

static void signal_if_needed(struct conn_pool *p)
{
    lock_take(&p->run_lock);
    bool signal = needs_signal(p);

    lock_release(&p->run_lock);
    if (signal) {
        signal_worker(p);
    }
}

void conn_requeue(struct task_conn *c)
{
    struct conn_pool *p = c->pool;

    lock_take(&p->run_lock);
    push(p, c);
    bool signal = needs_signal(p);

    lock_release(&p->run_lock);
    if (signal) {
        signal_worker(p);
    }
}

// True when the caller has become the owner. `generation`: only if it is still this one.
static bool raise_reasons(struct task_conn *c, uint32_t reasons, const uint32_t *generation)
{
    uint64_t old = atomic_load_explicit(&c->state, memory_order_relaxed);

    do {
        if (!(old & STATE_LIVE) || (generation && conn_generation(old) != *generation)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&c->state, &old,
                                                    old | reasons | STATE_SCHEDULED,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return !(old & STATE_SCHEDULED);
}

void conn_raise(struct task_conn *c, uint32_t reasons)
{
    if (raise_reasons(c, reasons, NULL)) {
        conn_requeue(c);
    }
}

void conn_wake(struct task_conn *c)
{
    conn_raise(c, CONN_WOKEN);
}

void conn_kill(struct task_conn *c)
{
    conn_raise(c, STATE_KILL);
}

// ---- timers -------------------------------------------------------------------------------------

// With timer_lock held: the kernel's timer follows the first of the heap.
static void arm_kernel_timer(struct conn_pool *p)
{
    const struct timer *first = timer_first(&p->timers);
    struct itimerspec spec = {.it_value = {0}};

    if (first) {
        int64_t at = first->at_ms > 0 ? first->at_ms : 1;

        spec.it_value.tv_sec = at / 1000;
        spec.it_value.tv_nsec = at % 1000 * 1000000 + 1; // never 0, which would disarm it
    }
    timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void conn_timer_need(struct task_conn *c, int64_t at_ms)
{
    struct conn_pool *p = c->pool;

    if (at_ms == NEVER || atomic_load_explicit(&c->timer_at, memory_order_acquire) <= at_ms) {
        return;
    }
    lock_take(&p->timer_lock);
    const struct timer *first = timer_first(&p->timers);
    int64_t before = first ? first->at_ms : NEVER;
    enum err e = timer_set(&p->timers, &c->timer, at_ms);

    ASSERT(e == ERR_OK); // reserved with the slot
    atomic_store_explicit(&c->timer_at, at_ms, memory_order_release);
    if (at_ms < before) {
        arm_kernel_timer(p);
    }
    lock_release(&p->timer_lock);
}

void conn_timer_drop(struct task_conn *c)
{
    if (atomic_load_explicit(&c->timer_at, memory_order_acquire) != NEVER) {
        lock_take(&c->pool->timer_lock);
        timer_cancel(&c->pool->timers, &c->timer);
        atomic_store_explicit(&c->timer_at, NEVER, memory_order_release);
        lock_release(&c->pool->timer_lock);
    }
}

static void expire_timers(struct conn_pool *p)
{
    struct task_conn *due[TIMERS_A_ROUND];
    uint32_t generations[TIMERS_A_ROUND];
    unsigned n;
    int64_t now = clock_monotonic_ms();

    do {
        n = 0;
        lock_take(&p->timer_lock);
        struct timer *t;

        while (n < TIMERS_A_ROUND && (t = timer_first(&p->timers)) && t->at_ms <= now) {
            struct task_conn *c = LIST_ITEM(t, struct task_conn, timer);

            timer_cancel(&p->timers, t);
            atomic_store_explicit(&c->timer_at, NEVER, memory_order_release);
            generations[n] = conn_generation(atomic_load(&c->state));
            due[n++] = c;
        }
        if (n < TIMERS_A_ROUND) {
            arm_kernel_timer(p);
        }
        lock_release(&p->timer_lock);
        for (unsigned i = 0; i < n; i++) {
            if (raise_reasons(due[i], STATE_TIMER, &generations[i])) {
                conn_requeue(due[i]);
            }
        }
    } while (n == TIMERS_A_ROUND);
}

// ---- workers ------------------------------------------------------------------------------------

static struct task_conn *take_from_queue(struct conn_pool *p, bool *out_ending)
{
    lock_take(&p->run_lock);
    struct task_conn *c = p->run_first;

    if (c) {
        p->run_first = c->next;
    } else if (p->ending) {
        *out_ending = true;
    } else {
        p->sleeping++; // it will wait in epoll now; counted under the lock, so no push is missed
    }
    bool signal = needs_signal(p); // more work than one thread: wake another, which does the same

    lock_release(&p->run_lock);
    if (signal) {
        signal_worker(p);
    }
    return c;
}

static void woke_up(struct conn_pool *p, bool was_sleeping, bool by_signal)
{
    lock_take(&p->run_lock);
    p->sleeping -= was_sleeping;
    if (by_signal) {
        p->signalled = false;
    }
    lock_release(&p->run_lock);
}

static uint32_t reasons_of(uint32_t events)
{
    return (events & (EPOLLIN | EPOLLRDHUP) ? STATE_EVENT_IN : 0) |
           (events & EPOLLOUT ? STATE_EVENT_OUT : 0) |
           (events & (EPOLLHUP | EPOLLERR) ? STATE_EVENT_HUP : 0);
}

// Before a worker sleeps it lets the others run once: with clients on the same machine, or other
// workers that are about to be done, the next event is here by then, and nobody has to be woken.
static int next_event(struct conn_pool *p, bool sleep, struct epoll_event *out)
{
    int n = epoll_wait(p->epoll_fd, out, 1, 0);

    if (n == 0 && sleep) {
        sched_yield();
        n = epoll_wait(p->epoll_fd, out, 1, 0);
    }
    return n == 0 && sleep ? epoll_wait(p->epoll_fd, out, 1, -1) : n;
}

// Waits for one event; the connection it is for when the caller became its owner, else NULL.
static struct task_conn *wait_for_event(struct conn_pool *p, bool sleep)
{
    struct epoll_event event;
    int n = next_event(p, sleep, &event);
    uint32_t index = n == 1 ? (uint32_t)event.data.u64 : 0;
    uint32_t generation = n == 1 ? (uint32_t)(event.data.u64 >> 32) : 0;

    if (sleep || (n == 1 && index == EVENT_WAKE)) {
        woke_up(p, sleep, n == 1 && index == EVENT_WAKE);
    }
    if (n < 0 && errno != EINTR) {
        log_panic("epoll_wait: errno %d", errno);
    }
    if (n < 1 || index == EVENT_WAKE) {
        return NULL;
    }
    if (index == EVENT_TIMER) {
        uint64_t count;
        ssize_t ignored = read(p->timer_fd, &count, sizeof(count));

        (void)ignored;
        expire_timers(p);
        return NULL;
    }
    struct task_conn *c = conn_slot_at(p, index);

    return c && raise_reasons(c, reasons_of(event.events), &generation) ? c : NULL;
}

static void *worker_main(void *arg)
{
    struct conn_pool *p = arg;
    struct conn_lender lender;
    unsigned runs = 0;
    bool ending = false;

    buf_init(&lender.in, p->options.input_max);
    buf_init(&lender.out, p->options.output_hard);
    while (!ending) {
        bool poll_first = ++runs % RUNS_BETWEEN_POLLS == 0;
        struct task_conn *c = poll_first ? wait_for_event(p, false) : NULL;

        if (c) {
            signal_if_needed(p); // what this worker has queued for itself waits no longer than this
        } else {
            c = take_from_queue(p, &ending);
            if (!c && !ending) {
                c = wait_for_event(p, true);
            }
        }
        if (c) {
            conn_run_owned(c, &lender);
        }
    }
    signal_worker(p); // the next one ends, too
    buf_finish(&lender.in);
    buf_finish(&lender.out);
    return NULL;
}

// ---- the pool -----------------------------------------------------------------------------------

static enum err add_own_fd(struct conn_pool *p, int fd, uint32_t index)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = index};

    if (fd < 0 || epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0) {
        return ERR_LIMIT;
    }
    return ERR_OK;
}

static enum err start(struct conn_pool *p)
{
    enum err e = conn_slots_init(p);

    if (e == ERR_OK) {
        e = add_own_fd(p, p->event_fd, EVENT_WAKE);
    }
    if (e == ERR_OK) {
        e = add_own_fd(p, p->timer_fd, EVENT_TIMER);
    }
    while (e == ERR_OK && p->thread_n < p->options.threads) {
        e = thread_start(p->options.thread_name, worker_main, p, &p->threads[p->thread_n]);
        p->thread_n += e == ERR_OK;
    }
    return e;
}

enum err conn_pool_create(const struct conn_pool_options *o, struct conn_pool **out)
{
    ASSERT(o->threads > 0 && o->connections_max > 0 && o->output_hard >= o->output_soft);
    struct conn_pool *p = calloc(1, sizeof(*p) + o->threads * sizeof(p->threads[0]));

    if (!p) {
        return ERR_NOMEM;
    }
    p->options = *o;
    atomic_init(&p->write_timeout_ms, o->write_timeout_ms);
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    lock_init(&p->run_lock, LOCK_NET_WORKERS);
    lock_init(&p->timer_lock, LOCK_NET_LOOP);
    timer_heap_init(&p->timers);
    enum err e = start(p);

    if (e != ERR_OK) {
        conn_pool_destroy(p);
        return e;
    }
    *out = p;
    return ERR_OK;
}

static void raise_all(struct conn_pool *p, uint32_t reason)
{
    unsigned slots = atomic_load(&p->chunk_n) * SLOTS_A_CHUNK;

    for (unsigned i = 0; i < slots; i++) {
        conn_raise(conn_slot_at(p, i), reason);
    }
}

void conn_pool_wake_all(struct conn_pool *p)
{
    raise_all(p, CONN_WOKEN);
}

static bool wait_all_gone(struct conn_pool *p, int64_t until_ms)
{
    lock_take(&p->slot_lock);
    while (p->live && clock_monotonic_ms() < until_ms) {
        lock_cond_wait(&p->all_gone, &p->slot_lock, until_ms);
    }
    bool gone = p->live == 0;

    lock_release(&p->slot_lock);
    return gone;
}

void conn_pool_stop(struct conn_pool *p, int64_t timeout_ms)
{
    lock_take(&p->slot_lock);
    p->stopping = true;
    lock_release(&p->slot_lock);
    raise_all(p, CONN_STOPPING);
    if (!wait_all_gone(p, clock_monotonic_ms() + timeout_ms)) {
        raise_all(p, STATE_KILL);
        wait_all_gone(p, clock_monotonic_ms() + KILL_WAIT_MS);
    }
}

void conn_pool_destroy(struct conn_pool *p)
{
    if (!p) {
        return;
    }
    lock_take(&p->run_lock);
    p->ending = true;
    lock_release(&p->run_lock);
    if (p->event_fd >= 0) {
        signal_worker(p);
    }
    for (unsigned i = 0; i < p->thread_n; i++) {
        pthread_join(p->threads[i], NULL);
    }
    ASSERT(p->live == 0);
    cleanup_fd(&p->epoll_fd);
    cleanup_fd(&p->event_fd);
    cleanup_fd(&p->timer_fd);
    timer_heap_finish(&p->timers);
    conn_slots_finish(p);
    lock_finish(&p->run_lock);
    lock_finish(&p->timer_lock);
    free(p);
}

unsigned conn_pool_count(struct conn_pool *p)
{
    lock_take(&p->slot_lock);
    unsigned n = p->live;

    lock_release(&p->slot_lock);
    return n;
}

void conn_pool_set_write_timeout(struct conn_pool *p, int64_t ms)
{
    atomic_store(&p->write_timeout_ms, ms);
}
