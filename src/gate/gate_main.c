// SPDX-License-Identifier: Apache-2.0
//
// The gate's start and end, its listeners, and its conversations with the supervisor, keep and
// the courier.
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host_name.h"
#include "base/log.h"
#include "gate/client.h"
#include "gate/gate.h"
#include "gate/gate_internal.h"
#include "gate/http/http_json.h"
#include "gate/worker.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "net/listener.h"

#include "base/banned.h"

#define SEND_QUEUE_MAX (8u << 20)
#define GOODBYE_MS     2000 // the most that the last words may take at a stop

struct gate_listener {
    struct gate_main *main;
    struct listener *listener;
    const struct service *service;
};

struct gate_main {
    struct gate gate;
    struct child_start start;
    struct child *child;
    struct gate_listener listeners[IPC_FDS_MAX];
    unsigned listener_count;
    unsigned next_worker;
    struct timer stop_timer;
    int64_t stop_at_ms;
};

// ---- settings and certificate -------------------------------------------------------------------

// Another mail server may have a certificate, too, and is not asked for it.
static enum err tls_make(struct span cert, struct span key, struct span client_ca,
                         const struct dialogue_protocol *p, char problem[256],
                         struct tls_context **out)
{
    enum err e = tls_context_create(cert, key, p->alpn, problem, out);

    return e == ERR_OK && client_ca.n && service_is_for_people(p)
               ? tls_context_ask_clients(*out, client_ca, problem)
               : e;
}

static enum err config_make(struct settings *settings, struct span cert, struct span key,
                            struct span client_ca, char problem[256], struct gate_config **out)
{
    struct gate_config *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    atomic_init(&c->refs, 1);
    const struct dialogue_protocol *p;

    for (unsigned i = 0; cert.n && (p = service_protocol(i)) != NULL; i++) {
        enum err e = tls_make(cert, key, client_ca, p, problem, &c->tls[i]);

        if (e != ERR_OK) {
            gate_config_unref(c);
            return e;
        }
    }
    c->settings = settings_ref(settings);
    gate_config_read_networks(c);
    log_set_level((enum log_level)conf_value_choice(settings, SETTING_LOG_LEVEL));
    *out = c;
    return ERR_OK;
}

static void config_use(struct gate *g, struct gate_config *c)
{
    lock_take(&g->lock);
    struct gate_config *old = g->config;

    g->config = c;
    lock_release(&g->lock);
    gate_config_unref(old);
}

static enum err on_reload(void *arg, struct settings *settings, const struct child_pem *pem,
                          char problem[256])
{
    struct gate_main *m = arg;
    struct gate_config *c;
    enum err e = config_make(settings, pem->cert, pem->key, pem->client_ca, problem, &c);

    settings_unref(settings);
    if (e == ERR_OK) {
        config_use(&m->gate, c);
    }
    return e;
}

// ---- keep ---------------------------------------------------------------------------------------

// NULL: no worker of ours asked.
static struct gate_worker *asker(struct gate *g, uint64_t conversation)
{
    unsigned index = worker_of_conversation(conversation);

    return index < g->worker_count ? g->workers[index] : NULL;
}

static enum err on_auth_result(struct gate *g, struct span fields)
{
    struct ipc_auth_result answer;
    enum err e = ipc_auth_result_decode(fields, &answer);
    struct gate_worker *w = e == ERR_OK ? asker(g, answer.conversation) : NULL;

    if (!w) {
        return ERR_INVALID;
    }
    worker_answer(w, &answer);
    return ERR_OK;
}

static enum err on_auth_challenge(struct gate *g, struct span fields)
{
    struct ipc_auth_challenge challenge;
    enum err e = ipc_auth_challenge_decode(fields, &challenge);
    struct gate_worker *w = e == ERR_OK ? asker(g, challenge.conversation) : NULL;

    if (!w) {
        return ERR_INVALID;
    }
    worker_challenge(w, &challenge);
    return ERR_OK;
}

static enum err on_domain_result(struct gate *g, struct span fields)
{
    struct ipc_domain_result answer;
    enum err e = ipc_domain_result_decode(fields, &answer);
    struct gate_worker *w = e == ERR_OK ? asker(g, answer.conversation) : NULL;

    if (!w) {
        return ERR_INVALID;
    }
    worker_domain_answer(w, &answer);
    return ERR_OK;
}

static enum err on_keep_message(struct channel *c, void *arg, const struct ipc_frame *frame,
                                int *fds)
{
    (void)c;
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    if (frame->fds) {
        return ERR_INVALID;
    }
    return frame->type == IPC_AUTH_RESULT      ? on_auth_result(arg, frame->fields)
           : frame->type == IPC_AUTH_CHALLENGE ? on_auth_challenge(arg, frame->fields)
           : frame->type == IPC_DOMAIN_RESULT  ? on_domain_result(arg, frame->fields)
                                               : ERR_INVALID;
}

static void keep_use(struct gate *g, struct channel *c)
{
    lock_take(&g->lock);
    struct channel *old = g->keep;

    g->keep = c;
    lock_release(&g->lock);
    channel_close(old);
    for (unsigned i = 0; i < g->worker_count; i++) {
        worker_keep_lost(g->workers[i]); // questions to the old one
    }
}

static void on_keep_ended(struct channel *c, void *arg, enum err e)
{
    struct gate *g = arg;

    (void)c;
    if (e != ERR_EOF) { // else it has died or stopped, which the supervisor says
        log_warn("the conversation with keep has ended (%s); logins are told to try again until it "
                 "is back",
                 err_name(e));
    }
    keep_use(g, NULL);
}

static enum err keep_attach(struct gate *g, int fd)
{
    static const struct channel_handler handler = {.message = on_keep_message,
                                                   .ended = on_keep_ended};
    struct channel *c;
    enum err e = channel_open(g->loop, fd, SEND_QUEUE_MAX, &handler, g, &c);

    if (e == ERR_OK) {
        keep_use(g, c);
    }
    return e;
}

// ---- the courier --------------------------------------------------------------------------------

static enum err on_courier_message(struct channel *c, void *arg, const struct ipc_frame *frame,
                                   int *fds)
{
    struct gate *g = arg;
    struct ipc_dns_answer answer;

    (void)c;
    for (unsigned i = 0; i < frame->fds; i++) {
        close(fds[i]);
    }
    if (frame->type != IPC_DNS_ANSWER || frame->fds ||
        ipc_dns_answer_decode(frame->fields, &answer) != ERR_OK) {
        return ERR_INVALID;
    }
    unsigned index = worker_of_conversation(answer.id);

    if (index >= g->worker_count) {
        return ERR_INVALID;
    }
    dns_desk_answer(g->workers[index]->dns, &answer);
    return ERR_OK;
}

static void courier_use(struct gate *g, struct channel *c)
{
    lock_take(&g->lock);
    struct channel *old = g->courier;

    g->courier = c;
    lock_release(&g->lock);
    channel_close(old);
    for (unsigned i = 0; i < g->worker_count; i++) {
        dns_desk_lost(g->workers[i]->dns);
    }
}

static void on_courier_ended(struct channel *c, void *arg, enum err e)
{
    struct gate *g = arg;

    (void)c;
    if (e != ERR_EOF) { // as above
        log_warn("the conversation with the courier has ended (%s); the DNS cannot be asked until "
                 "it is back",
                 err_name(e));
    }
    courier_use(g, NULL);
}

static enum err courier_attach(struct gate *g, int fd)
{
    static const struct channel_handler handler = {.message = on_courier_message,
                                                   .ended = on_courier_ended};
    struct channel *c;
    enum err e = channel_open(g->loop, fd, SEND_QUEUE_MAX, &handler, g, &c);

    if (e == ERR_OK) {
        courier_use(g, c);
    }
    return e;
}

static enum err peer_attach(struct gate *g, enum ipc_process peer, int fd)
{
    return peer == IPC_KEEP      ? keep_attach(g, fd)
           : peer == IPC_COURIER ? courier_attach(g, fd)
                                 : ERR_INVALID;
}

static void on_link(void *arg, enum ipc_process peer, int fd)
{
    struct gate_main *m = arg;
    enum err e = peer_attach(&m->gate, peer, fd);

    if (e != ERR_OK) {
        log_error("the new conversation with %s could not be opened", ipc_process_name(peer));
        close(fd);
    }
}

// ---- listeners ----------------------------------------------------------------------------------

static void on_connection(void *arg, int fd, const struct address *peer)
{
    struct gate_listener *l = arg;
    struct gate *g = &l->main->gate;
    unsigned max = (unsigned)conf_value_count(g->config->settings, SETTING_GATE_CONNECTIONS_MAX);

    if (atomic_fetch_add(&g->connections, 1) >= max) {
        atomic_fetch_sub(&g->connections, 1);
        client_turn_away(fd, l->service, DIALOGUE_TOO_MANY_CLIENTS);
        return;
    }
    worker_give(g->workers[l->main->next_worker++ % g->worker_count], fd, peer, l->service);
}

static enum err listeners_open(struct gate_main *m)
{
    struct span words = span_from_str(m->start.listeners);

    for (unsigned i = 0; i < m->start.listen_count; i++) {
        struct gate_listener *l = &m->listeners[i];

        l->main = m;
        l->service = service_find(span_split(&words, ' '));
        if (!l->service) {
            return ERR_INVALID; // the supervisor and we are not of one build
        }
        enum err e =
            listener_create(m->gate.loop, m->start.listen_fds[i], on_connection, l, &l->listener);

        if (e != ERR_OK) {
            return e;
        }
        m->start.listen_fds[i] = -1;
        m->listener_count = i + 1;
    }
    return ERR_OK;
}

static void listeners_close(struct gate_main *m)
{
    for (unsigned i = 0; i < m->listener_count; i++) {
        listener_destroy(m->listeners[i].listener);
    }
    m->listener_count = 0;
}

// ---- stopping -----------------------------------------------------------------------------------

// Relays end when keep has said goodbye on them; then nothing is left to wait for.
static void on_stop_timer(struct timer *t)
{
    struct gate_main *m = LIST_ITEM(t, struct gate_main, stop_timer);
    int64_t now = clock_monotonic_ms();

    if (atomic_load(&m->gate.connections) == 0 || now >= m->stop_at_ms ||
        loop_timer_set(m->gate.loop, t, now + 20) != ERR_OK) {
        loop_stop(m->gate.loop);
    }
}

static void on_stop(void *arg, int64_t timeout_ms)
{
    struct gate_main *m = arg;

    atomic_store(&m->gate.is_stopping, true);
    listeners_close(m);
    for (unsigned i = 0; i < m->gate.worker_count; i++) {
        worker_goodbye(m->gate.workers[i]);
    }
    m->stop_at_ms = clock_monotonic_ms() + (timeout_ms < GOODBYE_MS ? timeout_ms : GOODBYE_MS);
    m->stop_timer.fire = on_stop_timer;
    on_stop_timer(&m->stop_timer);
}

static void on_status(void *arg, struct ipc_status *out)
{
    struct gate_main *m = arg;

    out->connections = atomic_load(&m->gate.connections);
}

// ---- start and end ------------------------------------------------------------------------------

static enum err workers_start(struct gate *g)
{
    unsigned n = (unsigned)conf_value_count(g->config->settings, SETTING_GATE_THREADS);

    while (g->worker_count < n && g->worker_count < GATE_WORKERS_MAX) {
        enum err e = worker_start(g, g->worker_count, &g->workers[g->worker_count]);

        if (e != ERR_OK) {
            return e;
        }
        g->worker_count++;
    }
    return ERR_OK;
}

// With those that run already; on_link is called for the others.
static enum err links_open(struct gate_main *m)
{
    int *fds = m->start.link_fds;
    enum err e = ERR_OK;

    for (unsigned i = 0; i < IPC_PROCESSES && e == ERR_OK; i++) {
        if (fds[i] >= 0) {
            e = peer_attach(&m->gate, (enum ipc_process)i, fds[i]);
            fds[i] = e == ERR_OK ? -1 : fds[i];
        }
    }
    return e;
}

static enum err gate_open(struct gate_main *m, int supervisor_fd)
{
    char problem[256] = "";
    struct gate *g = &m->gate;
    enum err e = child_start(supervisor_fd, "gate", &m->start);

    if (e == ERR_OK) {
        e = config_make(m->start.settings, buf_span(&m->start.cert_pem),
                        buf_span(&m->start.key_pem), buf_span(&m->start.client_ca_pem), problem,
                        &g->config);
        if (e != ERR_OK && problem[0]) {
            log_error("the certificate cannot be used: %s", problem);
        }
    }
    if (e == ERR_OK) {
        host_name(conf_value_text(m->start.settings, SETTING_SERVER_NAME),
                  conf_value_text(m->start.settings, SETTING_DEFAULT_DOMAIN), g->host);
        http_json_start();
        e = sandbox_enter(SANDBOX_GATE, NULL);
    }
    if (e == ERR_OK) {
        e = loop_create(&g->loop);
    }
    if (e == ERR_OK) {
        e = workers_start(g);
    }
    if (e == ERR_OK) {
        e = links_open(m);
    }
    return e == ERR_OK ? listeners_open(m) : e;
}

static void gate_close(struct gate_main *m)
{
    struct gate *g = &m->gate;

    listeners_close(m);
    for (unsigned i = 0; i < g->worker_count; i++) {
        worker_stop(g->workers[i]);
    }
    child_detach(m->child);
    channel_close(g->keep);
    channel_close(g->courier);
    loop_destroy(g->loop);
    gate_counts_finish(g);
    gate_config_unref(g->config);
    lock_finish(&g->lock);
    child_start_finish(&m->start);
}

int gate_main(int supervisor_fd)
{
    static const struct child_handler handler = {
        .reload = on_reload, .link = on_link, .stop = on_stop, .status = on_status};
    static struct gate_main m; // one of a process; large
    enum err e;

    lock_init(&m.gate.lock, LOCK_GATE);
    gate_counts_init(&m.gate);
    e = gate_open(&m, supervisor_fd);
    if (e == ERR_OK) {
        e = child_attach(&m.start, m.gate.loop, &handler, &m, &m.child);
    }
    if (e == ERR_OK) {
        e = child_ready(m.child);
    }
    if (e == ERR_OK) {
        loop_run(m.gate.loop);
    } else {
        log_error("the gate cannot start: %s", err_name(e));
    }
    gate_close(&m);
    return e == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
