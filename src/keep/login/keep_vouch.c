// SPDX-License-Identifier: Apache-2.0
#include "keep/login/keep_vouch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

#include "base/banned.h"

#define FRAME_BYTES_MAX 16384

_Static_assert(IPC_VOUCH_TOKEN == (int)AUTH_VOUCH_TOKEN &&
                   IPC_VOUCH_PASSWORD == (int)AUTH_VOUCH_PASSWORD &&
                   IPC_VOUCH_STILL_THERE == (int)AUTH_VOUCH_STILL_THERE,
               "a kind is the same number in auth and on the way");

// Somebody waits; on the asker's stack, in the list while it does.
struct wait {
    struct wait *next;
    uint64_t id;
    bool is_done;
    enum err e;
    struct arena *arena; // the asker's, who is asleep
    struct auth_vouch_answer answer;
};

struct keep_vouch {
    struct keep_vouch_options o;
    struct lock lock; // guards what follows
    pthread_cond_t answered;
    struct wait *waits;
    unsigned open;
    uint64_t last_id;
    bool has_ended;
};

enum err keep_vouch_create(const struct keep_vouch_options *o, struct keep_vouch **out)
{
    struct keep_vouch *v = calloc(1, sizeof(*v));

    if (!v) {
        return ERR_NOMEM;
    }
    v->o = *o;
    lock_init(&v->lock, LOCK_VOUCH);
    lock_cond_init(&v->answered);
    *out = v;
    return ERR_OK;
}

void keep_vouch_destroy(struct keep_vouch *v)
{
    if (!v) {
        return;
    }
    pthread_cond_destroy(&v->answered);
    lock_finish(&v->lock);
    free(v);
}

static enum err send_ask(struct keep_vouch *v, uint64_t id, const struct auth_vouch_question *q)
{
    const struct ipc_vouch_ask ask = {.id = id,
                                      .kind = (uint8_t)q->kind,
                                      .timeout_ms = (uint32_t)v->o.timeout_ms,
                                      .name = q->name,
                                      .secret = q->secret,
                                      .remote = q->remote};
    struct buf frame;

    buf_init(&frame, FRAME_BYTES_MAX);
    enum err e = ipc_vouch_ask_encode(&ask, 0, &frame);

    if (e == ERR_OK) {
        e = v->o.send(v->o.arg, buf_span(&frame)) == ERR_OK ? ERR_OK : ERR_UNAVAILABLE;
    } else if (e == ERR_LIMIT) {
        e = ERR_DENIED; // nobody has a name or a secret as long as that
    }
    if (frame.p) {
        explicit_bzero(frame.p, frame.n);
    }
    buf_finish(&frame);
    return e;
}

// With the lock held.
static enum err enter(struct keep_vouch *v, struct wait *w)
{
    if (v->has_ended) {
        return ERR_UNAVAILABLE;
    }
    if (v->open >= v->o.open_max) {
        log_warn("more than %u questions to directories and issuers of tokens are open; a login is "
                 "told to try again",
                 v->o.open_max);
        return ERR_UNAVAILABLE;
    }
    v->open++;
    w->id = ++v->last_id;
    w->next = v->waits;
    v->waits = w;
    return ERR_OK;
}

// With the lock held.
static void leave(struct keep_vouch *v, const struct wait *w)
{
    struct wait **at = &v->waits;

    while (*at != w) {
        at = &(*at)->next;
    }
    *at = w->next;
    v->open--;
}

enum err keep_vouch_ask(void *arg, const struct auth_vouch_question *q, struct arena *a,
                        struct auth_vouch_answer *out)
{
    struct keep_vouch *v = arg;
    struct wait w = {.arena = a};
    int64_t deadline = clock_monotonic_ms() + v->o.timeout_ms;

    *out = (struct auth_vouch_answer){0};
    lock_take(&v->lock);
    enum err e = enter(v, &w);

    lock_release(&v->lock);
    if (e != ERR_OK) {
        return e;
    }
    e = send_ask(v, w.id, q);
    lock_take(&v->lock);
    while (e == ERR_OK && !w.is_done && !v->has_ended) {
        if (!lock_cond_wait(&v->answered, &v->lock, deadline) && !w.is_done) {
            e = ERR_UNAVAILABLE;
        }
    }
    leave(v, &w);
    lock_release(&v->lock);
    if (e == ERR_OK) {
        e = w.is_done ? w.e : ERR_UNAVAILABLE;
    }
    *out = w.answer;
    return e;
}

static enum err result_of(const struct ipc_vouch_answer *m)
{
    switch (m->result) {
    case IPC_VOUCH_YES:
        return ERR_OK;
    case IPC_VOUCH_NO:
        return ERR_DENIED;
    default:
        return ERR_UNAVAILABLE;
    }
}

static void fill(struct wait *w, const struct ipc_vouch_answer *m)
{
    w->answer = (struct auth_vouch_answer){
        .name = arena_dup(w->arena, m->name),
        .display_name = arena_dup(w->arena, m->display_name),
        .valid_until_ms = m->valid_until_ms > INT64_MAX ? INT64_MAX : (int64_t)m->valid_until_ms,
        .quota = m->quota,
        .groups = arena_dup(w->arena, m->groups),
        .knows_groups = m->knows_groups == 1,
        .words = arena_dup(w->arena, m->words)};
    w->is_done = true;
    w->e = result_of(m);
    if (!w->answer.name.p || !w->answer.display_name.p || !w->answer.groups.p ||
        !w->answer.words.p) {
        w->answer = (struct auth_vouch_answer){0};
        w->e = ERR_UNAVAILABLE;
    }
}

enum err keep_vouch_answer(struct keep_vouch *v, struct span fields)
{
    struct ipc_vouch_answer m;
    enum err e = ipc_vouch_answer_decode(fields, &m);

    if (e != ERR_OK) {
        return e;
    }
    lock_take(&v->lock);
    for (struct wait *w = v->waits; w; w = w->next) {
        if (w->id == m.id && !w->is_done) {
            fill(w, &m);
        }
    }
    pthread_cond_broadcast(&v->answered);
    lock_release(&v->lock);
    return ERR_OK;
}

void keep_vouch_lost(struct keep_vouch *v)
{
    lock_take(&v->lock);
    for (struct wait *w = v->waits; w; w = w->next) {
        if (!w->is_done) {
            w->e = ERR_UNAVAILABLE;
            w->is_done = true;
        }
    }
    pthread_cond_broadcast(&v->answered);
    lock_release(&v->lock);
}

void keep_vouch_end(struct keep_vouch *v)
{
    lock_take(&v->lock);
    v->has_ended = true;
    pthread_cond_broadcast(&v->answered);
    lock_release(&v->lock);
}
