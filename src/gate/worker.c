// SPDX-License-Identifier: Apache-2.0
#include "gate/worker.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "gate/client.h"
#include "gate/relay.h"

#include "base/banned.h"

#define DNS_OPEN_MAX    500   // questions of one worker that the courier has at a time
#define DNS_WAITING_MAX 20000 // and that wait for it
#define DNS_TIMEOUT_MS  20000 // the courier's is the same

// A message from the main thread to a worker.
struct errand {
    struct loop_task task;
    struct gate_worker *worker;
    enum {
        ERRAND_CLIENT,
        ERRAND_ANSWER,
        ERRAND_CHALLENGE,
        ERRAND_DOMAIN,
        ERRAND_KEEP_LOST,
        ERRAND_GOODBYE
    } kind;
    int fd;
    struct address peer;
    const struct service *service;
    uint64_t conversation;
    enum ipc_auth result;
    enum ipc_domain domain;
    char text[512], ticket[64];
    size_t text_bytes, ticket_bytes;
};

unsigned worker_of_conversation(uint64_t conversation)
{
    return (unsigned)(conversation % GATE_WORKERS_MAX);
}

uint64_t worker_ask(struct gate_worker *w, struct client *c)
{
    uint64_t id = ++w->next_conversation * GATE_WORKERS_MAX + w->index;

    return map_put(&w->asking, span_of(&id, sizeof(id)), c, NULL) == ERR_OK ? id : 0;
}

void worker_forget(struct gate_worker *w, uint64_t conversation)
{
    map_remove(&w->asking, span_of(&conversation, sizeof(conversation)));
}

bool worker_make_room(struct gate_worker *w, const struct client *newcomer)
{
    struct list *next;

    for (struct list *l = w->clients.next; l != &w->clients; l = next) {
        struct client *c = client_of_link(l);

        next = l->next;
        if (c != newcomer && client_displace(c, newcomer)) {
            return true;
        }
    }
    return false;
}

static void errand_answer(struct gate_worker *w, const struct errand *m)
{
    struct client *c = map_get(&w->asking, span_of(&m->conversation, sizeof(m->conversation)));

    if (c) { // otherwise it went away meanwhile
        client_answered(c, m->result, span_of(m->text, m->text_bytes),
                        span_of(m->ticket, m->ticket_bytes));
    }
}

static void errand_challenge(struct gate_worker *w, const struct errand *m)
{
    struct client *c = map_get(&w->asking, span_of(&m->conversation, sizeof(m->conversation)));

    if (c) { // as above
        client_challenged(c, span_of(m->text, m->text_bytes));
    }
}

static void errand_domain(struct gate_worker *w, const struct errand *m)
{
    struct client *c = map_get(&w->asking, span_of(&m->conversation, sizeof(m->conversation)));

    if (c) { // as above
        client_domain_answered(c, m->domain);
    }
}

static void each_client(struct gate_worker *w, void (*fn)(struct client *c))
{
    struct list *next;

    for (struct list *l = w->clients.next; l != &w->clients; l = next) {
        next = l->next; // fn may end this client, and no other
        fn(client_of_link(l));
    }
}

static void errand_run(struct loop_task *t)
{
    struct errand *m = LIST_ITEM(t, struct errand, task);
    struct gate_worker *w = m->worker;

    switch (m->kind) {
    case ERRAND_CLIENT:
        client_start(w, m->fd, &m->peer, m->service);
        break;
    case ERRAND_ANSWER:
        errand_answer(w, m);
        break;
    case ERRAND_CHALLENGE:
        errand_challenge(w, m);
        break;
    case ERRAND_DOMAIN:
        errand_domain(w, m);
        break;
    case ERRAND_KEEP_LOST:
        each_client(w, client_keep_lost);
        break;
    case ERRAND_GOODBYE:
        each_client(w, client_goodbye);
        break;
    }
    free(m);
}

static struct errand *errand_make(struct gate_worker *w, int kind)
{
    struct errand *m = calloc(1, sizeof(*m));

    if (!m) {
        log_warn("no memory for a message between the gate's threads; a client is left alone");
        return NULL;
    }
    m->worker = w;
    m->kind = kind;
    m->task.run = errand_run;
    return m;
}

void worker_give(struct gate_worker *w, int fd, const struct address *peer,
                 const struct service *service)
{
    struct errand *m = errand_make(w, ERRAND_CLIENT);

    if (!m) {
        atomic_fetch_sub(&w->gate->connections, 1);
        close(fd);
        return;
    }
    m->fd = fd;
    m->peer = *peer;
    m->service = service;
    loop_post(w->loop, &m->task);
}

void worker_answer(struct gate_worker *w, const struct ipc_auth_result *answer)
{
    struct errand *m = errand_make(w, ERRAND_ANSWER);

    if (!m) {
        return;
    }
    m->conversation = answer->conversation;
    m->result = answer->result;
    m->text_bytes = answer->text.n;
    m->ticket_bytes = answer->ticket.n;
    ASSERT(m->text_bytes <= sizeof(m->text) && m->ticket_bytes <= sizeof(m->ticket));
    memcpy(m->text, answer->text.p, m->text_bytes);
    memcpy(m->ticket, answer->ticket.p, m->ticket_bytes);
    loop_post(w->loop, &m->task);
}

void worker_challenge(struct gate_worker *w, const struct ipc_auth_challenge *challenge)
{
    struct errand *m = errand_make(w, ERRAND_CHALLENGE);

    if (m) {
        m->conversation = challenge->conversation;
        m->text_bytes = challenge->bytes.n;
        ASSERT(m->text_bytes <= sizeof(m->text));
        memcpy(m->text, challenge->bytes.p, m->text_bytes);
        loop_post(w->loop, &m->task);
    }
}

void worker_domain_answer(struct gate_worker *w, const struct ipc_domain_result *answer)
{
    struct errand *m = errand_make(w, ERRAND_DOMAIN);

    if (m) {
        m->conversation = answer->conversation;
        m->domain = answer->result;
        loop_post(w->loop, &m->task);
    }
}

void worker_keep_lost(struct gate_worker *w)
{
    struct errand *m = errand_make(w, ERRAND_KEEP_LOST);

    if (m) {
        loop_post(w->loop, &m->task);
    }
}

void worker_goodbye(struct gate_worker *w)
{
    struct errand *m = errand_make(w, ERRAND_GOODBYE);

    if (m) {
        loop_post(w->loop, &m->task);
    }
}

static void *worker_main(void *arg)
{
    struct gate_worker *w = arg;

    pthread_setname_np(pthread_self(), "gate-worker");
    loop_run(w->loop);
    return NULL;
}

static enum err tell_courier(void *arg, struct span frame, int fd)
{
    struct gate_worker *w = arg;

    return gate_courier_send(w->gate, frame, fd);
}

// Ids as those of conversations: worker_of_conversation finds the worker.
static enum err dns_start(struct gate_worker *w)
{
    struct dns_desk_options o = {.loop = w->loop,
                                 .id_first = w->index,
                                 .id_step = GATE_WORKERS_MAX,
                                 .send = tell_courier,
                                 .arg = w,
                                 .open_max = DNS_OPEN_MAX,
                                 .waiting_max = DNS_WAITING_MAX,
                                 .timeout_ms = DNS_TIMEOUT_MS};

    return dns_desk_create(&o, &w->dns);
}

enum err worker_start(struct gate *g, unsigned index, struct gate_worker **out)
{
    struct gate_worker *w = calloc(1, sizeof(*w));

    if (!w) {
        return ERR_NOMEM;
    }
    w->gate = g;
    w->index = index;
    list_init(&w->clients);
    list_init(&w->relays);
    map_init(&w->asking);
    enum err e = loop_create(&w->loop);

    if (e == ERR_OK) {
        e = dns_start(w);
    }
    if (e == ERR_OK && pthread_create(&w->thread, NULL, worker_main, w) != 0) {
        e = ERR_NOMEM;
    }
    w->has_thread = e == ERR_OK;
    if (e != ERR_OK) {
        worker_stop(w);
        return e;
    }
    *out = w;
    return ERR_OK;
}

void worker_stop(struct gate_worker *w)
{
    if (!w) {
        return;
    }
    if (w->has_thread) {
        loop_stop(w->loop);
        pthread_join(w->thread, NULL);
    }
    while (!list_is_empty(&w->clients)) {
        client_destroy(client_of_link(w->clients.next));
    }
    while (!list_is_empty(&w->relays)) {
        relay_destroy(relay_of_link(w->relays.next));
    }
    map_finish(&w->asking);
    dns_desk_destroy(w->dns);
    loop_destroy(w->loop);
    free(w);
}
