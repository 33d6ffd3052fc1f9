// SPDX-License-Identifier: Apache-2.0
//
// The conversation with keep beside a client's, for dialogues that stay in the gate: a socket pair,
// one end of which goes to keep with MAIL or API. What the dialogue says is sent as keep takes it;
// what keep answers is given to the dialogue. A dialogue that waits for keep reads nothing from its
// client, so neither side can make the gate hold more than a few hundred KB.
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "gate/client_internal.h"

#include "base/banned.h"

#define READ_BYTES (16u << 10)
#define REPLY_HIGH (64u << 10) // replies the client has not taken: keep is not heard meanwhile

void client_pair_close(struct client *c)
{
    loop_remove(&c->pair_source);
    stream_finish(&c->pair);
    c->dialogue.pair.is_open = c->dialogue.pair.is_spent = false;
}

static enum err introduction_of_api(const struct client *c, struct buf *frame)
{
    static const uint8_t kinds[] = {
        [DIALOGUE_PAIR_FIGURES] = IPC_API_METRICS,
        [DIALOGUE_PAIR_OPERATION] = IPC_API_ADMIN,
        [DIALOGUE_PAIR_OAUTH] = IPC_API_OAUTH,
        [DIALOGUE_PAIR_SCIM] = IPC_API_SCIM,
    };
    const struct dialogue *d = &c->dialogue;
    bool is_operation = d->pair.kind == DIALOGUE_PAIR_OPERATION;
    const struct ipc_api m = {
        .kind = kinds[d->pair.kind],
        .ticket = is_operation ? span_of(d->ticket, d->ticket_bytes) : SPAN(""),
        .remote = span_from_str(d->peer.address),
    };

    return ipc_api_encode(&m, 1, frame);
}

static enum err introduction_of_mail(const struct client *c, struct buf *frame)
{
    const struct dialogue_peer *p = &c->dialogue.peer;
    const struct ipc_mail m = {
        .protocol = c->service->ipc_protocol,
        .is_trusted = p->may_relay,
        .tls = c->dialogue.has_tls,
        .local_port = p->local_port,
        .remote_port = p->port,
        .remote = span_from_str(p->address),
        .tls_text = span_from_str(p->tls_text),
        .ticket = span_of(c->dialogue.ticket, c->dialogue.ticket_bytes),
    };

    return ipc_mail_encode(&m, 1, frame);
}

static enum err introduce(struct client *c, int fd)
{
    struct buf frame;

    buf_init(&frame, 4096);
    bool is_http = c->service->ipc_protocol == IPC_ADMIN || c->service->ipc_protocol == IPC_HTTP;
    enum err e = is_http ? introduction_of_api(c, &frame) : introduction_of_mail(c, &frame);

    if (e == ERR_OK) {
        e = gate_keep_send(c->worker->gate, buf_span(&frame), fd);
    }
    buf_finish(&frame);
    return e;
}

// What keep has said; ERR_AGAIN when that is all for now.
static enum err hear(struct client *c)
{
    struct dialogue_pair *p = &c->dialogue.pair;
    enum err e = ERR_OK;

    while (e == ERR_OK && p->is_open && !p->is_spent && c->dialogue.out.n < REPLY_HIGH) {
        e = stream_read(&c->pair, &p->in, READ_BYTES);
        if (e == ERR_OK) {
            dialogue_pair_moved(&c->dialogue);
        }
    }
    return e;
}

static void on_pair(struct loop_source *s, uint32_t events)
{
    struct client *c = LIST_ITEM(s, struct client, pair_source);
    enum err e = hear(c);

    (void)events;
    if (e != ERR_OK && e != ERR_AGAIN) {
        client_pair_close(c);
        dialogue_pair_lost(&c->dialogue);
    }
    client_step(c);
    client_settle(c);
}

static enum err open_pair(struct client *c)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        return ERR_LIMIT;
    }
    enum err e = introduce(c, ends[1]);

    close(ends[1]);
    stream_init(&c->pair, ends[0]);
    c->pair_source = (struct loop_source){.fd = ends[0], .ready = on_pair};
    if (e == ERR_OK) {
        e = loop_add(c->worker->loop, &c->pair_source, EPOLLIN);
    }
    if (e != ERR_OK) {
        client_pair_close(c);
        return e;
    }
    c->dialogue.pair.is_open = true;
    return ERR_OK;
}

// False when keep has gone: on_pair will hear of it.
static bool send_some(struct client *c)
{
    struct buf *out = &c->dialogue.pair.out;
    bool any = false;

    while (out->n) {
        size_t taken;

        if (stream_write(&c->pair, buf_span(out), &taken) != ERR_OK) {
            return any;
        }
        buf_consume(out, taken);
        any = true;
    }
    buf_release(out);
    return any;
}

void client_pair_say_rest(struct client *c)
{
    if (c->dialogue.pair.is_open) {
        send_some(c);
    }
}

void client_pair_go_on(struct client *c)
{
    struct dialogue *d = &c->dialogue;
    bool moved = true;

    while (moved && c->phase == CLIENT_DIALOGUE) {
        moved = false;
        if (d->pair.is_open && (d->pair.is_spent || !d->pair.is_wanted)) {
            client_pair_close(c);
        }
        if (d->pair.is_wanted && !d->pair.is_open && open_pair(c) != ERR_OK) {
            dialogue_pair_lost(d);
            moved = true;
        } else if (d->pair.is_open && d->pair.out.n && send_some(c) && d->step == DIALOGUE_WAIT) {
            dialogue_pair_moved(d);
            moved = true;
        }
        client_step(c);
    }
}

enum err client_pair_watch(struct client *c)
{
    const struct dialogue *d = &c->dialogue;

    if (!d->pair.is_open) {
        return ERR_OK;
    }
    return loop_change(&c->pair_source,
                       stream_events(&c->pair, d->out.n<REPLY_HIGH, d->pair.out.n> 0));
}
