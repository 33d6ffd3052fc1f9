// SPDX-License-Identifier: Apache-2.0
//
// One message on its way: a conversation with the courier over a socket pair of its own. What the
// courier has not answered when the conversation ends is tried again.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "keep/count/keep_count.h"
#include "keep/outbound/outbound_internal.h"
#include "report/report_session.h"

_Static_assert(IPC_TLS_RESULTS == REPORT_SESSION_RESULTS && IPC_TLS_GOOD == REPORT_SESSION_GOOD,
               "one numbering");

#include "base/banned.h"

#define PIECE_BYTES          65536
#define JOB_LIMIT_MS         (4 * 3600000LL) // more than all waits of a slow server together
#define INPUT_STEP           4096
#define LAST_WORDS_BYTES_MAX (1u << 20)
#define TEXTS_BYTES_MAX      (QUEUE_JOB_RECIPIENTS_MAX * 1024)

struct out_job {
    struct outbound *o;
    struct queue_job *job;
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
    bool has_result[QUEUE_JOB_RECIPIENTS_MAX];
    struct arena texts; // of the results and the route
    struct outbound_route route;
    struct span tls; // what protected the connection, in words
    uint64_t offset; // of the message, sent so far
    bool body_sent, ended, stopped, timed_out;
};

enum err outbound_read(struct outbound *o, const struct queue_message *m, uint64_t offset, size_t n,
                       struct buf *out)
{
    struct snapshot *s;

    if (offset < m->prefix.n) {
        buf_put(out, span_first(span_skip(m->prefix, offset), n));
        return buf_result(out);
    }
    enum err e = snapshot_open(o->options.engine, &s);

    if (e == ERR_OK) {
        e = body_read(s, m->body, offset - m->prefix.n, n, out);
        snapshot_close(s);
    }
    return e;
}

static uint64_t message_bytes(const struct queue_message *m)
{
    return m->prefix.n + m->body_bytes;
}

// ---- to the courier -----------------------------------------------------------------------------

static enum err put_envelope(struct out_job *j, struct buf *out)
{
    const struct queue_message *m = &j->job->message;
    const struct outbound_route *route = &j->route;
    struct ipc_relay_job head = {
        .id = m->id,
        .destination = j->job->recipients[0].destination,
        .route_host = route->host,
        .route_port = route->port,
        .route_tls = route->tls,
        .route_user = route->user,
        .route_password = route->password,
        .helo = j->o->options.server,
        .sender = m->sender,
        .flags = m->flags,
        .bytes = message_bytes(m),
        .envid = m->envid,
        .recipients = (uint32_t)j->job->count,
    };
    enum err e = ipc_relay_job_encode(&head, 0, out);

    for (size_t i = 0; i < j->job->count && e == ERR_OK; i++) {
        const struct queue_recipient *r = &j->job->recipients[i];
        struct ipc_relay_rcpt rcpt = {
            .address = r->address, .orcpt = r->orcpt, .notify = (uint8_t)r->notify};

        e = ipc_relay_rcpt_encode(&rcpt, 0, out);
    }
    return e;
}

// As much of the message as there is room for. The rest when the courier has read.
static enum err put_body(struct out_job *j, struct task_conn *conn)
{
    uint64_t bytes = message_bytes(&j->job->message);
    struct buf piece;
    enum err e = ERR_OK;

    buf_init(&piece, PIECE_BYTES);
    while (!j->body_sent && e == ERR_OK && !conn_output_full(conn)) {
        buf_clear(&piece);
        if (j->offset < bytes) {
            e = outbound_read(j->o, &j->job->message, j->offset, PIECE_BYTES, &piece);
            e = e == ERR_OK && piece.n == 0 ? ERR_CORRUPT : e;
        }
        j->offset += piece.n;
        struct ipc_relay_body body = {.last = j->offset >= bytes, .bytes = buf_span(&piece)};

        if (e == ERR_OK) {
            e = ipc_relay_body_encode(&body, 0, conn_output(conn));
            j->body_sent = body.last;
        }
    }
    buf_finish(&piece);
    return e;
}

// ---- from the courier ---------------------------------------------------------------------------

static enum err take_result(struct out_job *j, struct span fields)
{
    struct ipc_relay_result m;
    enum err e = ipc_relay_result_decode(fields, &m);

    if (e != ERR_OK || m.recipient >= j->job->count || m.outcome > IPC_RELAY_UNTRIED) {
        return ERR_INVALID;
    }
    struct queue_result *r = &j->results[m.recipient];

    r->outcome = (enum queue_outcome)m.outcome;
    r->host = arena_dup(&j->texts, m.host);
    r->reply = arena_dup(&j->texts, span_first(m.reply, QUEUE_REPLY_BYTES_MAX));
    if (!r->host.p || !r->reply.p) {
        return ERR_NOMEM;
    }
    j->has_result[m.recipient] = true;
    return ERR_OK;
}

static enum err take_end(struct out_job *j, struct span fields)
{
    struct ipc_relay_end m;
    enum err e = ipc_relay_end_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    j->ended = true;
    j->tls = arena_dup(&j->texts, m.tls);
    for (size_t i = 0; i < j->job->count && m.problem.n; i++) {
        if (!j->has_result[i]) {
            j->results[i].outcome = QUEUE_OUT_UNTRIED;
            j->results[i].reply = arena_dup(&j->texts, m.problem);
            j->has_result[i] = j->results[i].reply.p;
        }
    }
    return ERR_OK;
}

// What became of TLS with a server, for the report to the recipients' domain.
static enum err take_session(struct out_job *j, struct span fields)
{
    struct trail *trail = j->o->options.trail;
    struct ipc_relay_session m;
    enum err e = ipc_relay_session_decode(fields, &m);
    struct span key, value;
    char *room;

    if (e != ERR_OK || m.policy > IPC_TLS_STS || m.result == IPC_TLS_NONE ||
        m.result >= IPC_TLS_RESULTS) {
        return ERR_INVALID;
    }
    if (!trail || !j->o->options.tells_tls || !(room = malloc(REPORT_SEEN_BYTES_MAX))) {
        return ERR_OK;
    }
    const struct report_session s = {.domain = m.domain,
                                     .policy = m.policy,
                                     .result = m.result,
                                     .policy_text = m.policy_text,
                                     .host = m.host,
                                     .address = m.address,
                                     .source = m.source,
                                     .reason = m.reason};

    if (report_session_row(&s, trail_number(trail), room, &key, &value)) {
        trail_collect(trail, key, value);
    }
    free(room);
    return ERR_OK;
}

static enum err take_frame(struct out_job *j, const struct ipc_frame *frame)
{
    switch (frame->type) {
    case IPC_RELAY_RESULT:
        return take_result(j, frame->fields);
    case IPC_RELAY_SESSION:
        return take_session(j, frame->fields);
    case IPC_RELAY_END:
        return take_end(j, frame->fields);
    default:
        return ERR_INVALID;
    }
}

static enum err take_frames(struct out_job *j, struct task_conn *conn)
{
    struct ipc_frame frame;
    enum err e;

    while ((e = ipc_frame_next(conn_input(conn), &frame)) == ERR_OK) {
        e = take_frame(j, &frame);
        if (e != ERR_OK) {
            return e;
        }
        conn_consume(conn, frame.bytes);
    }
    return e == ERR_AGAIN ? ERR_OK : e;
}

// ERR_EOF: the courier has gone.
static enum err read_all(struct out_job *j, struct task_conn *conn)
{
    enum err e;

    while ((e = conn_read(conn)) == ERR_OK && !j->ended) {
        e = take_frames(j, conn);
        if (e != ERR_OK) {
            return e;
        }
    }
    return e == ERR_AGAIN || j->ended ? ERR_OK : ERR_EOF;
}

// The courier may be done before it has all of the body, when nobody wanted the message; then it
// closes, and nothing more can be sent. What it said before is still in the socket.
static void hear_last_words(struct out_job *j, struct task_conn *conn)
{
    struct ipc_frame frame;
    struct buf words;
    size_t at = 0;
    ssize_t n;
    char *room;

    buf_init(&words, LAST_WORDS_BYTES_MAX);
    buf_put(&words, conn_input(conn));
    while ((room = buf_reserve(&words, INPUT_STEP)) != NULL &&
           (n = recv(conn_fd(conn), room, INPUT_STEP, MSG_DONTWAIT)) > 0) {
        words.n += (size_t)n;
    }
    while (!j->ended && ipc_frame_next(span_skip(buf_span(&words), at), &frame) == ERR_OK &&
           take_frame(j, &frame) == ERR_OK) {
        at += frame.bytes;
    }
    buf_finish(&words);
}

// ---- the conversation ---------------------------------------------------------------------------

static void job_run(struct task_conn *conn, void *arg, unsigned reasons)
{
    struct out_job *j = arg;
    enum err e = ERR_OK;

    j->stopped |= (reasons & CONN_STOPPING) != 0;
    j->timed_out |= (reasons & CONN_TIMEOUT) != 0;
    if ((reasons & CONN_CLOSED) && !j->ended) {
        hear_last_words(j, conn);
    }
    // At a stop: what the courier has whole may have been taken by the other server any moment, and
    // its result is waited for.
    if ((reasons & (CONN_TIMEOUT | CONN_CLOSED)) || (j->stopped && !j->body_sent)) {
        conn_abort(conn);
        return;
    }
    if (reasons & CONN_START) {
        conn_set_deadline(conn, clock_monotonic_ms() + JOB_LIMIT_MS);
        e = put_envelope(j, conn_output(conn));
    }
    if (e == ERR_OK) {
        e = read_all(j, conn);
    }
    if (e == ERR_OK && !j->ended) {
        e = put_body(j, conn);
    }
    if (e != ERR_OK && e != ERR_EOF) {
        log_error("message %s cannot be handed to the courier: %s",
                  queue_id_text(j->job->message.id).s, err_name(e));
    }
    if (j->ended || e != ERR_OK) {
        conn_abort(conn);
    }
}

// Recipients without a result: nobody knows whether the other server has them. A courier that went
// without a word may have been stopped by this very message.
static void fill_results(struct out_job *j)
{
    bool is_lost = !j->ended && !j->stopped && !j->timed_out;

    for (size_t i = 0; i < j->job->count; i++) {
        if (!j->has_result[i]) {
            j->results[i] = (struct queue_result){
                .outcome = is_lost ? QUEUE_OUT_LOST : QUEUE_OUT_DEFERRED,
                .host = SPAN(""),
                .reply = SPAN("4.3.0 sending was interrupted here"),
            };
        }
    }
}

// What was said over a connection was protected as the courier says.
static void fill_protection(struct out_job *j)
{
    for (size_t i = 0; j->tls.p && i < j->job->count; i++) {
        if (j->results[i].host.n) {
            j->results[i].protection = j->tls;
        }
    }
}

static void log_results(const struct out_job *j)
{
    static const char *const words[] = {"delivered", "put off", "failed", "not tried",
                                        "lost on its way to the courier"};

    for (size_t i = 0; i < j->job->count; i++) {
        keep_count_mail_out(j->results[i].outcome);
        log_info("message %s to %s: %s (%s%s%s)", queue_id_text(j->job->message.id).s,
                 log_text(j->job->recipients[i].address).s, words[j->results[i].outcome],
                 log_text(j->results[i].host).s, j->results[i].host.n ? ": " : "",
                 log_text(j->results[i].reply).s);
    }
}

void outbound_say_unstored(queue_id id, enum err e)
{
    log_error(
        "what became of message %s cannot be stored (%s): nothing more is sent until it can be",
        queue_id_text(id).s, err_name(e));
}

static bool has_results(const struct out_job *j)
{
    for (size_t i = 0; i < j->job->count; i++) {
        if (j->has_result[i]) {
            return true;
        }
    }
    return false;
}

static void job_destroy(struct out_job *j)
{
    struct span password = j->route.password;

    if (password.n > 0 && password.p != j->o->route_password) {
        explicit_bzero((char *)(uintptr_t)password.p, password.n); // it lies in the arena
    }
    arena_finish(&j->texts);
    free(j);
}

static void job_finish(struct out_job *j)
{
    if (j->stopped && !j->ended && !has_results(j)) {
        queue_abandon(j->o->options.queue, j->job);
    } else {
        queue_id id = j->job->message.id;

        fill_results(j);
        fill_protection(j);
        log_results(j);
        enum err e = queue_done(j->o->options.queue, j->job, j->results, clock_real_ms());

        if (e != ERR_OK) {
            outbound_say_unstored(id, e);
        }
    }
    job_destroy(j);
}

static void job_end(struct task_conn *conn, void *arg)
{
    (void)conn;
    job_finish(arg);
}

// Tells the courier of the job, with the other end of its pair.
static enum err announce(struct outbound *o, queue_id id, int fd)
{
    struct ipc_relay m = {.id = id};
    struct buf frame;
    enum err e;

    buf_init(&frame, 64);
    e = ipc_relay_encode(&m, 1, &frame);
    lock_take(&o->lock);
    if (e == ERR_OK) {
        e = o->courier ? channel_send(o->courier, buf_span(&frame), &fd, 1) : ERR_UNAVAILABLE;
    }
    lock_release(&o->lock);
    buf_finish(&frame);
    return e;
}

// Hands it to the courier. The job is the caller's still when this fails.
static enum err hand_over(struct out_job *j)
{
    static const struct conn_handler handler = {.run = job_run, .end = job_end};
    struct outbound *o = j->o;
    struct task_conn *conn;
    int pair[2] = {-1, -1};
    enum err e = ERR_OK;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        e = err_from_errno(errno);
    }
    e = e == ERR_OK ? announce(o, j->job->message.id, pair[1]) : e;
    if (e == ERR_OK) {
        e = conn_open(o->pool, pair[0], SPAN(""), &handler, j, &conn);
        pair[0] = e == ERR_OK ? -1 : pair[0];
    }
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
        }
    }
    return e;
}

enum err outbound_job_start(struct outbound *o, struct queue_job *job)
{
    struct out_job *j = calloc(1, sizeof(*j));
    struct span refused = SPAN("");

    if (!j) {
        queue_abandon(o->options.queue, job);
        return ERR_NOMEM;
    }
    *j = (struct out_job){.o = o, .job = job};
    arena_init(&j->texts, TEXTS_BYTES_MAX);
    enum err e = outbound_route_find(o, job, &j->texts, &j->route, &refused);

    if (e == ERR_DENIED) {
        outbound_refuse(o, job, refused);
        job_destroy(j);
        return ERR_OK;
    }
    if (e != ERR_OK) {
        log_error("the routes cannot be read (%s): message %s waits. Run `mailkeep check`",
                  err_name(e), queue_id_text(job->message.id).s);
    }
    e = e == ERR_OK ? hand_over(j) : e;
    if (e != ERR_OK) {
        queue_abandon(o->options.queue, job);
        job_destroy(j);
    }
    return e;
}

// ---- what stays here ----------------------------------------------------------------------------

struct here {
    struct outbound *o;
    const struct queue_message *message;
};

static enum err read_here(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    const struct here *h = arg;

    return outbound_read(h->o, h->message, offset, n, out);
}

void outbound_job_here(struct outbound *o, struct queue_job *job)
{
    static const enum queue_outcome outcomes[] = {[DELIVERY_ACCEPTED] = QUEUE_OUT_DELIVERED,
                                                  [DELIVERY_TEMPORARY] = QUEUE_OUT_DEFERRED,
                                                  [DELIVERY_REFUSED] = QUEUE_OUT_FAILED};
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
    char replies[QUEUE_JOB_RECIPIENTS_MAX][256];
    struct here h = {o, &job->message};
    queue_id id = job->message.id;
    enum err e = queue_try(o->options.queue, job);

    if (e != ERR_OK) {
        if (e != ERR_DENIED) {
            log_error("message %s waits: that it is tried cannot be noted (%s)",
                      queue_id_text(id).s, err_name(e));
        }
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        struct delivery_answer a;

        delivery_again(o->options.delivery, &job->message, job->recipients[i].address, read_here,
                       &h, &a);
        snprintf(replies[i], sizeof(replies[i]), "%u %s %s", a.code, a.enhanced, a.text);
        results[i] = (struct queue_result){
            .outcome = outcomes[a.outcome], .host = SPAN(""), .reply = span_from_str(replies[i])};
    }
    e = queue_done(o->options.queue, job, results, clock_real_ms());

    if (e != ERR_OK) {
        outbound_say_unstored(id, e);
    }
}
