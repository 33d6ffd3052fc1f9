// SPDX-License-Identifier: Apache-2.0
//
// What senders are still to be told. A message with such recipients has a notice key, which goes
// when none is left.
#include "queue/queue_internal.h"

#include "base/banned.h"

static bool is_owed(const struct queue_recipient *r)
{
    return r->state == QUEUE_FAILED || r->state == QUEUE_DELIVERED || r->is_delay_due;
}

static enum err collect(void *arg, const struct queue_recipient *r)
{
    struct queue_job *j = arg;

    if (!is_owed(r)) {
        return ERR_OK;
    }
    enum err e = queue_job_add(j, r);

    return e == ERR_LIMIT ? ERR_EOF : e;
}

static enum err take_one(struct queue *q, struct snapshot *s, queue_id id, struct queue_job **out)
{
    struct queue_message m;
    struct queue_job *j;
    enum err e = queue_get_message(s, queue_shard_of(id), id, &m);

    e = e == ERR_OK ? queue_job_create(&m, &j) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = queue_each_recipient(s, id, collect, j);
    if (e == ERR_OK || e == ERR_EOF) {
        e = map_put(&q->notices, span_of(&id, sizeof(id)), q, NULL);
    }
    if (e != ERR_OK) {
        queue_job_destroy(j);
        return e;
    }
    *out = j;
    return ERR_OK;
}

static bool is_claimed(const struct queue *q, queue_id id)
{
    return map_get(&q->notices, span_of(&id, sizeof(id)));
}

static enum err take_from_shard(struct queue *q, struct snapshot *s, unsigned shard,
                                struct queue_job **out)
{
    struct queue_key from = queue_key_plain(QUEUE_KEY_NOTICE), to = queue_key_after(from);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(s, queue_shard_account(shard), queue_key_span(&from),
                           queue_key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        queue_id id;

        if (!queue_key_read_id(key, &id)) {
            e = ERR_CORRUPT;
            break;
        }
        if (!is_claimed(q, id)) {
            e = take_one(q, s, id, out);
            break;
        }
    }
    scan_close(scan);
    return e;
}

// With the lock held from before the snapshot is opened: what is no longer claimed in it is settled
// in it.
enum err queue_notice_take(struct queue *q, struct queue_job **out)
{
    struct snapshot *s;

    lock_take(&q->lock);
    enum err e = snapshot_open(q->engine, &s);

    if (e == ERR_OK) {
        e = ERR_NOT_FOUND;
        for (unsigned i = 0; i < QUEUE_SHARDS && e == ERR_NOT_FOUND; i++) {
            e = take_from_shard(q, s, i, out);
        }
        snapshot_close(s);
    }
    lock_release(&q->lock);
    return e;
}

// ---- done ---------------------------------------------------------------------------------------

static enum err count_owed(void *arg, const struct queue_recipient *r)
{
    *(size_t *)arg += is_owed(r);
    return ERR_OK;
}

// `told` is the recipient as the notice has it. What became of it since is another notice's.
static enum err done_one(struct queue_edit *ed, struct queue_message *m,
                         const struct queue_recipient *told, size_t *out_settled)
{
    struct queue_recipient before, after;
    enum err e = queue_get_recipient(ed->snapshot, ed->shard, m->id, told->number, &before);

    if (e == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (e != ERR_OK || before.state != told->state) {
        return e;
    }
    *out_settled += is_owed(&before);
    if (before.state == QUEUE_FAILED || before.state == QUEUE_DELIVERED) {
        return queue_drop_recipient(ed, m, &before);
    }
    after = before;
    after.is_delay_due = false;
    after.is_delay_told = true;
    return queue_put_recipient(ed, m->id, &before, &after);
}

static enum err done_edit(struct queue_edit *ed, void *arg)
{
    const struct queue_job *j = arg;
    struct queue_key k = queue_key_id(QUEUE_KEY_NOTICE, j->message.id);
    struct queue_message m;
    size_t owed = 0, settled = 0;
    enum err e = queue_get_message(ed->snapshot, ed->shard, j->message.id, &m);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = queue_crashes_put(ed, m.id, 0);
    e = e == ERR_OK ? queue_each_recipient(ed->snapshot, m.id, count_owed, &owed) : e;
    for (size_t i = 0; i < j->count && e == ERR_OK; i++) {
        e = done_one(ed, &m, &j->recipients[i], &settled);
    }
    if (e == ERR_OK && settled == owed) {
        ed->is_changed = true;
        e = batch_delete(ed->batch, queue_key_span(&k));
    }
    e = e == ERR_OK && ed->is_changed ? queue_trail_told(ed, j) : e;
    return e == ERR_OK && ed->is_changed ? queue_settle_message(ed, &m, false) : e;
}

// It was not sent, and whoever worked on it is well.
static enum err left_edit(struct queue_edit *ed, void *arg)
{
    const struct queue_job *j = arg;
    struct queue_message m;
    enum err e = queue_get_message(ed->snapshot, ed->shard, j->message.id, &m);

    return e == ERR_OK ? queue_crashes_put(ed, m.id, 0) : e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err queue_notice_done(struct queue *q, struct queue_job *job, bool sent)
{
    enum err e = queue_edit(q, queue_shard_of(job->message.id), sent ? done_edit : left_edit, job);

    lock_take(&q->lock);
    map_remove(&q->notices, span_of(&job->message.id, sizeof(job->message.id)));
    lock_release(&q->lock);
    queue_job_destroy(job);
    return e;
}
