// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/vouch.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "net/worker_pool.h"

#include "base/banned.h"

#define TIMEOUT_MAX_MS 120000

struct pool {
    struct vouch_authority authority;
    struct worker_pool *workers;
};

struct vouch {
    struct loop *loop;
    struct pool pools[VOUCH_KINDS];
    unsigned pool_count;
    struct pool *by_kind[VOUCH_KINDS]; // NULL: nobody
    struct list questions;             // the loop's thread
    atomic_bool is_stopping;
};

// One question, on its way loop -> worker -> loop.
struct question {
    struct list link; // in vouch.questions; the loop's thread
    struct worker_task work;
    struct loop_task back;
    struct vouch *all;
    const struct pool *pool;
    uint64_t id;
    vouch_done_fn *done;
    void *arg;
    struct arena arena;
    struct vouch_question q;
    struct vouch_answer answer;
};

static void question_destroy(struct question *q)
{
    list_remove(&q->link);
    if (q->q.secret.n) {
        OPENSSL_cleanse((void *)(uintptr_t)q->q.secret.p, q->q.secret.n);
    }
    arena_finish(&q->arena);
    free(q);
}

// Back on the loop's thread.
static void on_back(struct loop_task *t)
{
    struct question *q = LIST_ITEM(t, struct question, back);
    const struct vouch_answer *a = &q->answer;
    const struct ipc_vouch_answer m = {.id = q->id,
                                       .result = (uint8_t)a->result,
                                       .name = a->name,
                                       .display_name = a->display_name,
                                       .valid_until_ms = a->valid_until_ms,
                                       .quota = a->quota,
                                       .groups = a->groups,
                                       .knows_groups = a->knows_groups,
                                       .words = span_from_str(a->words)};

    q->done(q->arg, &m);
    question_destroy(q);
}

static void on_work(struct worker_task *t)
{
    struct question *q = LIST_ITEM(t, struct question, work);
    const struct vouch_authority *authority = &q->pool->authority;

    if (!atomic_load(&q->all->is_stopping) && clock_monotonic_ms() < q->q.until_ms) {
        authority->answer(authority->arg, &q->q, &q->arena, &q->answer);
    } else {
        snprintf(q->answer.words, sizeof(q->answer.words),
                 "too many questions wait, or the server stops");
    }
    loop_post(q->all->loop, &q->back);
}

static struct question *question_make(struct vouch *v, const struct ipc_vouch_ask *ask)
{
    struct question *q = calloc(1, sizeof(*q));
    int64_t timeout_ms = ask->timeout_ms < TIMEOUT_MAX_MS ? ask->timeout_ms : TIMEOUT_MAX_MS;

    if (!q) {
        return NULL;
    }
    arena_init(&q->arena, VOUCH_ARENA_BYTES);
    list_append(&v->questions, &q->link);
    q->all = v;
    q->id = ask->id;
    q->work.run = on_work;
    q->back.run = on_back;
    q->answer.result = IPC_VOUCH_UNAVAILABLE;
    q->q = (struct vouch_question){.kind = (enum ipc_vouch_kind)ask->kind,
                                   .name = arena_dup(&q->arena, ask->name),
                                   .secret = arena_dup(&q->arena, ask->secret),
                                   .remote = arena_dup(&q->arena, ask->remote),
                                   .until_ms = clock_monotonic_ms() + timeout_ms,
                                   .is_stopping = &v->is_stopping};
    if (!q->q.name.p || !q->q.secret.p || !q->q.remote.p) {
        question_destroy(q);
        return NULL;
    }
    return q;
}

static void say_unavailable(uint64_t id, const char *words, vouch_done_fn *done, void *arg)
{
    const struct ipc_vouch_answer m = {
        .id = id, .result = IPC_VOUCH_UNAVAILABLE, .words = span_from_str(words)};

    done(arg, &m);
}

void vouch_ask(struct vouch *v, const struct ipc_vouch_ask *ask, vouch_done_fn *done, void *arg)
{
    const struct pool *pool = ask->kind < VOUCH_KINDS ? v->by_kind[ask->kind] : NULL;

    if (!pool || atomic_load(&v->is_stopping)) {
        say_unavailable(ask->id, "the settings name nobody who could be asked", done, arg);
        return;
    }
    struct question *q = question_make(v, ask);

    if (!q) {
        say_unavailable(ask->id, "no memory", done, arg);
        return;
    }
    q->pool = pool;
    q->done = done;
    q->arg = arg;
    if (worker_pool_submit(pool->workers, &q->work) != ERR_OK) {
        question_destroy(q);
        say_unavailable(ask->id, "too many questions wait already", done, arg);
    }
}

enum err vouch_create(struct loop *l, struct vouch **out)
{
    struct vouch *v = calloc(1, sizeof(*v));

    if (!v) {
        return ERR_NOMEM;
    }
    v->loop = l;
    list_init(&v->questions);
    *out = v;
    return ERR_OK;
}

enum err vouch_set(struct vouch *v, unsigned kinds, const struct vouch_authority *authority)
{
    if (v->pool_count == VOUCH_KINDS) {
        return ERR_LIMIT;
    }
    struct pool *p = &v->pools[v->pool_count];
    enum err e = worker_pool_create("courier-vouch", authority->threads, authority->waiting_max,
                                    &p->workers);

    if (e != ERR_OK) {
        return e;
    }
    p->authority = *authority;
    v->pool_count++;
    for (unsigned k = 0; k < VOUCH_KINDS; k++) {
        if (kinds & 1u << k) {
            v->by_kind[k] = p;
        }
    }
    return ERR_OK;
}

void vouch_stop(struct vouch *v)
{
    atomic_store(&v->is_stopping, true);
}

void vouch_destroy(struct vouch *v)
{
    if (!v) {
        return;
    }
    vouch_stop(v);
    for (unsigned i = 0; i < v->pool_count; i++) {
        worker_pool_destroy(v->pools[i].workers);
    }
    while (!list_is_empty(&v->questions)) { // answered, but the loop has stopped
        struct question *q = LIST_ITEM(v->questions.next, struct question, link);

        q->done(q->arg, NULL);
        question_destroy(q);
    }
    free(v);
}
