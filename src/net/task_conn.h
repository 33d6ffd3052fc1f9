// SPDX-License-Identifier: Apache-2.0
//
// Connections that cost nothing while idle, run by worker threads. A connection is parked in epoll
// (a slot of some 200 bytes, no buffers). When there is something to do, one worker owns it, calls
// its `run` straight through, sends what it wrote, and parks it again. Never two workers at a time.
//
// A worker never waits for a client. Output beyond the buffer makes the session return from `run`
// with its continuation kept; it is run again with CONN_WRITABLE when the client has read.
//
// The usual shape of `run`:
//     while (conn_read(c) == ERR_OK) { take what is complete from conn_input(c), conn_consume(c) }
//     for each answer: append to conn_output(c); if (conn_output_full(c)) return; // goes on later
//
// Unless said otherwise, functions on a connection are called only by the worker that runs it.
#ifndef NET_TASK_CONN_H
#define NET_TASK_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct conn_pool;
struct task_conn;

enum conn_reason {
    CONN_START = 1 << 0,    // the first run
    CONN_INPUT = 1 << 1,    // bytes (or the end) can be read
    CONN_WRITABLE = 1 << 2, // the output that did not fit has been sent
    CONN_WOKEN = 1 << 3,    // conn_wake was called, once or often; may come without cause
    CONN_TIMEOUT = 1 << 4,  // the deadline has passed (and is unset now)
    CONN_AGAIN = 1 << 5,    // conn_again was called in the last run
    CONN_STOPPING = 1 << 6, // the server stops: say goodbye and conn_close
    CONN_CLOSED = 1 << 7,   // the connection is broken or the client did not read for too long:
                            // nothing can be sent any more; ends after this run
};

struct conn_handler {
    // Something is to do; `reasons` is never 0. Runs on a worker; may block on the store, never on
    // a client. Holds no lock and no snapshot when it returns.
    void (*run)(struct task_conn *c, void *arg, unsigned reasons);
    // The last call: all that was said has been sent or dropped; free what belongs to the session.
    // On a worker. After conn_close the descriptor stays open for a moment, until the client has
    // heard the end; that is the pool's business.
    void (*end)(struct task_conn *c, void *arg);
};

struct conn_pool_options {
    const char *thread_name;  // static, at most 15 bytes
    unsigned threads;         // workers
    unsigned connections_max; // more are refused with ERR_LIMIT
    size_t input_max;         // bytes of unread input kept; 16 KiB when a longest line is less
    size_t output_soft;       // conn_output_full is true from here on
    size_t output_hard;       // the buffer's cap; going over it ends the connection
    int64_t write_timeout_ms; // without progress of output for so long: CONN_CLOSED
};

enum err conn_pool_create(const struct conn_pool_options *o, struct conn_pool **out);
// Any thread: gives every connection CONN_STOPPING, waits until all have ended or `timeout_ms` has
// passed, then ends the others. New connections are refused from now on. Blocks; not on a worker.
void conn_pool_stop(struct conn_pool *p, int64_t timeout_ms);
// Ends the threads and frees everything; after conn_pool_stop. NULL is allowed.
void conn_pool_destroy(struct conn_pool *p);
unsigned conn_pool_count(struct conn_pool *p); // connections now; any thread
// For a reload; any thread.
void conn_pool_set_write_timeout(struct conn_pool *p, int64_t ms);
// Runs every connection with CONN_WOKEN, so that it looks at what has changed; any thread.
void conn_pool_wake_all(struct conn_pool *p);

// Takes over `fd` (a stream socket; made nonblocking) and runs it soon with CONN_START. `input` is
// what was read from it before. On an error the descriptor stays the caller's. Any thread.
// ERR_LIMIT, ERR_NOMEM, ERR_UNAVAILABLE (stopping).
enum err conn_open(struct conn_pool *p, int fd, struct span input, const struct conn_handler *h,
                   void *arg, struct task_conn **out);

// ---- input --------------------------------------------------------------------------------------

// Reads once from the socket. ERR_OK: conn_input grew. ERR_AGAIN: nothing there now. ERR_LIMIT:
// input_max bytes are unread, consume some. ERR_EOF: the client will send no more. ERR_IO: gone.
enum err conn_read(struct task_conn *c);
// What was read and not consumed; valid until the next conn_read or conn_consume.
struct span conn_input(const struct task_conn *c);
void conn_consume(struct task_conn *c, size_t n);
// Whether input wakes the session; true at the start. While output waits to be sent it never does.
void conn_want_input(struct task_conn *c, bool want);

// ---- output -------------------------------------------------------------------------------------

// The buffer to format answers into; sent when `run` returns, or earlier by conn_flush.
struct buf *conn_output(struct task_conn *c);
// Sends when there is much; true when still output_soft bytes or more wait: return from `run` soon
// and go on at CONN_WRITABLE.
bool conn_output_full(struct task_conn *c);
// Sends what can be sent now. ERR_OK: all gone to the kernel; ERR_AGAIN: the rest follows by
// itself; ERR_IO: the connection is broken.
enum err conn_flush(struct task_conn *c);

// ---- time, wakeups, end -------------------------------------------------------------------------

// Run with CONN_TIMEOUT at this monotonic time (milliseconds); negative: never. Cheap to move
// later.
void conn_set_deadline(struct task_conn *c, int64_t at_ms);
// Run once more after the others that wait have had their turn (fairness between pipelines).
void conn_again(struct task_conn *c);
// Any thread; does not block: causes a run with CONN_WOKEN. Many calls may cause one run. A call
// after the connection has ended is harmless until the pool is destroyed (a stranger in the same
// slot may be woken for nothing).
void conn_wake(struct task_conn *c);
// Any thread; does not block: drops the output and ends the connection without running its session
// again. Only before `end` has been called.
void conn_kill(struct task_conn *c);
// After this run: send the rest of the output (for at most 10 s), `end`, close once the client does
// or after 3 s.
void conn_close(struct task_conn *c);
// After this run: drop the output, close, `end`.
void conn_abort(struct task_conn *c);
int conn_fd(const struct task_conn *c); // for getsockopt and the like; stays the pool's

#endif
