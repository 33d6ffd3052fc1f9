// SPDX-License-Identifier: Apache-2.0
//
// A client's questions to keep, the answers, and the handing over.
#include <openssl/crypto.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "gate/client_internal.h"
#include "gate/count/gate_count.h"
#include "gate/relay.h"

#include "base/banned.h"

static enum err secret_send(struct client *c, enum err e, struct buf *frame)
{
    if (e == ERR_OK) {
        e = gate_keep_send(c->worker->gate, buf_span(frame), -1);
    }
    if (frame->p) {
        OPENSSL_cleanse(frame->p, frame->cap);
    }
    buf_finish(frame);
    return e;
}

static enum err response_send(struct client *c, bool is_given_up)
{
    struct ipc_auth_response m = {.conversation = c->conversation,
                                  .is_given_up = is_given_up,
                                  .bytes = is_given_up ? SPAN("") : c->dialogue.question.message};
    struct buf frame;

    buf_init_secret(&frame, IPC_FRAME_BYTES_MAX);
    return secret_send(c, ipc_auth_response_encode(&m, 0, &frame), &frame);
}

static enum err question_send(struct client *c)
{
    const struct dialogue_question *q = &c->dialogue.question;
    struct address_text host = address_host_text(&c->peer);
    struct ipc_auth_request m = {
        .conversation = c->conversation,
        .protocol = c->service->ipc_protocol,
        .tls = c->dialogue.has_tls,
        .local_port = c->dialogue.peer.local_port,
        .mechanism = span_from_str(q->mechanism),
        .authzid = q->authzid,
        .user = q->user,
        .password = q->password,
        .remote = span_from_str(host.s),
        .response = q->message,
        .binding = q->binding,
    };
    struct buf frame;

    buf_init_secret(&frame, IPC_FRAME_BYTES_MAX);
    return secret_send(c, ipc_auth_request_encode(&m, 0, &frame), &frame);
}

void client_forget_question(struct client *c)
{
    if (c->has_exchange) {
        c->has_exchange = false;
        (void)response_send(c, true); // it ends by itself, too
    }
    if (c->conversation) {
        worker_forget(c->worker, c->conversation);
        c->conversation = 0;
    }
}

void client_refused(struct client *c, enum dialogue_refusal why, struct span text)
{
    client_dialogue_begin(c);
    dialogue_refused(&c->dialogue, why, text);
    client_step(c);
}

// A wrong password is answered late: guessing is slow, and holds no thread. The time runs from the
// question, in whole delays, so that the answer's moment does not tell how long the check took: an
// unknown name, a suspended account and a slow hash brought from elsewhere look the same.
static void hold(struct client *c, struct span text)
{
    int64_t delay = conf_value_ms(c->dialogue.settings, SETTING_LOGIN_FAILURE_DELAY);
    int64_t taken = clock_monotonic_ms() - c->asked_ms;
    int64_t delays = delay > 0 ? taken / delay + 1 : 0;

    c->phase = CLIENT_HELD;
    buf_clear(&c->held_text);
    buf_put(&c->held_text, text);
    client_deadline(c, c->asked_ms + delays * delay);
}

// The second message goes where the first one went.
static enum err respond(struct client *c)
{
    if (!c->has_exchange) {
        return ERR_UNAVAILABLE; // keep has gone meanwhile
    }
    c->has_exchange = false;
    return response_send(c, false);
}

static enum err ask(struct client *c)
{
    client_forget_question(c); // an exchange that the client has given up
    c->conversation = worker_ask(c->worker, c);
    return c->conversation ? question_send(c) : ERR_NOMEM;
}

void client_ask(struct client *c)
{
    c->asked_ms = clock_monotonic_ms();
    enum err e = c->dialogue.question.is_response ? respond(c) : ask(c);

    dialogue_forget_password(&c->dialogue);
    if (e == ERR_OK) {
        c->phase = CLIENT_ASKING;
        return;
    }
    client_forget_question(c);
    if (e == ERR_LIMIT) {
        hold(c, SPAN("")); // longer than any name or password there is
    } else {
        dialogue_refused(&c->dialogue, DIALOGUE_UNAVAILABLE, SPAN(""));
    }
}

// ---- domains ------------------------------------------------------------------------------------

static enum err domain_question_send(struct client *c)
{
    struct ipc_domain_request m = {.conversation = c->conversation, .domain = c->dialogue.domain};
    struct buf frame;

    buf_init(&frame, 4096);
    enum err e = ipc_domain_request_encode(&m, 0, &frame);

    if (e == ERR_OK) {
        e = gate_keep_send(c->worker->gate, buf_span(&frame), -1);
    }
    buf_finish(&frame);
    return e;
}

void client_ask_domain(struct client *c)
{
    c->conversation = worker_ask(c->worker, c);
    enum err e = c->conversation ? domain_question_send(c) : ERR_NOMEM;

    if (e == ERR_OK) {
        c->phase = CLIENT_ASKING;
        return;
    }
    client_forget_question(c);
    // A name that is too long for the question is nobody's here.
    dialogue_domain_known(&c->dialogue,
                          e == ERR_LIMIT ? DIALOGUE_DOMAIN_OTHER : DIALOGUE_DOMAIN_UNKNOWN);
}

static void domain_known(struct client *c, enum dialogue_domain is)
{
    client_forget_question(c);
    client_dialogue_begin(c);
    dialogue_domain_known(&c->dialogue, is);
    client_step(c);
}

void client_domain_answered(struct client *c, enum ipc_domain result)
{
    if (c->phase == CLIENT_ASKING && c->dialogue.step == DIALOGUE_ASK_DOMAIN) {
        domain_known(c, result == IPC_DOMAIN_OURS    ? DIALOGUE_DOMAIN_OURS
                        : result == IPC_DOMAIN_OTHER ? DIALOGUE_DOMAIN_OTHER
                                                     : DIALOGUE_DOMAIN_UNKNOWN);
        client_settle(c);
    }
}

void client_unanswered(struct client *c)
{
    if (c->dialogue.step == DIALOGUE_ASK_DOMAIN) {
        domain_known(c, DIALOGUE_DOMAIN_UNKNOWN);
    } else {
        client_forget_question(c);
        gate_count_login(c->service->ipc_protocol, GATE_LOGIN_NO_ANSWER);
        client_refused(c, DIALOGUE_UNAVAILABLE, SPAN(""));
    }
}

// ---- handing over -------------------------------------------------------------------------------

static enum err hand_over(struct client *c, struct span ticket, struct span last, int fd)
{
    const struct dialogue_question *q = &c->dialogue.question;
    struct address_text host = address_host_text(&c->peer);
    struct stream_tls_text tls = stream_tls_text(&c->stream);
    struct ipc_handoff m = {
        .ticket = ticket,
        .protocol = c->service->ipc_protocol,
        .tls = c->dialogue.has_tls,
        .local_port = c->dialogue.peer.local_port,
        .tag = q->tag,
        .remote = span_from_str(host.s),
        .remote_port = address_port(&c->peer),
        .tls_text = span_from_str(tls.s),
        .client_id = q->client_id,
        .last = last,
        .input = buf_span(&c->dialogue.in),
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
static enum err hand_over_relayed(struct client *c, struct span ticket, struct span last)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        return ERR_LIMIT;
    }
    enum err e = hand_over(c, ticket, last, pair[1]);

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

// The dialogue goes on here; only who waits to log in is counted.
static void stays(struct client *c, struct span ticket)
{
    if (!c->dialogue.protocol->keeps_place) {
        client_uncount(c);
    }
    client_dialogue_begin(c);
    dialogue_accepted(&c->dialogue, ticket);
    client_step(c);
}

// `last`: what goes with the yes, as it is to be said.
static void accepted(struct client *c, struct span ticket, struct span last)
{
    if (c->dialogue.protocol->accepted) {
        stays(c, ticket);
        return;
    }
    enum err e = c->dialogue.has_tls ? hand_over_relayed(c, ticket, last)
                                     : hand_over(c, ticket, last, c->stream.fd);

    if (e == ERR_OK) {
        c->phase = CLIENT_GONE;
    } else if (c->source.loop) {
        client_refused(c, DIALOGUE_UNAVAILABLE, SPAN(""));
    } else {
        c->phase = CLIENT_GONE; // handed over, but nobody to relay: keep sees the pair close
    }
}

// `proof`: that the server knows the secret, too, for a mechanism that says so. The client has to
// hear it before the yes, or with it.
static void let_in(struct client *c, struct span proof, struct span ticket)
{
    struct buf base64;

    if (!proof.n) {
        accepted(c, ticket, SPAN(""));
    } else if (c->dialogue.protocol->says_last_with_yes) {
        buf_init(&base64, 1024);
        base64_encode(&base64, proof);
        accepted(c, ticket, buf_span(&base64));
        buf_finish(&base64);
    } else {
        buf_clear(&c->ticket);
        buf_put(&c->ticket, ticket);
        client_dialogue_begin(c);
        dialogue_challenged(&c->dialogue, proof, true);
        client_step(c);
    }
}

void client_admit_proven(struct client *c)
{
    accepted(c, buf_span(&c->ticket), SPAN(""));
}

void client_challenged(struct client *c, struct span bytes)
{
    if (c->phase == CLIENT_ASKING && c->dialogue.step == DIALOGUE_ASK) {
        c->has_exchange = true;
        client_dialogue_begin(c);
        dialogue_challenged(&c->dialogue, bytes, false);
        client_step(c);
        client_settle(c);
    }
}

void client_answered(struct client *c, enum ipc_auth result, struct span text, struct span ticket)
{
    static const enum gate_login how[] = {
        [IPC_AUTH_OK] = GATE_LOGIN_ACCEPTED,
        [IPC_AUTH_BAD] = GATE_LOGIN_REFUSED,
        [IPC_AUTH_UNAVAILABLE] = GATE_LOGIN_NO_ANSWER,
        [IPC_AUTH_TOO_MANY] = GATE_LOGIN_SLOWED,
    };

    if (c->phase != CLIENT_ASKING || c->dialogue.step != DIALOGUE_ASK) {
        return; // keep answers what it was not asked
    }
    client_forget_question(c);
    gate_count_login(c->service->ipc_protocol,
                     result <= IPC_AUTH_TOO_MANY ? how[result] : GATE_LOGIN_NO_ANSWER);
    switch (result) {
    case IPC_AUTH_OK:
        let_in(c, text, ticket);
        break;
    case IPC_AUTH_BAD:
        hold(c, text);
        break;
    case IPC_AUTH_TOO_MANY:
        client_refused(c, DIALOGUE_TOO_MANY, text);
        break;
    default:
        client_refused(c, DIALOGUE_UNAVAILABLE, text);
        break;
    }
    client_settle(c);
}

void client_keep_lost(struct client *c)
{
    c->has_exchange = false; // gone with keep
    if (c->phase == CLIENT_ASKING) {
        client_unanswered(c);
        client_settle(c);
    }
}
