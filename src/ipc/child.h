// SPDX-License-Identifier: Apache-2.0
//
// A child process's side of the supervisor: what it is given at the start, and what it is told
// later. Used by gate_main and keep_main in this order:
//     child_start(fd, "keep", &start)       waits for START, becomes the user, raises the fd limit
//     open what is needed; sandbox_enter(...)
//     child_attach(start, loop, handler...) messages from now on come on the loop
//     child_ready(child)
#ifndef IPC_CHILD_H
#define IPC_CHILD_H

#include "conf/settings.h"
#include "ipc/channel.h"

struct child_start {
    struct settings *settings;   // one reference, the caller's
    int link_fds[IPC_PROCESSES]; // to the others; -1: none
    int lock_fd;                 // keep only: holds the data directory's lock while open; else -1
    int listen_fds[IPC_FDS_MAX];
    unsigned listen_count;
    char listeners[1025];                        // words, one a descriptor: "imap imaps"
    struct buf cert_pem, key_pem, client_ca_pem; // gate only
    int supervisor_fd;
};

struct child;

struct child_pem {
    struct span cert, key, client_ca;
};

struct child_handler {
    // New settings (one reference, the callee's) and certificate bytes (empty in keep). ERR_OK when
    // in use; otherwise the old ones go on and `problem` says why.
    enum err (*reload)(void *arg, struct settings *settings, const struct child_pem *pem,
                       char problem[256]);
    // A peer was started anew: the descriptor of the new link is the callee's.
    void (*link)(void *arg, enum ipc_process peer, int fd);
    // Stop within the time; also called (once) when the supervisor is gone.
    void (*stop)(void *arg, int64_t timeout_ms);
    // Fills the counters of the answer to a PING.
    void (*status)(void *arg, struct ipc_status *out);
    // The file that says where networks are: the descriptor is the callee's; -1: there is none.
    // NULL in processes that are not told.
    void (*places)(void *arg, int fd);
    // What became of a reload that was asked for; NULL in processes that never ask.
    void (*reload_item)(void *arg, const struct ipc_reload_item *m);
    void (*reload_end)(void *arg, const struct ipc_reload_end *m);
};

// Blocks. On an error the process has nothing to do and ends with the returned code after a log
// line. `process` (static) is the name for the log.
enum err child_start(int supervisor_fd, const char *process, struct child_start *out);
// Frees the certificate bytes and what else nobody took. Descriptors taken over are set to -1 by
// the taker before.
void child_start_finish(struct child_start *s);

// On the loop's thread.
enum err child_attach(struct child_start *s, struct loop *l, const struct child_handler *h,
                      void *arg, struct child **out);
enum err child_ready(struct child *c);
// Asks for a reload; the answer comes to the handler. Any thread; does not block. ERR_EOF,
// ERR_LIMIT.
enum err child_ask_reload(struct child *c, uint64_t number);
// Asks the supervisor for a connection to the Unix socket of a filter, by its place in the list
// `filters`: CONNECTED comes over the other end of the pair that `fd` (the caller's) is one end of.
// Any thread; does not block.
enum err child_ask_connection(struct child *c, uint8_t filter, int fd);
void child_detach(struct child *c); // NULL is allowed

#endif
