// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_imap.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/banned.h"

struct imap_conn {
    _Atomic(struct task_conn *) conn; // NULL until the first run
    struct imap_session *session;
    void (*on_end)(void *arg);
    void *on_end_arg;
};

static struct task_conn *conn_of(void *arg)
{
    return atomic_load_explicit(&((struct imap_conn *)arg)->conn, memory_order_acquire);
}

static enum err io_read(void *arg)
{
    return conn_read(conn_of(arg));
}

static struct span io_input(void *arg)
{
    return conn_input(conn_of(arg));
}

static void io_consume(void *arg, size_t n)
{
    conn_consume(conn_of(arg), n);
}

static struct buf *io_output(void *arg)
{
    return conn_output(conn_of(arg));
}

static bool io_output_full(void *arg)
{
    return conn_output_full(conn_of(arg));
}

static void io_wake(void *arg)
{
    struct task_conn *c = conn_of(arg);

    if (c) { // otherwise its first run is still to come and sees everything
        conn_wake(c);
    }
}

static const struct imap_io io = {.read = io_read,
                                  .input = io_input,
                                  .consume = io_consume,
                                  .output = io_output,
                                  .output_full = io_output_full,
                                  .wake = io_wake};

static void imap_conn_run(struct task_conn *c, void *arg, unsigned reasons)
{
    struct imap_conn *ic = arg;
    struct imap_wait wait;

    atomic_store_explicit(&ic->conn, c, memory_order_release);
    if (reasons & CONN_CLOSED) {
        return; // `end` follows
    }
    if (reasons & CONN_STOPPING) {
        imap_session_stop(ic->session, "Mailkeep is stopping; your mail program will reconnect");
    }
    imap_session_run(ic->session, &wait);
    if (wait.closed) {
        conn_close(c);
        return;
    }
    conn_want_input(c, wait.input);
    conn_set_deadline(c, wait.deadline_ms);
    if (wait.again) {
        conn_again(c);
    }
}

static void imap_conn_end(struct task_conn *c, void *arg)
{
    struct imap_conn *ic = arg;

    (void)c;
    imap_session_destroy(ic->session);
    ic->on_end(ic->on_end_arg);
    free(ic);
}

enum err keep_imap_start(struct imap_server *server, const struct session_start *start)
{
    static const struct conn_handler handler = {.run = imap_conn_run, .end = imap_conn_end};
    struct imap_session_start who = {.account = start->account,
                                     .user = start->user,
                                     .client = start->remote,
                                     .login_tag = start->tag};
    struct imap_conn *ic = calloc(1, sizeof(*ic));
    struct task_conn *conn;

    if (!ic) {
        return ERR_NOMEM;
    }
    ic->on_end = start->on_end;
    ic->on_end_arg = start->on_end_arg;
    enum err e = imap_session_create(server, &who, &io, ic, &ic->session);

    if (e == ERR_OK) {
        // From here on the worker owns it: the first run may be over before this returns.
        e = conn_open(start->pool, start->fd, start->input, &handler, ic, &conn);
        if (e != ERR_OK) {
            imap_session_destroy(ic->session);
        }
    }
    if (e != ERR_OK) {
        free(ic);
    }
    return e;
}
