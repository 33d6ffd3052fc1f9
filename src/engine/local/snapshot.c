// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/local/snapshot_internal.h"

#include "base/banned.h"

#define PREFETCH_MAX 4096 // values at once
#define PREFETCH_GAP (32u << 10)

static struct local_snapshot *snapshot_of(struct snapshot *s)
{
    return (struct local_snapshot *)s;
}

enum err local_snapshot_open(struct engine *engine, struct snapshot **out)
{
    struct local_engine *e = local_of(engine);
    struct local_snapshot *s = calloc(1, sizeof(*s));

    if (!s) {
        return ERR_NOMEM;
    }
    s->base.engine = engine;
    list_init(&s->link);
    lock_take(&e->state_lock);
    enum err error =
        e->snapshot_count < e->options.readers_max ? local_view_open(e, &s->view) : ERR_UNAVAILABLE;

    if (error == ERR_OK) {
        e->snapshot_count++;
        s->generation = e->generation;
        s->bodies = e->bodies;
        s->body_bytes = e->body_bytes;
        s->end = e->tail;
        list_append(&e->snapshots, &s->link);
    }
    lock_release(&e->state_lock);
    if (error != ERR_OK) {
        free(s);
        return error;
    }
    *out = &s->base;
    return ERR_OK;
}

void local_snapshot_close(struct snapshot *snapshot)
{
    struct local_snapshot *s = snapshot_of(snapshot);
    struct local_engine *e = local_of(snapshot->engine);

    ASSERT(s->scans == 0);
    if (s->segment) {
        segment_done(&e->segments, s->segment);
    }
    local_summaries_done(s);
    local_view_close(&s->view);
    lock_take(&e->state_lock);
    list_remove(&s->link);
    e->snapshot_count--;
    lock_release(&e->state_lock);
    free(s);
}

enum err local_version(struct snapshot *s, account_id account, uint64_t *out)
{
    struct index_key key;
    struct span v;
    enum err e = local_view_get(&snapshot_of(s)->view, key_number(&key, 'a', account), &v);

    if (e == ERR_NOT_FOUND) {
        *out = 0;
        return ERR_OK;
    }
    if (e == ERR_OK && v.n != 8) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        *out = get_le64(v.p);
    }
    return e;
}

enum err local_get(struct snapshot *s, account_id account, struct span key, struct span *out)
{
    struct index_key k;

    return local_view_get(&snapshot_of(s)->view, key_data(&k, account, key), out);
}

enum err local_scan_open(struct snapshot *snapshot, account_id account, struct span from,
                         struct span to, bool reverse, struct scan **out)
{
    struct local_snapshot *s = snapshot_of(snapshot);
    struct index_key low, high;

    if (s->scans == SCANS_MAX) {
        return ERR_LIMIT;
    }
    struct local_scan *c = calloc(1, sizeof(*c));

    if (!c) {
        return ERR_NOMEM;
    }
    c->base.snapshot = snapshot;
    key_data(&low, account, from);
    if (to.n) {
        key_data(&high, account, to);
    } else if (account != UINT64_MAX) {
        key_data(&high, account + 1, SPAN(""));
    } else {
        high.bytes[0] = 'd' + 1;
        high.n = 1;
    }
    enum err e = view_cursor_open(&s->view, key_span(&low), key_span(&high), reverse, &c->cursor);

    if (e != ERR_OK) {
        free(c);
        return e;
    }
    s->scans++;
    *out = &c->base;
    return ERR_OK;
}

enum err local_scan_next(struct scan *scan, struct span *out_key, struct span *out_value)
{
    struct span key;
    enum err e = view_cursor_next(&((struct local_scan *)scan)->cursor, &key, out_value);

    if (e == ERR_OK) {
        *out_key = span_skip(key, 9);
    }
    return e;
}

void local_scan_close(struct scan *scan)
{
    struct local_scan *c = (struct local_scan *)scan;

    snapshot_of(scan->snapshot)->scans--;
    view_cursor_close(&c->cursor);
    free(c);
}

// ---- fetching ahead -----------------------------------------------------------------------------

static uintptr_t page_of(const char *p)
{
    return (uintptr_t)p & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
}

static bool is_in_memory(const char *p)
{
    unsigned char there = 0;

    return mincore((void *)page_of(p), 1, &there) == 0 && (there & 1);
}

// A stretch of the index file, as mapped.
struct stretch {
    const char *from, *to;
};

static void stretch_fetch(const struct stretch *x)
{
    if (x->from) {
        uintptr_t from = page_of(x->from);

        madvise((void *)from, (uintptr_t)x->to - from, MADV_WILLNEED);
    }
}

// LMDB gives the place of a large value without touching it: only the leaves that name them are
// read here.
static void fetch_values(MDB_cursor *c, struct span from, struct span to)
{
    MDB_val k = index_val(from), v;
    struct stretch x = {.from = NULL};
    int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);

    for (int i = 0; rc == 0 && i < PREFETCH_MAX && span_cmp(index_span(&k), to) < 0; i++) {
        const char *p = v.mv_data, *end = p + v.mv_size;

        if (x.from && p >= x.from && p <= x.to + PREFETCH_GAP) {
            x.to = end > x.to ? end : x.to;
        } else {
            stretch_fetch(&x);
            x = (struct stretch){p, end};
        }
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    stretch_fetch(&x);
}

void local_prefetch(struct snapshot *snapshot, account_id account, struct span from, struct span to,
                    struct span probe)
{
    struct local_snapshot *s = snapshot_of(snapshot);
    struct index_key low, high, look;
    MDB_val k = index_val(key_data(&look, account, probe)), v;
    MDB_cursor *c;

    if (mdb_cursor_open(s->view.reader->txn, local_of(snapshot->engine)->index.dbi, &c) != 0) {
        return;
    }
    if (mdb_cursor_get(c, &k, &v, MDB_SET_RANGE) == 0 && !is_in_memory(v.mv_data)) {
        fetch_values(c, key_data(&low, account, from), key_data(&high, account, to));
    }
    mdb_cursor_close(c);
}

// The first number at or above `from` in a table.
static enum err next_number(struct snapshot *s, char table, uint64_t from, uint64_t *out)
{
    struct view_cursor c;
    struct index_key low;
    struct span key, value;
    char end = (char)(table + 1);
    enum err e = view_cursor_open(&snapshot_of(s)->view, key_number(&low, table, from),
                                  span_of(&end, 1), false, &c);

    if (e != ERR_OK) {
        return e;
    }
    e = view_cursor_next(&c, &key, &value);
    if (e == ERR_OK) {
        *out = key_to_number(key);
    }
    view_cursor_close(&c);
    return e;
}

enum err local_next_account(struct snapshot *s, account_id from, account_id *out)
{
    return next_number(s, 'a', from, out);
}

enum err local_next_body(struct snapshot *s, body_id from, body_id *out)
{
    return next_number(s, 'b', from, out);
}
