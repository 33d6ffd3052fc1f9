// SPDX-License-Identifier: Apache-2.0
//
// The threads, and what one of them does for a transaction: find the hosts, open a conversation or
// take one that waits, send, tell keep, log one line.
#include "courier/relay/courier_relay.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "courier/relay/hop_pool.h"
#include "courier/relay/hop_session.h"
#include "courier/relay/relay_job.h"
#include "courier/relay/tls_note.h"
#include "net/worker_pool.h"

#include "base/banned.h"

#define WAITING_MAX      1000 // transactions without a thread
#define ADDRESSES_TRIED  4    // of one host
#define FETCH_TIMEOUT_MS 60000
#define TLS_PORT         465
#define CA_BYTES_MAX     (4u << 20)

struct courier_relay {
    struct courier_relay_options o;
    struct hop_tls *tls;
    struct hop_pool *pool;
    struct sts *sts;
    struct buf ca_pem; // empty: the system's
    struct worker_pool *workers;
    struct hop_limits limits;
    _Atomic(int64_t) stop_at_ms;
    atomic_bool is_stopping;
    atomic_uint running; // or waiting for a thread
    atomic_uint_least64_t counts[IPC_RELAY_UNTRIED + 1];
};

struct transaction {
    struct worker_task task;
    struct courier_relay *relay;
    int fd;
};

// What is known while hosts are tried.
struct attempt {
    struct courier_relay *relay;
    struct relay_job *job;
    struct hop_route route;
    char tls[HOP_TLS_BYTES_MAX];     // of the conversation that gave results
    char host[HOP_HOST_BYTES_MAX];   // of the last failure
    char words[HOP_WORDS_BYTES_MAX]; // the same
    bool has_temporary;              // a failure that may pass
    struct tls_notes notes;
};

// ---- failures -----------------------------------------------------------------------------------

// Why a host is passed over. Words that begin with "5." are a verdict for good.
static void note(struct attempt *a, const char *host, const char *words)
{
    snprintf(a->host, sizeof(a->host), "%s", host);
    snprintf(a->words, sizeof(a->words), "%s", words);
    a->has_temporary |= !span_starts(span_from_str(words), SPAN("5."));
}

// Nobody took it.
static void settle_untried(struct attempt *a)
{
    struct hop_message *m = &a->job->message;

    if (a->route.n == 0) {
        hop_settle(m, a->route.outcome, "", a->route.words);
        snprintf(a->words, sizeof(a->words), "%s", a->route.words);
    } else {
        hop_settle(m, a->has_temporary ? IPC_RELAY_UNTRIED : IPC_RELAY_FAILED, a->host, a->words);
    }
}

// ---- one host -----------------------------------------------------------------------------------

static void put_part(struct buf *out, struct span s)
{
    buf_put_u64(out, s.n); // so that no two lists of parts look the same
    buf_put_byte(out, ':');
    buf_put(out, s);
}

// Everything that a conversation was begun for. False without memory: then none is reused.
static bool key_of(const struct attempt *a, const struct address *to, const struct hop_policy *p,
                   struct hop_key *out)
{
    struct buf parts;
    char level = (char)p->level;
    bool by_domain = p->level == HOP_DANE; // its name may be in the certificate
    struct address_text text = address_text(to);

    buf_init(&parts, 16384);
    put_part(&parts, span_from_str(text.s));
    put_part(&parts, span_from_str(p->name));
    put_part(&parts, span_of(&level, 1));
    put_part(&parts, p->is_implicit ? SPAN("implicit") : SPAN(""));
    put_part(&parts, by_domain ? span_from_str(a->route.domain) : SPAN(""));
    put_part(&parts, a->job->destination.helo);
    put_part(&parts, a->job->user);
    put_part(&parts, a->job->password);
    bool ok = !parts.failed && EVP_Digest(parts.p, parts.n, out->b, NULL, EVP_sha256(), NULL) == 1;

    if (parts.p) {
        explicit_bzero(parts.p, parts.n);
    }
    buf_finish(&parts);
    return ok;
}

static enum err open_or_reuse(struct attempt *a, const struct hop_target *t,
                              const struct address *to, const struct hop_policy *p,
                              const struct hop_key *key, struct hop *h, bool *out_reused)
{
    struct courier_relay *r = a->relay;
    struct hop_login login = {.user = a->job->user, .password = a->job->password};

    while ((*out_reused = hop_pool_get(r->pool, key, h) == ERR_OK)) {
        if (!hop_has_input(h)) {
            return ERR_OK;
        }
        hop_close(h); // it has gone, or says that it goes
    }
    return hop_open(r->tls, to, span_from_str(t->name), &r->limits, p, a->job->destination.helo,
                    &login, h);
}

static bool may_connect(const struct attempt *a, const struct address *to)
{
    return !a->route.is_by_mx || a->relay->o.allow_private || address_is_public(to);
}

// Over a conversation that waited or a new one. One that waited may turn out to have ended when it
// is used, which says nothing of the server: then there is the next.
static enum err converse(struct attempt *a, const struct hop_target *t, const struct address *to,
                         const struct hop_target_facts *f, const struct hop_key *key, struct hop *h)
{
    bool reused = true;
    enum err e = ERR_UNAVAILABLE;

    while (reused) {
        e = open_or_reuse(a, t, to, &f->policy, key, h, &reused);
        if (!reused) {
            tls_note_session(&a->notes, &a->route, t, f, h);
        }
        if (e != ERR_OK) {
            return e;
        }
        e = hop_send(h, &a->job->message);
        if (e == ERR_OK) {
            snprintf(a->tls, sizeof(a->tls), "%s", h->tls);
        }
        if (e == ERR_OK || !reused) {
            break;
        }
        hop_quit(h);
    }
    hop_pool_put(a->relay->pool, key, h);
    return e;
}

// ERR_OK: everybody has a result.
static enum err try_address(struct attempt *a, const struct hop_target *t, const struct address *to,
                            const struct hop_target_facts *f)
{
    struct hop h;
    struct hop_key key;

    if (!key_of(a, to, &f->policy, &key)) {
        note(a, t->name, "4.3.0 No memory");
        return ERR_NOMEM;
    }
    if (!may_connect(a, to)) {
        note(a, t->name,
             "5.4.4 The domain's mail would go to an address that is not on the "
             "Internet (private or loopback), which is refused");
        return ERR_DENIED;
    }
    enum err e = converse(a, t, to, f, &key, &h);

    if (e != ERR_OK) {
        note(a, h.host, h.words);
    }
    return e;
}

static enum err try_target(struct attempt *a, const struct hop_target *t)
{
    struct hop_target_facts facts;
    char words[HOP_WORDS_BYTES_MAX];
    const struct hop_destination *d = &a->job->destination;
    bool is_route = !a->route.is_by_mx;
    uint16_t port = is_route && d->route_port ? d->route_port
                    : is_route && d->route_tls == IPC_RELAY_TLS_IMPLICIT
                        ? TLS_PORT
                        : (is_route ? 25 : a->relay->o.port);
    enum err e = hop_target_look(a->relay->o.lookup, d, &a->route, t, port, &facts, words);

    if (e != ERR_OK) {
        note(a, t->name, words);
        tls_note_host(&a->notes, &a->route, t, &facts, facts.failure, words);
    }
    for (size_t i = 0; e == ERR_OK && i < facts.addresses.n && i < ADDRESSES_TRIED; i++) {
        if (try_address(a, t, &facts.addresses.items[i], &facts) == ERR_OK) {
            hop_target_facts_finish(&facts);
            return ERR_OK;
        }
        if (atomic_load(&a->relay->is_stopping) || a->job->message.is_body_begun) {
            break;
        }
    }
    hop_target_facts_finish(&facts);
    return ERR_UNAVAILABLE;
}

static void deliver(struct attempt *a)
{
    struct courier_relay *r = a->relay;

    hop_route_find(r->o.lookup, r->sts, &a->job->destination, &a->route);
    tls_note_policy(&a->notes, &a->route);
    for (size_t i = 0; i < a->route.n; i++) {
        if (atomic_load(&r->is_stopping)) { // and a policy may not have been found for that reason
            note(a, "", "4.3.2 The server is stopping");
            break;
        }
        if (try_target(a, &a->route.targets[i]) == ERR_OK) {
            a->words[0] = '\0';
            return;
        }
    }
    settle_untried(a);
}

// ---- one transaction ----------------------------------------------------------------------------

static void log_transaction(const struct attempt *a)
{
    static const char *const names[] = {"delivered", "deferred", "refused", "not tried"};
    const struct hop_message *m = &a->job->message;
    const struct hop_rcpt *shown = &m->rcpts[0];
    unsigned counts[4] = {0};
    char to[352], others[32] = "", fared[96] = "";
    struct buf address;

    for (size_t i = 0; i < m->rcpt_n; i++) {
        counts[m->rcpts[i].outcome]++;
        atomic_fetch_add(&a->relay->counts[m->rcpts[i].outcome], 1);
        // Whoever fared worst is the one to speak of.
        shown = m->rcpts[i].outcome > shown->outcome ? &m->rcpts[i] : shown;
    }
    buf_init(&address, sizeof(to) - 1);
    if (smtp_address_put(&address, &shown->rcpt.to) != ERR_OK || address.failed) {
        buf_clear(&address);
        buf_put_str(&address, "?");
    }
    snprintf(to, sizeof(to), "%.*s", SPAN_ARG(buf_span(&address)));
    buf_finish(&address);
    if (m->rcpt_n > 1) {
        snprintf(others, sizeof(others), " and %zu more", m->rcpt_n - 1);
        for (int i = 0, n = 0; i < 4; i++) {
            if (counts[i]) {
                n += snprintf(fared + n, sizeof(fared) - (size_t)n, "%s%u %s", n ? ", " : "",
                              counts[i], names[i]);
            }
        }
    }
    log_info("message %016llx from <%s> to <%s>%s: %s by %s, %s: %s",
             (unsigned long long)a->job->id, log_text(a->job->sender).s,
             log_text(span_from_str(to)).s, others, fared[0] ? fared : names[shown->outcome],
             shown->host[0] ? log_text(span_from_str(shown->host)).s : "nobody",
             a->tls[0]     ? a->tls
             : a->words[0] ? "nothing sent"
                           : "in the clear",
             log_text(span_from_str(shown->reply)).s);
}

static void run(struct courier_relay *r, int fd)
{
    struct relay_job *job = calloc(1, sizeof(*job));
    struct attempt *a = calloc(1, sizeof(*a));

    if (!job || !a) {
        close(fd);
        free(job);
        free(a);
        return;
    }
    enum err e = relay_job_read(job, fd, &r->stop_at_ms);

    if (e == ERR_OK) {
        a->relay = r;
        a->job = job;
        deliver(a);
        log_transaction(a);
        e = relay_job_answer(job, &a->notes, a->route.domain, a->tls, a->words);
        hop_route_finish(&a->route);
    } else if (e == ERR_INVALID) {
        log_error("keep gave a transaction that makes no sense");
    }
    if (e != ERR_OK) {
        log_debug("a transaction ended early: %s", err_name(e));
    }
    relay_job_finish(job);
    free(job);
    free(a);
}

static void on_task(struct worker_task *task)
{
    struct transaction *t = LIST_ITEM(task, struct transaction, task);
    struct courier_relay *r = t->relay;

    if (atomic_load(&r->is_stopping)) {
        close(t->fd);
    } else {
        run(r, t->fd);
    }
    atomic_fetch_sub(&r->running, 1);
    free(t);
}

void courier_relay_take(struct courier_relay *r, int fd)
{
    struct transaction *t = malloc(sizeof(*t));
    enum err e = !t ? ERR_NOMEM : atomic_load(&r->is_stopping) ? ERR_UNAVAILABLE : ERR_OK;

    if (e == ERR_OK) {
        *t = (struct transaction){.task.run = on_task, .relay = r, .fd = fd};
        atomic_fetch_add(&r->running, 1);
        e = worker_pool_submit(r->workers, &t->task);
        if (e != ERR_OK) {
            atomic_fetch_sub(&r->running, 1);
        }
    }
    if (e != ERR_OK) {
        close(fd);
        free(t);
    }
}

// ---- start and end ------------------------------------------------------------------------------

enum err courier_relay_create(const struct courier_relay_options *o, struct courier_relay **out)
{
    struct courier_relay *r = calloc(1, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    r->o = *o;
    atomic_init(&r->stop_at_ms, INT64_MAX);
    r->limits = (struct hop_limits){.connect_ms = o->connect_ms,
                                    .command_ms = o->command_ms,
                                    .data_ms = o->data_ms,
                                    .stop_at_ms = &r->stop_at_ms};
    buf_init(&r->ca_pem, CA_BYTES_MAX);
    enum err e = o->ca_file[0] ? file_read_whole(AT_FDCWD, o->ca_file, &r->ca_pem) : ERR_OK;

    if (e != ERR_OK) {
        log_error("relay_ca_file = %s: %s", log_text(span_from_str(o->ca_file)).s, err_name(e));
    }
    struct https_client client = {.lookup = o->lookup,
                                  .ca_pem = buf_span(&r->ca_pem),
                                  .allow_private = o->allow_private,
                                  .timeout_ms = FETCH_TIMEOUT_MS,
                                  .is_stopping = &r->is_stopping};
    e = e == ERR_OK ? https_init() : e;
    e = e == ERR_OK ? hop_tls_create(o->ca_file, &r->tls) : e;
    e = e == ERR_OK ? sts_create(&client, o->sts_port, &r->sts) : e;
    e = e == ERR_OK ? hop_pool_create(o->threads, o->keep_open_ms, &r->pool) : e;
    if (e != ERR_OK) {
        courier_relay_destroy(r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

enum err courier_relay_start(struct courier_relay *r)
{
    return worker_pool_create("courier-relay", r->o.threads, WAITING_MAX, &r->workers);
}

void courier_relay_stop(struct courier_relay *r, int64_t at_ms)
{
    atomic_store(&r->is_stopping, true);
    atomic_store(&r->stop_at_ms, at_ms);
}

unsigned courier_relay_running(struct courier_relay *r)
{
    return atomic_load(&r->running);
}

void courier_relay_tidy(struct courier_relay *r)
{
    hop_pool_tidy(r->pool);
}

void courier_relay_count(struct courier_relay *r, struct courier_relay_counts *out)
{
    out->delivered = atomic_load(&r->counts[IPC_RELAY_DELIVERED]);
    out->deferred =
        atomic_load(&r->counts[IPC_RELAY_DEFERRED]) + atomic_load(&r->counts[IPC_RELAY_UNTRIED]);
    out->failed = atomic_load(&r->counts[IPC_RELAY_FAILED]);
}

void courier_relay_destroy(struct courier_relay *r)
{
    if (!r) {
        return;
    }
    if (r->workers) {
        atomic_store(&r->is_stopping, true);
        worker_pool_destroy(r->workers);
    }
    hop_pool_destroy(r->pool);
    sts_destroy(r->sts);
    hop_tls_destroy(r->tls);
    buf_finish(&r->ca_pem);
    free(r);
}
