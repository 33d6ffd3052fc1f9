// SPDX-License-Identifier: Apache-2.0
//
// Reads everything there is and says what does not hold. Works beside a running engine: it looks at
// one snapshot, and what was committed since is left out.
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "engine/local/snapshot_internal.h"

#include "base/banned.h"

struct verify {
    struct local_engine *e;
    struct local_snapshot *s;
    engine_local_problem_fn *fn;
    void *arg;
    struct engine_local_report report;
};

static void problem(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void problem(struct verify *v, const char *fmt, ...)
{
    char line[256];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, args);

    va_end(args);
    v->report.problems++;
    if (v->fn) {
        v->fn(v->arg, span_of(line, n < 0 ? 0 : (size_t)n < sizeof(line) ? (size_t)n : 255));
    }
}

// ---- files --------------------------------------------------------------------------------------

static void verify_file(struct verify *v, const struct segment *copy, struct position end)
{
    struct segment *s;
    struct frame_walk w;
    struct frame f;
    struct span head, tail;
    enum err e = segment_use(&v->e->segments, copy->id, &s);
    bool sealed = false;

    if (e != ERR_OK) {
        problem(v, "file %016llx cannot be opened: %s", (unsigned long long)copy->id, err_name(e));
        return;
    }
    // The current segment is good up to where it was durable when this began.
    uint64_t stop = s->id == end.segment ? end.offset : s->size;

    frame_walk_init(&w, s->fd, (struct position){s->id, 0}, stop);
    while (w.at.offset < stop && !sealed && (e = frame_walk_next(&w, &f, &head, &tail)) == ERR_OK) {
        sealed = f.type == FRAME_SEAL;
    }
    if (e != ERR_OK || (w.at.offset < stop && !sealed)) {
        problem(v, "file %016llx has no good frame at %llu: %s", (unsigned long long)s->id,
                (unsigned long long)w.at.offset, err_name(e));
    }
    frame_walk_finish(&w);
    segment_done(&v->e->segments, s);
    v->report.segments++;
}

static void verify_files(struct verify *v, struct position end)
{
    struct segment s;

    for (uint64_t id = 0; segment_next(&v->e->segments, id, &s); id = s.id + 1) {
        if (!s.doomed && (s.kind == SEGMENT_PACK || s.id <= end.segment)) {
            verify_file(v, &s, end);
        }
    }
}

// ---- bodies -------------------------------------------------------------------------------------

static void verify_body(struct verify *v, uint64_t id, struct span record)
{
    struct record r = {0};
    struct span summary;
    struct buf piece;
    uint64_t offset = 0;
    enum err e = record_get(record, &r);
    struct record rest = r;
    struct piece p;

    buf_init(&piece, PIECE_BYTES_MAX);
    while (e == ERR_OK && record_piece_next(&rest, &p)) {
        buf_clear(&piece); // decompressed too: that is what a reader gets
        e = local_body_read(&v->s->base, id, offset, p.raw_n, &piece);
        offset += p.raw_n;
    }
    if (e == ERR_OK && r.summary_n) {
        e = local_summary_read(v->s, &r, &summary);
    }
    if (e != ERR_OK) {
        problem(v, "body %llu cannot be read at %llu: %s", (unsigned long long)id,
                (unsigned long long)offset, err_name(e));
    }
    v->report.bodies++;
    v->report.body_bytes += r.bytes;
    buf_finish(&piece);
}

static enum err each_row(struct verify *v, char table,
                         void (*fn)(struct verify *v, uint64_t number, struct span value))
{
    struct view_cursor c;
    struct span key, value;
    char to = (char)(table + 1);
    enum err e = view_cursor_open(&v->s->view, span_of(&table, 1), span_of(&to, 1), false, &c);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = view_cursor_next(&c, &key, &value)) == ERR_OK) {
        fn(v, key_to_number(key), value);
    }
    view_cursor_close(&c);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static void verify_uses(struct verify *v, uint64_t id, struct span value)
{
    struct span record;

    if (value.n != 4 || get_le32(value.p) < 2) {
        problem(v, "body %llu has a use count that makes no sense", (unsigned long long)id);
    }
    if (local_find_record(v->s, id, &record) != ERR_OK) {
        problem(v, "body %llu has a use count but no record", (unsigned long long)id);
    }
}

// ---- live bytes: rows and recount in the same index transaction
// ----------------------------------

static enum err recount(struct verify *v, MDB_txn *t, struct live_changes *live)
{
    MDB_cursor *c;
    char table = 'b';
    MDB_val key = {1, &table}, value;
    enum err e = ERR_OK;
    int rc = mdb_cursor_open(t, v->e->index.dbi, &c);

    if (rc != 0) {
        return index_error(rc);
    }
    for (rc = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
         rc == 0 && e == ERR_OK && *(char *)key.mv_data == 'b';
         rc = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
        e = live_add(live, index_span(&value), +1);
    }
    mdb_cursor_close(c);
    return e;
}

static uint64_t recounted(const struct live_changes *live, uint64_t segment)
{
    for (size_t i = 0; i < live->n; i++) {
        if (live->all[i].segment == segment) {
            return (uint64_t)live->all[i].bytes;
        }
    }
    return 0;
}

static uint64_t row_live(struct verify *v, MDB_txn *t, uint64_t segment)
{
    struct index_key key;
    struct span row;

    return index_get(&v->e->index, t, key_number(&key, 's', segment), &row) == ERR_OK &&
                   row.n == SEGMENT_ROW_BYTES
               ? get_le64(row.p + 1)
               : 0;
}

static enum err verify_live(struct verify *v)
{
    MDB_txn *t = v->s->view.reader->txn;
    struct live_changes live = {0};
    struct segment s;
    enum err e = recount(v, t, &live);

    for (size_t i = 0; e == ERR_OK && i < live.n; i++) {
        uint64_t id = live.all[i].segment;

        if (!segment_next(&v->e->segments, id, &s) || s.id != id) {
            problem(v, "file %016llx is missing, and mail is in it", (unsigned long long)id);
        }
        if (row_live(v, t, id) != recounted(&live, id)) {
            problem(v, "file %016llx: %llu live bytes counted, %llu noted", (unsigned long long)id,
                    (unsigned long long)recounted(&live, id),
                    (unsigned long long)row_live(v, t, id));
        }
    }
    live_finish(&live);
    return e;
}

enum err engine_local_verify(struct engine *engine, engine_local_problem_fn *fn, void *arg,
                             struct engine_local_report *out)
{
    struct local_engine *e = local_of(engine);
    struct verify v = {.e = e, .fn = fn, .arg = arg};
    struct snapshot *snapshot;

    lock_take(&e->compact_lock); // files stay where they are meanwhile
    enum err error = snapshot_open(engine, &snapshot);

    if (error == ERR_OK) {
        v.s = (struct local_snapshot *)snapshot;
        verify_files(&v, v.s->end);
        error = each_row(&v, 'b', verify_body);
        if (error == ERR_OK) {
            error = each_row(&v, 'u', verify_uses);
        }
        if (error == ERR_OK) {
            error = verify_live(&v);
        }
        if (error == ERR_OK &&
            (v.report.bodies != v.s->bodies || v.report.body_bytes != v.s->body_bytes)) {
            problem(&v, "%llu bodies with %llu bytes counted, %llu with %llu noted",
                    (unsigned long long)v.report.bodies, (unsigned long long)v.report.body_bytes,
                    (unsigned long long)v.s->bodies, (unsigned long long)v.s->body_bytes);
        }
        snapshot_close(snapshot);
    }
    lock_release(&e->compact_lock);
    if (error == ERR_OK) {
        *out = v.report;
    }
    return error;
}
