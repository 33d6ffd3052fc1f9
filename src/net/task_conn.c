// SPDX-License-Identifier: Apache-2.0
//
// One connection of the pool: what its session calls, and what happens around a run.
#include "net/task_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/stream.h"
#include "net/task_conn_internal.h"

#include "base/banned.h"

#define READ_BYTES      (32u << 10)
#define LENT_BYTES_MAX  (256u << 10) // a worker keeps no larger buffer for the next
#define LINGER_MS       10000        // the last words may take so long
#define DRAIN_MS        3000         // and the client to stop talking
#define DRAIN_STOP_MS   200          // when the server stops
#define DRAIN_BYTES_MAX (256u << 10)

#define PUBLIC_REASONS                                                                             \
    (CONN_START | CONN_INPUT | CONN_WRITABLE | CONN_WOKEN | CONN_TIMEOUT | CONN_AGAIN |            \
     CONN_STOPPING | CONN_CLOSED)
// What waits while the client does not read what it has been sent.
#define HELD_REASONS (CONN_INPUT | CONN_WOKEN | CONN_AGAIN)

static size_t out_pending(const struct task_conn *c)
{
    return c->out.n - c->out_at;
}

// ---- what a session calls -----------------------------------------------------------------------

enum err conn_open(struct conn_pool *p, int fd, struct span input, const struct conn_handler *h,
                   void *arg, struct task_conn **out)
{
    struct task_conn *c;
    enum err e = conn_slot_take(p, &c);

    if (e != ERR_OK) {
        return e;
    }
    uint64_t generation = (atomic_load(&c->state) >> 32) + 1;
    struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = generation << 32 | c->index};

    c->handler = h;
    c->arg = arg;
    c->fd = fd;
    buf_init(&c->in, p->options.input_max);
    buf_init(&c->out, p->options.output_hard);
    c->in_at = c->out_at = c->held = 0;
    c->want_input = true;
    c->eof = c->broken = c->closing = c->aborting = c->again = c->wants_writable = false;
    c->draining = c->has_heard = c->has_said = false;
    c->deadline = c->blocked_until = NEVER;
    atomic_store(&c->timer_at, NEVER);
    buf_put(&c->in, input);
    if (c->in.failed) {
        e = ERR_NOMEM;
    } else if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
               epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        e = err_from_errno(errno);
    }
    if (e != ERR_OK) {
        buf_finish(&c->in);
        conn_slot_give(c);
        return e;
    }
    *out = c; // before the first run, which may be over at any moment from here on
    atomic_store_explicit(
        &c->state, (generation & UINT32_MAX) << 32 | STATE_LIVE | STATE_SCHEDULED | CONN_START,
        memory_order_release);
    conn_requeue(c);
    lock_take(&p->slot_lock);
    bool stopping = p->stopping;

    lock_release(&p->slot_lock);
    if (stopping) {
        conn_raise(c, CONN_STOPPING); // conn_pool_stop may have come by before it was live
    }
    return ERR_OK;
}

struct span conn_input(const struct task_conn *c)
{
    return span_skip(buf_span(&c->in), c->in_at); // before the first read there is no room yet
}

void conn_consume(struct task_conn *c, size_t n)
{
    ASSERT(n <= c->in.n - c->in_at);
    c->in_at += (uint32_t)n;
    if (c->in_at == c->in.n) {
        buf_clear(&c->in);
        c->in_at = 0;
    }
}

// Room at the buffer's end for a good read; moves the unread bytes to the front when it must.
static size_t make_room(struct task_conn *c)
{
    size_t unread = c->in.n - c->in_at;

    if (c->in_at && c->in.cap - c->in.n < READ_BYTES) {
        buf_consume(&c->in, c->in_at);
        c->in_at = 0;
    }
    size_t left = c->in.max - c->in.n, want = left < READ_BYTES ? left : READ_BYTES;

    if (unread >= c->in.max || want == 0) {
        return 0;
    }
    return buf_reserve(&c->in, want) ? c->in.cap - c->in.n : 0;
}

enum err conn_read(struct task_conn *c)
{
    if (c->broken) {
        return ERR_IO;
    }
    if (c->eof) {
        return ERR_EOF;
    }
    // What is answered goes out before the client is listened to: it may have its next command on
    // the way by the time it is looked for.
    if (out_pending(c) && conn_flush(c) == ERR_IO) {
        return ERR_IO;
    }
    size_t room = make_room(c);

    if (room == 0) {
        return ERR_LIMIT;
    }
    ssize_t n = recv(c->fd, c->in.p + c->in.n, room, MSG_DONTWAIT);

    if (n > 0) {
        c->in.n += (size_t)n;
        c->has_heard = true;
        return ERR_OK;
    }
    if (n == 0) {
        c->eof = true;
        return ERR_EOF;
    }
    if (errno == EAGAIN || errno == EINTR) {
        return ERR_AGAIN;
    }
    c->broken = true;
    return ERR_IO;
}

void conn_want_input(struct task_conn *c, bool want)
{
    c->want_input = want;
}

struct buf *conn_output(struct task_conn *c)
{
    return &c->out;
}

enum err conn_flush(struct task_conn *c)
{
    while (!c->broken && out_pending(c)) {
        ssize_t n = send(c->fd, c->out.p + c->out_at, out_pending(c), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0) {
            c->out_at += (uint32_t)n;
            c->has_said = true;
            c->blocked_until = NEVER; // progress: the time counts anew
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            c->broken = true;
        }
    }
    if (c->broken) {
        return ERR_IO;
    }
    if (out_pending(c) == 0) {
        bool failed = c->out.failed;

        buf_clear(&c->out);
        c->out.failed = failed;
        c->out_at = 0;
        return ERR_OK;
    }
    if (c->out_at > c->out.n / 2) {
        buf_consume(&c->out, c->out_at);
        c->out_at = 0;
    }
    return ERR_AGAIN;
}

bool conn_output_full(struct task_conn *c)
{
    if (out_pending(c) < c->pool->options.output_soft) {
        return false;
    }
    conn_flush(c);
    if (!c->broken && out_pending(c) < c->pool->options.output_soft) {
        return false;
    }
    c->wants_writable = true;
    return true;
}

void conn_set_deadline(struct task_conn *c, int64_t at_ms)
{
    c->deadline = at_ms < 0 ? NEVER : at_ms;
}

void conn_again(struct task_conn *c)
{
    c->again = true;
}

void conn_close(struct task_conn *c)
{
    c->closing = true;
}

void conn_abort(struct task_conn *c)
{
    c->aborting = true;
}

int conn_fd(const struct task_conn *c)
{
    return c->fd;
}

// ---- around a run -------------------------------------------------------------------------------

static void borrow(struct buf *own, struct buf *lent)
{
    if (!own->p) {
        struct buf spare = *own;

        *own = *lent;
        *lent = spare;
    }
}

static void give_back(struct buf *own, struct buf *lent)
{
    if (own->p && own->n == 0) {
        if (!lent->p && own->cap <= LENT_BYTES_MAX) {
            struct buf spare = *lent;

            buf_clear(own);
            *lent = *own;
            *own = spare;
        } else {
            buf_release(own);
        }
    }
}

// From here on late events and wakeups find nobody. SCHEDULED is dropped with LIVE.
static void retire(struct task_conn *c)
{
    uint64_t state = atomic_load_explicit(&c->state, memory_order_relaxed);

    atomic_store_explicit(&c->state, state >> 32 << 32, memory_order_release);
    conn_timer_drop(c);
    epoll_ctl(c->pool->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    close(c->fd);
    c->fd = -1;
}

static bool is_stopping(struct conn_pool *p)
{
    lock_take(&p->slot_lock);
    bool stopping = p->stopping;

    lock_release(&p->slot_lock);
    return stopping;
}

// The session ends here. Its last words are in the kernel's hands; the descriptor stays until the
// client has stopped talking (see stream_drain). True when the connection is still there.
static bool end_session(struct task_conn *c, struct conn_lender *l, int64_t now)
{
    bool orderly = !c->broken && !c->aborting;

    buf_clear(&c->in);
    buf_clear(&c->out);
    give_back(&c->in, &l->in);
    give_back(&c->out, &l->out);
    c->out_at = c->in_at = 0;
    if (orderly) {
        shutdown(c->fd, SHUT_WR);
        c->drain_budget = DRAIN_BYTES_MAX;
        orderly = stream_drain(c->fd, &c->drain_budget) == ERR_AGAIN;
    }
    if (orderly) {
        c->draining = true;
        c->deadline = now + (is_stopping(c->pool) ? DRAIN_STOP_MS : DRAIN_MS);
        c->handler->end(c, c->arg);
        return true;
    }
    retire(c);
    c->handler->end(c, c->arg);
    conn_slot_give(c);
    return false;
}

// What is left of a connection whose session is over; true when it goes on.
static bool drain_on(struct task_conn *c, uint32_t raised, int64_t now)
{
    if ((raised & CONN_STOPPING) && c->deadline > now + DRAIN_STOP_MS) {
        c->deadline = now + DRAIN_STOP_MS;
    }
    return !(raised & (STATE_KILL | STATE_EVENT_HUP)) && now < c->deadline &&
           stream_drain(c->fd, &c->drain_budget) == ERR_AGAIN;
}

// Which reasons the session is told, from those that were raised.
static uint32_t session_reasons(struct task_conn *c, uint32_t raised, int64_t now)
{
    uint32_t reasons = (raised & PUBLIC_REASONS) | c->held;

    c->held = 0;
    if (raised & STATE_EVENT_IN) {
        reasons |= CONN_INPUT;
    }
    if (raised & STATE_EVENT_HUP) {
        // What was sent before the end may still be read, unless nobody wants to.
        reasons |= c->eof || !c->want_input || out_pending(c) ? CONN_CLOSED : CONN_INPUT;
    }
    if (raised & STATE_EVENT_OUT) {
        conn_flush(c);
    }
    if (now >= c->deadline) {
        c->deadline = NEVER;
        reasons |= CONN_TIMEOUT;
    }
    if (c->broken || now >= c->blocked_until) {
        reasons |= CONN_CLOSED;
    }
    if (c->wants_writable && out_pending(c) < c->pool->options.output_soft) {
        c->wants_writable = false;
        reasons |= CONN_WRITABLE;
    }
    if (out_pending(c) >= c->pool->options.output_soft) {
        c->held = reasons & HELD_REASONS;
        reasons &= ~(uint32_t)HELD_REASONS;
    }
    return reasons;
}

static void run_session(struct task_conn *c, uint32_t reasons)
{
    c->again = false;
    if (reasons) {
        c->handler->run(c, c->arg, reasons);
    }
    if (c->out.failed && !c->broken) {
        log_error("bug: a session wrote past its output limit; the connection is dropped");
        c->broken = true;
    }
    if (!c->aborting) {
        conn_flush(c);
    }
    if (c->broken && !(reasons & CONN_CLOSED)) {
        c->handler->run(c, c->arg, CONN_CLOSED);
    }
}

static uint32_t events_wanted(const struct task_conn *c)
{
    if (out_pending(c)) {
        return EPOLLOUT;
    }
    if (c->draining) {
        return EPOLLIN;
    }
    return c->want_input && !c->eof && !c->closing ? EPOLLIN | EPOLLRDHUP : 0;
}

static void park(struct task_conn *c, struct conn_lender *l, int64_t now)
{
    struct conn_pool *p = c->pool;
    uint64_t state = atomic_load_explicit(&c->state, memory_order_acquire);
    struct epoll_event event = {.events = events_wanted(c) | EPOLLONESHOT,
                                .data.u64 = state >> 32 << 32 | c->index};

    if (out_pending(c) && c->blocked_until == NEVER) {
        int64_t wait = c->closing ? LINGER_MS : atomic_load(&p->write_timeout_ms);

        c->blocked_until = now + wait;
    } else if (!out_pending(c)) {
        c->blocked_until = NEVER;
    }
    // Part of a command came and nothing was answered: the rest may wait for an acknowledgement.
    if (c->has_heard && !c->has_said && !c->draining) {
        stream_acknowledge(c->fd);
    }
    give_back(&c->in, &l->in);
    give_back(&c->out, &l->out);
    conn_timer_need(c, c->deadline < c->blocked_until ? c->deadline : c->blocked_until);
    epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    // After the exchange the connection may be run by another thread, or be gone.
    while (!(state & STATE_REASONS)) {
        if (atomic_compare_exchange_weak_explicit(&c->state, &state,
                                                  state & ~(uint64_t)STATE_SCHEDULED,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return;
        }
    }
    conn_requeue_here(c);
}

void conn_run_owned(struct task_conn *c, struct conn_lender *l)
{
    uint64_t old =
        atomic_fetch_and_explicit(&c->state, ~(uint64_t)STATE_REASONS, memory_order_acq_rel);
    uint32_t raised = (uint32_t)old & STATE_REASONS;
    int64_t now = clock_monotonic_ms();

    if (c->draining) {
        if (drain_on(c, raised, now)) {
            park(c, l, now);
        } else {
            retire(c);
            conn_slot_give(c);
        }
        return;
    }
    c->has_heard = c->has_said = false;
    borrow(&c->in, &l->in);
    borrow(&c->out, &l->out);
    uint32_t reasons = session_reasons(c, raised, now);

    if (raised & STATE_KILL) {
        c->aborting = true;
    } else if (c->closing) {
        conn_flush(c); // the session has said its last word
        c->aborting = (reasons & CONN_CLOSED) != 0;
    } else {
        run_session(c, reasons);
        c->aborting |= (reasons & CONN_CLOSED) || c->broken;
    }
    if (c->aborting || (c->closing && out_pending(c) == 0)) {
        if (end_session(c, l, now)) {
            park(c, l, now);
        }
        return;
    }
    if (c->again && !c->closing) {
        atomic_fetch_or_explicit(&c->state, CONN_AGAIN, memory_order_relaxed);
    }
    if (!c->closing && (c->wants_writable || c->held) &&
        out_pending(c) < c->pool->options.output_soft) {
        // The client has read while the session was leaving: no event will come to say so.
        atomic_fetch_or_explicit(&c->state, STATE_EVENT_OUT, memory_order_relaxed);
    }
    park(c, l, now);
}
