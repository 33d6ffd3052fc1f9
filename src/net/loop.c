// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include "base/banned.h"

#define EVENTS_A_ROUND 64

struct loop {
    int epoll_fd, event_fd;
    _Atomic bool stop;
    struct timer_heap timers;
    int64_t now_ms;
    struct loop_source wakeup; // event_fd
    // The events of this round; a source that is removed meanwhile is struck from them.
    struct epoll_event *events;
    int event_n, event_at;
    struct lock lock; // guards the two below
    struct loop_task *first, *last;
    struct epoll_event event_space[EVENTS_A_ROUND];
};

static void wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t ignored = write(l->event_fd, &one, sizeof(one));

    (void)ignored; // full means that it is awake already
}

static struct loop_task *take_tasks(struct loop *l)
{
    lock_take(&l->lock);
    struct loop_task *t = l->first;

    l->first = l->last = NULL;
    lock_release(&l->lock);
    return t;
}

static void on_wakeup(struct loop_source *s, uint32_t events)
{
    uint64_t count;
    ssize_t ignored = read(s->fd, &count, sizeof(count));

    (void)ignored;
    (void)events;
    struct loop_task *t = take_tasks(s->loop);

    while (t) {
        struct loop_task *next = t->next; // the task may free itself

        t->run(t);
        t = next;
    }
}

enum err loop_create(struct loop **out)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (!l) {
        return ERR_NOMEM;
    }
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lock_init(&l->lock, LOCK_NET_LOOP);
    timer_heap_init(&l->timers);
    l->wakeup = (struct loop_source){.fd = l->event_fd, .ready = on_wakeup};
    l->now_ms = clock_monotonic_ms();
    if (l->epoll_fd < 0 || l->event_fd < 0 || loop_add(l, &l->wakeup, EPOLLIN) != ERR_OK) {
        loop_destroy(l);
        return ERR_LIMIT;
    }
    *out = l;
    return ERR_OK;
}

void loop_destroy(struct loop *l)
{
    if (!l) {
        return;
    }
    if (l->epoll_fd >= 0) {
        close(l->epoll_fd);
    }
    if (l->event_fd >= 0) {
        close(l->event_fd);
    }
    timer_heap_finish(&l->timers);
    lock_finish(&l->lock);
    free(l);
}

static void fire_timers(struct loop *l)
{
    // Timers set meanwhile for "now" wait for the next round, so that this ends.
    for (size_t left = l->timers.n; left > 0; left--) {
        struct timer *t = timer_first(&l->timers);

        if (!t || t->at_ms > l->now_ms) {
            return;
        }
        timer_cancel(&l->timers, t);
        t->fire(t);
    }
}

static int wait_ms(const struct loop *l)
{
    const struct timer *t = timer_first(&l->timers);

    if (!t) {
        return -1;
    }
    int64_t left = t->at_ms - clock_monotonic_ms();

    return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

void loop_run(struct loop *l)
{
    while (!atomic_load_explicit(&l->stop, memory_order_acquire)) {
        int n = epoll_wait(l->epoll_fd, l->event_space, EVENTS_A_ROUND, wait_ms(l));

        l->now_ms = clock_monotonic_ms();
        if (n < 0 && errno != EINTR) {
            log_panic("epoll_wait: errno %d", errno);
        }
        l->events = l->event_space;
        l->event_n = n;
        for (l->event_at = 0; l->event_at < l->event_n;) {
            struct epoll_event *e = &l->events[l->event_at++];
            struct loop_source *s = e->data.ptr;

            if (s) {
                s->ready(s, e->events);
            }
        }
        l->event_n = 0;
        fire_timers(l);
    }
    atomic_store(&l->stop, false);
}

void loop_stop(struct loop *l)
{
    atomic_store_explicit(&l->stop, true, memory_order_release);
    wake(l);
}

enum err loop_add(struct loop *l, struct loop_source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};

    ASSERT(s->ready);
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0) {
        return err_from_errno(errno);
    }
    s->events = events;
    s->loop = l;
    return ERR_OK;
}

enum err loop_change(struct loop_source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};

    if (events == s->events) {
        return ERR_OK;
    }
    if (epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_MOD, s->fd, &e) < 0) {
        return err_from_errno(errno);
    }
    s->events = events;
    return ERR_OK;
}

void loop_remove(struct loop_source *s)
{
    struct loop *l = s->loop;

    if (!l) {
        return;
    }
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
    for (int i = l->event_at; i < l->event_n; i++) {
        if (l->events[i].data.ptr == s) {
            l->events[i].data.ptr = NULL;
        }
    }
    s->loop = NULL;
}

enum err loop_timer_set(struct loop *l, struct timer *t, int64_t at_ms)
{
    return timer_set(&l->timers, t, at_ms);
}

void loop_timer_cancel(struct loop *l, struct timer *t)
{
    timer_cancel(&l->timers, t);
}

void loop_post(struct loop *l, struct loop_task *t)
{
    t->next = NULL;
    lock_take(&l->lock);
    bool was_empty = !l->first;

    if (was_empty) {
        l->first = t;
    } else {
        l->last->next = t;
    }
    l->last = t;
    lock_release(&l->lock);
    if (was_empty) {
        wake(l);
    }
}

int64_t loop_now_ms(const struct loop *l)
{
    return l->now_ms;
}
