// SPDX-License-Identifier: Apache-2.0
#include "queue/queue.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "queue/queue_internal.h"

#include "base/banned.h"

void queue_options_default(struct queue_options *o)
{
    *o = (struct queue_options){.destination_jobs_max = 20,
                                .jobs_max = 200,
                                .delay_notice_s = 4 * 3600,
                                .retry_first_s = 60,
                                .retry_max_s = 2 * 3600};
}

struct queue_id_text queue_id_text(queue_id id)
{
    struct queue_id_text t;

    snprintf(t.s, sizeof(t.s), "%016llx", (unsigned long long)id);
    return t;
}

bool queue_id_read(struct span text, queue_id *out)
{
    queue_id id = 0;

    if (text.n != 16) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        int digit = byte_hex(text.p[i]);

        if (digit < 0) {
            return false;
        }
        id = id << 4 | (unsigned)digit;
    }
    *out = id;
    return id != 0;
}

// ---- opening ------------------------------------------------------------------------------------

// The first due key of each destination, by jumping over the rest.
static enum err load_destinations(struct queue *q, struct snapshot *s, unsigned shard)
{
    struct queue_key from = queue_key_plain(QUEUE_KEY_DUE), to = queue_key_after(from);

    for (;;) {
        struct scan *scan;
        struct span key, value;
        struct queue_due due;
        enum err e = scan_open(s, queue_shard_account(shard), queue_key_span(&from),
                               queue_key_span(&to), false, &scan);

        if (e != ERR_OK) {
            return e;
        }
        e = scan_next(scan, &key, &value);
        if (e == ERR_OK && !queue_due_read(key, &due)) {
            e = ERR_CORRUPT;
        }
        if (e == ERR_OK) {
            struct queue_recipient r = {
                .destination = due.destination, .due_ms = due.due_ms, .number = due.number};

            queue_schedule_due(q, due.id, &r);
            from = queue_key_due(due.destination, INT64_MAX, UINT64_MAX, UINT32_MAX);
        }
        scan_close(scan);
        if (e != ERR_OK) {
            return e == ERR_NOT_FOUND ? ERR_OK : e;
        }
    }
}

static enum err load_last(struct queue *q, struct snapshot *s, unsigned shard)
{
    struct queue_key from = queue_key_plain(QUEUE_KEY_MESSAGE), to = queue_key_after(from);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(s, queue_shard_account(shard), queue_key_span(&from),
                           queue_key_span(&to), true, &scan);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_next(scan, &key, &value);
    if (e == ERR_OK && !queue_key_read_id(key, &q->shards[shard].last)) {
        e = ERR_CORRUPT;
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err load_shard_counts(struct queue *q, struct snapshot *s, unsigned shard)
{
    struct queue_key k = queue_key_plain(QUEUE_KEY_COUNTS);
    struct queue_shard_counts c;
    struct span value;
    enum err e = snapshot_get(s, queue_shard_account(shard), queue_key_span(&k), &value);

    e = e == ERR_OK ? queue_counts_decode(value, &c) : e;
    if (e == ERR_OK) {
        q->counts.messages += c.messages;
        q->counts.recipients += c.recipients;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err load_pauses(struct queue *q, struct snapshot *s)
{
    struct queue_key from = queue_key_plain(QUEUE_KEY_PAUSE), to = queue_key_after(from);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(s, queue_shard_account(0), queue_key_span(&from), queue_key_span(&to),
                           false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        struct queue_destination *d = queue_destination_need(q, span_skip(key, 1));

        if (!d) {
            e = ERR_NOMEM;
            break;
        }
        d->is_paused = true;
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err load(struct queue *q)
{
    struct snapshot *s;
    enum err e = snapshot_open(q->engine, &s);

    if (e != ERR_OK) {
        return e;
    }
    e = load_pauses(q, s);
    for (unsigned i = 0; i < QUEUE_SHARDS && e == ERR_OK; i++) {
        e = load_last(q, s, i);
        e = e == ERR_OK ? load_shard_counts(q, s, i) : e;
        e = e == ERR_OK ? load_destinations(q, s, i) : e;
    }
    snapshot_close(s);
    return e;
}

enum err queue_open(struct engine *engine, const struct queue_options *o, struct queue **out)
{
    struct queue *q = calloc(1, sizeof(*q));

    if (!q) {
        return ERR_NOMEM;
    }
    q->engine = engine;
    q->options = *o;
    for (unsigned i = 0; i < QUEUE_SHARDS; i++) {
        lock_init(&q->shards[i].lock, LOCK_QUEUE_SHARD);
    }
    lock_init(&q->lock, LOCK_QUEUE);
    map_init(&q->destinations);
    map_init(&q->active);
    map_init(&q->notices);
    list_init(&q->owed);
    list_init(&q->unreached);
    timer_heap_init(&q->by_time);
    lock_take(&q->lock);
    enum err e = load(q);

    lock_release(&q->lock);
    if (e != ERR_OK) {
        queue_close(q);
        return e;
    }
    *out = q;
    return ERR_OK;
}

void queue_close(struct queue *q)
{
    size_t cursor = 0;
    struct span name;
    void *d;

    if (!q) {
        return;
    }
    queue_owed_finish(q);
    while (map_next(&q->destinations, &cursor, &name, &d)) {
        queue_reached(d);
        free(d);
    }
    map_finish(&q->destinations);
    map_finish(&q->active);
    map_finish(&q->notices);
    timer_heap_finish(&q->by_time);
    for (unsigned i = 0; i < QUEUE_SHARDS; i++) {
        lock_finish(&q->shards[i].lock);
    }
    lock_finish(&q->lock);
    free(q);
}

void queue_set_wake(struct queue *q, void (*fn)(void *arg), void *arg)
{
    q->wake = fn;
    q->wake_arg = arg;
}

void queue_wake(struct queue *q)
{
    if (q->wake) {
        q->wake(q->wake_arg);
    }
}

void queue_count(struct queue *q, struct queue_counts *out)
{
    lock_take(&q->lock);
    *out = (struct queue_counts){.messages = q->counts.messages,
                                 .recipients = q->counts.recipients,
                                 .running = q->running,
                                 .destinations = (unsigned)q->destinations.n,
                                 .is_expiry_paused = queue_expiry_is_paused(q, clock_real_ms())};
    lock_release(&q->lock);
}

// ---- submitting ---------------------------------------------------------------------------------

struct submit {
    struct queue_message message;
    const struct queue_recipient *recipients;
    size_t count;
    bool was_there;
};

// As it is stored: the caller's fields, and ours.
static struct queue_recipient submitted(const struct submit *s, size_t i)
{
    struct queue_recipient r = s->recipients[i];

    r.number = (uint32_t)i;
    r.is_delay_due = r.is_delay_told = false;
    r.attempts = 0;
    if (r.state == QUEUE_FAILED || r.state == QUEUE_DELIVERED) {
        r.tried_ms = s->message.accepted_ms;
    } else {
        r.state = QUEUE_WAITING;
        r.tried_ms = 0;
        r.host = r.reply = SPAN("");
    }
    if (r.due_ms < s->message.accepted_ms) {
        r.due_ms = s->message.accepted_ms;
    }
    return r;
}

static enum err put_all(struct queue_edit *ed, struct submit *s)
{
    struct queue_shard *shard = &ed->queue->shards[ed->shard];
    struct queue_message *m = &s->message;

    m->id = (queue_id)m->accepted_ms * 1000 << 4 | ed->shard;
    if (m->id <= shard->last) {
        m->id = shard->last + 16;
    }
    shard->last = m->id;
    bool owes = false;
    enum err e = batch_use_body(ed->batch, m->body);

    for (size_t i = 0; i < s->count && e == ERR_OK; i++) {
        struct queue_recipient r = submitted(s, i);

        owes |= r.state != QUEUE_WAITING;
        e = queue_put_recipient(ed, m->id, NULL, &r);
    }
    ed->counts.messages++;
    ed->counts.recipients += s->count;
    e = e == ERR_OK ? queue_settle_message(ed, m, owes) : e;
    return e == ERR_OK ? queue_trail_submitted(ed, m, s->recipients, s->count) : e;
}

static enum err submit_edit(struct queue_edit *ed, void *arg)
{
    struct submit *s = arg;
    enum err e = queue_once_take(ed, &s->message, &s->was_there);

    if (e == ERR_OK && s->was_there) {
        return queue_trail_left_out(ed, &s->message, s->recipients, s->count);
    }
    return e == ERR_OK ? put_all(ed, s) : e;
}

enum err queue_submit(struct queue *q, const struct queue_message *m,
                      const struct queue_recipient *recipients, size_t count, queue_id *out)
{
    struct submit s = {.message = *m, .recipients = recipients, .count = count};

    if (count == 0 || count > QUEUE_RECIPIENTS_MAX || m->body == 0 ||
        (m->once.n && m->once.n != QUEUE_ONCE_BYTES)) {
        return ERR_INVALID;
    }
    s.message.accepted_ms = clock_real_ms();
    s.message.recipients = (uint32_t)count;
    if (q->options.trail && !s.message.mail) {
        s.message.mail = trail_number(q->options.trail);
    }
    unsigned shard =
        m->once.n ? queue_once_shard(m->once) : atomic_fetch_add(&q->turn, 1) % QUEUE_SHARDS;
    enum err e = queue_edit(q, shard, submit_edit, &s);

    if (e != ERR_OK || s.was_there) {
        *out = 0;
        return e;
    }
    lock_take(&q->lock);
    for (size_t i = 0; i < count; i++) {
        struct queue_recipient r = submitted(&s, i);

        if (r.state == QUEUE_WAITING) {
            queue_schedule_due(q, s.message.id, &r);
        }
    }
    lock_release(&q->lock);
    *out = s.message.id;
    queue_wake(q);
    return ERR_OK;
}
