// SPDX-License-Identifier: Apache-2.0
//
// The courier's start and end, and its conversations with the supervisor, keep and the gate.
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "courier/courier.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"

#include "base/banned.h"

#define SEND_QUEUE_MAX (8u << 20)

struct courier {
    struct child_start start;
    struct loop *loop;
    struct child *child;
    struct settings *settings;
    struct channel *peers[IPC_PROCESSES]; // NULL: none, or away
};

// ---- the other processes ------------------------------------------------------------------------

static enum err on_peer_message(struct channel *c, void *arg, const struct ipc_frame *frame,
                                int *fds)
{
    (void)c;
    (void)arg;
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    return ERR_INVALID; // nothing is understood yet
}

static void on_peer_ended(struct channel *c, void *arg, enum err e)
{
    struct courier *m = arg;

    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        if (m->peers[i] == c) {
            m->peers[i] = NULL;
            log_debug("the conversation with %s has ended (%s)",
                      ipc_process_name((enum ipc_process)i), err_name(e));
        }
    }
    channel_close(c);
}

static enum err peer_attach(struct courier *m, enum ipc_process peer, int fd)
{
    static const struct channel_handler handler = {.message = on_peer_message,
                                                   .ended = on_peer_ended};
    struct channel *c;
    enum err e = channel_open(m->loop, fd, SEND_QUEUE_MAX, &handler, m, &c);

    if (e == ERR_OK) {
        channel_close(m->peers[peer]);
        m->peers[peer] = c;
    }
    return e;
}

// ---- the supervisor -----------------------------------------------------------------------------

static enum err on_reload(void *arg, struct settings *settings, struct span cert_pem,
                          struct span key_pem, char problem[256])
{
    struct courier *m = arg;

    (void)cert_pem;
    (void)key_pem;
    (void)problem;
    settings_unref(m->settings);
    m->settings = settings;
    return ERR_OK;
}

static void on_link(void *arg, enum ipc_process peer, int fd)
{
    if (peer_attach(arg, peer, fd) != ERR_OK) {
        log_error("the new conversation with %s could not be opened", ipc_process_name(peer));
        close(fd);
    }
}

static void on_stop(void *arg, int64_t timeout_ms)
{
    struct courier *m = arg;

    (void)timeout_ms;
    loop_stop(m->loop);
}

static void on_status(void *arg, struct ipc_status *out)
{
    (void)arg;
    out->connections = 0;
}

// ---- start and end ------------------------------------------------------------------------------

static enum err peers_open(struct courier *m)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; i < IPC_PROCESSES && e == ERR_OK; i++) {
        if (m->start.link_fds[i] >= 0) {
            e = peer_attach(m, (enum ipc_process)i, m->start.link_fds[i]);
            m->start.link_fds[i] = e == ERR_OK ? -1 : m->start.link_fds[i];
        }
    }
    return e;
}

static enum err courier_open(struct courier *m, int supervisor_fd)
{
    enum err e = child_start(supervisor_fd, "courier", &m->start);

    if (e != ERR_OK) {
        return e;
    }
    m->settings = settings_ref(m->start.settings);
    e = sandbox_enter(SANDBOX_COURIER, NULL);
    if (e == ERR_OK) {
        e = loop_create(&m->loop);
    }
    return e == ERR_OK ? peers_open(m) : e;
}

static void courier_close(struct courier *m)
{
    child_detach(m->child);
    for (unsigned i = 0; i < IPC_PROCESSES; i++) {
        channel_close(m->peers[i]);
    }
    loop_destroy(m->loop);
    settings_unref(m->settings);
    child_start_finish(&m->start);
}

int courier_main(int supervisor_fd)
{
    static const struct child_handler handler = {
        .reload = on_reload, .link = on_link, .stop = on_stop, .status = on_status};
    struct courier m = {0};
    enum err e = courier_open(&m, supervisor_fd);

    if (e == ERR_OK) {
        e = child_attach(&m.start, m.loop, &handler, &m, &m.child);
    }
    if (e == ERR_OK) {
        e = child_ready(m.child);
    }
    if (e == ERR_OK) {
        loop_run(m.loop);
    } else {
        log_error("the courier cannot start: %s", err_name(e));
    }
    courier_close(&m);
    return e == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
