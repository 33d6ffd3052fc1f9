// SPDX-License-Identifier: Apache-2.0
//
// A relay has three parts of life. Both ways, while keep's session lives. Then keep has hung up:
// what it said last is still in the pair; it is read and sent as the client takes it, and nothing
// more is heard from the client. Then all is said: the client's side is shut and drained, so that
// the last words arrive, and closed.
#include "gate/relay.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#include "base/banned.h"

#define PIPE_BYTES      65536
#define READ_BYTES      16384
#define READ_ROUNDS_MAX 8
#define LAST_ROUNDS_MAX 64    // many times what a pair holds
#define ENDING_MS       10000 // for the client to take what is left once keep is gone
#define DRAIN_MS        3000
#define DRAIN_BYTES_MAX (256u << 10)

// One direction.
struct relay_pipe {
    struct stream *from, *to;
    struct buf held;
    bool is_ended; // `from` has said all; `to` was told once `held` is empty
    bool is_told;
    bool has_moved; // in this event
};

struct relay {
    struct list link;
    struct gate_worker *worker;
    struct stream client, keep;
    struct loop_source client_source, keep_source;
    struct relay_pipe in, out; // client to keep, keep to client
    struct timer timer;
    size_t drain_budget;
    bool is_hung_up; // keep's end is closed: it hears nothing, what it said may still be read
    bool is_draining;
    bool is_broken; // the client can neither be told anything nor say more
};

struct relay *relay_of_link(struct list *l)
{
    return LIST_ITEM(l, struct relay, link);
}

void relay_destroy(struct relay *r)
{
    list_remove(&r->link);
    loop_timer_cancel(r->worker->loop, &r->timer);
    loop_remove(&r->client_source);
    loop_remove(&r->keep_source);
    stream_finish(&r->client);
    stream_finish(&r->keep);
    buf_finish(&r->in.held);
    buf_finish(&r->out.held);
    atomic_fetch_sub(&r->worker->gate->connections, 1);
    free(r);
}

// Sends what is held; false when the receiver is gone.
static bool pipe_send(struct relay_pipe *p)
{
    while (p->held.n) {
        size_t taken;
        enum err e = stream_write(p->to, buf_span(&p->held), &taken);

        if (e == ERR_AGAIN) {
            return true;
        }
        if (e != ERR_OK) {
            return false;
        }
        buf_consume(&p->held, taken);
    }
    buf_release(&p->held);
    if (p->is_ended && !p->is_told) {
        stream_shutdown(p->to);
        p->is_told = true;
    }
    return true;
}

// Moves bytes until there are none, or the receiver is full, or others should have their turn.
// False when the receiver is gone. A sender that is gone has said all.
static bool pipe_move(struct relay_pipe *p)
{
    for (int i = 0; i < READ_ROUNDS_MAX || stream_has_pending(p->from); i++) {
        if (!pipe_send(p)) {
            return false;
        }
        if (p->held.n || p->is_ended) {
            return true;
        }
        enum err e = stream_read(p->from, &p->held, READ_BYTES);

        if (e == ERR_AGAIN) {
            buf_release(&p->held);
            return true;
        }
        p->is_ended = e != ERR_OK;
        p->has_moved = true;
    }
    return pipe_send(p);
}

// Keep's session is over. Its descriptor raises EPOLLHUP from now on whatever is asked for, so it
// leaves the loop: what is left in the pair is read whenever the client has taken the last of it.
static void hang_up(struct relay *r)
{
    if (!r->is_hung_up) {
        r->is_hung_up = true;
        r->in.is_ended = r->in.is_told = true;
        buf_release(&r->in.held);
        loop_remove(&r->keep_source);
        r->is_broken |=
            loop_timer_set(r->worker->loop, &r->timer, clock_monotonic_ms() + ENDING_MS) != ERR_OK;
    }
}

static void drain(struct relay *r)
{
    if (!r->is_draining) {
        r->is_draining = true;
        r->drain_budget = DRAIN_BYTES_MAX;
        r->is_broken |=
            loop_timer_set(r->worker->loop, &r->timer, clock_monotonic_ms() + DRAIN_MS) != ERR_OK;
    }
    if (stream_drain(r->client.fd, &r->drain_budget) != ERR_AGAIN) {
        r->is_broken = true;
    }
}

static void move(struct relay *r)
{
    r->in.has_moved = r->out.has_moved = false;
    if (!r->is_hung_up && !pipe_move(&r->in)) {
        hang_up(r);
    }
    if (!r->out.is_told && !pipe_move(&r->out)) {
        r->is_broken = true;
    }
    if (r->out.is_ended) {
        hang_up(r);
        stream_finish(&r->keep); // keep need not wait for the client
    }
    if (r->in.has_moved && !r->out.has_moved && !r->in.is_ended) {
        stream_acknowledge(r->client.fd); // it may be part of a command, which keep will not answer
    }
    // No event will say that there is more: what the pair holds is bounded, and read to its end.
    for (int i = 0; r->is_hung_up && !r->is_broken && !r->out.is_told && !r->out.held.n; i++) {
        r->is_broken = i == LAST_ROUNDS_MAX || !pipe_move(&r->out);
    }
    if (r->out.is_told && !r->is_broken) {
        drain(r);
    }
}

// What to wait for at the client's end.
static uint32_t client_events(const struct relay *r)
{
    if (r->is_draining) {
        return EPOLLIN;
    }
    return stream_events(&r->client, !r->in.is_ended && r->in.held.n == 0, r->out.held.n > 0);
}

static void relay_go_on(struct relay *r)
{
    if (!r->is_broken) {
        move(r);
    }
    if (r->is_broken || loop_change(&r->client_source, client_events(r)) != ERR_OK) {
        relay_destroy(r);
        return;
    }
    if (r->keep_source.loop) {
        bool reads = !r->out.is_ended && r->out.held.n == 0;

        if (loop_change(&r->keep_source, stream_events(&r->keep, reads, r->in.held.n > 0)) !=
            ERR_OK) {
            relay_destroy(r);
        }
    }
}

static void on_client(struct loop_source *s, uint32_t events)
{
    struct relay *r = LIST_ITEM(s, struct relay, client_source);

    if (events & (EPOLLERR | EPOLLHUP)) {
        r->is_broken = true;
    }
    relay_go_on(r);
}

static void on_keep(struct loop_source *s, uint32_t events)
{
    struct relay *r = LIST_ITEM(s, struct relay, keep_source);

    if (events & (EPOLLERR | EPOLLHUP)) {
        hang_up(r);
    }
    relay_go_on(r);
}

static void on_time(struct timer *t)
{
    relay_destroy(LIST_ITEM(t, struct relay, timer));
}

enum err relay_start(struct gate_worker *w, struct stream *s, int pair_fd)
{
    struct relay *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    r->worker = w;
    r->in = (struct relay_pipe){.from = &r->client, .to = &r->keep};
    r->out = (struct relay_pipe){.from = &r->keep, .to = &r->client};
    buf_init(&r->in.held, PIPE_BYTES);
    buf_init(&r->out.held, PIPE_BYTES);
    r->timer.fire = on_time;
    r->client_source = (struct loop_source){.fd = s->fd, .ready = on_client};
    r->keep_source = (struct loop_source){.fd = pair_fd, .ready = on_keep};
    enum err e = loop_add(w->loop, &r->client_source, EPOLLIN);

    if (e == ERR_OK) {
        e = loop_add(w->loop, &r->keep_source, EPOLLIN);
    }
    if (e != ERR_OK) {
        loop_remove(&r->client_source);
        free(r);
        return e;
    }
    list_append(&w->relays, &r->link);
    atomic_fetch_add(&w->gate->connections, 1);
    r->client = *s;
    stream_init(&r->keep, pair_fd);
    stream_init(s, -1); // the caller's is empty now
    relay_go_on(r);
    return ERR_OK;
}
