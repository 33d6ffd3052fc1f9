// SPDX-License-Identifier: Apache-2.0
//
// A session on a connection the gate has handed over. IMAP, POP3 and ManageSieve give their
// functions; the connection, its ends and its deadlines are done here. A session itself
// has no socket: it reads and writes through session_io, so that a test drives it by hand.
//
// A session never blocks on its client; it may block on the disk. One thread at a time is inside
// one, any thread each time. An idle session owns no buffers.
#ifndef KEEP_SESSION_CONN_H
#define KEEP_SESSION_CONN_H

#include "base/buf.h"
#include "base/err.h"
#include "keep/login/session.h"

// The shape of net/task_conn.h. None of these may block.
struct session_io {
    enum err (*read)(void *arg); // once: ERR_OK (more input), ERR_AGAIN, ERR_LIMIT, ERR_EOF, ERR_IO
    struct span (*input)(void *arg); // read and not consumed; until the next read or consume
    void (*consume)(void *arg, size_t n);
    struct buf *(*output)(void *arg); // one address for the whole of a run
    bool (*output_full)(void *arg);   // sends; true: return, and go on when it is gone
    void (*wake)(void *arg);          // has it run soon; during a run: once more. Any thread
    // From here on both sides compress (RFC 4978): what is in the output goes out as it is,
    // `output` is another buffer, and input not consumed by now is compressed already. Once;
    // ERR_NOMEM: nothing has changed. NULL: not to be had.
    enum err (*compress)(void *arg);
    // What is said from here on is not compressed together with what was said before.
    void (*part)(void *arg);
};

// `closed`: send what is in the output and close. `again`: run it when others had their turn.
// `input`: run it when there is input. `deadline_ms`: of clock_monotonic_ms, at the latest.
struct session_wait {
    bool input, again, closed;
    int64_t deadline_ms;
};

enum session_stop {
    SESSION_GOES_ON,
    SESSION_STOP_SUSPENDED,
    SESSION_STOP_REMOVED,
    SESSION_STOP_PASSWORD,
    SESSION_STOP_BLOCKED,
    SESSION_STOP_CHANGED,
    SESSION_STOP_SECOND_FACTOR,
    SESSION_STOP_FACTOR_WANTED,
    SESSION_STOP_READER,
    SESSION_STOP_TOKEN,
    SESSION_STOP_OVER,
    SESSION_STOP_SERVER, // the server stops
};
// What a client is told, without code; "" for SESSION_GOES_ON. Static.
const char *session_stop_text(enum session_stop why);

// What the pool of start->pool needs at least: conn_pool_options.input_max (the largest
// imap_line_max and imap_literal_max together, and some), output_soft and output_hard.
#define SESSION_CONN_INPUT_MAX   (1u << 20)
#define SESSION_CONN_OUTPUT_SOFT (64u << 10)
#define SESSION_CONN_OUTPUT_HARD (8u << 20)
// What a session may write at once: of the cap, the rest is for what waits to be sent.
#define SESSION_CONN_OUTPUT_MIN (4u << 20)

struct session_protocol {
    // Copies what it needs of `start`; the first run answers the login. ERR_NOMEM.
    enum err (*create)(void *server, const struct session_start *start, const struct session_io *io,
                       void *io_arg, void **out);
    // `stop`: says why and ends as soon as the protocol allows it.
    void (*run)(void *session, enum session_stop stop, struct session_wait *out);
    void (*destroy)(void *session); // may block on the disk; `io` is not used any more
};

// Starts a session; it lives by itself from then on and calls start->on_end when it is over. On an
// error nothing was taken over. Any thread. ERR_NOMEM, and what conn_open gives.
enum err session_conn_open(const struct session_protocol *p, void *server,
                           const struct session_start *start);

#endif
