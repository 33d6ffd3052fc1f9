// SPDX-License-Identifier: Apache-2.0
//
// The index follows the journal: a frozen memory table goes into LMDB in one durable transaction,
// together with the journal position up to which the index is complete.
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/local/local_internal.h"

#include "base/banned.h"

// Body ids given out before the next checkpoint at most.
#define BODY_IDS_AHEAD ((body_id)1 << 20)

// ---- the index's own numbers --------------------------------------------------------------------

static enum err get_numbers(struct local_engine *e, MDB_txn *t, const char *name, void *out,
                            size_t n)
{
    struct index_key key;
    struct span v;
    enum err error = index_get(&e->index, t, key_meta(&key, name), &v);

    if (error == ERR_OK && v.n != n) {
        error = ERR_CORRUPT;
    }
    if (error == ERR_OK) {
        memcpy(out, v.p, n);
    } else if (error == ERR_NOT_FOUND) {
        memset(out, 0, n);
        error = ERR_OK;
    }
    return error;
}

static enum err put_numbers(struct local_engine *e, MDB_txn *t, const char *name, const void *v,
                            size_t n)
{
    struct index_key key;

    return index_put(&e->index, t, key_meta(&key, name), span_of(v, n));
}

enum err checkpoint_meta_get(struct local_engine *e, struct index_meta *out)
{
    struct index_reader *r;
    char format[4], epoch[4], position[16], position_epoch[4], bodies[16], body_limit[8],
        segment_limit[8];
    enum err error = index_read_begin(&e->index, &r);

    if (error != ERR_OK) {
        return error;
    }
    const struct {
        const char *name;
        char *at;
        size_t n;
    } rows[] = {{"format", format, 4},
                {"epoch", epoch, 4},
                {"position", position, 16},
                {"position-epoch", position_epoch, 4},
                {"bodies", bodies, 16},
                {"body-limit", body_limit, 8},
                {"segment-limit", segment_limit, 8}};

    for (size_t i = 0; error == ERR_OK && i < sizeof(rows) / sizeof(*rows); i++) {
        error = get_numbers(e, r->txn, rows[i].name, rows[i].at, rows[i].n);
    }
    index_read_end(&e->index, r);
    if (error == ERR_OK) {
        *out = (struct index_meta){.format = get_le32(format),
                                   .epoch = get_le32(epoch),
                                   .position = {get_le64(position), get_le64(position + 8)},
                                   .position_epoch = get_le32(position_epoch),
                                   .bodies = get_le64(bodies),
                                   .body_bytes = get_le64(bodies + 8),
                                   .body_limit = get_le64(body_limit),
                                   .segment_limit = get_le64(segment_limit)};
    }
    return error;
}

enum err checkpoint_last_body(struct local_engine *e, body_id *out)
{
    struct index_reader *r;
    char behind = 'b' + 1;
    MDB_cursor *c;
    MDB_val k = {1, &behind}, v;
    enum err error = index_read_begin(&e->index, &r);

    if (error != ERR_OK) {
        return error;
    }
    int rc = mdb_cursor_open(r->txn, e->index.dbi, &c);

    if (rc == 0) {
        rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
        rc = mdb_cursor_get(c, &k, &v, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
        *out = rc == 0 && *(char *)k.mv_data == 'b' ? key_to_number(index_span(&k)) : 0;
        mdb_cursor_close(c);
    }
    index_read_end(&e->index, r);
    return rc == MDB_NOTFOUND ? ERR_OK : index_error(rc);
}

enum err checkpoint_meta_put(struct local_engine *e, MDB_txn *t, const struct index_meta *m)
{
    char format[4], epoch[4], position[16], position_epoch[4], bodies[16], body_limit[8],
        segment_limit[8];
    const struct {
        const char *name, *at;
        size_t n;
    } rows[] = {{"format", format, 4},
                {"epoch", epoch, 4},
                {"position", position, 16},
                {"position-epoch", position_epoch, 4},
                {"bodies", bodies, 16},
                {"body-limit", body_limit, 8},
                {"segment-limit", segment_limit, 8}};
    enum err error = ERR_OK;

    put_le32(format, m->format);
    put_le32(epoch, m->epoch);
    put_le64(position, m->position.segment);
    put_le64(position + 8, m->position.offset);
    put_le32(position_epoch, m->position_epoch);
    put_le64(bodies, m->bodies);
    put_le64(bodies + 8, m->body_bytes);
    put_le64(body_limit, m->body_limit);
    put_le64(segment_limit, m->segment_limit);
    for (size_t i = 0; error == ERR_OK && i < sizeof(rows) / sizeof(*rows); i++) {
        error = put_numbers(e, t, rows[i].name, rows[i].at, rows[i].n);
    }
    return error;
}

// ---- live bytes ---------------------------------------------------------------------------------

static enum err live_add_one(struct live_changes *c, uint64_t segment, int64_t bytes)
{
    for (size_t i = c->n; i-- > 0;) { // the last one is nearly always it
        if (c->all[i].segment == segment) {
            c->all[i].bytes += bytes;
            return ERR_OK;
        }
    }
    if (c->n == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        struct live_change *all = reallocarray(c->all, cap, sizeof(*all));

        if (!all) {
            return ERR_NOMEM;
        }
        c->all = all;
        c->cap = cap;
    }
    c->all[c->n++] = (struct live_change){.segment = segment, .bytes = bytes};
    return ERR_OK;
}

enum err live_add_place(struct live_changes *c, uint64_t segment)
{
    return live_add_one(c, segment, 0);
}

enum err live_add(struct live_changes *c, struct span record, int sign)
{
    struct record r;
    struct piece p;
    enum err e = record_get(record, &r);

    if (e == ERR_OK && r.summary_n) {
        e = live_add_one(c, r.summary_at.segment, sign * (int64_t)r.summary_n);
    }
    while (e == ERR_OK && record_piece_next(&r, &p)) {
        e = live_add_one(c, p.at.segment, sign * (int64_t)p.stored_n);
    }
    return e;
}

enum err live_apply(struct local_engine *e, MDB_txn *t, struct live_changes *c)
{
    enum err error = ERR_OK;

    for (size_t i = 0; error == ERR_OK && i < c->n; i++) {
        struct live_change *change = &c->all[i];
        struct index_key key;
        struct span v;
        char row[SEGMENT_ROW_BYTES];

        key_number(&key, 's', change->segment);
        error = index_get(&e->index, t, key_span(&key), &v);
        if (error == ERR_OK && v.n == sizeof(row)) {
            memcpy(row, v.p, sizeof(row));
        } else if (error == ERR_NOT_FOUND) {
            memset(row, 0, sizeof(row));
            row[0] = SEGMENT_JOURNAL; // packs get theirs from compaction
        } else {
            return error == ERR_OK ? ERR_CORRUPT : error;
        }
        change->now = get_le64(row + 1) + (uint64_t)change->bytes;
        put_le64(row + 1, change->now);
        error = index_put(&e->index, t, key_span(&key), span_of(row, sizeof(row)));
    }
    return error;
}

void live_publish(struct local_engine *e, const struct live_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        segment_set_live(&e->segments, c->all[i].segment, c->all[i].now);
    }
}

void live_finish(struct live_changes *c)
{
    free(c->all);
    *c = (struct live_changes){0};
}

// ---- one checkpoint -----------------------------------------------------------------------------

// A body's row changes: the bytes of its old place die, those of its new one live.
static enum err account_for(struct local_engine *e, MDB_txn *t, const struct memtable_node *n,
                            struct live_changes *live)
{
    struct span old;
    enum err error = index_get(&e->index, t, node_key(n), &old);

    if (error == ERR_OK) {
        error = live_add(live, old, -1);
    } else if (error == ERR_NOT_FOUND) {
        error = ERR_OK;
    }
    if (error == ERR_OK && !n->deleted) {
        error = live_add(live, node_value(n), +1);
    }
    return error;
}

static enum err write_entries(struct local_engine *e, MDB_txn *t, const struct memtable *table,
                              struct live_changes *live)
{
    enum err error = ERR_OK;

    for (const struct memtable_node *n = memtable_seek(table, SPAN(""), UINT64_MAX);
         n && error == ERR_OK; n = memtable_next(n, UINT64_MAX)) {
        if (node_key(n).p[0] == 'b') {
            error = account_for(e, t, n, live);
        }
        if (error == ERR_OK) {
            error = n->deleted ? index_delete(&e->index, t, node_key(n))
                               : index_put(&e->index, t, node_key(n), node_value(n));
        }
    }
    return error;
}

static struct index_meta meta_of(struct local_engine *e, const struct frozen *f)
{
    struct index_meta m = {.format = 1,
                           .epoch = e->epoch,
                           .position = f->position,
                           .position_epoch = f->epoch,
                           .bodies = f->bodies,
                           .body_bytes = f->body_bytes};

    lock_take(&e->bodies_lock);
    m.body_limit = e->next_body + (e->closing ? 0 : BODY_IDS_AHEAD);
    lock_release(&e->bodies_lock);
    lock_take(&e->segments.lock);
    m.segment_limit = e->segments.next_id;
    lock_release(&e->segments.lock);
    return m;
}

static enum err write_frozen(struct local_engine *e, const struct frozen *f,
                             const struct index_meta *m, struct live_changes *live)
{
    MDB_txn *t;
    enum err error = index_write_begin(&e->index, &t);

    if (error != ERR_OK) {
        return error;
    }
    error = write_entries(e, t, f->table, live);
    if (error == ERR_OK) {
        error = live_apply(e, t, live);
    }
    if (error == ERR_OK) {
        error = checkpoint_meta_put(e, t, m);
    }
    if (error != ERR_OK) {
        mdb_txn_abort(t);
        return error;
    }
    return index_write_commit(t);
}

enum err checkpoint_write(struct local_engine *e)
{
    struct frozen *f = e->frozen; // only this thread drops it
    struct live_changes live = {0};
    struct index_meta m = meta_of(e, f);
    enum err error = write_frozen(e, f, &m, &live);

    if (error == ERR_OK) {
        live_publish(e, &live);
        lock_take(&e->bodies_lock);
        e->body_limit = m.body_limit;
        lock_release(&e->bodies_lock);
        lock_take(&e->state_lock);
        e->frozen = NULL;
        e->checkpointed = f->position;
        pthread_cond_broadcast(&e->state_changed);
        lock_release(&e->state_lock);
        frozen_destroy(e, f);
    }
    live_finish(&live);
    return error;
}

// ---- the thread ---------------------------------------------------------------------------------

// With the state lock held.
static enum err write_and_judge(struct local_engine *e)
{
    lock_release(&e->state_lock);
    enum err error = checkpoint_write(e);

    if (error == ERR_OK && e->index_full) {
        local_set_full(e, &e->index_full, false, NULL);
    } else if (error == ERR_NOSPACE || error == ERR_NOMEM) {
        local_set_full(e, &e->index_full, true,
                       "no room for the index: the disk or its map is full");
    } else if (error != ERR_OK) {
        // A failed sync is final here as well: LMDB may see pages that never reached the disk.
        local_fail(e, "writing the index failed", error);
    }
    lock_take(&e->state_lock);
    return error;
}

static void ask_committer(struct local_engine *e)
{
    e->freeze_wanted = true;
    lock_release(&e->state_lock);
    lock_take(&e->queue_lock);
    e->freeze_asked = true;
    pthread_cond_signal(&e->queue_changed);
    lock_release(&e->queue_lock);
    lock_take(&e->state_lock);
    while (e->freeze_wanted) {
        lock_cond_wait(&e->state_changed, &e->state_lock, -1);
    }
}

static void checkpoint_once(struct local_engine *e)
{
    uint64_t ticket = e->checkpoints_wanted;
    enum err error = ERR_OK;

    if (e->frozen && !e->read_only) {
        error = write_and_judge(e);
    }
    if (error == ERR_OK && !e->read_only) {
        ask_committer(e);
        if (e->frozen) {
            error = write_and_judge(e);
        }
    }
    e->checkpoint_error = e->read_only ? ERR_UNAVAILABLE : error;
    e->checkpoints_done = ticket;
    pthread_cond_broadcast(&e->state_changed);
}

void *checkpoint_run(void *engine)
{
    struct local_engine *e = engine;
    uint64_t seen = 0;

    lock_take(&e->state_lock);
    while (!e->checkpoint_stop) {
        int64_t deadline = clock_monotonic_ms() + e->options.checkpoint_ms;
        bool due = false;

        while (!due && !e->checkpoint_stop && e->checkpoints_wanted == e->checkpoints_done &&
               (!e->frozen || e->index_full || e->read_only)) {
            due = !lock_cond_wait(&e->state_changed, &e->state_lock, deadline);
        }
        bool work = e->checkpoints_wanted != e->checkpoints_done || e->frozen || e->visible != seen;

        if (!e->checkpoint_stop && work) {
            seen = e->visible;
            checkpoint_once(e);
        }
    }
    lock_release(&e->state_lock);
    return NULL;
}

enum err engine_local_checkpoint(struct engine *engine)
{
    struct local_engine *e = local_of(engine);

    lock_take(&e->state_lock);
    uint64_t ticket = ++e->checkpoints_wanted;

    pthread_cond_broadcast(&e->state_changed);
    while (e->checkpoints_done < ticket) {
        lock_cond_wait(&e->state_changed, &e->state_lock, -1);
    }
    enum err error = e->checkpoint_error;

    lock_release(&e->state_lock);
    return error;
}
