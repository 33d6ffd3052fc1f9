// SPDX-License-Identifier: Apache-2.0
//
// Questions to the DNS on behalf of an administrator's command: asked of the courier, waited for.
#include <string.h>

#include "base/clock.h"
#include "keep/outbound/outbound_internal.h"

#include "base/banned.h"

// Somebody waits; on the asker's stack, in the list while it does.
struct outbound_wait {
    struct outbound_wait *next;
    uint64_t id;
    bool is_done;
    struct arena *arena; // the asker's, who is asleep
    struct ipc_dns_answer answer;
    enum err e;
};

static enum err send_ask(struct outbound *o, uint64_t id, struct span name, uint16_t type)
{
    const struct ipc_dns_ask ask = {.id = id, .type = type, .name = name};
    struct buf frame;

    buf_init(&frame, 4096);
    enum err e = ipc_dns_ask_encode(&ask, 0, &frame);

    if (e == ERR_OK) {
        e = o->courier ? channel_send(o->courier, buf_span(&frame), NULL, 0) : ERR_UNAVAILABLE;
    }
    buf_finish(&frame);
    return e;
}

static void unlink_wait(struct outbound *o, const struct outbound_wait *w)
{
    struct outbound_wait **at = &o->dns_waits;

    while (*at && *at != w) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = w->next;
    }
}

enum err outbound_ask(struct outbound *o, struct span name, uint16_t type, int64_t timeout_ms,
                      struct arena *a, struct ipc_dns_answer *out)
{
    struct outbound_wait w = {.arena = a};
    int64_t deadline = clock_monotonic_ms() + timeout_ms;

    lock_take(&o->lock);
    w.id = ++o->dns_id;
    w.next = o->dns_waits;
    o->dns_waits = &w;
    enum err e = send_ask(o, w.id, name, type);

    while (e == ERR_OK && !w.is_done && !o->dns_ended) {
        if (!lock_cond_wait(&o->dns_cond, &o->lock, deadline) && !w.is_done) {
            e = ERR_TIMEOUT;
        }
    }
    unlink_wait(o, &w);
    lock_release(&o->lock);
    e = e == ERR_OK ? (w.is_done ? w.e : ERR_UNAVAILABLE) : e;
    if (e == ERR_OK) {
        *out = w.answer;
    }
    return e;
}

void outbound_end_questions(struct outbound *o)
{
    lock_take(&o->lock);
    o->dns_ended = true;
    pthread_cond_broadcast(&o->dns_cond);
    lock_release(&o->lock);
}

enum err outbound_dns_answer(struct outbound *o, const struct ipc_frame *frame)
{
    struct ipc_dns_answer answer;
    enum err e = ipc_dns_answer_decode(frame->fields, &answer);

    if (e != ERR_OK) {
        return e;
    }
    lock_take(&o->lock);
    for (struct outbound_wait *w = o->dns_waits; w; w = w->next) {
        if (w->id == answer.id && !w->is_done) {
            w->answer = answer;
            w->answer.records = arena_dup(w->arena, answer.records);
            w->e = w->answer.records.p ? ERR_OK : ERR_NOMEM;
            w->is_done = true;
        }
    }
    pthread_cond_broadcast(&o->dns_cond);
    lock_release(&o->lock);
    return ERR_OK; // an answer that nobody waits for any more is dropped
}

void outbound_dns_lost(struct outbound *o)
{
    for (struct outbound_wait *w = o->dns_waits; w; w = w->next) {
        w->e = ERR_UNAVAILABLE;
        w->is_done = true;
    }
    pthread_cond_broadcast(&o->dns_cond);
}
