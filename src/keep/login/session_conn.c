// SPDX-License-Identifier: Apache-2.0
#include "keep/login/session_conn.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "keep/login/session_deflate.h"

#include "base/banned.h"

// Compressed input that may be read in a row and say nothing (empty blocks): then others have
// their turn.
#define SILENT_BYTES_MAX (64u << 10)
// So much output is compressed at once; the end of a run compresses what is left.
#define DEFLATE_BYTES (32u << 10)

struct session_conn {
    const struct session_protocol *protocol;
    // Set in the first run, where whatever was asked for before is seen. Until then nobody can be
    // woken, and nobody needs to.
    _Atomic(struct task_conn *) conn;
    atomic_int stop; // enum session_stop
    void *session;
    void (*on_end)(void *arg);
    void *arg;
    struct session_deflate *deflate; // COMPRESS is active; else NULL
    bool is_broken;                  // what was to be said could not be compressed
    bool is_silent;                  // compressed input is there that was not looked at
};

const char *session_stop_text(enum session_stop why)
{
    static const char *const texts[] = {
        [SESSION_GOES_ON] = "",
        [SESSION_STOP_SUSPENDED] = "This account has been suspended",
        [SESSION_STOP_REMOVED] = "This account has been removed",
        [SESSION_STOP_PASSWORD] = "The password has been changed; sign in with the new one",
        [SESSION_STOP_BLOCKED] = "This device has been blocked",
        [SESSION_STOP_CHANGED] = "What this device may do has been changed; sign in again",
        [SESSION_STOP_SECOND_FACTOR] =
            "This account has a second factor now; sign in with an app password",
        [SESSION_STOP_FACTOR_WANTED] =
            "This account must have a second factor now; ask your administrator to set it up",
        [SESSION_STOP_READER] = "You may not open this account any more",
        [SESSION_STOP_TOKEN] = "The token you signed in with is not good any more; sign in again",
        [SESSION_STOP_OVER] =
            "The time of this device is over: make a new password for it, or sign in anew",
        [SESSION_STOP_SERVER] = "The server is stopping; come back in a moment",
    };

    return texts[why];
}

// ---- session_io ---------------------------------------------------------------------------------

static struct task_conn *conn_of(void *arg)
{
    struct session_conn *c = arg;

    return atomic_load(&c->conn);
}

// Compresses what is in the output. The client cannot read on when that fails.
static void deflate_out(struct session_conn *c, bool flush)
{
    if (session_deflate_write(c->deflate, flush, conn_output(conn_of(c))) != ERR_OK) {
        c->is_broken = true;
    }
}

static enum err deflate_read(struct session_conn *c)
{
    struct task_conn *conn = conn_of(c);
    size_t silent = 0;

    for (;;) {
        size_t taken;
        enum err e = session_deflate_read(c->deflate, conn_input(conn), &taken);

        conn_consume(conn, taken);
        silent += taken;
        if (e != ERR_AGAIN) {
            return e == ERR_INVALID || e == ERR_NOMEM ? ERR_IO : e;
        }
        if (silent > SILENT_BYTES_MAX) {
            c->is_silent = true;
            return ERR_AGAIN;
        }
        if (!conn_input(conn).n) {
            deflate_out(c, true); // as conn_read does: answers first
            e = conn_read(conn);
            if (e) {
                return e;
            }
        }
    }
}

static enum err io_read(void *arg)
{
    struct session_conn *c = arg;

    return c->deflate ? deflate_read(c) : conn_read(conn_of(c));
}

static struct span io_input(void *arg)
{
    struct session_conn *c = arg;

    return c->deflate ? session_deflate_input(c->deflate) : conn_input(conn_of(c));
}

static void io_consume(void *arg, size_t n)
{
    struct session_conn *c = arg;

    if (c->deflate) {
        session_deflate_consume(c->deflate, n);
    } else {
        conn_consume(conn_of(c), n);
    }
}

static struct buf *io_output(void *arg)
{
    struct session_conn *c = arg;

    return c->deflate ? session_deflate_output(c->deflate) : conn_output(conn_of(c));
}

static bool io_output_full(void *arg)
{
    struct session_conn *c = arg;

    if (c->deflate && session_deflate_output(c->deflate)->n >= DEFLATE_BYTES) {
        deflate_out(c, false);
    }
    return conn_output_full(conn_of(c));
}

static enum err io_compress(void *arg)
{
    struct session_conn *c = arg;

    return session_deflate_create(SESSION_CONN_INPUT_MAX, SESSION_CONN_OUTPUT_MIN, &c->deflate);
}

static void io_part(void *arg)
{
    struct session_conn *c = arg;

    if (c->deflate) {
        session_deflate_part(c->deflate);
    }
}

static void io_wake(void *arg)
{
    struct task_conn *conn = conn_of(arg);

    if (conn) {
        conn_wake(conn);
    }
}

static const struct session_io io = {
    io_read, io_input, io_consume, io_output, io_output_full, io_wake, io_compress, io_part,
};

// ---- the end from outside -----------------------------------------------------------------------

static void say_end(void *session, enum session_end why)
{
    static const enum session_stop stops[] = {
        [SESSION_SUSPENDED] = SESSION_STOP_SUSPENDED,
        [SESSION_REMOVED] = SESSION_STOP_REMOVED,
        [SESSION_PASSWORD] = SESSION_STOP_PASSWORD,
        [SESSION_BLOCKED] = SESSION_STOP_BLOCKED,
        [SESSION_CHANGED] = SESSION_STOP_CHANGED,
        [SESSION_SECOND_FACTOR] = SESSION_STOP_SECOND_FACTOR,
        [SESSION_FACTOR_WANTED] = SESSION_STOP_FACTOR_WANTED,
        [SESSION_READER] = SESSION_STOP_READER,
        [SESSION_TOKEN] = SESSION_STOP_TOKEN,
        [SESSION_OVER] = SESSION_STOP_OVER,
    };
    struct session_conn *c = session;

    atomic_store(&c->stop, stops[why]);
    io_wake(c);
}

static void drop(void *session)
{
    struct task_conn *conn = conn_of(session);

    if (conn) {
        conn_kill(conn);
    }
}

// ---- the connection -----------------------------------------------------------------------------

static void on_run(struct task_conn *conn, void *arg, unsigned reasons)
{
    struct session_conn *c = arg;
    struct session_wait wait = {0};
    int none = SESSION_GOES_ON;

    atomic_store(&c->conn, conn);
    if (reasons & CONN_CLOSED) {
        return;
    }
    if (reasons & CONN_STOPPING) {
        atomic_compare_exchange_strong(&c->stop, &none, SESSION_STOP_SERVER);
    }
    c->is_silent = false;
    c->protocol->run(c->session, (enum session_stop)atomic_load(&c->stop), &wait);
    if (c->deflate) {
        deflate_out(c, true);
        session_deflate_rest(c->deflate);
    }
    if (c->is_broken) {
        conn_abort(conn);
        return;
    }
    if (wait.closed) {
        conn_close(conn);
        return;
    }
    conn_want_input(conn, wait.input);
    conn_set_deadline(conn, wait.deadline_ms);
    if (wait.again || c->is_silent) {
        conn_again(conn);
    }
}

static void conn_free(struct session_conn *c)
{
    if (c->session) {
        c->protocol->destroy(c->session);
    }
    session_deflate_destroy(c->deflate);
    free(c);
}

static void on_conn_end(struct task_conn *conn, void *arg)
{
    struct session_conn *c = arg;

    (void)conn;
    // First the session: an account is removed when its sessions have left, and what they still had
    // to write must be written by then.
    c->protocol->destroy(c->session);
    c->session = NULL;
    if (c->on_end) {
        c->on_end(c->arg); // from here on nobody else knows of it
    }
    conn_free(c);
}

enum err session_conn_open(const struct session_protocol *p, void *server,
                           const struct session_start *start)
{
    static const struct conn_handler handler = {on_run, on_conn_end};
    static const struct session_control control = {say_end, drop};
    struct session_conn *c = calloc(1, sizeof(*c));
    struct task_conn *conn;

    if (!c) {
        return ERR_NOMEM;
    }
    c->protocol = p;
    c->on_end = start->on_end;
    c->arg = start->arg;
    enum err e = p->create(server, start, &io, c, &c->session);

    if (e) {
        conn_free(c);
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
        conn_free(c);
    }
    return e;
}
