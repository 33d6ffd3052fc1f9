// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_connection.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/banned.h"

struct imap_connection {
    // Set in the first run, where whatever was asked for before is seen. Until then nobody can be
    // woken, and nobody needs to.
    _Atomic(struct task_conn *) conn;
    struct imap_session *session;
    void (*on_end)(void *arg);
    void *arg;
};

static enum err io_read(void *arg)
{
    struct imap_connection *c = arg;

    return conn_read(c->conn);
}

static struct span io_input(void *arg)
{
    struct imap_connection *c = arg;

    return conn_input(c->conn);
}

static void io_consume(void *arg, size_t n)
{
    struct imap_connection *c = arg;

    conn_consume(c->conn, n);
}

static struct buf *io_output(void *arg)
{
    struct imap_connection *c = arg;

    return conn_output(c->conn);
}

static bool io_output_full(void *arg)
{
    struct imap_connection *c = arg;

    return conn_output_full(c->conn);
}

static void io_wake(void *arg)
{
    struct imap_connection *c = arg;
    struct task_conn *conn = atomic_load(&c->conn);

    if (conn) {
        conn_wake(conn);
    }
}

static const struct imap_io io = {
    io_read, io_input, io_consume, io_output, io_output_full, io_wake,
};

static void connection_say_end(void *session, enum session_end why)
{
    static const struct imap_farewell farewells[] = {
        [SESSION_SUSPENDED] = {"CONTACTADMIN", "This account has been suspended"},
        [SESSION_REMOVED] = {"CONTACTADMIN", "This account has been removed"},
        [SESSION_PASSWORD] = {"EXPIRED", "The password has been changed; sign in with the new one"},
    };
    struct imap_connection *c = session;

    imap_session_stop(c->session, &farewells[why]);
}

static void connection_drop(void *session)
{
    struct imap_connection *c = session;
    struct task_conn *conn = atomic_load(&c->conn);

    if (conn) {
        conn_kill(conn);
    }
}

static void connection_run(struct task_conn *conn, void *arg, unsigned reasons)
{
    struct imap_connection *c = arg;
    struct imap_wait wait;

    atomic_store(&c->conn, conn);
    if (reasons & CONN_CLOSED) {
        return;
    }
    if (reasons & CONN_STOPPING) {
        static const struct imap_farewell stopping = {
            "UNAVAILABLE", "The server is stopping; come back in a moment"};

        imap_session_stop(c->session, &stopping);
    }
    imap_session_run(c->session, &wait);
    if (wait.closed) {
        conn_close(conn);
        return;
    }
    conn_want_input(conn, wait.input);
    conn_set_deadline(conn, wait.deadline_ms);
    if (wait.again) {
        conn_again(conn);
    }
}

static void connection_free(struct imap_connection *c)
{
    imap_session_destroy(c->session);
    free(c);
}

static void connection_end(struct task_conn *conn, void *arg)
{
    struct imap_connection *c = arg;

    (void)conn;
    if (c->on_end) {
        c->on_end(c->arg); // from here on nobody else knows of it
    }
    connection_free(c);
}

enum err imap_connection_open(struct imap_server *server, const struct session_start *start)
{
    static const struct conn_handler handler = {connection_run, connection_end};
    static const struct session_control control = {connection_say_end, connection_drop};
    const struct imap_session_start session = {
        .account = start->account,
        .user = start->user,
        .client = start->remote,
        .client_id = start->client_id,
        .login_tag = start->tag,
    };
    struct imap_connection *c = calloc(1, sizeof(*c));
    struct task_conn *conn;

    if (!c) {
        return ERR_NOMEM;
    }
    c->on_end = start->on_end;
    c->arg = start->arg;
    enum err e = imap_session_create(server, &session, &io, c, &c->session);

    if (e) {
        connection_free(c);
        return e;
    }
    if (start->on_open) {
        start->on_open(start->arg, &control, c);
    }
    // From here on a worker may run it, and even end it, before conn_open returns.
    e = conn_open(start->pool, start->fd, start->input, &handler, c, &conn);
    if (e) {
        if (start->on_open) {
            start->on_open(start->arg, NULL, NULL);
        }
        connection_free(c);
    }
    return e;
}
