// SPDX-License-Identifier: Apache-2.0
//
// The schedule in memory: which destination may be served when, and the next job for it. A
// destination's due keys are looked at in their order, from a cursor in each shard on; whatever is
// stored before a cursor moves it back.
#include <stdlib.h>

#include "base/list.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

#define WINDOW_FIRST 2 // jobs at a time to a destination nothing is known of

// ---- what is being tried ------------------------------------------------------------------------

struct active_key {
    char p[12];
};

static struct active_key active_key(queue_id id, uint32_t number)
{
    struct active_key k;

    put_be64(k.p, id);
    put_be32(k.p + 8, number);
    return k;
}

bool queue_is_active(struct queue *q, queue_id id, uint32_t number)
{
    struct active_key k = active_key(id, number);

    return map_get(&q->active, span_of(k.p, sizeof(k.p)));
}

enum err queue_set_active(struct queue *q, queue_id id, uint32_t number)
{
    struct active_key k = active_key(id, number);

    return map_put(&q->active, span_of(k.p, sizeof(k.p)), q, NULL);
}

// The value of one in `active` that somebody wants to be tried again at once.
static char asked;

void queue_ask_active(struct queue *q, queue_id id, uint32_t number)
{
    struct active_key k = active_key(id, number);
    struct span key = span_of(k.p, sizeof(k.p));

    if (map_get(&q->active, key)) {
        map_put(&q->active, key, &asked, NULL); // takes no memory: the key is there
    }
}

bool queue_is_asked(struct queue *q, queue_id id, uint32_t number)
{
    struct active_key k = active_key(id, number);

    return map_get(&q->active, span_of(k.p, sizeof(k.p))) == &asked;
}

void queue_clear_active(struct queue *q, queue_id id, uint32_t number)
{
    struct active_key k = active_key(id, number);

    map_remove(&q->active, span_of(k.p, sizeof(k.p)));
}

// ---- destinations -------------------------------------------------------------------------------

struct queue_destination *queue_destination_get(struct queue *q, struct span name)
{
    return map_get(&q->destinations, name);
}

struct queue_destination *queue_destination_need(struct queue *q, struct span name)
{
    struct queue_destination *d = queue_destination_get(q, name);

    if (d) {
        return d;
    }
    d = calloc(1, sizeof(*d) + name.n);
    if (!d) {
        return NULL;
    }
    d->name = (char *)(d + 1);
    d->name_bytes = name.n;
    memcpy(d->name, name.p, name.n);
    d->window = WINDOW_FIRST;
    list_init(&d->unreached);
    if (timer_heap_reserve(&q->by_time, q->destinations.n + 1) != ERR_OK ||
        map_put(&q->destinations, name, d, NULL) != ERR_OK) {
        free(d);
        return NULL;
    }
    return d;
}

void queue_destination_free(struct queue *q, struct queue_destination *d)
{
    timer_cancel(&q->by_time, &d->next);
    map_remove(&q->destinations, span_of(d->name, d->name_bytes));
    queue_reached(d);
    free(d);
}

void queue_destination_arm(struct queue *q, struct queue_destination *d, int64_t at_ms)
{
    unsigned window =
        d->window < q->options.destination_jobs_max ? d->window : q->options.destination_jobs_max;

    if (d->is_paused || d->running >= window) {
        timer_cancel(&q->by_time, &d->next);
        return;
    }
    if (at_ms < d->back_off_until_ms) {
        at_ms = d->back_off_until_ms;
    }
    timer_set(&q->by_time, &d->next, at_ms); // room was reserved with the destination
}

static bool cursor_is_after(const struct queue_cursor *c, const struct queue_cursor *than)
{
    if (c->due_ms != than->due_ms) {
        return c->due_ms > than->due_ms;
    }
    return c->id != than->id ? c->id > than->id : c->number > than->number;
}

void queue_schedule_due(struct queue *q, queue_id id, const struct queue_recipient *r)
{
    struct queue_destination *d = queue_destination_need(q, r->destination);
    struct queue_cursor at = {r->due_ms, id, r->number};

    if (!d) {
        return; // no memory: found again at the next start
    }
    struct queue_cursor *c = &d->cursors[queue_shard_of(id)];

    if (cursor_is_after(c, &at)) {
        *c = at;
    }
    if (!d->next.place || r->due_ms < d->next.at_ms) {
        queue_destination_arm(q, d, r->due_ms);
    }
}

// ---- the next job -------------------------------------------------------------------------------

struct find {
    struct queue *queue;
    struct queue_destination *destination;
    struct snapshot *snapshot;
    unsigned shard;
    int64_t now_ms, next_ms; // the earliest that is not due yet
    struct queue_job *job;
};

// The recipient of a due key goes into the job. ERR_NOT_FOUND: the key has no recipient.
static enum err find_add(struct find *f, const struct queue_due *due)
{
    struct queue_message m;
    struct queue_recipient r;
    enum err e = queue_get_recipient(f->snapshot, f->shard, due->id, due->number, &r);

    if (e == ERR_OK && !f->job) {
        e = queue_get_message(f->snapshot, f->shard, due->id, &m);
        e = e == ERR_OK ? queue_job_create(&m, &f->job) : e;
    }
    if (e == ERR_OK) {
        e = queue_job_add(f->job, &r);
    }
    return e == ERR_OK ? queue_set_active(f->queue, due->id, due->number) : e;
}

// One due key. ERR_EOF: enough seen of this shard.
static enum err find_step(struct find *f, const struct queue_due *due)
{
    struct queue_cursor *c = &f->destination->cursors[f->shard];

    if (f->job && (due->id != f->job->message.id || f->job->count == QUEUE_JOB_RECIPIENTS_MAX)) {
        return ERR_EOF;
    }
    if (due->due_ms > f->now_ms) {
        f->next_ms = due->due_ms < f->next_ms ? due->due_ms : f->next_ms;
        return ERR_EOF;
    }
    if (!queue_is_active(f->queue, due->id, due->number)) {
        enum err e = find_add(f, due);

        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
    }
    *c = (struct queue_cursor){due->due_ms, due->id, due->number + 1};
    return ERR_OK;
}

static enum err find_in_shard(struct find *f)
{
    struct queue_destination *d = f->destination;
    struct span name = span_of(d->name, d->name_bytes), key, value;
    const struct queue_cursor *c = &d->cursors[f->shard];
    struct queue_key from = queue_key_due(name, c->due_ms, c->id, c->number);
    struct queue_key to = queue_key_due(name, INT64_MAX, UINT64_MAX, UINT32_MAX);
    struct scan *scan;
    enum err e = scan_open(f->snapshot, queue_shard_account(f->shard), queue_key_span(&from),
                           queue_key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        struct queue_due due;

        e = queue_due_read(key, &due) ? find_step(f, &due) : ERR_CORRUPT;
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND || e == ERR_EOF ? ERR_OK : e;
}

static enum err find_job(struct find *f)
{
    struct queue_destination *d = f->destination;
    enum err e = ERR_OK;

    for (unsigned i = 0; i < QUEUE_SHARDS && e == ERR_OK && !f->job; i++) {
        f->shard = (d->shard + i) % QUEUE_SHARDS;
        e = find_in_shard(f);
    }
    d->shard = (f->shard + 1) % QUEUE_SHARDS;
    if (e != ERR_OK && f->job) { // what was found is tried another time
        for (size_t i = 0; i < f->job->count; i++) {
            queue_clear_active(f->queue, f->job->message.id, f->job->recipients[i].number);
        }
        queue_job_destroy(f->job);
        f->job = NULL;
        d->cursors[f->shard] = (struct queue_cursor){0};
    }
    return e;
}

// Looks at the destination whose time has come. ERR_OK with or without a job.
static enum err serve(struct queue *q, struct queue_destination *d, int64_t now_ms,
                      struct queue_job **out)
{
    struct find f = {
        .queue = q, .destination = d, .now_ms = now_ms, .next_ms = INT64_MAX, .job = NULL};
    enum err e = snapshot_open(q->engine, &f.snapshot);

    if (e == ERR_OK) {
        e = find_job(&f);
        snapshot_close(f.snapshot);
    }
    *out = f.job;
    if (e != ERR_OK) {
        queue_destination_arm(q, d, now_ms + 1000); // the disk may be better then
    } else if (f.job) {
        d->running++;
        q->running++;
        queue_destination_arm(q, d, now_ms);
    } else if (f.next_ms != INT64_MAX) {
        queue_destination_arm(q, d, f.next_ms);
    } else if (d->running || d->is_paused) {
        timer_cancel(&q->by_time, &d->next);
    } else {
        queue_destination_free(q, d);
    }
    return e;
}

enum err queue_take(struct queue *q, int64_t now_ms, struct queue_job **out, int64_t *out_next_ms)
{
    struct queue_job *job = NULL;
    enum err e = ERR_OK;

    // What can be sent but not be put on record would be sent again and again.
    if (!queue_store_owed(q, now_ms) || engine_state(q->engine) == ENGINE_READ_ONLY) {
        *out_next_ms = now_ms + 1000;
        return ERR_NOT_FOUND;
    }
    *out_next_ms = INT64_MAX;
    lock_take(&q->lock);
    while (e == ERR_OK && !job && q->running < q->options.jobs_max) {
        struct timer *first = timer_first(&q->by_time);

        if (!first || first->at_ms > now_ms) {
            *out_next_ms = first ? first->at_ms : INT64_MAX;
            break;
        }
        e = serve(q, LIST_ITEM(first, struct queue_destination, next), now_ms, &job);
    }
    lock_release(&q->lock);
    if (job) {
        *out = job;
        return ERR_OK;
    }
    return e == ERR_OK ? ERR_NOT_FOUND : e;
}
