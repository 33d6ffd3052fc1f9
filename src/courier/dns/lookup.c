// SPDX-License-Identifier: Apache-2.0
//
// A question is owned by two: by who asks, until it is answered or time is up, and by libunbound,
// until it calls back. The later one frees it.
#include "courier/dns/lookup.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "courier/dns/lookup_internal.h"

#include "base/banned.h"

#define PROBE_AGAIN_MS   60000   // nobody answered
#define PROBE_LATER_MS   3600000 // we do without validation
#define LOOK_ROUND_MS    200     // a waiting thread looks whether we stop
#define RECORD_BYTES_MAX 131072
#define NAME_TEXT_MAX    (LOOKUP_NAME_BYTES_MAX + 1)

struct source {
    struct loop_source ready;
    struct ub_ctx *ub; // NULL: not used
};

struct lookup {
    struct loop *loop;
    struct source validating, plain;
    _Atomic(struct source *) in_use;
    struct timer probe;
    enum lookup_dnssec dnssec;
    unsigned open_max;
    int64_t timeout_ms;
    atomic_bool is_stopping;

    struct lock lock; // guards the rest, and what questions say is so
    struct list questions;
    unsigned open;
};

struct question {
    struct list link; // in lookup.questions while libunbound has it
    struct lookup *k;
    uint16_t type;
    struct lookup_answer answer;
    pthread_cond_t known_cond;       // who waits
    bool is_waiter;                  // else `done` is called
    bool known, asker_gone, ub_gone; // with the lock
    lookup_done_fn *done;            // loop's thread
    void *arg;                       // its
    struct timer timeout;            // its
    char name[LOOKUP_NAME_BYTES_MAX + 1];
};

static void answer_init(struct lookup_answer *a, enum ipc_dns_status status)
{
    *a = (struct lookup_answer){.status = status};
    buf_init(&a->records, RECORD_BYTES_MAX);
    buf_init(&a->canonical, LOOKUP_NAME_BYTES_MAX);
}

void lookup_answer_finish(struct lookup_answer *a)
{
    buf_finish(&a->records);
    buf_finish(&a->canonical);
}

static void question_free(struct question *q)
{
    lookup_answer_finish(&q->answer);
    pthread_cond_destroy(&q->known_cond);
    free(q);
}

// One of the two owners lets go; the lock is not held.
static void question_leave(struct question *q, bool is_ub)
{
    struct lookup *k = q->k;

    lock_take(&k->lock);
    *(is_ub ? &q->ub_gone : &q->asker_gone) = true;
    if (is_ub) {
        list_remove(&q->link);
        k->open--;
    }
    bool last = q->ub_gone && q->asker_gone;

    lock_release(&k->lock);
    if (last) {
        question_free(q);
    }
}

// ---- answers ------------------------------------------------------------------------------------

static void take_canonical(const struct ub_result *r, struct lookup_answer *out)
{
    struct span name = span_from_str(r->canonname), asked = span_from_str(r->qname);

    name.n -= name.n > 1 && name.p[name.n - 1] == '.';
    asked.n -= asked.n > 1 && asked.p[asked.n - 1] == '.';
    if (name.n && !span_eq_nocase(name, asked)) {
        for (size_t i = 0; i < name.n; i++) {
            buf_put_byte(&out->canonical, byte_lower(name.p[i]));
        }
    }
}

static void take_result(const struct ub_result *r, uint16_t type, struct lookup_answer *out)
{
    out->status = r->bogus        ? IPC_DNS_BOGUS
                  : r->nxdomain   ? IPC_DNS_NO_NAME
                  : r->rcode != 0 ? IPC_DNS_TEMPORARY
                  : r->havedata   ? IPC_DNS_OK
                                  : IPC_DNS_NO_DATA;
    out->secure = r->secure && !r->bogus;
    out->ttl_s = r->ttl > 0 ? (uint32_t)r->ttl : 0;
    if (out->status != IPC_DNS_OK) {
        return;
    }
    for (size_t i = 0; r->data[i]; i++) {
        struct span rdata = span_of(r->data[i], r->len[i] > 0 ? (size_t)r->len[i] : 0);

        if (lookup_record_put(&out->records, type, rdata) == ERR_LIMIT) {
            break; // what fits is more than anybody reads
        }
    }
    take_canonical(r, out);
    if (out->records.n == 0) {
        out->status = IPC_DNS_TEMPORARY; // none of them can be read
        out->secure = false;
    }
}

static void call_done(struct question *q)
{
    lookup_done_fn *done = q->done;

    q->done = NULL;
    loop_timer_cancel(q->k->loop, &q->timeout);
    if (done) {
        done(q->arg, &q->answer);
        question_leave(q, false);
    }
}

// On the loop's thread, from ub_process.
static void on_result(void *arg, int problem, struct ub_result *r)
{
    struct question *q = arg;
    struct lookup_answer a;

    answer_init(&a, problem == UB_SYNTAX ? IPC_DNS_NO_NAME : IPC_DNS_TEMPORARY);
    if (problem == 0) {
        take_result(r, q->type, &a);
    }
    ub_resolve_free(r);
    lock_take(&q->k->lock);
    q->answer = a;
    q->known = true;
    pthread_cond_signal(&q->known_cond);
    lock_release(&q->k->lock);
    if (!q->is_waiter) {
        call_done(q);
    }
    question_leave(q, true);
}

static void on_timeout(struct timer *t)
{
    call_done(LIST_ITEM(t, struct question, timeout)); // its answer says IPC_DNS_TEMPORARY
}

// ---- asking -------------------------------------------------------------------------------------

static enum err question_create(struct lookup *k, struct span name, uint16_t type, bool is_waiter,
                                struct question **out)
{
    struct question *q;

    if (name.n == 0 || name.n > LOOKUP_NAME_BYTES_MAX || span_find_byte(name, '\0') < name.n) {
        return ERR_INVALID;
    }
    q = calloc(1, sizeof(*q));
    if (!q) {
        return ERR_NOMEM;
    }
    q->k = k;
    q->type = type;
    q->is_waiter = is_waiter;
    q->timeout.fire = on_timeout;
    answer_init(&q->answer, IPC_DNS_TEMPORARY);
    memcpy(q->name, name.p, name.n);
    lock_cond_init(&q->known_cond);
    lock_take(&k->lock);
    bool full = k->open >= k->open_max || atomic_load(&k->is_stopping);

    if (!full) {
        k->open++;
        list_append(&k->questions, &q->link);
    }
    lock_release(&k->lock);
    if (full) {
        question_free(q);
        return ERR_LIMIT;
    }
    *out = q;
    return ERR_OK;
}

// Gives the question to libunbound. On an error it is the asker's alone.
static enum err question_send(struct question *q, struct source *s)
{
    int r = ub_resolve_async(s->ub, q->name, q->type, 1, q, on_result, NULL);

    if (r != 0) {
        question_leave(q, true);
        return r == UB_SYNTAX ? ERR_INVALID : ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

void lookup_ask(struct lookup *k, struct span name, uint16_t type, struct lookup_answer *out)
{
    struct question *q;

    answer_init(out, IPC_DNS_TEMPORARY);
    enum err e = question_create(k, name, type, true, &q);

    if (e != ERR_OK) {
        out->status = e == ERR_INVALID ? IPC_DNS_NO_NAME : IPC_DNS_TEMPORARY;
        return;
    }
    int64_t until = clock_monotonic_ms() + k->timeout_ms;

    e = question_send(q, atomic_load(&k->in_use));
    lock_take(&k->lock);
    while (e == ERR_OK && !q->known && clock_monotonic_ms() < until &&
           !atomic_load(&k->is_stopping)) {
        int64_t round = clock_monotonic_ms() + LOOK_ROUND_MS;

        lock_cond_wait(&q->known_cond, &k->lock, round < until ? round : until);
    }
    if (q->known) {
        *out = q->answer;
        answer_init(&q->answer, IPC_DNS_TEMPORARY);
    }
    lock_release(&k->lock);
    if (e == ERR_INVALID) {
        out->status = IPC_DNS_NO_NAME; // no name that could be asked for
    }
    question_leave(q, false);
}

static void ask_at(struct lookup *k, struct source *s, struct span name, uint16_t type,
                   lookup_done_fn *done, void *arg)
{
    struct question *q;
    struct lookup_answer a;
    enum err e = question_create(k, name, type, false, &q);

    if (e == ERR_OK) {
        q->done = done;
        q->arg = arg;
        e = question_send(q, s);
        if (e == ERR_OK) {
            e = loop_timer_set(k->loop, &q->timeout, clock_monotonic_ms() + k->timeout_ms);
        }
        if (e == ERR_OK) {
            return;
        }
        q->done = NULL;
        question_leave(q, false);
    }
    answer_init(&a, e == ERR_INVALID ? IPC_DNS_NO_NAME : IPC_DNS_TEMPORARY);
    done(arg, &a);
    lookup_answer_finish(&a);
}

void lookup_ask_later(struct lookup *k, struct span name, uint16_t type, lookup_done_fn *done,
                      void *arg)
{
    ask_at(k, atomic_load(&k->in_use), name, type, done, arg);
}

// ---- do the servers pass signatures on? ---------------------------------------------------------

static void use(struct lookup *k, struct source *s)
{
    if (atomic_exchange(&k->in_use, s) == s) {
        return;
    }
    if (s == &k->plain) {
        log_warn("the DNS servers do not pass signatures (DNSSEC) on: answers are not validated "
                 "and DANE protects no connection. Set dns_servers = root, or servers that do");
    } else {
        log_info("answers of the DNS are validated (DNSSEC)");
    }
}

static void on_plain_probe(void *arg, struct lookup_answer *a)
{
    struct lookup *k = arg;
    bool works = a->status == IPC_DNS_OK;

    if (works) {
        use(k, &k->plain);
    }
    loop_timer_set(k->loop, &k->probe,
                   clock_monotonic_ms() + (works ? PROBE_LATER_MS : PROBE_AGAIN_MS));
}

static void on_validating_probe(void *arg, struct lookup_answer *a)
{
    struct lookup *k = arg;

    if (atomic_load(&k->is_stopping)) {
        return;
    }
    if (a->status != IPC_DNS_BOGUS && a->status != IPC_DNS_TEMPORARY) {
        use(k, &k->validating);
    } else {
        ask_at(k, &k->plain, SPAN("."), DNS_NS, on_plain_probe, k);
    }
}

static void on_probe(struct timer *t)
{
    struct lookup *k = LIST_ITEM(t, struct lookup, probe);

    ask_at(k, &k->validating, SPAN("."), DNS_DNSKEY, on_validating_probe, k);
}

// ---- start and end ------------------------------------------------------------------------------

enum err lookup_create(const struct lookup_options *o, struct lookup **out)
{
    struct lookup *k = calloc(1, sizeof(*k));
    struct buf anchor;
    enum err e = k ? ERR_OK : ERR_NOMEM;

    if (e != ERR_OK) {
        return e;
    }
    k->dnssec = o->dnssec;
    k->open_max = o->open_max;
    k->timeout_ms = o->timeout_ms;
    k->probe.fire = on_probe;
    k->validating.ready.fd = k->plain.ready.fd = -1;
    list_init(&k->questions);
    lock_init(&k->lock, LOCK_LEAF);
    buf_init(&anchor, 0);
    if (o->dnssec != LOOKUP_DNSSEC_OFF) {
        e = lookup_read_anchor(o->trust_anchor, &anchor);
        if (e == ERR_OK) {
            e = lookup_context(o, buf_span(&anchor), &k->validating.ub);
        } else if (o->dnssec == LOOKUP_DNSSEC_AUTO) {
            log_warn("without it answers of the DNS are not validated");
            e = ERR_OK;
        }
    }
    if (e == ERR_OK && o->dnssec != LOOKUP_DNSSEC_REQUIRED) {
        e = lookup_context(o, SPAN(""), &k->plain.ub);
    }
    buf_finish(&anchor);
    atomic_init(&k->in_use, k->validating.ub ? &k->validating : &k->plain);
    if (e != ERR_OK) {
        lookup_destroy(k);
        return e;
    }
    *out = k;
    return ERR_OK;
}

static void on_ready(struct loop_source *s, uint32_t events)
{
    (void)events;
    ub_process(LIST_ITEM(s, struct source, ready)->ub);
}

static enum err source_start(struct lookup *k, struct source *s)
{
    if (!s->ub) {
        return ERR_OK;
    }
    s->ready.fd = ub_fd(s->ub);
    s->ready.ready = on_ready;
    return s->ready.fd < 0 ? ERR_IO : loop_add(k->loop, &s->ready, EPOLLIN);
}

enum err lookup_start(struct lookup *k, struct loop *l)
{
    k->loop = l;
    enum err e = source_start(k, &k->validating);

    if (e == ERR_OK) {
        e = source_start(k, &k->plain);
    }
    if (e == ERR_OK && k->dnssec == LOOKUP_DNSSEC_AUTO && k->validating.ub) {
        e = loop_timer_set(l, &k->probe, clock_monotonic_ms());
    }
    return e;
}

void lookup_stop(struct lookup *k)
{
    atomic_store(&k->is_stopping, true);
}

static void source_close(struct source *s)
{
    loop_remove(&s->ready);
    if (s->ub) {
        ub_ctx_delete(s->ub); // ends its thread; open questions are not called back
    }
}

void lookup_destroy(struct lookup *k)
{
    if (!k) {
        return;
    }
    if (k->loop) {
        loop_timer_cancel(k->loop, &k->probe);
    }
    source_close(&k->validating);
    source_close(&k->plain);
    while (!list_is_empty(&k->questions)) {
        struct question *q = LIST_ITEM(k->questions.next, struct question, link);

        if (k->loop) {
            loop_timer_cancel(k->loop, &q->timeout);
        }
        list_remove(&q->link);
        question_free(q);
    }
    lock_finish(&k->lock);
    free(k);
}
