// SPDX-License-Identifier: Apache-2.0
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "supervisor/supervisor_internal.h"

#include "base/banned.h"

#define PING_EVERY_MS   5000
#define STOP_RESERVE_MS 2000 // after the children's own limit

// ---- ready --------------------------------------------------------------------------------------

void supervisor_process_ready(struct supervisor *s)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (!s->processes[i].ready) {
            return;
        }
    }
    if (s->announced) {
        log_info("all processes serve again");
        return;
    }
    s->announced = true;
    log_info("Mailkeep %s serves (process %d)", MAILKEEP_VERSION, (int)getpid());
    notify_systemd("READY=1");
    if (s->ready_pipe >= 0) {
        ssize_t ignored = write(s->ready_pipe, "r", 1);

        (void)ignored;
        close(s->ready_pipe);
        s->ready_pipe = -1;
    }
}

// ---- stop ---------------------------------------------------------------------------------------

void supervisor_check_stopped(struct supervisor *s)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (s->processes[i].pid) {
            return;
        }
    }
    loop_stop(s->loop);
}

static void stop(struct supervisor *s, const char *why)
{
    int64_t limit = conf_value_ms(s->settings, SETTING_STOP_TIMEOUT);
    struct ipc_stop m = {.timeout_ms = (uint32_t)limit};
    struct buf frame;

    if (s->stopping) {
        return;
    }
    s->stopping = true;
    log_info("stopping (%s)", why);
    notify_systemd("STOPPING=1");
    buf_init(&frame, 64);
    if (ipc_stop_encode(&m, 0, &frame) == ERR_OK) {
        // Those who talk to others first, then keep.
        for (unsigned i = IPC_PROCESSES; i-- > 0;) {
            process_send(&s->processes[i], &frame);
        }
    }
    buf_finish(&frame);
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        loop_timer_cancel(s->loop, &s->processes[i].restart);
    }
    loop_timer_set(s->loop, &s->stop_limit, clock_monotonic_ms() + limit + STOP_RESERVE_MS);
    supervisor_check_stopped(s);
}

static void on_stop_limit(struct timer *t)
{
    struct supervisor *s = LIST_ITEM(t, struct supervisor, stop_limit);

    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (s->processes[i].pid) {
            log_error("%s did not stop in time and is killed", s->processes[i].name);
            process_kill(&s->processes[i]);
        }
    }
}

void supervisor_give_up(struct supervisor *s)
{
    s->exit_status = 1;
    stop(s, "a process could not start");
}

// ---- time ---------------------------------------------------------------------------------------

static void on_restart(struct timer *t)
{
    struct process *p = LIST_ITEM(t, struct process, restart);

    if (!p->supervisor->stopping && !p->pid) {
        process_start(p);
    }
}

static void on_ping(struct timer *t)
{
    struct supervisor *s = LIST_ITEM(t, struct supervisor, ping);
    int64_t patience = conf_value_ms(s->settings, SETTING_CHILD_TIMEOUT) / PING_EVERY_MS;
    struct ipc_ping m = {.number = ++s->ping_number};
    struct buf frame;

    buf_init(&frame, 64);
    enum err e = ipc_ping_encode(&m, 0, &frame);

    for (unsigned i = 0; i < IPC_PROCESSES && e == ERR_OK; i++) {
        struct process *p = &s->processes[i];

        // Counted in pings, not by the clock: when all of us were stopped, nobody is to blame.
        if (p->ready && (int64_t)++p->unanswered > patience + 1) {
            log_error("%s gives no sign of life: it is killed and started anew", p->name);
            process_kill(p);
        } else if (p->ready) {
            process_send(p, &frame);
        }
    }
    buf_finish(&frame);
    loop_timer_set(s->loop, t, clock_monotonic_ms() + PING_EVERY_MS);
}

static void on_watchdog(struct timer *t)
{
    struct supervisor *s = LIST_ITEM(t, struct supervisor, watchdog);

    notify_systemd("WATCHDOG=1");
    loop_timer_set(s->loop, t, clock_monotonic_ms() + s->watchdog_ms / 2);
}

// ---- signals ------------------------------------------------------------------------------------

static void reap(struct supervisor *s)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < IPC_PROCESSES; i++) {
            if (s->processes[i].pid == pid) {
                process_died(&s->processes[i], status);
            }
        }
    }
}

static void on_signal(struct loop_source *source, uint32_t events)
{
    struct supervisor *s = LIST_ITEM(source, struct supervisor, signals);
    struct signalfd_siginfo info;
    bool want_reload = false;

    (void)events;
    while (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            reap(s);
            break;
        case SIGHUP:
            want_reload = true;
            break;
        case SIGTERM:
            stop(s, "SIGTERM");
            break;
        case SIGINT:
            stop(s, "SIGINT");
            break;
        default:
            break;
        }
    }
    if (want_reload && !s->stopping) {
        reload_by_signal(s);
    }
}

static enum err take_signals(struct supervisor *s)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    for (size_t i = 0; i < 6; i++) {
        sigaddset(&set, (int[]){SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2}[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->signals.ready = on_signal;
    return s->signals.fd < 0 ? ERR_LIMIT : loop_add(s->loop, &s->signals, EPOLLIN);
}

// ---- background ---------------------------------------------------------------------------------

// The caller's process waits for the first byte (it serves) or the end (it does not) and exits.
static void go_to_background(struct supervisor *s)
{
    int fds[2];
    char byte;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return;
    }
    pid_t pid = fork();

    if (pid > 0) {
        close(fds[1]);
        ssize_t n = read(fds[0], &byte, 1);

        _exit(n == 1 ? 0 : 1);
    }
    close(fds[0]);
    s->ready_pipe = fds[1];
    if (pid == 0) {
        setsid();
    }
}

// ---- the process --------------------------------------------------------------------------------

static void init(struct supervisor *s, const struct supervisor_options *o)
{
    s->options = *o;
    s->settings = o->settings;
    s->lock_fd = s->ready_pipe = s->signals.fd = -1;
    s->exe_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        s->processes[i].name = ipc_process_name((enum ipc_process)i);
        s->processes[i].id = (enum ipc_process)i;
        s->processes[i].supervisor = s;
        s->processes[i].restart.fire = on_restart;
    }
    s->ping.fire = on_ping;
    s->watchdog.fire = on_watchdog;
    s->stop_limit.fire = on_stop_limit;
    s->watchdog_ms = notify_watchdog_ms();
    reload_init(s);
}

static void run(struct supervisor *s)
{
    int64_t now = clock_monotonic_ms();

    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        process_start(&s->processes[i]);
    }
    loop_timer_set(s->loop, &s->ping, now + PING_EVERY_MS);
    if (s->watchdog_ms) {
        loop_timer_set(s->loop, &s->watchdog, now + s->watchdog_ms / 2);
    }
    loop_run(s->loop);
    log_info("stopped");
}

int supervisor_main(const struct supervisor_options *o)
{
    static struct supervisor s; // the rings of start times are large, and there is one supervisor

    init(&s, o);
    log_set_process("supervisor");
    log_set_level((enum log_level)conf_value_choice(s.settings, SETTING_LOG_LEVEL));
    if (o->background) {
        go_to_background(&s);
    }
    enum err e = s.exe_fd < 0 ? ERR_IO : setup_all(&s);

    if (e == ERR_OK) {
        e = loop_create(&s.loop);
    }
    if (e == ERR_OK) {
        e = take_signals(&s);
    }
    if (e == ERR_OK) {
        run(&s);
    } else {
        log_error("the server does not start (%s)", err_name(e));
        s.exit_status = 1;
    }
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        channel_close(s.processes[i].channel);
    }
    loop_remove(&s.signals);
    loop_destroy(s.loop);
    reload_finish(&s);
    setup_finish(&s);
    settings_unref(s.settings);
    return s.exit_status;
}
