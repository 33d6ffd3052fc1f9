// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_connection.h"

#include <stdlib.h>

#include "base/banned.h"

struct imap_connection {
    struct task_conn *conn; // of the run that goes on; for wakeups since conn_open returned
    struct imap_session *session;
    void (*on_end)(void *arg);
    void *on_end_arg;
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

    conn_wake(c->conn);
}

static const struct imap_io io = {
    io_read, io_input, io_consume, io_output, io_output_full, io_wake,
};

static void connection_run(struct task_conn *conn, void *arg, unsigned reasons)
{
    struct imap_connection *c = arg;
    struct imap_wait wait;

    if (!c->conn) { // written once: a watcher of another thread reads it
        c->conn = conn;
    }
    if (reasons & CONN_CLOSED) {
        return;
    }
    if (reasons & CONN_STOPPING) {
        imap_session_stop(c->session, "The server is stopping; come back in a moment");
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
    void (*on_end)(void *) = c->on_end;
    void *on_end_arg = c->on_end_arg;

    (void)conn;
    connection_free(c);
    if (on_end) {
        on_end(on_end_arg);
    }
}

enum err imap_connection_open(struct imap_server *server, const struct session_start *start)
{
    static const struct conn_handler handler = {connection_run, connection_end};
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
    c->on_end_arg = start->on_end_arg;
    enum err e = imap_session_create(server, &session, &io, c, &c->session);

    // From here on a worker may run it, and even end it, before conn_open returns.
    e = e ? e : conn_open(start->pool, start->fd, start->input, &handler, c, &conn);
    if (e) {
        connection_free(c);
    }
    return e;
}
