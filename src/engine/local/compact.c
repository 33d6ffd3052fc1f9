// SPDX-License-Identifier: Apache-2.0
//
// Picks files that are mostly dead, or old and not compressed, copies what lives in them into a
// pack, and lets the index follow in one transaction. Commits and reads go on; a body deleted or
// moved meanwhile is noticed when its row has changed.
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/pack_internal.h"

#include "base/banned.h"

#define VICTIMS_MAX       64
#define BODIES_A_SNAPSHOT 256 // an old snapshot keeps index pages from reuse

struct compaction {
    struct local_engine *e;
    struct segment victims[VICTIMS_MAX];
    size_t victim_count;
    struct pack pack;
    struct snapshot *snapshot;
    unsigned on_snapshot;
    body_id *large; // bodies of several pieces that were copied: their frames come again
    size_t large_count, large_cap;
};

static bool stopping(struct local_engine *e)
{
    lock_take(&e->state_lock);
    bool stop = e->compact_stop || e->read_only;

    lock_release(&e->state_lock);
    return stop;
}

// ---- choosing -----------------------------------------------------------------------------------

static bool is_worth(const struct local_engine *e, const struct segment *s)
{
    uint64_t base = s->kind == SEGMENT_PACK ? s->base : s->size;
    uint64_t dead = base > s->live ? base - s->live : 0;

    if (s->live == 0 || dead * 100 > base * e->options.compact_dead_pct) {
        return true;
    }
    return s->kind == SEGMENT_JOURNAL && e->options.compress &&
           clock_real_s() - s->created_s >= (int64_t)e->options.compress_after_s;
}

// Fills one pack at most. Those without anything alive come first: they cost nothing.
static void choose(struct compaction *c)
{
    struct local_engine *e = c->e;
    struct segment s;
    uint64_t bytes = 0;

    lock_take(&e->state_lock);
    uint64_t limit = e->checkpointed.segment;

    lock_release(&e->state_lock);
    for (int empty = 1; empty >= 0; empty--) {
        for (uint64_t id = 0; segment_next(&e->segments, id, &s); id = s.id + 1) {
            bool replayed = s.kind == SEGMENT_PACK || s.id < limit;

            if (!replayed || s.current || s.doomed || s.pins || s.kept || (s.live == 0) != empty ||
                !is_worth(e, &s) || c->victim_count == VICTIMS_MAX ||
                (bytes && bytes + s.live > e->options.segment_bytes)) {
                continue;
            }
            bytes += s.live;
            c->victims[c->victim_count++] = s;
        }
    }
}

// ---- copying ------------------------------------------------------------------------------------

static enum err fresh_snapshot(struct compaction *c)
{
    if (c->snapshot && ++c->on_snapshot < BODIES_A_SNAPSHOT) {
        return ERR_OK;
    }
    snapshot_close(c->snapshot);
    c->snapshot = NULL;
    c->on_snapshot = 0;
    return snapshot_open(&c->e->base, &c->snapshot);
}

// Whether any byte of the body lies in the segment.
static bool lies_in(struct span record, uint64_t segment)
{
    struct record r;
    struct piece p;
    bool found = false;

    if (record_get(record, &r) == ERR_OK) {
        found = r.summary_n && r.summary_at.segment == segment;
        while (!found && record_piece_next(&r, &p)) {
            found = p.at.segment == segment;
        }
    }
    return found;
}

static bool is_copied(const struct compaction *c, body_id id)
{
    for (size_t i = 0; i < c->large_count; i++) {
        if (c->large[i] == id) {
            return true;
        }
    }
    return false;
}

static enum err note_copied(struct compaction *c, body_id id)
{
    if (c->pack.bodies[c->pack.n - 1].record.piece_count <= 1) {
        return ERR_OK;
    }
    if (c->large_count == c->large_cap) {
        size_t cap = c->large_cap ? c->large_cap * 2 : 64;
        body_id *large = reallocarray(c->large, cap, sizeof(*large));

        if (!large) {
            return ERR_NOMEM;
        }
        c->large = large;
        c->large_cap = cap;
    }
    c->large[c->large_count++] = id;
    return ERR_OK;
}

typedef enum err body_fn(struct compaction *c, body_id id, uint64_t segment);

static enum err copy_body(struct compaction *c, body_id id, uint64_t segment)
{
    struct span record;
    enum err e = fresh_snapshot(c);

    if (e != ERR_OK) {
        return e;
    }
    struct local_snapshot *s = (struct local_snapshot *)c->snapshot;

    e = local_find_record(s, id, &record);
    if (e == ERR_OK && lies_in(record, segment) && !is_copied(c, id)) {
        e = pack_add(&c->pack, s, id);
        if (e == ERR_OK) {
            e = note_copied(c, id);
        }
    }
    if (e == ERR_CORRUPT) {
        log_error("storage: body %llu in file %016llx cannot be read; the file is kept",
                  (unsigned long long)id, (unsigned long long)segment);
    }
    return e == ERR_NOT_FOUND || e == ERR_CORRUPT ? ERR_OK : e;
}

static enum err sample_body(struct compaction *c, body_id id, uint64_t segment)
{
    struct buf b;
    enum err e = fresh_snapshot(c);

    (void)segment;
    buf_init(&b, PIECE_BYTES_MAX);
    if (e == ERR_OK && body_read(c->snapshot, id, 0, 16384, &b) == ERR_OK) {
        compressor_sample(c->e->compressor, buf_span(&b));
    }
    buf_finish(&b);
    return e;
}

// Calls `fn` once for each body that has a frame in the file, dead or alive. Damage is stepped
// over: what it hides stays alive in the index, so the file is kept.
static enum err each_body(struct compaction *c, const struct segment *victim, body_fn *fn)
{
    struct segment *s;
    struct frame_walk w;
    struct frame f;
    struct span head, tail;
    struct frame_body body;
    body_id last = 0;
    enum err e = segment_use(&c->e->segments, victim->id, &s);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    }
    frame_walk_init(&w, s->fd, (struct position){s->id, 0}, s->size);
    w.headers_only = true;
    while (e == ERR_OK && !stopping(c->e)) {
        e = frame_walk_next(&w, &f, &head, &tail);
        if (e == ERR_CORRUPT) {
            e = frame_walk_search(&w, &f);
            w.at.offset -= e == ERR_OK ? 8 : 0;
            continue;
        }
        if (e == ERR_OK && f.type == FRAME_BODY && frame_body_get(head, f.tail_n, &body) &&
            body.id != last) {
            last = body.id;
            e = fn(c, body.id, s->id);
        }
    }
    frame_walk_finish(&w);
    segment_done(&c->e->segments, s);
    return e == ERR_EOF || e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err copy_all(struct compaction *c)
{
    struct compressor *z = c->e->compressor;
    enum err e = ERR_OK;

    for (size_t i = 0;
         c->pack.compress && compressor_wants_samples(z) && e == ERR_OK && i < c->victim_count;
         i++) {
        e = each_body(c, &c->victims[i], sample_body);
    }
    if (e == ERR_OK && c->pack.compress) {
        e = compressor_train(z);
    }
    for (size_t i = 0; e == ERR_OK && i < c->victim_count; i++) {
        if (c->victims[i].live) {
            e = each_body(c, &c->victims[i], copy_body);
        }
    }
    snapshot_close(c->snapshot);
    c->snapshot = NULL;
    return e == ERR_OK && stopping(c->e) ? ERR_UNAVAILABLE : e;
}

// ---- the index ----------------------------------------------------------------------------------

static enum err move_body(struct compaction *c, MDB_txn *t, size_t i, struct live_changes *live)
{
    struct local_engine *e = c->e;
    struct index_key key;
    struct span old;
    struct buf fresh;
    enum err error = index_get(&e->index, t, key_number(&key, 'b', c->pack.bodies[i].id), &old);

    if (error != ERR_OK || frame_hash(old) != c->pack.bodies[i].old_hash) {
        return error == ERR_NOT_FOUND ? ERR_OK : error; // deleted meanwhile
    }
    buf_init(&fresh, RECORD_BYTES_MAX);
    pack_record(&c->pack, i, &fresh);
    error = fresh.failed ? ERR_NOMEM : live_add(live, old, -1);
    if (error == ERR_OK) {
        error = live_add(live, buf_span(&fresh), +1);
    }
    if (error == ERR_OK) {
        error = index_put(&e->index, t, key_span(&key), buf_span(&fresh));
    }
    buf_finish(&fresh);
    return error;
}

static enum err add_pack_row(struct compaction *c, MDB_txn *t)
{
    struct index_key key;
    char row[SEGMENT_ROW_BYTES] = {SEGMENT_PACK};

    put_le64(row + 9, c->pack.stored);
    return index_put(&c->e->index, t, key_number(&key, 's', c->pack.id), span_of(row, sizeof(row)));
}

// Removes the rows of victims that have nothing alive now, and marks the others as kept.
static enum err drop_rows(struct compaction *c, MDB_txn *t)
{
    struct local_engine *e = c->e;
    enum err error = ERR_OK;

    for (size_t i = 0; error == ERR_OK && i < c->victim_count; i++) {
        struct index_key key;
        struct span v;

        error = index_get(&e->index, t, key_number(&key, 's', c->victims[i].id), &v);
        if (error == ERR_OK && v.n == SEGMENT_ROW_BYTES && get_le64(v.p + 1) != 0) {
            c->victims[i].kept = true;
            continue;
        }
        if (error == ERR_OK) {
            error = index_delete(&e->index, t, key_span(&key));
        }
        error = error == ERR_NOT_FOUND ? ERR_OK : error;
    }
    return error;
}

static enum err update_index(struct compaction *c, struct live_changes *live)
{
    struct local_engine *e = c->e;
    MDB_txn *t;
    enum err error = index_write_begin(&e->index, &t);

    if (error != ERR_OK) {
        return error;
    }
    if (c->pack.n) {
        error = add_pack_row(c, t);
    }
    for (size_t i = 0; error == ERR_OK && i < c->pack.n; i++) {
        error = move_body(c, t, i, live);
    }
    if (error == ERR_OK) {
        error = live_apply(e, t, live);
    }
    if (error == ERR_OK) {
        error = drop_rows(c, t);
    }
    if (error != ERR_OK) {
        mdb_txn_abort(t);
        return error;
    }
    return index_write_commit(t);
}

// Snapshots opened from now on read from the pack; the old files wait for those before.
static unsigned retire(struct compaction *c)
{
    struct local_engine *e = c->e;
    unsigned n = 0;

    lock_take(&e->state_lock);
    uint64_t generation = ++e->generation;

    lock_release(&e->state_lock);
    for (size_t i = 0; i < c->victim_count; i++) {
        if (c->victims[i].kept) {
            segment_set_kept(&e->segments, c->victims[i].id);
        } else {
            segment_doom(&e->segments, c->victims[i].id, generation);
            n++;
        }
    }
    return n;
}

// ---- a pass -------------------------------------------------------------------------------------

static void reap(struct local_engine *e)
{
    lock_take(&e->state_lock);
    uint64_t oldest = list_is_empty(&e->snapshots)
                          ? UINT64_MAX
                          : LIST_ITEM(e->snapshots.next, struct local_snapshot, link)->generation;

    lock_release(&e->state_lock);
    segment_reap(&e->segments, oldest);
}

static enum err rewrite(struct compaction *c, unsigned *out_files)
{
    struct live_changes live = {0};
    enum err e = copy_all(c);

    if (e == ERR_OK && c->pack.n) {
        e = pack_close(&c->pack);
    }
    if (e == ERR_OK) {
        e = update_index(c, &live);
        if (e == ERR_OK) {
            live_publish(c->e, &live);
            *out_files = retire(c);
        } else if (e == ERR_IO || e == ERR_CORRUPT) {
            local_fail(c->e, "writing the index failed", e);
        }
    }
    if (e != ERR_OK && c->pack.in_table) {
        segment_remove(&c->e->segments, c->pack.id); // nobody knows it
    }
    pack_finish(&c->pack, e == ERR_OK && c->pack.n);
    live_finish(&live);
    return e;
}

// One pack's worth; *out_files is 0 when there is nothing to do.
static enum err compact_pass(struct local_engine *e, unsigned *out_files)
{
    struct compaction *c = calloc(1, sizeof(*c));
    enum err error = ERR_OK;

    *out_files = 0;
    reap(e);
    if (!c) {
        return ERR_NOMEM;
    }
    c->e = e;
    choose(c);
    if (c->victim_count) {
        pack_init(&c->pack, e, e->options.compress);
        error = rewrite(c, out_files);
    }
    free(c->large);
    free(c);
    reap(e);
    return error;
}

enum err engine_local_compact(struct engine *engine, unsigned *out_files)
{
    struct local_engine *e = local_of(engine);
    unsigned files = 0, n;
    enum err error;

    lock_take(&e->compact_lock);
    do {
        error = compact_pass(e, &n);
        files += n;
    } while (error == ERR_OK && n && !stopping(e));
    lock_release(&e->compact_lock);
    *out_files = files;
    return error;
}

void *compact_run(void *engine)
{
    struct local_engine *e = engine;
    enum err last = ERR_OK;

    lock_take(&e->state_lock);
    while (!e->compact_stop) {
        int64_t deadline = clock_monotonic_ms() + e->options.compact_ms;
        unsigned files;

        while (!e->compact_stop && lock_cond_wait(&e->state_changed, &e->state_lock, deadline)) {
        }
        if (e->compact_stop) {
            break;
        }
        lock_release(&e->state_lock);
        enum err error = engine_local_compact(&e->base, &files);

        if (error != last && error != ERR_OK && error != ERR_UNAVAILABLE) {
            log_warn("storage: compaction cannot go on now: %s", err_name(error));
        }
        last = error;
        lock_take(&e->state_lock);
    }
    lock_release(&e->state_lock);
    return NULL;
}
