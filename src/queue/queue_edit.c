// SPDX-License-Identifier: Apache-2.0
//
// How a shard is changed: read, work out a batch, commit; one at a time, so that no batch is lost
// to another.
#include "queue/queue_internal.h"

#include "base/banned.h"

enum err queue_get_message(struct snapshot *s, unsigned shard, queue_id id,
                           struct queue_message *out)
{
    struct queue_key k = queue_key_id(QUEUE_KEY_MESSAGE, id);
    struct span value;
    enum err e = snapshot_get(s, queue_shard_account(shard), queue_key_span(&k), &value);

    return e == ERR_OK ? queue_message_decode(id, value, out) : e;
}

enum err queue_get_recipient(struct snapshot *s, unsigned shard, queue_id id, uint32_t number,
                             struct queue_recipient *out)
{
    struct queue_key k = queue_key_recipient(id, number);
    struct span value;
    enum err e = snapshot_get(s, queue_shard_account(shard), queue_key_span(&k), &value);

    return e == ERR_OK ? queue_recipient_decode(number, value, out) : e;
}

enum err queue_each_recipient(struct snapshot *s, queue_id id, queue_each_fn *fn, void *arg)
{
    struct queue_key from = queue_key_id(QUEUE_KEY_RECIPIENT, id), to = queue_key_after(from);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(s, queue_shard_account(queue_shard_of(id)), queue_key_span(&from),
                           queue_key_span(&to), false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = scan_next(scan, &key, &value)) == ERR_OK) {
        struct queue_recipient r;
        queue_id ignored;
        uint32_t number;

        e = queue_key_read_recipient(key, &ignored, &number) ? ERR_OK : ERR_CORRUPT;
        e = e == ERR_OK ? queue_recipient_decode(number, value, &r) : e;
        e = e == ERR_OK ? fn(arg, &r) : e;
        if (e != ERR_OK) {
            break;
        }
    }
    scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err queue_put_mark(struct queue_edit *ed, const struct queue_key *k)
{
    static const char mark[1] = {QUEUE_SCHEMA_VERSION};

    return batch_put(ed->batch, queue_key_span(k), span_of(mark, 1));
}

enum err queue_put_message(struct queue_edit *ed, const struct queue_message *m)
{
    struct queue_key k = queue_key_id(QUEUE_KEY_MESSAGE, m->id);
    struct span value;
    enum err e = queue_message_encode(m, ed->room, &value);

    ed->is_changed = true;
    return e == ERR_OK ? batch_put(ed->batch, queue_key_span(&k), value) : e;
}

static enum err move_due(struct queue_edit *ed, queue_id id, const struct queue_recipient *before,
                         const struct queue_recipient *now)
{
    enum err e = ERR_OK;

    if (before && before->state == QUEUE_WAITING) {
        struct queue_key k = queue_key_due(before->destination, before->due_ms, id, before->number);

        e = batch_delete(ed->batch, queue_key_span(&k));
    }
    if (e == ERR_OK && now && now->state == QUEUE_WAITING) {
        struct queue_key k = queue_key_due(now->destination, now->due_ms, id, now->number);

        e = queue_put_mark(ed, &k);
    }
    return e;
}

enum err queue_put_recipient(struct queue_edit *ed, queue_id id,
                             const struct queue_recipient *before,
                             const struct queue_recipient *now)
{
    struct queue_key k = queue_key_recipient(id, now->number);
    struct span value;
    enum err e = queue_recipient_encode(now, ed->room, &value);

    if (e == ERR_OK) {
        e = batch_put(ed->batch, queue_key_span(&k), value);
    }
    ed->is_changed = true;
    return e == ERR_OK ? move_due(ed, id, before, now) : e;
}

enum err queue_drop_recipient(struct queue_edit *ed, struct queue_message *m,
                              const struct queue_recipient *r)
{
    struct queue_key k = queue_key_recipient(m->id, r->number);
    enum err e = batch_delete(ed->batch, queue_key_span(&k));

    ed->is_changed = true;
    ed->counts.recipients--;
    m->recipients--;
    return e == ERR_OK ? move_due(ed, m->id, r, NULL) : e;
}

// With its last recipient gone nothing of the message stays.
static enum err drop_message(struct queue_edit *ed, const struct queue_message *m)
{
    struct queue_key k = queue_key_id(QUEUE_KEY_MESSAGE, m->id);
    struct queue_key notice = queue_key_id(QUEUE_KEY_NOTICE, m->id);
    struct queue_key crashes = queue_key_id(QUEUE_KEY_CRASHES, m->id);
    enum err e = batch_delete(ed->batch, queue_key_span(&k));

    if (e == ERR_OK) {
        e = batch_delete(ed->batch, queue_key_span(&notice));
    }
    if (e == ERR_OK) {
        e = batch_delete(ed->batch, queue_key_span(&crashes));
    }
    if (e == ERR_OK && !(m->flags & QUEUE_ARRIVED)) {
        e = queue_once_forget(ed, m);
    }
    ed->counts.messages--;
    return e == ERR_OK ? batch_drop_body(ed->batch, m->body) : e;
}

enum err queue_settle_message(struct queue_edit *ed, const struct queue_message *m, bool owes)
{
    if (m->recipients == 0) {
        return drop_message(ed, m);
    }
    struct queue_key k = queue_key_id(QUEUE_KEY_NOTICE, m->id);
    enum err e = owes ? queue_put_mark(ed, &k) : ERR_OK;

    return e == ERR_OK ? queue_put_message(ed, m) : e;
}

static enum err load_counts(struct queue_edit *ed)
{
    struct queue_key k = queue_key_plain(QUEUE_KEY_COUNTS);
    struct span value;
    enum err e =
        snapshot_get(ed->snapshot, queue_shard_account(ed->shard), queue_key_span(&k), &value);

    return e == ERR_OK ? queue_counts_decode(value, &ed->counts) : e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err commit(struct queue_edit *ed, uint64_t version)
{
    struct queue_key k = queue_key_plain(QUEUE_KEY_COUNTS);
    char room[QUEUE_COUNTS_BYTES_MAX];
    enum err e = batch_put(ed->batch, queue_key_span(&k), queue_counts_encode(&ed->counts, room));

    batch_set_rider(ed->batch, ed->rider);
    return e == ERR_OK ? engine_commit(ed->queue->engine, ed->batch, version) : e;
}

static enum err edit_locked(struct queue_edit *ed, queue_edit_fn *fn, void *arg)
{
    account_id account = queue_shard_account(ed->shard);
    struct queue_shard_counts before;
    uint64_t version;
    enum err e = snapshot_version(ed->snapshot, account, &version);

    if (e == ERR_OK) {
        e = load_counts(ed);
    }
    before = ed->counts;
    if (e == ERR_OK) {
        e = batch_create(account, &ed->batch);
    }
    if (e == ERR_OK) {
        e = fn(ed, arg);
    }
    if (e == ERR_OK && ed->is_changed) {
        e = commit(ed, version);
    }
    batch_destroy(ed->batch);
    if (e == ERR_OK && ed->is_changed) {
        lock_take(&ed->queue->lock);
        ed->queue->counts.messages += ed->counts.messages - before.messages;
        ed->queue->counts.recipients += ed->counts.recipients - before.recipients;
        lock_release(&ed->queue->lock);
    }
    return e;
}

enum err queue_edit(struct queue *q, unsigned shard, queue_edit_fn *fn, void *arg)
{
    struct queue_shard *s = &q->shards[shard];
    struct queue_edit ed = {.queue = q, .shard = shard, .room = s->room};

    lock_take(&s->lock);
    enum err e = snapshot_open(q->engine, &ed.snapshot);

    if (e == ERR_OK) {
        e = edit_locked(&ed, fn, arg);
        snapshot_close(ed.snapshot);
    }
    if (!ed.is_lent) {
        batch_destroy(ed.rider);
    }
    lock_release(&s->lock);
    return e;
}
