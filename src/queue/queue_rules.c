// SPDX-License-Identifier: Apache-2.0
//
// When to try again, when to give up, and who wants to hear of it. Pure.
#include "queue/queue_internal.h"

#include "base/banned.h"

int64_t queue_retry_delay_ms(const struct queue_options *o, uint32_t attempts, uint64_t dice)
{
    int64_t delay = o->retry_first_s, most = o->retry_max_s;

    for (uint32_t i = 1; i < attempts && delay < most; i++) {
        delay *= 2;
    }
    delay = (delay < most ? delay : most) * 1000;
    return delay - delay / 5 + (int64_t)(dice % (uint64_t)(delay / 5 * 2 + 1));
}

// RFC 3461 4.1: without NOTIFY the sender hears of failures and delays.
static bool wants(const struct queue_message *m, const struct queue_recipient *r, unsigned notify,
                  bool by_default)
{
    return m->sender.n > 0 && (r->notify ? (r->notify & notify) != 0 : by_default);
}

static enum queue_next fail(const struct queue_message *m, struct queue_recipient *r)
{
    if (!wants(m, r, QUEUE_NOTIFY_FAILURE, true)) {
        return QUEUE_NEXT_DROP;
    }
    r->state = QUEUE_FAILED;
    r->is_delay_due = false;
    return QUEUE_NEXT_KEEP;
}

bool queue_is_late(const struct queue_message *m, const struct queue_recipient *r, uint32_t tries,
                   int64_t now_ms)
{
    uint32_t attempts = r->attempts + 1;

    return r->state == QUEUE_WAITING && now_ms >= m->expires_ms &&
           (attempts > tries ? attempts : tries) >= QUEUE_TRIES_BEFORE_EXPIRY;
}

static bool is_delay_due(const struct queue_options *o, const struct queue_message *m,
                         const struct queue_recipient *r, int64_t now_ms)
{
    return o->delay_notice_s && !r->is_delay_told && !(m->flags & QUEUE_INTERNAL) &&
           now_ms - m->accepted_ms >= (int64_t)o->delay_notice_s * 1000 &&
           wants(m, r, QUEUE_NOTIFY_DELAY, true);
}

bool queue_is_overdue(const struct queue_options *o, const struct queue_message *m,
                      const struct queue_recipient *r, uint32_t tries, int64_t now_ms)
{
    return queue_is_late(m, r, tries, now_ms) ||
           (r->state == QUEUE_WAITING && !r->is_delay_due && is_delay_due(o, m, r, now_ms));
}

static enum queue_next defer(const struct queue_options *o, const struct queue_message *m,
                             struct queue_recipient *r, bool gives_up, int64_t now_ms,
                             int64_t due_ms)
{
    r->attempts++;
    if (gives_up) {
        return fail(m, r);
    }
    r->due_ms = due_ms;
    r->is_delay_due |= is_delay_due(o, m, r, now_ms);
    return QUEUE_NEXT_KEEP;
}

enum queue_next queue_apply(const struct queue_options *o, const struct queue_message *m,
                            struct queue_recipient *r, const struct queue_result *result,
                            bool gives_up, int64_t now_ms, int64_t due_ms)
{
    r->tried_ms = now_ms;
    r->host = result->host;
    r->reply = result->reply;
    if (result->outcome == QUEUE_OUT_DELIVERED) {
        r->attempts++;
        r->is_delay_due = false;
        if (!wants(m, r, QUEUE_NOTIFY_SUCCESS, false)) {
            return QUEUE_NEXT_DROP;
        }
        r->state = QUEUE_DELIVERED;
        return QUEUE_NEXT_KEEP;
    }
    if (r->state != QUEUE_WAITING) { // somebody held or failed it meanwhile
        return QUEUE_NEXT_KEEP;
    }
    if (result->outcome == QUEUE_OUT_FAILED) {
        r->attempts++;
        return fail(m, r);
    }
    return defer(o, m, r, gives_up, now_ms, due_ms);
}
