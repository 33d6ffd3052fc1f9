// SPDX-License-Identifier: Apache-2.0
//
// What the files of supervisor/ share.
#ifndef SUPERVISOR_SUPERVISOR_INTERNAL_H
#define SUPERVISOR_SUPERVISOR_INTERNAL_H

#include <sys/types.h>

#include "base/buf.h"
#include "ipc/channel.h"
#include "net/loop.h"
#include "supervisor/supervisor.h"

#define LISTENERS_MAX 105  // all lists full; with the links below IPC_FDS_MAX
#define STARTS_KEPT   1000 // the largest restarts_per_minute

struct process {
    const char *name;
    enum ipc_process id;
    struct supervisor *supervisor;
    pid_t pid;               // 0: not running
    struct channel *channel; // NULL: not running, or it has hung up
    bool ready, was_ready;   // now; ever
    unsigned unanswered;     // pings
    unsigned reloads;        // not answered yet
    struct timer restart;
    int64_t starts_ms[STARTS_KEPT]; // a ring of start times
    unsigned start_n;
    uint32_t uid, gid; // to become, or IPC_STAY
};

struct supervisor {
    struct supervisor_options options;
    struct settings *settings;
    struct loop *loop;
    struct loop_source signals; // a signalfd
    struct process processes[IPC_PROCESSES];
    int exe_fd, lock_fd;
    int listen_fds[LISTENERS_MAX];
    unsigned listen_n;
    struct buf listeners; // words for START
    struct buf cert_pem, key_pem;
    struct timer ping, watchdog, stop_limit;
    int64_t watchdog_ms; // 0: systemd wants none
    uint64_t ping_number;
    bool announced, reloading, stopping;
    int ready_pipe; // background: the waiting parent; else -1
    int exit_status;
};

// ---- supervisor_setup.c: everything that is done before the first child -------------------------

// Data directory (made when missing), its lock, the users, certificate and key, listening sockets.
// Logs what is wrong and how to mend it.
enum err setup_all(struct supervisor *s);
void setup_finish(struct supervisor *s);
// Reads and checks certificate and key into the buffers; for the start and for reloads.
// ERR_NOT_FOUND when no TLS is configured to be served and the files are not there.
enum err setup_read_certificate(const struct settings *settings, struct buf *cert, struct buf *key);

// ---- supervisor_process.c: the children ---------------------------------------------------------

// Starts a process that is not running, with a new link to each of the others.
void process_start(struct process *p);
// waitpid said so: logs why and starts it again in due time.
void process_died(struct process *p, int wait_status);
// Sends a frame; a child that cannot take it is hung and gets killed by the pings.
void process_send(struct process *p, const struct buf *frame);
void process_kill(struct process *p);

// ---- supervisor.c -------------------------------------------------------------------------------

// READY of a child has come.
void supervisor_process_ready(struct supervisor *s);
void supervisor_reload_answered(struct supervisor *s, struct process *p, bool ok, struct span text);
// Tells systemd that a reload is over once nobody's answer is awaited.
void supervisor_check_reloaded(struct supervisor *s);
// A child ended before it ever served, or all have ended.
void supervisor_give_up(struct supervisor *s);
void supervisor_check_stopped(struct supervisor *s);

// ---- notify.c: systemd's protocol ---------------------------------------------------------------

// Sends "READY=1" and the like to NOTIFY_SOCKET; nothing without it.
void notify_systemd(const char *text);
// Milliseconds between signs of life that systemd wants of this process; 0: none.
int64_t notify_watchdog_ms(void);

#endif
