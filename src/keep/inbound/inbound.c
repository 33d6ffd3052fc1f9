// SPDX-License-Identifier: Apache-2.0
//
// The connections: opened for the gate, checked against who has logged in, run by the pool.
#include "keep/inbound/inbound.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "base/log.h"
#include "keep/inbound/inbound_internal.h"
#include "keep/login/keep_tokens.h"

#include "base/banned.h"

#define INPUT_MAX        (160u << 10) // a whole frame, and more
#define OUTPUT_SOFT      (64u << 10)
#define OUTPUT_HARD      (8u << 20) // an answer for each of the most recipients
#define WRITE_TIMEOUT_MS 60000      // the gate reads, or is dead
#define RUN_BYTES_MAX    (1u << 20) // taken in a row while others wait

static const struct mail_reply not_admitted = {421, "4.7.0",
                                               "The login is not valid any more; log in again"},
                               too_many = {421, "4.7.0", "Too many connections of this user"};

// ---- who it is ----------------------------------------------------------------------------------

static void end_session(void *session, enum session_end why)
{
    struct mail_session *s = session;

    (void)why; // the client is told by the gate that it is over
    atomic_store(&s->is_ending, true);
    conn_wake(s->conn);
}

static void drop_session(void *session)
{
    struct mail_session *s = session;

    conn_kill(s->conn);
}

// Counts before the account is looked at: an administrator who suspends it at this moment either is
// seen here, or sees the session and ends it.
static void admit(struct mail_session *s)
{
    static const struct session_control control = {end_session, drop_session};
    const struct auth_grant *grant = &s->login.grant;
    struct auth_identity who;
    struct arena arena;
    const char *reason;

    if (s->login.is_void) {
        s->closed = &not_admitted;
        return;
    }
    if (!grant->account) {
        return;
    }
    if (keep_sessions_enter(s->in->options.sessions, grant->account, keep_tokens_device(grant),
                            span_from_str(s->remote), &s->counted, &reason) != ERR_OK) {
        s->closed = &too_many;
        return;
    }
    keep_sessions_opened(s->counted, &control, s);
    arena_init(&arena, 16384);
    if (auth_grant_holds(s->in->options.store, grant, &arena, &who) == ERR_OK) {
        snprintf(s->user, sizeof(s->user), "%.*s", SPAN_ARG(who.user));
        snprintf(s->device, sizeof(s->device), "%.*s", SPAN_ARG(who.device_name));
        if (who.device_until) {
            keep_sessions_over_at(s->counted, grant->account, grant->device, who.device_until);
        }
    } else {
        s->closed = &not_admitted;
    }
    arena_finish(&arena);
}

// ---- a run --------------------------------------------------------------------------------------

// Whatever is there. ERR_EOF: the gate is done.
static enum err work(struct mail_session *s)
{
    size_t taken = 0;

    while (!conn_output_full(s->conn)) {
        struct ipc_frame f;
        enum err e = ipc_frame_next(conn_input(s->conn), &f);

        if (e == ERR_AGAIN) {
            e = conn_read(s->conn);
            if (e != ERR_OK) {
                return e == ERR_AGAIN ? ERR_OK : e;
            }
            continue;
        }
        e = e == ERR_OK ? mail_take(s, &f) : e;
        if (e != ERR_OK) {
            return e;
        }
        conn_consume(s->conn, f.bytes);
        taken += f.bytes;
        if (taken > RUN_BYTES_MAX || atomic_load(&s->is_ending)) {
            conn_again(s->conn);
            break;
        }
    }
    return ERR_OK;
}

static void run(struct task_conn *conn, void *arg, unsigned reasons)
{
    struct mail_session *s = arg;

    s->conn = conn;
    if (reasons & CONN_START) {
        admit(s);
    }
    if (reasons & CONN_CLOSED) {
        return;
    }
    if ((reasons & CONN_STOPPING) || atomic_load(&s->is_ending)) {
        conn_close(conn);
        return;
    }
    enum err e = work(s);

    if (e == ERR_INVALID || e == ERR_LIMIT) {
        log_error("the gate has sent something about mail that makes no sense");
    }
    if (e != ERR_OK) {
        conn_close(conn); // what was answered before is heard
    }
}

static void end(struct task_conn *conn, void *arg)
{
    struct mail_session *s = arg;

    (void)conn;
    mail_reset(s);
    if (s->counted) {
        keep_sessions_leave(s->counted);
    }
    free(s);
}

enum err inbound_open(struct inbound *in, const struct ipc_mail *m,
                      const struct keep_link_login *login, int fd)
{
    static const struct conn_handler handler = {run, end};
    struct mail_session *s = calloc(1, sizeof(*s));
    struct task_conn *conn;

    if (!s) {
        return ERR_NOMEM;
    }
    s->in = in;
    s->protocol = m->protocol;
    s->is_trusted = m->is_trusted;
    s->login = *login;
    snprintf(s->remote, sizeof(s->remote), "%.*s", SPAN_ARG(m->remote));
    snprintf(s->tls, sizeof(s->tls), "%.*s", SPAN_ARG(m->tls_text));
    enum err e = conn_open(in->pool, fd, SPAN(""), &handler, s, &conn);

    if (e != ERR_OK) {
        free(s);
    }
    return e;
}

// ---- start and end ------------------------------------------------------------------------------

static struct span copy(char *to, size_t size, struct span from)
{
    from = span_first(from, size - 1);
    if (from.n) {
        memcpy(to, from.p, from.n);
    }
    to[from.n] = '\0';
    return span_of(to, from.n);
}

static enum err open_pool(struct inbound *in)
{
    struct conn_pool_options pool = {.thread_name = "keep-inbound",
                                     .threads = in->options.threads,
                                     .connections_max = in->options.connections_max,
                                     .input_max = INPUT_MAX,
                                     .output_soft = OUTPUT_SOFT,
                                     .output_hard = OUTPUT_HARD,
                                     .write_timeout_ms = WRITE_TIMEOUT_MS};

    return conn_pool_create(&pool, &in->pool);
}

enum err inbound_create(const struct inbound_options *o, const struct inbound_limits *limits,
                        struct inbound **out)
{
    struct inbound *in = calloc(1, sizeof(*in));

    if (!in) {
        return ERR_NOMEM;
    }
    in->options = *o;
    in->options.server = copy(in->server, sizeof(in->server), o->server);
    in->options.separators = copy(in->separators, sizeof(in->separators), o->separators);
    in->options.default_domain =
        copy(in->default_domain, sizeof(in->default_domain), o->default_domain);
    in->options.dir = copy(in->dir, sizeof(in->dir), o->dir);
    in->limits = *limits;
    lock_init(&in->lock, LOCK_LEAF);
    enum err e = send_rate_create(&in->rate);

    e = e == ERR_OK ? open_pool(in) : e;
    if (e != ERR_OK) {
        inbound_destroy(in);
        return e;
    }
    *out = in;
    return ERR_OK;
}

void inbound_set_limits(struct inbound *in, const struct inbound_limits *limits)
{
    lock_take(&in->lock);
    in->limits = *limits;
    lock_release(&in->lock);
}

void inbound_stop(struct inbound *in, int64_t timeout_ms)
{
    conn_pool_stop(in->pool, timeout_ms);
}

void inbound_destroy(struct inbound *in)
{
    if (in) {
        conn_pool_destroy(in->pool);
        send_rate_destroy(in->rate);
        lock_finish(&in->lock);
        free(in);
    }
}
