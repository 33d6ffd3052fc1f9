// SPDX-License-Identifier: Apache-2.0
//
// The end of a job. What became of it must be on the disk before anything else is sent: were its
// recipients tried again only because that could not be stored, each of them would get the message
// again and again for as long as the disk is broken. So the results are kept and stored later.
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

#define STORE_AGAIN_MS 1000

struct done {
    struct queue_job *job;
    const struct queue_result *results;
    int64_t now_ms;
    struct {
        enum queue_state state; // as stored; 0: gone
        int64_t due_ms;
    } after[QUEUE_JOB_RECIPIENTS_MAX];
    struct queue_tried tried[QUEUE_JOB_RECIPIENTS_MAX];
    bool is_suspect; // lost too often: what would wait is held
    bool is_overdue; // it was not tried at all (queue_overdue)
    uint32_t tries;  // so often in a row its destination could not be reached
};

// The destination itself could not be reached: all of its mail waits.
static bool is_untried(const struct done *d)
{
    for (size_t i = 0; i < d->job->count; i++) {
        if (d->results[i].outcome != QUEUE_OUT_UNTRIED) {
            return false;
        }
    }
    return true;
}

// For the trail: what the result has made of it.
static struct queue_tried tried(const struct queue_recipient *before,
                                const struct queue_recipient *r, enum queue_next next,
                                enum queue_outcome outcome)
{
    struct queue_tried t = {.kind = TRAIL_PUT_OFF, .attempts = r->attempts};
    bool is_over = next == QUEUE_NEXT_DROP || r->state == QUEUE_FAILED;

    if (outcome == QUEUE_OUT_DELIVERED) {
        t.kind = TRAIL_DELIVERED;
    } else if (is_over && before->state == QUEUE_WAITING) {
        t.kind = outcome == QUEUE_OUT_FAILED ? TRAIL_FAILED : TRAIL_EXPIRED;
    } else {
        t.kind = outcome == QUEUE_OUT_UNTRIED ? TRAIL_NOT_TRIED : TRAIL_PUT_OFF;
        t.next_ms = r->state == QUEUE_WAITING ? r->due_ms : 0;
    }
    return t;
}

// It has waited too long, and not too many others have expired just now.
static bool gives_up(struct queue *q, const struct done *d, const struct queue_message *m,
                     const struct queue_recipient *r, enum queue_outcome outcome)
{
    return outcome != QUEUE_OUT_DELIVERED && outcome != QUEUE_OUT_FAILED &&
           queue_is_late(m, r, d->tries, d->now_ms) && queue_may_expire(q, d->now_ms);
}

static enum err done_one(struct queue_edit *ed, struct done *d, struct queue_message *m, size_t i,
                         bool *out_notice)
{
    const struct queue_options *o = &ed->queue->options;
    struct queue_recipient before, r;
    enum err e =
        queue_get_recipient(ed->snapshot, ed->shard, m->id, d->job->recipients[i].number, &before);

    if (e == ERR_NOT_FOUND) { // somebody removed it
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e;
    }
    r = before;
    int64_t due = d->now_ms + queue_retry_delay_ms(o, r.attempts + 1, random_u64());

    enum queue_next next =
        queue_apply(o, m, &r, &d->results[i], gives_up(ed->queue, d, m, &r, d->results[i].outcome),
                    d->now_ms, due);

    if (d->is_suspect && d->results[i].outcome == QUEUE_OUT_LOST && r.state == QUEUE_WAITING) {
        r.state = QUEUE_HELD;
        r.reply = span_from_str(queue_suspect_reply);
    }
    d->tried[i] = tried(&before, &r, next, d->results[i].outcome);
    if (d->results[i].outcome == QUEUE_OUT_DELIVERED) {
        m->flags |= QUEUE_ARRIVED;
    }
    if (next == QUEUE_NEXT_DROP) {
        return queue_drop_recipient(ed, m, &before);
    }
    d->after[i].state = r.state;
    d->after[i].due_ms = r.due_ms;
    *out_notice |= r.state == QUEUE_FAILED || r.state == QUEUE_DELIVERED || r.is_delay_due;
    return queue_put_recipient(ed, m->id, &before, &r);
}

static bool is_lost(const struct done *d)
{
    for (size_t i = 0; i < d->job->count; i++) {
        if (d->results[i].outcome == QUEUE_OUT_LOST) {
            return true;
        }
    }
    return false;
}

// Counts how often in a row the message was lost.
static enum err count_lost(struct queue_edit *ed, struct done *d)
{
    queue_id id = d->job->message.id;
    uint32_t n;
    enum err e = queue_crashes_get(ed, id, &n);

    if (e != ERR_OK || !is_lost(d)) {
        return e == ERR_OK && n ? queue_crashes_put(ed, id, 0) : e;
    }
    d->is_suspect = n + 1 >= QUEUE_CRASHES_MAX;
    return queue_crashes_put(ed, id, d->is_suspect ? 0 : n + 1);
}

static enum err done_edit(struct queue_edit *ed, void *arg)
{
    struct done *d = arg;
    struct queue_message m;
    bool notice = false;
    enum err e = queue_get_message(ed->snapshot, ed->shard, d->job->message.id, &m);

    if (e == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    e = e == ERR_OK ? count_lost(ed, d) : e;
    for (size_t i = 0; i < d->job->count && e == ERR_OK; i++) {
        e = done_one(ed, d, &m, i, &notice);
    }
    e = e == ERR_OK ? queue_trail_tried(ed, d->job, d->tried, d->results) : e;
    return e == ERR_OK && ed->is_changed ? queue_settle_message(ed, &m, notice) : e;
}

// RFC 5321 4.5.4.1: a host that cannot be reached is left alone for a growing time. One that
// answers may be given more at a time.
static void learn(struct queue *q, struct queue_destination *d, bool untried, struct span reply,
                  int64_t now_ms)
{
    if (untried) {
        d->failures++;
        d->successes = 0;
        d->window = d->window > 1 ? d->window / 2 : 1;
        d->back_off_until_ms =
            now_ms + queue_retry_delay_ms(&q->options, d->failures, random_u64());
        queue_unreached(q, d, reply);
        return;
    }
    queue_reached(d);
    d->failures = 0;
    d->back_off_until_ms = 0;
    if (++d->successes >= d->window) {
        d->successes = 0;
        if (d->window < q->options.destination_jobs_max) {
            d->window++;
        }
    }
}

// After the commit, and also when there was none.
static void schedule_done(struct queue *q, const struct done *d, enum err e)
{
    const struct queue_job *j = d->job;
    struct queue_destination *dest;

    lock_take(&q->lock);
    q->running--;
    dest = queue_destination_get(q, j->recipients[0].destination);
    if (dest) {
        dest->running--;
        if (e == ERR_OK && !d->is_overdue) {
            learn(q, dest, is_untried(d), d->results[0].reply, d->now_ms);
        } else if (e != ERR_OK) {
            dest->back_off_until_ms = d->now_ms + 1000; // for the disk's sake
        }
    }
    for (size_t i = 0; i < j->count; i++) {
        struct queue_recipient r = j->recipients[i];
        bool is_asked = queue_is_asked(q, j->message.id, r.number);

        queue_clear_active(q, j->message.id, r.number);
        if (e == ERR_OK) {
            r.due_ms = is_asked ? d->now_ms : d->after[i].due_ms;
        }
        if (e == ERR_OK && is_asked && dest) { // what was learned is a person's to overrule
            dest->back_off_until_ms = 0;
            dest->failures = 0;
        }
        if (e != ERR_OK || d->after[i].state == QUEUE_WAITING) {
            queue_schedule_due(q, j->message.id, &r);
        }
    }
    if (dest) {
        queue_destination_arm(q, dest, d->now_ms);
    }
    lock_release(&q->lock);
    queue_wake(q);
}

// ---- results that could not be stored yet -------------------------------------------------------

// A job that has been tried, with copies of its results in its arena.
struct owed {
    struct list link;
    struct queue_job *job;
    int64_t now_ms; // when it was done
    uint32_t tries; // as for queue_done_overdue; 0: they were tried
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
};

static struct owed *owed_of(struct list *link)
{
    return LIST_ITEM(link, struct owed, link);
}

static void owed_destroy(struct owed *o)
{
    list_remove(&o->link);
    queue_job_destroy(o->job);
    free(o);
}

void queue_owed_finish(struct queue *q)
{
    while (!list_is_empty(&q->owed)) {
        owed_destroy(owed_of(q->owed.next));
    }
}

// An outcome without its words is better than none.
static struct span copy(struct queue_job *j, struct span s)
{
    struct span c = arena_dup(&j->arena, s);

    return c.p ? c : SPAN("");
}

static struct owed *owed_create(struct queue_job *j, const struct queue_result *results,
                                uint32_t tries, int64_t now_ms)
{
    struct owed *o = malloc(sizeof(*o));

    if (!o) {
        return NULL;
    }
    list_init(&o->link);
    o->job = j;
    o->now_ms = now_ms;
    o->tries = tries;
    for (size_t i = 0; i < j->count; i++) {
        o->results[i] = (struct queue_result){.outcome = results[i].outcome,
                                              .host = copy(j, results[i].host),
                                              .reply = copy(j, results[i].reply),
                                              .protection = copy(j, results[i].protection)};
    }
    return o;
}

// Its recipients stay marked as being tried, so that they are left alone until the next start.
static void set_aside(struct queue *q, struct queue_job *j, enum err e)
{
    struct queue_destination *dest;

    log_error("what became of message %s can never be stored (%s): it is left alone until the "
              "server is started again. Run `mailkeep check`",
              queue_id_text(j->message.id).s, err_name(e));
    lock_take(&q->lock);
    q->running--;
    dest = queue_destination_get(q, j->recipients[0].destination);
    if (dest) {
        dest->running--;
        queue_destination_arm(q, dest, clock_real_ms());
    }
    lock_release(&q->lock);
    queue_job_destroy(j);
}

// So often in a row its destination could not be reached, with this time.
static uint32_t count_unreached(struct queue *q, const struct done *d)
{
    struct queue_destination *dest;
    uint32_t n = 0;

    if (is_untried(d)) {
        lock_take(&q->lock);
        dest = queue_destination_get(q, d->job->recipients[0].destination);
        n = dest ? dest->failures + 1 : 1;
        lock_release(&q->lock);
    }
    return n;
}

// Stores the results. ERR_OK: the job is gone. Another: it is not, and may be tried again.
static enum err store(struct queue *q, struct queue_job *j, const struct queue_result *results,
                      uint32_t tries, int64_t now_ms)
{
    struct done d = {.job = j, .results = results, .now_ms = now_ms, .is_overdue = tries > 0};

    d.tries = tries ? tries : count_unreached(q, &d);
    enum err e = queue_edit(q, queue_shard_of(j->message.id), done_edit, &d);

    if (e == ERR_OK) {
        if (d.is_suspect) {
            queue_say_suspect(j->message.id);
        }
        schedule_done(q, &d, e);
        queue_job_destroy(j);
    } else if (e == ERR_CORRUPT) {
        set_aside(q, j, e);
        e = ERR_OK;
    }
    return e;
}

bool queue_store_owed(struct queue *q, int64_t now_ms)
{
    struct list some;
    enum err e = ERR_OK;

    list_init(&some);
    lock_take(&q->lock);
    while (q->owed_at_ms <= now_ms && !list_is_empty(&q->owed)) {
        struct list *l = q->owed.next;

        list_remove(l);
        list_append(&some, l);
    }
    lock_release(&q->lock);
    while (e == ERR_OK && !list_is_empty(&some)) {
        struct owed *o = owed_of(some.next);

        e = store(q, o->job, o->results, o->tries, o->now_ms);
        if (e == ERR_OK) {
            list_remove(&o->link);
            free(o);
        }
    }
    lock_take(&q->lock);
    while (!list_is_empty(&some)) {
        struct list *l = some.next;

        list_remove(l);
        list_append(&q->owed, l);
        q->owed_at_ms = now_ms + STORE_AGAIN_MS;
    }
    bool none = list_is_empty(&q->owed);

    lock_release(&q->lock);
    return none;
}

enum err queue_done_overdue(struct queue *q, struct queue_job *job,
                            const struct queue_result *results, uint32_t tries, int64_t now_ms)
{
    enum err e = store(q, job, results, tries, now_ms);
    struct owed *o = e == ERR_OK ? NULL : owed_create(job, results, tries, now_ms);

    if (e == ERR_OK) {
        return ERR_OK;
    }
    if (!o) {
        set_aside(q, job, ERR_NOMEM);
        return e;
    }
    lock_take(&q->lock);
    list_append(&q->owed, &o->link);
    q->owed_at_ms = now_ms + STORE_AGAIN_MS;
    lock_release(&q->lock);
    queue_wake(q);
    return e;
}

enum err queue_done(struct queue *q, struct queue_job *job, const struct queue_result *results,
                    int64_t now_ms)
{
    return queue_done_overdue(q, job, results, 0, now_ms);
}

void queue_abandon(struct queue *q, struct queue_job *job)
{
    struct done d = {.job = job, .now_ms = clock_real_ms()};

    schedule_done(q, &d, ERR_UNAVAILABLE);
    queue_job_destroy(job);
}
