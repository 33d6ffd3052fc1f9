// SPDX-License-Identifier: Apache-2.0
//
// What the files of supervisor/ share.
#ifndef SUPERVISOR_SUPERVISOR_INTERNAL_H
#define SUPERVISOR_SUPERVISOR_INTERNAL_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "net/loop.h"
#include "supervisor/supervisor.h"

#define LISTENERS_MAX 113  // all lists full; with the links below IPC_FDS_MAX
#define STARTS_KEPT   1000 // the largest restarts_per_minute

struct process {
    const char *name;
    enum ipc_process id;
    struct supervisor *supervisor;
    pid_t pid;               // 0: not running
    struct channel *channel; // NULL: not running, or it has hung up
    bool ready, was_ready;   // now; ever
    unsigned unanswered;     // pings
    bool reload_awaited;     // its answer to the reload that runs
    enum ipc_reload_state reload_state;
    char reload_text[256]; // what it said
    struct timer restart;
    int64_t starts_ms[STARTS_KEPT]; // a ring of start times
    unsigned start_n;
    uint32_t uid, gid; // to become, or IPC_STAY
};

enum reload_phase {
    RELOAD_NONE,
    RELOAD_APPLY, // new settings were sent
    RELOAD_UNDO,  // a process could not use them: the old ones were sent
};

// One reload runs at a time; those asked for meanwhile become one more after it.
struct reload {
    enum reload_phase phase;
    bool by_signal;     // SIGHUP wants one
    uint64_t asked;     // the highest number keep asked with
    uint64_t answers;   // the same, when the running one began: it answers these
    uint64_t answered;  // up to here keep has been told
    uint64_t number;    // in RELOAD and RELOADED; an answer with another one came too late
    struct buf items;   // frames for keep, sent at the end
    struct timer limit; // of waiting for answers
    enum ipc_reload_result result;
    struct settings *before; // to go back to; NULL: nothing was applied
    bool has_certificate;    // that was replaced, too: by what was in these
    struct buf cert_before, key_before;
    bool has_authorities; // the same for those of clients
    struct buf client_ca_before;
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
    struct buf cert_pem, key_pem, client_ca_pem;
    struct timer ping, watchdog, stop_limit;
    int64_t watchdog_ms; // 0: systemd wants none
    uint64_t ping_number;
    bool announced, stopping;
    bool has_places; // geo_database was set when the courier was last told
    struct reload reload;
    int ready_pipe; // background: the waiting parent; else -1
    int exit_status;
};

// ---- supervisor_setup.c: everything that is done before the first child -------------------------

// Data directory (made when missing), its lock, the users, certificate and key, listening sockets.
// Logs what is wrong and how to mend it.
enum err setup_all(struct supervisor *s);
void setup_finish(struct supervisor *s);

struct setup_certificate {
    enum setting_id about;                           // the setting that the problem is about
    char problem[2 * sizeof(struct log_text) + 400]; // "tls_cert = /etc/cert.pem: not found"
    int64_t begins, expires;                         // seconds since 1970
};
// Reads and checks certificate and key into the buffers; for the start and for reloads. Logs
// nothing. ERR_NOT_FOUND when no TLS is configured to be served and the files are not there; other
// errors with a problem. One that is not valid now is no error: see below.
enum err setup_read_certificate(const struct settings *settings, struct buf *cert, struct buf *key,
                                struct setup_certificate *out);
// Authorities for certificates of clients and their revocation lists, both checked, into `pem`
// (empty: there are none). A list that is over is served and logged. On an error `out` says what is
// wrong.
enum err setup_read_client_authorities(const struct settings *settings, struct buf *pem,
                                       struct setup_certificate *out);
// False, with words in `problem`, when it has expired or is not valid yet.
bool setup_certificate_is_current(const struct settings *settings, struct setup_certificate *c);
// "2026-11-26 10:12 UTC"
struct setup_time {
    char s[32];
};
struct setup_time setup_time_text(int64_t seconds);

// ---- supervisor_process.c: the children ---------------------------------------------------------

// Starts a process that is not running, with a new link to each of the others.
void process_start(struct process *p);
// waitpid said so: logs why and starts it again in due time.
void process_died(struct process *p, int wait_status);
// Sends a frame; a child that cannot take it is hung and gets killed by the pings.
void process_send(struct process *p, const struct buf *frame);
void process_kill(struct process *p);

// ---- supervisor_socket.c: Unix sockets that the courier may talk to -----------------------------

// Connects to the socket that the `filter`-th of the settings' filters names, and sends CONNECTED
// over `fd` (the caller's). Nothing else can be asked for; never blocks on either socket.
void socket_hand_out(const struct settings *settings, uint8_t filter, int fd);

// ---- supervisor_places.c: where networks are ----------------------------------------------------

// Opens the file of geo_database anew and sends PLACES to the courier, if there is one or was one.
// Logs why it cannot be had.
void places_hand_out(struct process *courier);

// ---- supervisor.c -------------------------------------------------------------------------------

// READY of a child has come.
void supervisor_process_ready(struct supervisor *s);
// A child ended before it ever served, or all have ended.
void supervisor_give_up(struct supervisor *s);
void supervisor_check_stopped(struct supervisor *s);

// ---- supervisor_reload.c ------------------------------------------------------------------------

void reload_init(struct supervisor *s);
void reload_finish(struct supervisor *s);
// SIGHUP has come; keep asks.
void reload_by_signal(struct supervisor *s);
void reload_asked(struct supervisor *s, uint64_t number);
// RELOADED of a child has come.
void reload_answered(struct process *p, const struct ipc_reloaded *m);
// It has died: it starts with what is in force.
void reload_process_died(struct process *p);

// ---- notify.c: systemd's protocol ---------------------------------------------------------------

// Sends "READY=1" and the like to NOTIFY_SOCKET; nothing without it.
void notify_systemd(const char *text);
// Milliseconds between signs of life that systemd wants of this process; 0: none.
int64_t notify_watchdog_ms(void);

#endif
