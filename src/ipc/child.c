// SPDX-License-Identifier: Apache-2.0
#include "ipc/child.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"

#include "base/banned.h"

#define START_WAIT_MS  30000
#define SEND_QUEUE_MAX (1u << 20)

struct child {
    struct channel *channel;
    const struct child_handler *handler;
    void *arg;
    struct settings *settings; // that the handler uses
    bool stopping;             // the handler has been told
};

static enum err become(uint32_t uid, uint32_t gid)
{
    if (uid == IPC_STAY) {
        return ERR_OK;
    }
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
        log_error("cannot become user %u: errno %d", uid, errno);
        return ERR_DENIED;
    }
    return ERR_OK;
}

// The supervisor takes the signals of people and of systemd, and tells us.
static void ignore_signals(void)
{
    static const int numbers[] = {SIGPIPE, SIGINT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        signal(numbers[i], SIG_IGN);
    }
}

// With ERR_INVALID `problem` says why.
static enum err parse_settings(struct span text, struct settings **out, char problem[256])
{
    struct conf_report report;
    enum err e = conf_parse(text, &report, out);

    if (e == ERR_INVALID) {
        span_copy_text(span_from_str(report.problems[0].text), problem, 256);
    }
    return e;
}

static enum err take_start(const struct ipc_frame *frame, const int *fds, struct child_start *out)
{
    struct ipc_start m;
    char problem[256] = "";
    unsigned at = 0;
    enum err e = frame->type == IPC_START ? ipc_start_decode(frame->fields, &m) : ERR_INVALID;

    if (e == ERR_OK &&
        (m.links >> IPC_PROCESSES || (unsigned)__builtin_popcount(m.links) > frame->fds)) {
        e = ERR_INVALID;
    }
    if (e == ERR_OK) {
        e = parse_settings(m.settings, &out->settings, problem);
    }
    if (problem[0]) {
        log_error("settings from the supervisor: %s", problem);
    }
    if (e != ERR_OK) {
        return e;
    }
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        out->link_fds[i] = m.links >> i & 1 ? fds[at++] : -1;
    }
    if (m.listeners.n == 0 && at < frame->fds) {
        out->lock_fd = fds[at++];
    }
    while (at < frame->fds) {
        out->listen_fds[out->listen_count++] = fds[at++];
    }
    memcpy(out->listeners, m.listeners.p, m.listeners.n); // room for the field's maximum and a NUL
    buf_put(&out->cert_pem, m.cert_pem);
    buf_put(&out->client_ca_pem, m.client_ca_pem);
    buf_put(&out->key_pem, m.key_pem);
    log_set_level((enum log_level)conf_value_choice(out->settings, SETTING_LOG_LEVEL));
    return become(m.uid, m.gid);
}

enum err child_start(int supervisor_fd, const char *process, struct child_start *out)
{
    struct buf bytes;
    struct ipc_frame frame;
    struct child_start s = {.lock_fd = -1, .supervisor_fd = supervisor_fd};
    int fds[IPC_FDS_MAX];

    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        s.link_fds[i] = -1;
    }
    log_set_process(process);
    ignore_signals();
    buf_init(&bytes, IPC_FRAME_BYTES_MAX);
    buf_init(&s.cert_pem, IPC_FRAME_BYTES_MAX);
    buf_init(&s.client_ca_pem, IPC_FRAME_BYTES_MAX);
    buf_init(&s.key_pem, IPC_FRAME_BYTES_MAX);
    enum err e = channel_receive_blocking(supervisor_fd, START_WAIT_MS, &bytes, &frame, fds);

    if (e == ERR_OK) {
        e = take_start(&frame, fds, &s);
    }
    if (bytes.p) {
        explicit_bzero(bytes.p, bytes.n); // it had the key
    }
    buf_finish(&bytes);
    if (e != ERR_OK) {
        log_error("%s cannot start: %s (it is started by `mailkeep serve` only)", process,
                  err_name(e));
        child_start_finish(&s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void child_start_finish(struct child_start *s)
{
    settings_unref(s->settings);
    s->settings = NULL;
    if (s->key_pem.p) {
        explicit_bzero(s->key_pem.p, s->key_pem.n);
    }
    buf_finish(&s->cert_pem);
    buf_finish(&s->client_ca_pem);
    buf_finish(&s->key_pem);
}

// ---- later --------------------------------------------------------------------------------------

static void stop_once(struct child *c, int64_t timeout_ms)
{
    if (!c->stopping) {
        c->stopping = true;
        c->handler->stop(c->arg, timeout_ms);
    }
}

static void log_change(void *arg, const struct setting_row *row, struct span now, struct span next)
{
    (void)arg;
    (void)now;
    log_debug("uses %s = %s", row->name, log_text(next).s);
}

// The handler has taken them.
static void settings_use(struct child *c, struct settings *settings)
{
    log_set_level((enum log_level)conf_value_choice(settings, SETTING_LOG_LEVEL));
    conf_changes(c->settings, settings, log_change, NULL);
    settings_unref(c->settings);
    c->settings = settings;
}

static enum err on_reload(struct child *c, struct span fields)
{
    struct ipc_reload m;
    struct settings *settings;
    char problem[256] = "";
    struct buf frame;
    enum err e = ipc_reload_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    e = parse_settings(m.settings, &settings, problem);
    if (e == ERR_OK) {
        struct child_pem pem = {m.cert_pem, m.key_pem, m.client_ca_pem};

        e = c->handler->reload(c->arg, settings_ref(settings), &pem, problem);
        if (e == ERR_OK) {
            settings_use(c, settings);
        } else {
            settings_unref(settings);
        }
    }
    struct ipc_reloaded answer = {
        .number = m.number,
        .ok = e == ERR_OK,
        .text = span_from_str(e == ERR_OK || problem[0] ? problem : err_name(e)),
    };

    buf_init(&frame, IPC_FRAME_BYTES_MAX);
    e = ipc_reloaded_encode(&answer, 0, &frame);
    if (e == ERR_OK) {
        e = channel_send(c->channel, buf_span(&frame), NULL, 0);
    }
    buf_finish(&frame);
    return e;
}

static enum err on_ping(struct child *c, struct span fields)
{
    struct ipc_ping m;
    struct ipc_status status = {0};
    struct buf frame;
    enum err e = ipc_ping_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    c->handler->status(c->arg, &status);
    status.number = m.number;
    buf_init(&frame, 256);
    e = ipc_status_encode(&status, 0, &frame);
    if (e == ERR_OK) {
        e = channel_send(c->channel, buf_span(&frame), NULL, 0);
    }
    buf_finish(&frame);
    return e;
}

static enum err on_link(struct child *c, struct span fields, int fd)
{
    struct ipc_link m;

    if (ipc_link_decode(fields, &m) != ERR_OK || m.peer >= IPC_PROCESSES) {
        close(fd);
        return ERR_INVALID;
    }
    c->handler->link(c->arg, (enum ipc_process)m.peer, fd);
    return ERR_OK;
}

static enum err on_places(struct child *c, struct span fields, int fd)
{
    struct ipc_places m;

    if (!c->handler->places || ipc_places_decode(fields, &m) != ERR_OK) {
        if (fd >= 0) {
            close(fd);
        }
        return ERR_INVALID;
    }
    c->handler->places(c->arg, fd);
    return ERR_OK;
}

static enum err on_reload_item(struct child *c, struct span fields)
{
    struct ipc_reload_item m;

    if (!c->handler->reload_item || ipc_reload_item_decode(fields, &m) != ERR_OK) {
        return ERR_INVALID;
    }
    c->handler->reload_item(c->arg, &m);
    return ERR_OK;
}

static enum err on_reload_end(struct child *c, struct span fields)
{
    struct ipc_reload_end m;

    if (!c->handler->reload_end || ipc_reload_end_decode(fields, &m) != ERR_OK) {
        return ERR_INVALID;
    }
    c->handler->reload_end(c->arg, &m);
    return ERR_OK;
}

static enum err on_message(struct channel *channel, void *arg, const struct ipc_frame *frame,
                           int *fds)
{
    struct child *c = arg;
    struct ipc_stop stop;

    (void)channel;
    if (frame->type == IPC_LINK && frame->fds == 1) {
        return on_link(c, frame->fields, fds[0]);
    }
    if (frame->type == IPC_PLACES && frame->fds <= 1) {
        return on_places(c, frame->fields, frame->fds ? fds[0] : -1);
    }
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]); // the others come with none
    }
    switch (frame->type) {
    case IPC_RELOAD:
        return on_reload(c, frame->fields);
    case IPC_PING:
        return on_ping(c, frame->fields);
    case IPC_RELOAD_ITEM:
        return on_reload_item(c, frame->fields);
    case IPC_RELOAD_END:
        return on_reload_end(c, frame->fields);
    case IPC_STOP:
        if (ipc_stop_decode(frame->fields, &stop) != ERR_OK) {
            return ERR_INVALID;
        }
        stop_once(c, stop.timeout_ms);
        return ERR_OK;
    default:
        return ERR_INVALID;
    }
}

static void on_ended(struct channel *channel, void *arg, enum err e)
{
    struct child *c = arg;

    (void)channel;
    if (!c->stopping) {
        log_error("the supervisor is gone (%s): stopping", err_name(e));
    }
    stop_once(c, 5000);
}

enum err child_attach(struct child_start *s, struct loop *l, const struct child_handler *h,
                      void *arg, struct child **out)
{
    static const struct channel_handler handler = {on_message, on_ended};
    struct child *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->handler = h;
    c->arg = arg;
    enum err e = channel_open(l, s->supervisor_fd, SEND_QUEUE_MAX, &handler, c, &c->channel);

    if (e != ERR_OK) {
        free(c);
        return e;
    }
    c->settings = settings_ref(s->settings);
    *out = c;
    return ERR_OK;
}

enum err child_ready(struct child *c)
{
    struct ipc_ready m = {.pid = (uint32_t)getpid()};
    struct buf frame;

    buf_init(&frame, 256);
    enum err e = ipc_ready_encode(&m, 0, &frame);

    if (e == ERR_OK) {
        e = channel_send(c->channel, buf_span(&frame), NULL, 0);
    }
    buf_finish(&frame);
    return e;
}

enum err child_ask_reload(struct child *c, uint64_t number)
{
    struct ipc_reload_ask m = {.number = number};
    struct buf frame;

    buf_init(&frame, 256);
    enum err e = ipc_reload_ask_encode(&m, 0, &frame);

    if (e == ERR_OK) {
        e = channel_send(c->channel, buf_span(&frame), NULL, 0);
    }
    buf_finish(&frame);
    return e;
}

enum err child_ask_connection(struct child *c, uint8_t filter, int fd)
{
    struct ipc_connect m = {.filter = filter};
    struct buf frame;

    buf_init(&frame, 64);
    enum err e = ipc_connect_encode(&m, 1, &frame);

    if (e == ERR_OK) {
        e = channel_send(c->channel, buf_span(&frame), &fd, 1);
    }
    buf_finish(&frame);
    return e;
}

void child_detach(struct child *c)
{
    if (c) {
        channel_close(c->channel);
        settings_unref(c->settings);
        free(c);
    }
}
