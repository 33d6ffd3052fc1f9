// SPDX-License-Identifier: Apache-2.0
//
// The children: started by fork and exec of this same program, told what they need over their
// channel, started again with growing pauses when they die.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "supervisor/supervisor_internal.h"

#include "base/banned.h"

#define CHANNEL_FD       3
#define SEND_QUEUE_MAX   (4u << 20)
#define FIRST_PAUSE_MS   100
#define LONGEST_PAUSE_MS 3200
#define MINUTE_MS        60000

// ---- messages from a child ----------------------------------------------------------------------

static enum err on_connect(struct process *p, struct span fields, int fd)
{
    struct ipc_connect m;
    enum err e = p->id == IPC_COURIER ? ipc_connect_decode(fields, &m) : ERR_INVALID;

    if (e == ERR_OK) {
        socket_hand_out(p->supervisor->settings, m.filter, fd);
    }
    close(fd);
    return e;
}

static enum err on_message(struct channel *c, void *arg, const struct ipc_frame *frame, int *fds)
{
    struct process *p = arg;
    struct ipc_reloaded reloaded;
    struct ipc_reload_ask ask;
    struct ipc_status status;
    struct ipc_ready ready;

    (void)c;
    if (frame->type == IPC_CONNECT && frame->fds == 1) {
        return on_connect(p, frame->fields, fds[0]);
    }
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]); // the others come with none
    }
    switch (frame->type) {
    case IPC_READY:
        if (ipc_ready_decode(frame->fields, &ready) != ERR_OK) {
            return ERR_INVALID;
        }
        p->ready = p->was_ready = true;
        supervisor_process_ready(p->supervisor);
        return ERR_OK;
    case IPC_STATUS:
        if (ipc_status_decode(frame->fields, &status) != ERR_OK) {
            return ERR_INVALID;
        }
        p->unanswered = 0;
        return ERR_OK;
    case IPC_RELOADED:
        if (ipc_reloaded_decode(frame->fields, &reloaded) != ERR_OK) {
            return ERR_INVALID;
        }
        reload_answered(p, &reloaded);
        return ERR_OK;
    case IPC_RELOAD_ASK:
        if (p->id != IPC_KEEP || ipc_reload_ask_decode(frame->fields, &ask) != ERR_OK) {
            return ERR_INVALID;
        }
        reload_asked(p->supervisor, ask.number);
        return ERR_OK;
    default:
        return ERR_INVALID;
    }
}

static void on_ended(struct channel *c, void *arg, enum err e)
{
    struct process *p = arg;

    channel_close(c);
    p->channel = NULL;
    if (e == ERR_INVALID && p->pid) {
        log_error("%s said something that makes no sense: it is started anew", p->name);
        process_kill(p);
    } // otherwise its death will be reported
}

void process_send(struct process *p, const struct buf *frame)
{
    if (p->channel && channel_send(p->channel, buf_span(frame), NULL, 0) != ERR_OK) {
        log_warn("%s cannot be told what to do", p->name);
    }
}

void process_kill(struct process *p)
{
    if (p->pid) {
        kill(p->pid, SIGKILL);
    }
}

// ---- starting -----------------------------------------------------------------------------------

// In the new process: nothing but exec, with the channel as descriptor 3.
static void become_child(const struct process *p, int channel_fd)
{
    char process[32], channel[32], program[] = "mailkeep";
    char *argv[] = {program, process, channel, NULL};
    sigset_t none;

    snprintf(process, sizeof(process), "--process=%s", p->name);
    snprintf(channel, sizeof(channel), "--channel=%d", CHANNEL_FD);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); // Ctrl-C is for the supervisor
    // The program's own descriptor may have the number that is wanted.
    int exe = fcntl(p->supervisor->exe_fd, F_DUPFD_CLOEXEC, 10);

    if (exe >= 0 && (channel_fd == CHANNEL_FD ? fcntl(channel_fd, F_SETFD, 0)
                                              : dup2(channel_fd, CHANNEL_FD)) >= 0) {
        fexecve(exe, argv, environ);
    }
    static const char failed[] = "mailkeep: exec failed\n";
    ssize_t ignored = write(STDERR_FILENO, failed, sizeof(failed) - 1);

    (void)ignored;
    _exit(127);
}

static enum err spawn(struct process *p)
{
    static const struct channel_handler handler = {on_message, on_ended};
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return err_from_errno(errno);
    }
    pid_t pid = fork();

    if (pid == 0) {
        become_child(p, fds[1]);
    }
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return err_from_errno(errno);
    }
    p->pid = pid;
    p->ready = false;
    p->unanswered = 0;
    enum err e =
        channel_open(p->supervisor->loop, fds[0], SEND_QUEUE_MAX, &handler, p, &p->channel);

    if (e != ERR_OK) {
        close(fds[0]);
    }
    return e;
}

// The links of a process: our ends of new socket pairs, one for each process that runs, by its
// number. The others get theirs when they start.
struct links {
    int mine[IPC_PROCESSES], theirs[IPC_PROCESSES]; // -1: none
};

static void links_close(struct links *l)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (l->mine[i] >= 0) {
            close(l->mine[i]);
            close(l->theirs[i]);
        }
    }
}

static enum err links_open(const struct process *p, struct links *l)
{
    memset(l, 0xff, sizeof(*l));
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        int pair[2];

        if (i == p->id || !p->supervisor->processes[i].pid) {
            continue;
        }
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
            return err_from_errno(errno);
        }
        l->mine[i] = pair[0];
        l->theirs[i] = pair[1];
    }
    return ERR_OK;
}

// The descriptors that go with START, in the order of its declaration.
static unsigned start_descriptors(const struct process *p, const struct links *l,
                                  int fds[IPC_FDS_MAX])
{
    const struct supervisor *s = p->supervisor;
    unsigned n = 0;

    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (l->mine[i] >= 0) {
            fds[n++] = l->mine[i];
        }
    }
    for (unsigned i = 0; p->id == IPC_GATE && i < s->listen_n; i++) {
        fds[n++] = s->listen_fds[i];
    }
    if (p->id == IPC_KEEP) {
        fds[n++] = s->lock_fd;
    }
    return n;
}

static enum err send_start(struct process *p, const struct links *l)
{
    struct supervisor *s = p->supervisor;
    bool gate = p->id == IPC_GATE;
    int fds[IPC_FDS_MAX];
    unsigned n = start_descriptors(p, l, fds);
    uint8_t links = 0;
    struct buf settings, frame;

    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        links = (uint8_t)(links | (l->mine[i] >= 0 ? 1u << i : 0));
    }
    buf_init(&settings, CONF_FILE_BYTES_MAX);
    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    conf_write(s->settings, &settings);
    struct ipc_start m = {
        .uid = p->uid,
        .gid = p->gid,
        .links = links,
        .settings = buf_span(&settings),
        .listeners = gate ? buf_span(&s->listeners) : SPAN(""),
        .cert_pem = gate ? buf_span(&s->cert_pem) : SPAN(""),
        .key_pem = gate ? buf_span(&s->key_pem) : SPAN(""),
        .client_ca_pem = gate ? buf_span(&s->client_ca_pem) : SPAN(""),
    };
    enum err e = ipc_start_encode(&m, n, &frame);

    if (e == ERR_OK) {
        e = channel_send(p->channel, buf_span(&frame), fds, n);
    }
    if (frame.p) {
        explicit_bzero(frame.p, frame.n); // it has the key
    }
    buf_finish(&frame);
    buf_finish(&settings);
    return e;
}

// Tells a running process of the one that is started anew.
static void send_link(struct process *to, enum ipc_process peer, int link_fd)
{
    struct ipc_link m = {.peer = (uint8_t)peer};
    struct buf frame;

    buf_init(&frame, 64);
    if (to->channel && ipc_link_encode(&m, 1, &frame) == ERR_OK &&
        channel_send(to->channel, buf_span(&frame), &link_fd, 1) != ERR_OK) {
        log_warn("%s cannot be told of its new peer", to->name);
    }
    buf_finish(&frame);
}

static void note_start(struct process *p)
{
    p->starts_ms[p->start_n++ % STARTS_KEPT] = clock_monotonic_ms();
}

static enum err start_with(struct process *p, const struct links *l)
{
    enum err e = spawn(p);

    if (e == ERR_OK) {
        e = send_start(p, l);
    }
    if (e == ERR_OK && p->id == IPC_COURIER) {
        places_hand_out(p);
    }
    for (unsigned i = 0; e == ERR_OK && i < IPC_PROCESSES; i++) {
        struct process *peer = &p->supervisor->processes[i];

        if (l->theirs[i] >= 0 && peer->pid) {
            send_link(peer, p->id, l->theirs[i]);
        }
    }
    return e;
}

void process_start(struct process *p)
{
    struct links l;
    enum err e = links_open(p, &l);

    note_start(p);
    if (e == ERR_OK) {
        e = start_with(p, &l);
    }
    links_close(&l);
    if (e != ERR_OK) {
        log_error("%s cannot be started: %s", p->name, err_name(e));
        if (p->pid) {
            process_kill(p);
        } else {
            loop_timer_set(p->supervisor->loop, &p->restart,
                           clock_monotonic_ms() + LONGEST_PAUSE_MS);
        }
    }
}

// ---- dying --------------------------------------------------------------------------------------

static void log_death(const struct process *p, int status)
{
    if (p->supervisor->stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        log_info("%s has stopped", p->name);
    } else if (WIFEXITED(status)) {
        log_error("%s (process %d) ended with status %d; its last lines above say why", p->name,
                  p->pid, WEXITSTATUS(status));
    } else if (WTERMSIG(status) == SIGSYS) {
        log_error("%s (process %d) was stopped by the sandbox: it tried what it never should. "
                  "Please report this, it may be an attack or a bug",
                  p->name, p->pid);
    } else if (WTERMSIG(status) == SIGKILL) {
        log_error("%s (process %d) was killed (SIG%s): by hand, by us because it hung, or for want "
                  "of memory; `dmesg` tells the last",
                  p->name, p->pid, sigabbrev_np(WTERMSIG(status)));
    } else {
        const char *name = sigabbrev_np(WTERMSIG(status));

        log_error("%s (process %d) crashed (SIG%s): please report this with the lines above",
                  p->name, p->pid, name ? name : "?");
    }
}

// How long to wait: longer with each start in the last minute, and never more starts in a minute
// than the setting allows.
static int64_t restart_at(const struct process *p)
{
    int64_t now = clock_monotonic_ms(), oldest_allowed = 0;
    unsigned limit =
        (unsigned)conf_value_count(p->supervisor->settings, SETTING_RESTARTS_PER_MINUTE);
    unsigned kept = p->start_n < STARTS_KEPT ? p->start_n : STARTS_KEPT, recent = 0;

    for (unsigned i = 1; i <= kept; i++) {
        int64_t at = p->starts_ms[(p->start_n - i) % STARTS_KEPT];

        recent += now - at < MINUTE_MS;
        if (i == limit) {
            oldest_allowed = at + MINUTE_MS;
        }
    }
    int64_t pause = recent <= 1   ? 0
                    : recent >= 7 ? LONGEST_PAUSE_MS
                                  : (int64_t)FIRST_PAUSE_MS << (recent - 2);

    if (limit > 5 && pause > FIRST_PAUSE_MS) {
        pause = FIRST_PAUSE_MS; // whoever allows more wants them soon
    }
    return now + pause > oldest_allowed ? now + pause : oldest_allowed;
}

void process_died(struct process *p, int wait_status)
{
    struct supervisor *s = p->supervisor;

    log_death(p, wait_status);
    p->pid = 0;
    p->ready = false;
    channel_close(p->channel);
    p->channel = NULL;
    reload_process_died(p);
    if (s->stopping) {
        supervisor_check_stopped(s);
    } else if (!p->was_ready) {
        log_error("%s could not start: giving up", p->name);
        supervisor_give_up(s);
    } else {
        int64_t at = restart_at(p), left = at - clock_monotonic_ms();

        if (left > LONGEST_PAUSE_MS) {
            log_error("%s died too often in the last minute: it is started again in %lld s",
                      p->name, (long long)(left / 1000));
        }
        loop_timer_set(s->loop, &p->restart, at);
    }
}
