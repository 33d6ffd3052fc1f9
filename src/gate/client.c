// SPDX-License-Identifier: Apache-2.0
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gate/client_internal.h"
#include "gate/relay.h"

#include "base/banned.h"

#define READ_BYTES      4096
#define READ_ROUNDS_MAX 8 // then others have their turn
#define OUTPUT_MAX      65536
#define ENDING_MS       5000 // to take in the last words

enum client_phase {
    PHASE_HANDSHAKE,
    PHASE_DIALOGUE,
    PHASE_ASKING, // keep has been asked
    PHASE_HELD,   // keep has refused; the answer waits
    PHASE_ENDING, // the last words are on their way
    PHASE_GONE,   // freed at the end of the event
};

struct client {
    struct list link;
    struct gate_worker *worker;
    struct gate_config *config;
    const struct client_protocol *protocol;
    struct stream stream;
    struct loop_source source;
    struct timer timer;
    struct buf in, out;
    struct address peer;
    uint16_t local_port;
    bool is_counted;
    bool greets;    // TLS from the first byte: a greeting follows the handshake
    bool start_tls; // after what is in the output
    enum client_phase phase;
    int64_t deadline_ms; // of the phase or of the login, whichever is first
    int64_t login_until_ms;
    unsigned failures;
    uint64_t conversation; // 0: none
    struct buf tag, client_id;
    enum ipc_auth held_result;
    struct buf held_text;
    max_align_t state[];
};

struct client *client_of_link(struct list *l)
{
    return LIST_ITEM(l, struct client, link);
}

void *client_state(struct client *c)
{
    return c->state;
}

const struct settings *client_settings(const struct client *c)
{
    return c->config->settings;
}

struct span client_input(const struct client *c)
{
    return buf_span(&c->in);
}

// What was read may be a password: the freed part of the buffer does not keep it.
void client_consume(struct client *c, size_t n)
{
    size_t left = n < c->in.n ? c->in.n - n : 0, before = c->in.n;

    buf_consume(&c->in, n);
    OPENSSL_cleanse(c->in.p + left, before - left);
}

struct buf *client_output(struct client *c)
{
    return &c->out;
}

bool client_may_go_on(const struct client *c)
{
    return c->phase == PHASE_DIALOGUE && !c->start_tls;
}

bool client_has_tls(const struct client *c)
{
    return c->stream.ssl != NULL;
}

bool client_can_start_tls(const struct client *c)
{
    return !c->stream.ssl && c->config->tls != NULL;
}

bool client_is_private(const struct client *c)
{
    return client_has_tls(c) || (address_is_loopback(&c->peer) &&
                                 conf_value_bool(client_settings(c), SETTING_CLEAR_LOGIN_LOOPBACK));
}

static void deadline_set(struct client *c, int64_t at_ms)
{
    c->deadline_ms = at_ms;
    if (loop_timer_set(c->worker->loop, &c->timer, at_ms) != ERR_OK) {
        c->phase = PHASE_GONE; // without a deadline it could stay for ever
    }
}

static void conversation_end(struct client *c)
{
    if (c->conversation) {
        worker_forget(c->worker, c->conversation);
        c->conversation = 0;
    }
}

static void uncount(struct client *c)
{
    if (c->is_counted) {
        gate_waiting_leave(c->worker->gate, &c->peer);
        c->is_counted = false;
    }
}

void client_destroy(struct client *c)
{
    conversation_end(c);
    uncount(c);
    list_remove(&c->link);
    loop_remove(&c->source);
    loop_timer_cancel(c->worker->loop, &c->timer);
    if (c->phase != PHASE_HANDSHAKE) {
        c->protocol->finish(c);
    }
    stream_finish(&c->stream);
    if (c->in.p) {
        OPENSSL_cleanse(c->in.p, c->in.cap);
    }
    buf_finish(&c->in);
    buf_finish(&c->out);
    buf_finish(&c->tag);
    buf_finish(&c->client_id);
    buf_finish(&c->held_text);
    gate_config_unref(c->config);
    atomic_fetch_sub(&c->worker->gate->connections, 1);
    free(c);
}

void client_close(struct client *c)
{
    if (c->phase != PHASE_GONE && c->phase != PHASE_ENDING) {
        c->phase = PHASE_ENDING;
        deadline_set(c, clock_monotonic_ms() + ENDING_MS);
    }
}

static void flush(struct client *c)
{
    while (c->out.n && c->phase != PHASE_GONE) {
        size_t taken;
        enum err e = stream_write(&c->stream, buf_span(&c->out), &taken);

        if (e == ERR_AGAIN) {
            return;
        }
        if (e != ERR_OK) {
            c->phase = PHASE_GONE;
            return;
        }
        buf_consume(&c->out, taken);
    }
    buf_release(&c->out);
}

static void dialogue_begin(struct client *c)
{
    c->phase = PHASE_DIALOGUE;
    deadline_set(c, c->login_until_ms);
}

// ---- TLS ----------------------------------------------------------------------------------------

static void handshake_begin(struct client *c)
{
    c->phase = PHASE_HANDSHAKE;
    c->start_tls = false;
    if (stream_start_tls(&c->stream, c->config->tls) != ERR_OK) {
        c->phase = PHASE_GONE;
        return;
    }
    int64_t until = clock_monotonic_ms() + conf_value_ms(client_settings(c), SETTING_TLS_TIMEOUT);

    deadline_set(c, until < c->login_until_ms ? until : c->login_until_ms);
}

static void handshake_go_on(struct client *c)
{
    enum err e = stream_handshake(&c->stream);

    if (e == ERR_AGAIN) {
        return;
    }
    if (e != ERR_OK) {
        log_debug("TLS handshake with %s failed", address_host_text(&c->peer).s);
        c->phase = PHASE_GONE;
        return;
    }
    dialogue_begin(c);
    c->protocol->start(c);
    if (!c->greets) {
        buf_clear(&c->out); // RFC 9051 section 6.2.1: no greeting after STARTTLS
    }
}

void client_start_tls(struct client *c)
{
    c->start_tls = true;
}

// STARTTLS was answered: anything said in clear after it was said by somebody in between, or by a
// client that does not wait as it must. Either way the connection is over.
static void start_tls_when_said(struct client *c)
{
    if (!c->start_tls || c->out.n || c->phase != PHASE_DIALOGUE) {
        return;
    }
    if (c->in.n) {
        log_warn("%s sent more after STARTTLS in the clear; closed", address_host_text(&c->peer).s);
        c->phase = PHASE_GONE;
        return;
    }
    c->protocol->finish(c);
    memset(c->state, 0, c->protocol->state_bytes);
    handshake_begin(c);
}

// ---- asking keep --------------------------------------------------------------------------------

static enum err question_send(struct client *c, const struct client_question *q)
{
    struct address_text host = address_host_text(&c->peer);
    struct ipc_auth_request m = {
        .conversation = c->conversation,
        .protocol = c->protocol->ipc_protocol,
        .tls = client_has_tls(c),
        .local_port = c->local_port,
        .mechanism = span_from_str(q->mechanism),
        .authzid = q->authzid,
        .user = q->user,
        .password = q->password,
        .remote = span_from_str(host.s),
    };
    struct buf frame;

    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    enum err e = ipc_auth_request_encode(&m, 0, &frame);

    if (e == ERR_OK) {
        e = gate_keep_send(c->worker->gate, buf_span(&frame), -1);
    }
    if (frame.p) {
        OPENSSL_cleanse(frame.p, frame.cap);
    }
    buf_finish(&frame);
    return e;
}

static void refused(struct client *c, enum ipc_auth why, struct span text)
{
    bool too_often =
        why == IPC_AUTH_BAD &&
        ++c->failures >= conf_value_count(client_settings(c), SETTING_LOGIN_FAILURES_MAX);

    dialogue_begin(c);
    c->protocol->refused(c, why, text, too_often);
    if (too_often) {
        client_close(c);
    }
}

void client_ask(struct client *c, const struct client_question *q)
{
    buf_clear(&c->tag);
    buf_put(&c->tag, q->tag);
    buf_clear(&c->client_id);
    buf_put(&c->client_id, q->client_id);
    c->conversation = worker_ask(c->worker, c);
    enum err e = c->conversation ? question_send(c, q) : ERR_NOMEM;

    if (e == ERR_OK) {
        c->phase = PHASE_ASKING;
        return;
    }
    conversation_end(c);
    if (e == ERR_LIMIT) { // longer than any password or name we accept
        refused(c, IPC_AUTH_BAD, SPAN(""));
    } else {
        refused(c, IPC_AUTH_UNAVAILABLE, SPAN(""));
    }
}

static enum err hand_over(struct client *c, struct span ticket, int fd)
{
    struct address_text host = address_host_text(&c->peer);
    struct stream_tls_text tls = stream_tls_text(&c->stream);
    struct ipc_handoff m = {
        .ticket = ticket,
        .protocol = c->protocol->ipc_protocol,
        .tls = client_has_tls(c),
        .local_port = c->local_port,
        .tag = buf_span(&c->tag),
        .remote = span_from_str(host.s),
        .remote_port = address_port(&c->peer),
        .tls_text = span_from_str(tls.s),
        .client_id = buf_span(&c->client_id),
        .input = buf_span(&c->in),
    };
    struct buf frame;

    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    enum err e = ipc_handoff_encode(&m, 1, &frame);

    if (e == ERR_OK) {
        e = gate_keep_send(c->worker->gate, buf_span(&frame), fd);
    }
    buf_finish(&frame);
    return e;
}

// The TLS state cannot leave this process, so keep gets one end of a pair and we relay.
static enum err hand_over_relayed(struct client *c, struct span ticket)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        return ERR_LIMIT;
    }
    enum err e = hand_over(c, ticket, pair[1]);

    close(pair[1]);
    if (e == ERR_OK) {
        loop_remove(&c->source); // the relay watches the descriptor now
        e = relay_start(c->worker, &c->stream, pair[0]);
    }
    if (e != ERR_OK) {
        close(pair[0]);
    }
    return e;
}

static void accepted(struct client *c, struct span ticket)
{
    enum err e =
        client_has_tls(c) ? hand_over_relayed(c, ticket) : hand_over(c, ticket, c->stream.fd);

    if (e == ERR_OK) {
        c->phase = PHASE_GONE;
    } else if (c->source.loop) {
        refused(c, IPC_AUTH_UNAVAILABLE, SPAN(""));
    } else {
        c->phase = PHASE_GONE; // handed over, but nobody to relay: keep sees the pair close
    }
}

static void settle(struct client *c);

void client_answered(struct client *c, enum ipc_auth result, struct span text, struct span ticket)
{
    conversation_end(c);
    if (result == IPC_AUTH_OK) {
        accepted(c, ticket);
    } else if (result == IPC_AUTH_BAD) {
        c->phase = PHASE_HELD; // guessing is slow, and holds no thread
        c->held_result = result;
        buf_clear(&c->held_text);
        buf_put(&c->held_text, text);
        deadline_set(c, clock_monotonic_ms() +
                            conf_value_ms(client_settings(c), SETTING_LOGIN_FAILURE_DELAY));
    } else {
        refused(c, result, text);
        if (c->phase == PHASE_DIALOGUE) {
            c->protocol->input(c);
        }
    }
    settle(c);
}

void client_keep_lost(struct client *c)
{
    if (c->phase == PHASE_ASKING) {
        client_answered(c, IPC_AUTH_UNAVAILABLE, SPAN(""), SPAN(""));
    }
}

void client_goodbye(struct client *c)
{
    if (c->phase == PHASE_DIALOGUE) {
        c->protocol->goodbye(c, "Mailkeep is stopping");
        client_close(c);
    } else if (c->phase == PHASE_HANDSHAKE || c->phase == PHASE_HELD) {
        c->phase = PHASE_GONE;
    }
    settle(c);
}

// ---- events -------------------------------------------------------------------------------------

// The end of every event: send, start TLS, wait for the right things, or free it.
static void settle(struct client *c)
{
    if (c->phase != PHASE_HANDSHAKE) {
        flush(c);
        start_tls_when_said(c);
    }
    if (c->phase == PHASE_GONE || (c->phase == PHASE_ENDING && c->out.n == 0)) {
        client_destroy(c);
        return;
    }
    if (c->in.n == 0) {
        buf_release(&c->in);
    }
    bool read = c->phase == PHASE_DIALOGUE && !c->start_tls;
    uint32_t events = stream_events(&c->stream, read, c->out.n > 0);

    if (loop_change(&c->source, events) != ERR_OK) {
        client_destroy(c);
    }
}

static void dialogue_read(struct client *c)
{
    // What TLS has decrypted already raises no event of the descriptor.
    for (int i = 0; i < READ_ROUNDS_MAX || stream_has_pending(&c->stream); i++) {
        if (c->phase != PHASE_DIALOGUE || c->start_tls) {
            return;
        }
        enum err e = stream_read(&c->stream, &c->in, READ_BYTES);

        if (e == ERR_AGAIN) {
            return;
        }
        if (e == ERR_OK || e == ERR_LIMIT) {
            c->protocol->input(c);
        }
        if (e == ERR_LIMIT && c->phase == PHASE_DIALOGUE) {
            c->phase = PHASE_GONE; // the protocol's own limits come first; this is the last one
        } else if (e == ERR_EOF) {
            client_close(c);
        } else if (e == ERR_IO) {
            c->phase = PHASE_GONE;
        }
    }
}

static void on_ready(struct loop_source *s, uint32_t events)
{
    struct client *c = LIST_ITEM(s, struct client, source);

    if (events & EPOLLERR) {
        c->phase = PHASE_GONE;
    } else if ((events & EPOLLHUP) && c->phase != PHASE_DIALOGUE && c->phase != PHASE_HANDSHAKE) {
        c->phase = PHASE_GONE;
    } else if (c->phase == PHASE_HANDSHAKE) {
        handshake_go_on(c);
    }
    if (c->phase == PHASE_DIALOGUE) {
        dialogue_read(c);
    }
    settle(c);
}

static void on_time(struct timer *t)
{
    struct client *c = LIST_ITEM(t, struct client, timer);

    if (c->phase == PHASE_HELD) {
        refused(c, c->held_result, buf_span(&c->held_text));
        if (c->phase == PHASE_DIALOGUE) {
            c->protocol->input(c); // what was pipelined behind the login
        }
    } else if (c->phase == PHASE_DIALOGUE) {
        c->protocol->goodbye(c, "You took too long to log in");
        client_close(c);
    } else if (c->phase != PHASE_ASKING) {
        c->phase = PHASE_GONE;
    } else {
        deadline_set(c, clock_monotonic_ms() + ENDING_MS); // keep answers or is restarted
    }
    settle(c);
}

// ---- start --------------------------------------------------------------------------------------

static struct client *client_create(struct gate_worker *w, int fd, const struct address *peer,
                                    const struct client_protocol *protocol)
{
    struct client *c = calloc(1, sizeof(*c) + protocol->state_bytes);

    if (!c) {
        close(fd);
        return NULL;
    }
    c->worker = w;
    c->protocol = protocol;
    c->config = gate_config_now(w->gate);
    stream_init(&c->stream, fd);
    const struct settings *s = c->config->settings;

    buf_init(&c->in, conf_value_bytes(s, SETTING_LOGIN_LINE_MAX) +
                         conf_value_bytes(s, SETTING_LOGIN_LITERAL_MAX) + 32768);
    buf_init(&c->out, OUTPUT_MAX);
    buf_init(&c->tag, 256);
    buf_init(&c->client_id, 4096);
    buf_init(&c->held_text, 512);
    c->peer = *peer;
    c->source.fd = fd;
    c->source.ready = on_ready;
    c->timer.fire = on_time;
    c->login_until_ms = clock_monotonic_ms() + conf_value_ms(s, SETTING_LOGIN_TIMEOUT);
    c->phase = PHASE_HANDSHAKE;
    list_append(&w->clients, &c->link);
    return c;
}

static void local_port_find(struct client *c)
{
    struct sockaddr_storage local;
    socklen_t n = sizeof(local);
    struct address a;

    if (getsockname(c->stream.fd, (struct sockaddr *)&local, &n) == 0 &&
        address_from_sockaddr((struct sockaddr *)&local, n, &a) == ERR_OK) {
        c->local_port = address_port(&a);
    }
}

void client_start(struct gate_worker *w, int fd, const struct address *peer, bool implicit_tls,
                  const struct client_protocol *protocol)
{
    struct client *c = client_create(w, fd, peer, protocol);
    const char *reason;

    if (!c) {
        atomic_fetch_sub(&w->gate->connections, 1);
        return;
    }
    local_port_find(c);
    if (loop_add(w->loop, &c->source, EPOLLIN) != ERR_OK || (implicit_tls && !c->config->tls)) {
        client_destroy(c);
        return;
    }
    if (gate_waiting_enter(w->gate, c->config, peer, &reason) == ERR_OK) {
        c->is_counted = true;
    } else if (implicit_tls) {
        client_destroy(c); // no handshake only to say goodbye
        return;
    }
    if (implicit_tls) {
        c->greets = true;
        handshake_begin(c);
    } else {
        dialogue_begin(c);
        protocol->start(c);
        if (!c->is_counted) {
            buf_clear(&c->out);
            protocol->goodbye(c, reason);
            client_close(c);
        }
    }
    settle(c);
}
