// SPDX-License-Identifier: Apache-2.0
#include "gate/relay.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#include "base/banned.h"

#define PIPE_BYTES      65536
#define READ_BYTES      16384
#define READ_ROUNDS_MAX 8
#define ENDING_MS       10000 // for a side to take what is left once the other is gone

// One direction.
struct relay_pipe {
    struct stream *from, *to;
    struct buf held;
    bool is_ended; // `from` has said all; `to` was told once `held` is empty
    bool is_told;
};

struct relay {
    struct list link;
    struct gate_worker *worker;
    struct stream client, keep;
    struct loop_source client_source, keep_source;
    struct relay_pipe in, out; // client to keep, keep to client
    struct timer timer;
    bool is_broken;
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
        if (e == ERR_EOF) {
            p->is_ended = true;
        } else if (e != ERR_OK) {
            return false;
        }
    }
    return pipe_send(p);
}

static void relay_settle(struct relay *r)
{
    bool done = r->in.is_told && r->out.is_told;

    if (r->is_broken || done) {
        relay_destroy(r);
        return;
    }
    bool client_reads = !r->in.is_ended && r->in.held.n == 0;
    bool keep_reads = !r->out.is_ended && r->out.held.n == 0;
    enum err e =
        loop_change(&r->client_source, stream_events(&r->client, client_reads, r->out.held.n > 0));

    if (e == ERR_OK && r->keep_source.loop) {
        e = loop_change(&r->keep_source, stream_events(&r->keep, keep_reads, r->in.held.n > 0));
    }
    // Once keep is done, the client has a while to read the last of it.
    if (e == ERR_OK && r->out.is_ended && r->timer.place == 0) {
        e = loop_timer_set(r->worker->loop, &r->timer, clock_monotonic_ms() + ENDING_MS);
    }
    if (e != ERR_OK) {
        relay_destroy(r);
    }
}

static void relay_go_on(struct relay *r)
{
    if (!pipe_move(&r->in) || !pipe_move(&r->out)) {
        r->is_broken = true;
    }
    relay_settle(r);
}

static void on_client(struct loop_source *s, uint32_t events)
{
    struct relay *r = LIST_ITEM(s, struct relay, client_source);

    if (events & (EPOLLERR | EPOLLHUP)) {
        r->is_broken = true; // it can neither be told anything nor say more
    }
    relay_go_on(r);
}

static void on_keep(struct loop_source *s, uint32_t events)
{
    struct relay *r = LIST_ITEM(s, struct relay, keep_source);

    // A hang-up of keep's end may still have bytes before it: reading finds the end.
    if ((events & EPOLLHUP) && r->out.is_ended) {
        r->in.is_ended = r->in.is_told = true;
        buf_release(&r->in.held);
        loop_remove(&r->keep_source);
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
