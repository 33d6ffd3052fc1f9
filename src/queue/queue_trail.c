// SPDX-License-Identifier: Apache-2.0
//
// What happens in the queue, told in the trail. Events ride with the edit that they tell of.
#include "queue/queue_internal.h"

#include "base/banned.h"

static enum err add(struct queue_edit *ed, trail_id mail, const struct trail_event *event)
{
    enum err e = ed->rider ? ERR_OK : trail_batch(&ed->rider);

    return e == ERR_OK ? trail_add(ed->queue->options.trail, ed->rider, mail, event) : e;
}

// A text that is not there, where an empty one says nothing.
static struct span or_none(struct span s)
{
    return s.n ? s : (struct span){NULL, 0};
}

// ---- put in -------------------------------------------------------------------------------------

// One that comes without being tried: its sender is only told.
static enum trail_kind kind_of(const struct queue_recipient *r)
{
    return r->state == QUEUE_FAILED ? TRAIL_FAILED : TRAIL_QUEUED;
}

enum err queue_trail_submitted(struct queue_edit *ed, const struct queue_message *m,
                               const struct queue_recipient *recipients, size_t count)
{
    struct span addresses[TRAIL_RECIPIENTS_MAX];
    enum err e = ERR_OK;

    ed->rider = m->rider;
    ed->is_lent = m->rider;
    for (size_t i = 0; ed->queue->options.trail && i < count && e == ERR_OK;) {
        const struct queue_recipient *first = &recipients[i];
        struct trail_event event = {.kind = kind_of(first),
                                    .queue = m->id,
                                    .account = m->submitter,
                                    .next_ms = first->due_ms,
                                    .recipients = addresses};

        event.texts[TRAIL_SENDER] = m->sender.p ? m->sender : SPAN("");
        event.texts[TRAIL_BY_WAY] = or_none(m->by_way);
        event.texts[TRAIL_WORDS] = or_none(m->words);
        event.texts[TRAIL_REPLY] = or_none(first->reply);
        while (i < count && event.recipient_count < TRAIL_RECIPIENTS_MAX &&
               kind_of(&recipients[i]) == event.kind) {
            addresses[event.recipient_count++] = recipients[i++].address;
        }
        e = add(ed, m->mail, &event);
    }
    return e;
}

enum err queue_trail_left_out(struct queue_edit *ed, const struct queue_message *m,
                              const struct queue_recipient *recipients, size_t count)
{
    struct span addresses[TRAIL_RECIPIENTS_MAX];
    enum err e = ERR_OK;

    ed->rider = m->rider;
    ed->is_lent = m->rider;
    ed->is_changed = ed->queue->options.trail;
    for (size_t i = 0; ed->queue->options.trail && i < count && e == ERR_OK;) {
        struct trail_event event = {
            .kind = TRAIL_LEFT_OUT, .account = m->submitter, .recipients = addresses};

        event.texts[TRAIL_BY_WAY] = or_none(m->by_way);
        while (i < count && event.recipient_count < TRAIL_RECIPIENTS_MAX) {
            addresses[event.recipient_count++] = recipients[i++].address;
        }
        e = add(ed, m->mail, &event);
    }
    return e;
}

// ---- tried --------------------------------------------------------------------------------------

static bool is_same(const struct queue_tried *a, const struct queue_result *x,
                    const struct queue_tried *b, const struct queue_result *y)
{
    return a->kind == b->kind && a->attempts == b->attempts && span_eq(x->host, y->host) &&
           span_eq(x->reply, y->reply);
}

// All that fared as the one at `first`.
static enum err add_alike(struct queue_edit *ed, const struct queue_job *j,
                          const struct queue_tried *tried, const struct queue_result *results,
                          size_t first, bool *done)
{
    struct span addresses[QUEUE_JOB_RECIPIENTS_MAX];
    const struct queue_tried *t = &tried[first];
    struct trail_event event = {.kind = t->kind,
                                .queue = j->message.id,
                                .account = j->message.submitter,
                                .number = t->attempts,
                                .next_ms = t->next_ms,
                                .recipients = addresses};

    event.texts[TRAIL_HOST] = or_none(results[first].host);
    event.texts[TRAIL_REPLY] = or_none(results[first].reply);
    event.texts[TRAIL_PROTECTION] = or_none(results[first].protection);
    for (size_t i = first; i < j->count; i++) {
        if (!done[i] && is_same(t, &results[first], &tried[i], &results[i])) {
            done[i] = true;
            addresses[event.recipient_count++] = j->recipients[i].address;
        }
    }
    return add(ed, j->message.mail, &event);
}

_Static_assert(QUEUE_JOB_RECIPIENTS_MAX <= TRAIL_RECIPIENTS_MAX,
               "a job's recipients are one event");

enum err queue_trail_tried(struct queue_edit *ed, const struct queue_job *j,
                           const struct queue_tried *tried, const struct queue_result *results)
{
    bool done[QUEUE_JOB_RECIPIENTS_MAX] = {false};
    enum err e = ERR_OK;

    for (size_t i = 0; ed->queue->options.trail && i < j->count && e == ERR_OK; i++) {
        if (!done[i] && tried[i].kind) {
            e = add_alike(ed, j, tried, results, i, done);
        }
    }
    return e;
}

// ---- by a person --------------------------------------------------------------------------------

enum err queue_trail_acted(struct queue_edit *ed, const struct queue_message *m,
                           enum queue_action action, const struct span *addresses, size_t count)
{
    static const enum trail_kind kinds[] = {[QUEUE_HOLD] = TRAIL_HELD,
                                            [QUEUE_RELEASE] = TRAIL_RELEASED,
                                            [QUEUE_RETRY] = TRAIL_TO_TRY,
                                            [QUEUE_REMOVE] = TRAIL_REMOVED,
                                            [QUEUE_FAIL] = TRAIL_GIVEN_UP};
    struct trail_event event = {.kind = kinds[action],
                                .queue = m->id,
                                .account = m->submitter,
                                .recipients = addresses,
                                .recipient_count = count};

    event.texts[TRAIL_BY] = SPAN("an administrator");
    return ed->queue->options.trail ? add(ed, m->mail, &event) : ERR_OK;
}

// ---- told ---------------------------------------------------------------------------------------

enum err queue_trail_told(struct queue_edit *ed, const struct queue_job *j)
{
    struct span addresses[QUEUE_JOB_RECIPIENTS_MAX];
    struct trail_event event = {.kind = TRAIL_TOLD,
                                .queue = j->message.id,
                                .account = j->message.submitter,
                                .other = j->told,
                                .recipients = addresses};

    if (!ed->queue->options.trail || !j->told) {
        return ERR_OK;
    }
    event.texts[TRAIL_SENDER] = j->message.sender;
    for (size_t i = 0; i < j->count; i++) {
        addresses[event.recipient_count++] = j->recipients[i].address;
    }
    return add(ed, j->message.mail, &event);
}
