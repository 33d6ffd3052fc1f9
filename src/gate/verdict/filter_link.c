// SPDX-License-Identifier: Apache-2.0
#include "gate/verdict/filter_link.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/channel.h"

#include "base/banned.h"

#define LINK_AHEAD_MAX (1u << 20) // bytes that the courier has not taken yet
#define QUEUE_MAX      (8u << 20) // the same and the envelope, if the owner feeds on all the same
#define PIECE_BYTES    65536
#define IPC_RCPT_MAX   1000

struct filter_link {
    struct channel *channel;
    struct filter_link_listener listener;
    struct loop *loop;
    struct timer failing; // the result is told from here when sending failed
    uint64_t sent, taken;
    bool is_over; // the result is told
};

static void tell(struct filter_link *l, const struct ipc_filter_result *r)
{
    if (!l->is_over) {
        l->is_over = true;
        loop_timer_cancel(l->loop, &l->failing);
        l->listener.result(l->listener.arg, r); // may close it
    }
}

static void on_failing(struct timer *t)
{
    tell(LIST_ITEM(t, struct filter_link, failing), NULL);
}

static enum err take_taken(struct filter_link *l, struct span fields)
{
    struct ipc_filter_taken m;
    bool was_full = filter_link_is_full(l);

    if (ipc_filter_taken_decode(fields, &m) != ERR_OK || m.bytes > l->sent || m.bytes < l->taken) {
        return ERR_INVALID;
    }
    l->taken = m.bytes;
    if (was_full && !filter_link_is_full(l) && l->listener.go_on) {
        l->listener.go_on(l->listener.arg);
    }
    return ERR_OK;
}

static enum err on_message(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds)
{
    struct filter_link *l = arg;
    struct ipc_filter_result r;

    (void)c;
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    if (frame->type == IPC_FILTER_TAKEN && frame->fds == 0) {
        return take_taken(l, frame->fields);
    }
    if (frame->type != IPC_FILTER_RESULT || frame->fds ||
        ipc_filter_result_decode(frame->fields, &r) != ERR_OK || r.action > IPC_FILTER_AWAY) {
        return ERR_INVALID;
    }
    tell(l, &r);
    return ERR_OK;
}

static void on_ended(struct channel *c, void *arg, enum err e)
{
    (void)c;
    (void)e;
    tell(arg, NULL);
}

static enum err send_frame(struct filter_link *l, enum err encoded, struct buf *frame)
{
    return encoded == ERR_OK ? channel_send(l->channel, buf_span(frame), NULL, 0) : encoded;
}

static enum err send_envelope(struct filter_link *l, const struct ipc_filter_begin *begin,
                              const struct span *recipients, size_t n)
{
    struct buf frame;

    buf_init(&frame, 8192);
    enum err e = send_frame(l, ipc_filter_begin_encode(begin, 0, &frame), &frame);

    for (size_t i = 0; i < n && i < IPC_RCPT_MAX && e == ERR_OK; i++) {
        struct ipc_filter_rcpt m = {.address = recipients[i]};

        buf_clear(&frame);
        e = send_frame(l, ipc_filter_rcpt_encode(&m, 0, &frame), &frame);
    }
    buf_finish(&frame);
    return e;
}

// The other end goes to the courier.
static enum err hand_over(struct dns_desk *courier, int fd)
{
    struct ipc_filter m = {.id = 0};
    struct buf frame;

    buf_init(&frame, 64);
    enum err e = ipc_filter_encode(&m, 1, &frame);

    e = e == ERR_OK ? dns_desk_send(courier, buf_span(&frame), fd) : e;
    buf_finish(&frame);
    return e;
}

enum err filter_link_open(struct loop *loop, struct dns_desk *courier,
                          const struct ipc_filter_begin *begin, const struct span *recipients,
                          size_t recipient_count, const struct filter_link_listener *listener,
                          struct filter_link **out)
{
    static const struct channel_handler handler = {.message = on_message, .ended = on_ended};
    struct filter_link *l = calloc(1, sizeof(*l));
    int pair[2];

    if (!l) {
        return ERR_NOMEM;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        free(l);
        return ERR_LIMIT;
    }
    l->loop = loop;
    l->listener = *listener;
    l->failing.fire = on_failing;
    enum err e = channel_open(loop, pair[0], QUEUE_MAX, &handler, l, &l->channel);

    if (e != ERR_OK) {
        close(pair[0]);
    }
    e = e == ERR_OK ? hand_over(courier, pair[1]) : e;
    e = e == ERR_OK ? send_envelope(l, begin, recipients, recipient_count) : e;
    close(pair[1]);
    if (e != ERR_OK) {
        filter_link_close(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

// Later, since whoever feeds does not expect a result from within.
static void fail(struct filter_link *l)
{
    if (!l->is_over && loop_timer_set(l->loop, &l->failing, loop_now_ms(l->loop)) != ERR_OK) {
        log_warn("no memory: a message waits for filters until its time is up");
    }
}

void filter_link_feed(struct filter_link *l, struct span bytes)
{
    enum err e = ERR_OK;
    struct buf frame;

    if (l->is_over) {
        return;
    }
    buf_init(&frame, PIECE_BYTES + 64);
    while (bytes.n && e == ERR_OK) {
        struct ipc_filter_data m = {.bytes = span_first(bytes, PIECE_BYTES)};

        buf_clear(&frame);
        e = send_frame(l, ipc_filter_data_encode(&m, 0, &frame), &frame);
        l->sent += m.bytes.n;
        bytes = span_skip(bytes, m.bytes.n);
    }
    buf_finish(&frame);
    if (e != ERR_OK) {
        fail(l);
    }
}

void filter_link_end(struct filter_link *l)
{
    struct ipc_filter_end m = {.reason = 0};
    struct buf frame;

    if (l->is_over) {
        return;
    }
    buf_init(&frame, 64);
    if (send_frame(l, ipc_filter_end_encode(&m, 0, &frame), &frame) != ERR_OK) {
        fail(l);
    }
    buf_finish(&frame);
}

bool filter_link_is_full(const struct filter_link *l)
{
    return !l->is_over && l->sent - l->taken > LINK_AHEAD_MAX;
}

void filter_link_close(struct filter_link *l)
{
    if (l) {
        loop_timer_cancel(l->loop, &l->failing);
        channel_close(l->channel);
        free(l);
    }
}
