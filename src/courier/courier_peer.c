// SPDX-License-Identifier: Apache-2.0
#include "courier/courier_peer.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "courier/filter/courier_filter.h"
#include "courier/place/place.h"
#include "courier/post/alert_post.h"
#include "courier/relay/courier_relay.h"
#include "courier/vouch/vouch.h"
#include "wire/smtp/smtp_address.h"

#include "base/banned.h"

#define SEND_QUEUE_MAX (16u << 20)

// A question that is open; the peer may have gone when the answer comes.
struct ask {
    struct courier_peer *peer;
    uint32_t generation;
    uint64_t id;
};

static void on_answer(void *arg, struct lookup_answer *a)
{
    struct ask *ask = arg;
    struct courier_peer *p = ask->peer;
    struct ipc_dns_answer m = {.id = ask->id,
                               .status = (uint8_t)a->status,
                               .secure = a->secure,
                               .ttl = a->ttl_s,
                               .records = buf_span(&a->records)};
    struct buf frame;

    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    if (p->channel && p->generation == ask->generation &&
        ipc_dns_answer_encode(&m, 0, &frame) == ERR_OK &&
        channel_send(p->channel, buf_span(&frame), NULL, 0) == ERR_LIMIT) {
        log_warn("%s does not take the answers to its questions", ipc_process_name(p->id));
    }
    buf_finish(&frame);
    free(ask);
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 127) {
            return false;
        }
    }
    return true;
}

static enum err on_ask(struct courier_peer *p, const struct ipc_frame *frame)
{
    struct ipc_dns_ask m;
    struct arena arena;
    enum err e = ipc_dns_ask_decode(frame->fields, &m);
    struct ask *ask = e == ERR_OK ? malloc(sizeof(*ask)) : NULL;

    if (!ask) {
        return e == ERR_OK ? ERR_OK : e; // without memory: no answer, the asker's time runs out
    }
    *ask = (struct ask){.peer = p, .generation = p->generation, .id = m.id};
    arena_init(&arena, 16384);
    if (!is_ascii(m.name) && smtp_domain_to_ascii(m.name, &arena, &m.name) != ERR_OK) {
        m.name = SPAN(""); // no such name can exist
    }
    lookup_ask_later(p->all->lookup, m.name, m.type, on_answer, ask);
    arena_finish(&arena);
    return ERR_OK;
}

static void on_vouched(void *arg, const struct ipc_vouch_answer *m)
{
    struct ask *ask = arg;
    struct courier_peer *p = ask->peer;
    struct buf frame;

    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    if (m && p->channel && p->generation == ask->generation &&
        (ipc_vouch_answer_encode(m, 0, &frame) != ERR_OK ||
         channel_send(p->channel, buf_span(&frame), NULL, 0) == ERR_LIMIT)) {
        log_warn("an answer about a person could not be sent to keep");
    }
    buf_finish(&frame);
    free(ask);
}

static enum err on_vouch_ask(struct courier_peer *p, const struct ipc_frame *frame)
{
    struct ipc_vouch_ask m;
    enum err e = ipc_vouch_ask_decode(frame->fields, &m);
    struct ask *ask = e == ERR_OK ? malloc(sizeof(*ask)) : NULL;

    if (ask) { // without memory: no answer, the asker's time runs out
        *ask = (struct ask){.peer = p, .generation = p->generation, .id = m.id};
        vouch_ask(p->all->vouch, &m, on_vouched, ask);
    }
    return e;
}

static void on_posted(void *arg, const struct ipc_alert_result *m)
{
    struct ask *ask = arg;
    struct courier_peer *p = ask->peer;
    struct buf frame;

    buf_init(&frame, 4096);
    if (m && p->channel && p->generation == ask->generation &&
        (ipc_alert_result_encode(m, 0, &frame) != ERR_OK ||
         channel_send(p->channel, buf_span(&frame), NULL, 0) == ERR_LIMIT)) {
        log_warn("what became of an alert could not be told to keep"); // which sends it again
    }
    buf_finish(&frame);
    free(ask);
}

static enum err on_alert_post(struct courier_peer *p, const struct ipc_frame *frame)
{
    struct ipc_alert_post m;
    enum err e = ipc_alert_post_decode(frame->fields, &m);
    struct ask *ask = e == ERR_OK ? malloc(sizeof(*ask)) : NULL;

    if (ask) { // without memory: no answer, keep's time runs out
        *ask = (struct ask){.peer = p, .generation = p->generation, .id = m.id};
        alert_post_send(p->all->alerts, &m, on_posted, ask);
    }
    return e;
}

static enum err on_place_ask(struct courier_peer *p, const struct ipc_frame *frame)
{
    struct ipc_place_ask ask;
    struct ipc_place_answer m;
    struct mmdb_place place;
    struct buf out;
    enum err e = ipc_place_ask_decode(frame->fields, &ask);

    if (e != ERR_OK) {
        return e;
    }
    places_answer(p->all->places, &ask, &place, &m);
    buf_init(&out, 1024);
    if (ipc_place_answer_encode(&m, 0, &out) != ERR_OK ||
        channel_send(p->channel, buf_span(&out), NULL, 0) == ERR_LIMIT) {
        log_warn("where a network is could not be told to keep");
    }
    buf_finish(&out);
    return ERR_OK;
}

static void take_filter(struct courier_peer *p, int fd)
{
    if (p->all->filter) {
        courier_filter_take(p->all->filter, fd);
    } else {
        close(fd); // the gate has other settings: we are away
    }
}

static enum err on_message(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds)
{
    struct courier_peer *p = arg;
    struct ipc_relay relay;
    struct ipc_filter filter;

    (void)c;
    if (frame->type == IPC_RELAY && p->id == IPC_KEEP && frame->fds == 1 &&
        ipc_relay_decode(frame->fields, &relay) == ERR_OK) {
        courier_relay_take(p->all->relay, fds[0]);
        return ERR_OK;
    }
    if (frame->type == IPC_FILTER && p->id == IPC_GATE && frame->fds == 1 &&
        ipc_filter_decode(frame->fields, &filter) == ERR_OK) {
        take_filter(p, fds[0]);
        return ERR_OK;
    }
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    if (frame->type == IPC_VOUCH_ASK && p->id == IPC_KEEP && frame->fds == 0) {
        return on_vouch_ask(p, frame);
    }
    if (frame->type == IPC_ALERT_POST && p->id == IPC_KEEP && frame->fds == 0) {
        return on_alert_post(p, frame);
    }
    if (frame->type == IPC_PLACE_ASK && p->id == IPC_KEEP && frame->fds == 0) {
        return on_place_ask(p, frame);
    }
    return frame->type == IPC_DNS_ASK && frame->fds == 0 ? on_ask(p, frame) : ERR_INVALID;
}

static void on_ended(struct channel *c, void *arg, enum err e)
{
    struct courier_peer *p = arg;

    if (e == ERR_INVALID) {
        log_error("%s said something that makes no sense", ipc_process_name(p->id));
    } else {
        log_debug("the conversation with %s has ended (%s)", ipc_process_name(p->id), err_name(e));
    }
    p->channel = NULL;
    channel_close(c);
}

void courier_peers_init(struct courier_peers *p)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        p->peers[i] = (struct courier_peer){.all = p, .id = (enum ipc_process)i};
    }
}

enum err courier_peers_attach(struct courier_peers *p, enum ipc_process peer, int fd)
{
    static const struct channel_handler handler = {.message = on_message, .ended = on_ended};
    struct channel *c;
    enum err e = channel_open(p->loop, fd, SEND_QUEUE_MAX, &handler, &p->peers[peer], &c);

    if (e == ERR_OK) {
        channel_close(p->peers[peer].channel);
        p->peers[peer].channel = c;
        p->peers[peer].generation++;
    }
    return e;
}

void courier_peers_close(struct courier_peers *p)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        channel_close(p->peers[i].channel);
        p->peers[i].channel = NULL;
    }
}
