// SPDX-License-Identifier: Apache-2.0
//
// What waits too long. A destination that cannot be reached is tried seldom, with one message; the
// others that wait for it are looked at here after each such try, in small pieces, or they would
// never expire and their senders never hear. And of all that expires: not more than so many at
// once.
#include <stdlib.h>

#include "base/log.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

#define HOUR_MS   3600000
#define LOOK_KEYS 256 // at a time

// ---- how many expire ----------------------------------------------------------------------------

bool queue_expiry_is_paused(const struct queue *q, int64_t now_ms)
{
    int64_t past = now_ms - q->expired.since_ms;

    return q->expired.n >= QUEUE_EXPIRIES_MAX && past >= 0 && past < HOUR_MS;
}

bool queue_may_expire(struct queue *q, int64_t now_ms)
{
    lock_take(&q->lock);
    int64_t past = now_ms - q->expired.since_ms;
    bool may = !queue_expiry_is_paused(q, now_ms);

    if (past < 0 || past >= HOUR_MS) {
        q->expired.since_ms = now_ms;
        q->expired.n = 0;
    }
    q->expired.n += may;
    bool was_last = may && q->expired.n == QUEUE_EXPIRIES_MAX;

    lock_release(&q->lock);
    if (was_last) {
        log_error("the mail of %d recipients has waited too long and is given up: what else has "
                  "waits another hour. Is the clock right, and are other servers reached? "
                  "`mailkeep queue list` shows what waits",
                  QUEUE_EXPIRIES_MAX);
    }
    return may;
}

// ---- destinations that cannot be reached --------------------------------------------------------

void queue_unreached(struct queue *q, struct queue_destination *d, struct span reply)
{
    reply = span_first(reply, QUEUE_REPLY_BYTES_MAX);
    char *copy = malloc(reply.n ? reply.n : 1);

    free(d->reply);
    d->reply = copy;
    d->reply_bytes = copy ? reply.n : 0;
    if (copy && reply.n) {
        memcpy(copy, reply.p, reply.n);
    }
    if (d->failures >= QUEUE_TRIES_BEFORE_EXPIRY && list_is_empty(&d->unreached)) {
        d->look_shard = 0;
        d->look = (struct queue_cursor){0};
        list_append(&q->unreached, &d->unreached);
    }
}

void queue_reached(struct queue_destination *d)
{
    list_remove(&d->unreached);
    free(d->reply);
    d->reply = NULL;
    d->reply_bytes = 0;
}

// ---- looking ------------------------------------------------------------------------------------

struct look {
    struct queue *queue;
    struct queue_destination *destination;
    struct snapshot *snapshot;
    int64_t now_ms;
    unsigned left; // keys
    struct queue_job *job;
};

// Into the job, if it is overdue. ERR_EOF: the job is of another message.
static enum err look_at(struct look *l, const struct queue_due *due)
{
    struct queue_message m;
    struct queue_recipient r;
    enum err e =
        queue_get_recipient(l->snapshot, queue_shard_of(due->id), due->id, due->number, &r);

    e = e == ERR_OK ? queue_get_message(l->snapshot, queue_shard_of(due->id), due->id, &m) : e;
    if (e != ERR_OK ||
        !queue_is_overdue(&l->queue->options, &m, &r, l->destination->failures, l->now_ms)) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    if (l->job && l->job->message.id != due->id) {
        return ERR_EOF;
    }
    e = l->job ? ERR_OK : queue_job_create(&m, &l->job);
    e = e == ERR_OK ? queue_job_add(l->job, &r) : e;
    if (e == ERR_OK && (e = queue_set_active(l->queue, due->id, due->number)) != ERR_OK) {
        l->job->count--;
    }
    return e == ERR_LIMIT ? ERR_EOF : e;
}

// One due key. ERR_EOF: enough for now; ERR_NOT_FOUND: the shard has no more.
static enum err look_step(struct look *l, const struct queue_due *due)
{
    enum err e = ERR_OK;

    if (due->due_ms > l->now_ms) {
        return ERR_NOT_FOUND;
    }
    if (l->left == 0) {
        return ERR_EOF;
    }
    l->left--;
    if (!queue_is_active(l->queue, due->id, due->number)) {
        e = look_at(l, due);
    }
    if (e == ERR_OK) {
        l->destination->look = (struct queue_cursor){due->due_ms, due->id, due->number + 1};
    }
    return e;
}

static enum err look_in_shard(struct look *l)
{
    struct queue_destination *d = l->destination;
    struct span name = span_of(d->name, d->name_bytes), key, value;
    struct queue_key from = queue_key_due(name, d->look.due_ms, d->look.id, d->look.number);
    struct queue_key to = queue_key_due(name, INT64_MAX, UINT64_MAX, UINT32_MAX);
    struct scan *scan;
    enum err e = scan_open(l->snapshot, queue_shard_account(d->look_shard), queue_key_span(&from),
                           queue_key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        struct queue_due due;

        e = queue_due_read(key, &due) ? look_step(l, &due) : ERR_CORRUPT;
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e;
}

// ERR_NOT_FOUND: all of the destination was looked at; ERR_EOF: there is more.
static enum err look(struct look *l)
{
    struct queue_destination *d = l->destination;
    enum err e = snapshot_open(l->queue->engine, &l->snapshot);

    if (e != ERR_OK) {
        return e;
    }
    do {
        e = look_in_shard(l);
        if (e == ERR_NOT_FOUND) {
            d->look_shard++;
            d->look = (struct queue_cursor){0};
            e = l->job ? ERR_EOF : d->look_shard == QUEUE_SHARDS ? ERR_NOT_FOUND : ERR_OK;
        }
    } while (e == ERR_OK);
    snapshot_close(l->snapshot);
    return e;
}

// The next destination to look at; NULL: none now. Those looked at in whole are gone from the list.
static struct queue_destination *next(struct queue *q, int64_t now_ms)
{
    if (queue_expiry_is_paused(q, now_ms)) {
        return NULL;
    }
    while (!list_is_empty(&q->unreached)) {
        struct queue_destination *d =
            LIST_ITEM(q->unreached.next, struct queue_destination, unreached);

        if (!d->is_paused && d->look_shard < QUEUE_SHARDS) {
            return d;
        }
        list_remove(&d->unreached);
    }
    return NULL;
}

// With the lock held. Sets l->job when there is one.
static enum err look_at_next(struct look *l)
{
    struct queue *q = l->queue;
    struct queue_destination *d = l->destination = next(q, l->now_ms);
    enum err e = d ? look(l) : ERR_NOT_FOUND;

    if (!d) {
        return e;
    }
    list_remove(&d->unreached);
    if (e == ERR_EOF) {
        list_append(&q->unreached, &d->unreached); // after the others
    }
    if (l->job && l->job->count == 0) {
        queue_job_destroy(l->job);
        l->job = NULL;
    }
    if (l->job) { // what was found before an error is dealt with
        d->running++;
        q->running++;
    }
    return e == ERR_EOF || e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err queue_overdue(struct queue *q, int64_t now_ms)
{
    struct look l = {.queue = q, .now_ms = now_ms, .left = LOOK_KEYS};
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
    char reply[QUEUE_REPLY_BYTES_MAX];
    uint32_t tries = 0;
    size_t n = 0;

    if (!queue_store_owed(q, now_ms) || engine_state(q->engine) == ENGINE_READ_ONLY) {
        return ERR_NOT_FOUND;
    }
    lock_take(&q->lock);
    enum err e = look_at_next(&l);

    if (l.job) {
        tries = l.destination->failures;
        n = l.destination->reply_bytes;
        memcpy(reply, l.destination->reply ? l.destination->reply : "", n);
    }
    lock_release(&q->lock);
    if (!l.job) {
        return e;
    }
    for (size_t i = 0; i < l.job->count; i++) {
        results[i] =
            (struct queue_result){QUEUE_OUT_UNTRIED, SPAN(""), span_of(reply, n), SPAN("")};
    }
    return queue_done_overdue(q, l.job, results, tries, now_ms);
}
