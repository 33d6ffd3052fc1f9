// SPDX-License-Identifier: Apache-2.0
//
// The IMAP server after login: RFC 3501 and RFC 9051 with the extensions of imap_capability.c. This
// is the door the rest of keep uses: make one imap_server for the store, one imap_session for every
// client that has logged in, and call imap_session_run whenever something happened to it.
// docs/protocol/imap.md says what each command does; imap_commands.c has the table.
//
// A session never blocks on its client: it reads and writes through imap_io, does a bounded amount
// of work, and says in imap_wait what it waits for. It may block on the disk. One thread at a time
// may be inside imap_session_run, any thread each time. An idle session owns no buffers.
#ifndef KEEP_IMAP_SESSION_H
#define KEEP_IMAP_SESSION_H

#include "base/buf.h"
#include "store/store.h"

struct imap_server;
struct imap_session;

struct imap_server_options {
    char separator;             // of mailbox levels, as clients see it: '/'
    uint64_t append_bytes_max;  // one message: 50 MiB; not above store_options.message_bytes_max
    uint32_t line_bytes_max;    // a command's text without its literals: 64 KiB
    uint32_t literal_bytes_max; // its literals together, messages not counted: 128 KiB
    uint32_t idle_timeout_s;    // a client that says nothing, also in IDLE: 30 minutes
    uint32_t bad_commands_max;  // refused commands in a row that end the session: 20
    uint32_t search_cpu_ms;     // one SEARCH: 30 seconds, then NO [LIMIT]
};
void imap_server_options_default(struct imap_server_options *o);

// What all sessions share. The store must outlive it. ERR_NOMEM only.
enum err imap_server_create(struct store *store, const struct imap_server_options *options,
                            struct imap_server **out);
// New options, for the next command of every session; the separator stays what it was. A session
// that waits looks at a new idle_timeout_s when it is woken. Any thread.
void imap_server_set_options(struct imap_server *server, const struct imap_server_options *options);
// Every session must be gone.
void imap_server_destroy(struct imap_server *server);

// How a session reaches its client: the shape of net/task_conn.h, so that a session has no buffers
// of its own. None of these may block.
struct imap_io {
    // Reads once. ERR_OK: `input` grew. ERR_AGAIN: nothing there now. ERR_LIMIT: the buffer is
    // full (it must hold line and literals). ERR_EOF, ERR_IO: nothing more will come.
    enum err (*read)(void *arg);
    // What was read and not consumed; valid until the next read or consume.
    struct span (*input)(void *arg);
    void (*consume)(void *arg, size_t n);
    // Where answers are written; one address for the whole of a run. Its cap is at least 4 MiB.
    struct buf *(*output)(void *arg);
    // Sends what can be sent; true when much still waits: run is called again once it is gone.
    bool (*output_full)(void *arg);
    // Makes somebody call imap_session_run soon. Any thread, also the store's watcher: returns at
    // once. During a run it causes one more.
    void (*wake)(void *arg);
};

struct imap_session_start {
    account_id account;
    struct span user;      // the account's address; for the log
    struct span client;    // the client's address, kept in the change log as the origin
    struct span client_id; // the list of an ID command given before login, or empty
    struct span login_tag; // of the LOGIN or AUTHENTICATE that is answered OK; empty: PREAUTH
};

// Copies what it needs of `start`; what the client sent after its login is expected in the input.
// The first imap_session_run writes the answer to the login. `io` must outlive it. ERR_NOMEM.
enum err imap_session_create(struct imap_server *server, const struct imap_session_start *start,
                             const struct imap_io *io, void *io_arg, struct imap_session **out);
// imap_io is not used any more when it returns. NULL is allowed.
void imap_session_destroy(struct imap_session *s);

// What a session waits for. `closed`: it is over; send what is in the output, close the connection
// and destroy it. `again`: run it as soon as others had their turn. `input`: run it when there is
// input. `deadline_ms`: run it at that time of clock_monotonic_ms at the latest.
struct imap_wait {
    bool input, again, closed;
    int64_t deadline_ms;
};
// Does what can be done now. Holds no lock and no view when it returns.
void imap_session_run(struct imap_session *s, struct imap_wait *out);

struct imap_farewell {
    const char *code, *text; // of the BYE; the code may be empty
};
// Asks a session to say BYE (`why` is static) and end at its next run, to which it is woken. A
// command that runs is finished first. Any thread.
void imap_session_stop(struct imap_session *s, const struct imap_farewell *why);

// For tests and status pages: bytes the session holds now.
size_t imap_session_memory(const struct imap_session *s);

#endif
