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

// ---- reload -------------------------------------------------------------------------------------

static void log_report(const char *path, const struct conf_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        log_error("%s:%u:%u: %s", log_text(span_from_str(path)).s, r->problems[i].line,
                  r->problems[i].column, r->problems[i].text);
    }
    if (r->dropped) {
        log_error("%s: and %zu more problems", log_text(span_from_str(path)).s, r->dropped);
    }
}

static void log_change(void *arg, const struct setting_row *row, struct span now, struct span next)
{
    (void)arg;
    if (row->when == SETTING_WHEN_START) {
        log_warn("a restart is needed for the change of %s (%s, in use: %.*s)", row->name,
                 log_text(next).s, SPAN_ARG(span_first(now, LOG_TEXT_MAX)));
    } else {
        log_info("%s is %s now (it was %.*s)", row->name, log_text(next).s,
                 SPAN_ARG(span_first(now, LOG_TEXT_MAX)));
    }
}

// The new settings, or the old ones again when there is no file or it is wrong (*out_ok false).
// What takes a restart keeps its value: a child that is started anew works with what the others do.
static struct settings *read_settings(struct supervisor *s, bool *out_ok)
{
    struct conf_report report;
    struct settings *next;

    *out_ok = true;
    if (s->options.config_optional && access(s->options.config_path, F_OK) != 0) {
        return settings_ref(s->settings);
    }
    if (conf_load(s->options.config_path, &report, &next) != ERR_OK) {
        log_report(s->options.config_path, &report);
        *out_ok = false;
        return settings_ref(s->settings);
    }
    conf_changes(s->settings, next, log_change, NULL);
    if (conf_keep_start_values(s->settings, next) != ERR_OK) {
        log_error("no memory for new settings");
        settings_unref(next);
        *out_ok = false;
        return settings_ref(s->settings);
    }
    return next;
}

static void send_reload(struct supervisor *s, struct process *p)
{
    struct buf settings, frame;
    bool gate = p->id == IPC_GATE;

    if (!p->channel) {
        return; // it gets them with its start
    }
    buf_init(&settings, CONF_FILE_BYTES_MAX);
    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    conf_write(s->settings, &settings);
    struct ipc_reload m = {.settings = buf_span(&settings),
                           .cert_pem = gate ? buf_span(&s->cert_pem) : SPAN(""),
                           .key_pem = gate ? buf_span(&s->key_pem) : SPAN("")};

    if (ipc_reload_encode(&m, 0, &frame) == ERR_OK) {
        process_send(p, &frame);
        p->reloads++;
    }
    if (frame.p) {
        explicit_bzero(frame.p, frame.n);
    }
    buf_finish(&settings);
    buf_finish(&frame);
}

static void reload_certificate(struct supervisor *s)
{
    struct buf cert, key;

    buf_init(&cert, s->cert_pem.max);
    buf_init(&key, s->key_pem.max);
    enum err e = setup_read_certificate(s->settings, &cert, &key);

    if (e == ERR_OK) {
        struct buf old = s->key_pem;

        buf_finish(&s->cert_pem);
        s->cert_pem = cert;
        s->key_pem = key;
        key = old;
        buf_init(&cert, cert.max);
    } else if (e != ERR_NOT_FOUND) {
        log_error("the certificate in use stays");
    }
    if (key.p) {
        explicit_bzero(key.p, key.n);
    }
    buf_finish(&cert);
    buf_finish(&key);
}

static void reload(struct supervisor *s)
{
    char text[80];
    bool ok;

    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)clock_monotonic_us());
    notify_systemd(text);
    s->reloading = true;
    struct settings *next = read_settings(s, &ok);

    if (!ok) {
        log_error("the settings file has problems: the old settings stay in use");
    } else {
        settings_unref(s->settings);
        s->settings = settings_ref(next);
        log_set_level((enum log_level)conf_value_choice(s->settings, SETTING_LOG_LEVEL));
        reload_certificate(s);
        for (unsigned i = 0; i < IPC_PROCESSES; i++) {
            send_reload(s, &s->processes[i]);
        }
    }
    settings_unref(next);
    supervisor_check_reloaded(s);
}

void supervisor_reload_answered(struct supervisor *s, struct process *p, bool ok, struct span text)
{
    if (ok) {
        log_info("%s uses the new settings", p->name);
    } else {
        log_error("%s keeps its old settings: %s", p->name, log_text(text).s);
    }
    p->reloads -= p->reloads > 0;
    supervisor_check_reloaded(s);
}

void supervisor_check_reloaded(struct supervisor *s)
{
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (s->processes[i].reloads) {
            return;
        }
    }
    if (s->announced && s->reloading) {
        s->reloading = false;
        notify_systemd("READY=1");
    }
}

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
        reload(s);
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
    setup_finish(&s);
    settings_unref(s.settings);
    return s.exit_status;
}
