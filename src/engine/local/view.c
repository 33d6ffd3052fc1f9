// SPDX-License-Identifier: Apache-2.0
//
// Reading memory tables and index as one. What a memory table has is newer than the index, so it
// goes first; a deletion there hides what the index still has.
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/local/local_internal.h"

#include "base/banned.h"

// A scan in which so many values lay close behind the one before them reads the index ahead.
#define AHEAD_BYTES  (512u << 10)
#define BEHIND_BYTES (64u << 10) // branches and leaves lie just before what they point to
#define NEAR_BYTES   (64u << 10)
#define NEAR_VALUES  4

enum err local_view_open(struct local_engine *e, struct view *out)
{
    struct index_reader *reader;
    // The index may be newer than the frozen table but never than what is visible, so it does not
    // matter that a checkpoint may be committing right now.
    enum err error = index_read_begin(&e->index, &reader);

    if (error != ERR_OK) {
        return error;
    }
    *out = (struct view){
        .engine = e,
        .tables = {memtable_ref(e->active), e->frozen ? memtable_ref(e->frozen->table) : NULL},
        .reader = reader,
        .seq = e->visible,
    };
    return ERR_OK;
}

void local_view_close(struct view *v)
{
    index_read_end(&v->engine->index, v->reader);
    memtable_unref(v->tables[0]);
    memtable_unref(v->tables[1]);
    *v = (struct view){0};
}

enum err local_view_get(const struct view *v, struct span key, struct span *out)
{
    for (int i = 0; i < 2 && v->tables[i]; i++) {
        const struct memtable_node *n = memtable_get(v->tables[i], key, v->seq);

        if (n && n->deleted) {
            return ERR_NOT_FOUND;
        }
        if (n) {
            *out = node_value(n);
            return ERR_OK;
        }
    }
    return index_get(&v->engine->index, v->reader->txn, key, out);
}

// ---- cursor -------------------------------------------------------------------------------------

// LMDB takes one page fault for each page of a scan, and the map is marked for random access. The
// values of one checkpoint lie in the order of their keys, so a long scan has the stretch it has
// come to read at once, unless that is in memory already.
static void read_ahead(struct view_cursor *c)
{
    const char *at = c->index_value.p;
    unsigned char here, there;

    c->near += at > c->last && at - c->last <= NEAR_BYTES;
    c->last = at;
    if (c->near < NEAR_VALUES || (at >= c->seen_from && at < c->seen_to)) {
        return;
    }
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)at & ~(page - 1), from = start - BEHIND_BYTES;

    c->seen_from = (const char *)from;
    c->seen_to = at + AHEAD_BYTES / 2;
    // A hint, also before the map and beyond the end of the file.
    if (mincore((void *)start, page, &here) == 0 &&
        mincore((void *)(start + AHEAD_BYTES / 2), page, &there) == 0 && !(here & there & 1)) {
        madvise((void *)from, start + AHEAD_BYTES - from, MADV_WILLNEED);
    }
}

// Moves the index's cursor; sets index_ended at the end or past the limits.
static enum err index_move(struct view_cursor *c, MDB_cursor_op op, struct span start)
{
    MDB_val key = index_val(start), value;
    int rc = mdb_cursor_get(c->cursor, &key, &value, op);

    if (rc == MDB_NOTFOUND) {
        c->index_ended = true;
        return ERR_OK;
    }
    if (rc != 0) {
        return index_error(rc);
    }
    c->index_key = index_span(&key);
    c->index_value = index_span(&value);
    if (!c->reverse) {
        read_ahead(c);
    }
    return ERR_OK;
}

static void check_limits(struct view_cursor *c)
{
    struct span from = key_span(&c->from), to = key_span(&c->to);

    if (!c->index_ended) {
        c->index_ended =
            c->reverse ? span_cmp(c->index_key, from) < 0 : span_cmp(c->index_key, to) >= 0;
    }
    for (int i = 0; i < 2; i++) {
        const struct memtable_node *n = c->nodes[i];

        if (n && (c->reverse ? span_cmp(node_key(n), from) < 0 : span_cmp(node_key(n), to) >= 0)) {
            c->nodes[i] = NULL;
        }
    }
}

static enum err cursor_start(struct view_cursor *c)
{
    struct span start = c->reverse ? key_span(&c->to) : key_span(&c->from);
    const struct view *v = c->view;

    for (int i = 0; i < 2 && v->tables[i]; i++) {
        c->nodes[i] = c->reverse ? memtable_before(v->tables[i], start, v->seq)
                                 : memtable_seek(v->tables[i], start, v->seq);
    }
    enum err e = index_move(c, MDB_SET_RANGE, start);

    // Backwards, the first key at or above the limit is one too far.
    if (e == ERR_OK && c->reverse) {
        MDB_cursor_op op = c->index_ended ? MDB_LAST : MDB_PREV;

        c->index_ended = false;
        e = index_move(c, op, SPAN(""));
    }
    return e;
}

enum err view_cursor_open(const struct view *v, struct span from, struct span to, bool reverse,
                          struct view_cursor *out)
{
    *out = (struct view_cursor){.view = v, .reverse = reverse};
    memcpy(out->from.bytes, from.p, from.n);
    out->from.n = from.n;
    memcpy(out->to.bytes, to.p, to.n);
    out->to.n = to.n;
    enum err e = index_error(mdb_cursor_open(v->reader->txn, v->engine->index.dbi, &out->cursor));

    if (e != ERR_OK) {
        return e;
    }
    if (span_cmp(from, to) >= 0) {
        out->index_ended = true;
        return ERR_OK;
    }
    e = cursor_start(out);
    if (e != ERR_OK) {
        view_cursor_close(out);
    }
    check_limits(out);
    return e;
}

// The key that comes next among the sources; p is NULL at the end.
static struct span next_key(const struct view_cursor *c)
{
    struct span best = c->index_ended ? (struct span){NULL, 0} : c->index_key;

    for (int i = 0; i < 2; i++) {
        if (c->nodes[i]) {
            struct span key = node_key(c->nodes[i]);
            int order = best.p ? span_cmp(key, best) : 0;

            if (!best.p || (c->reverse ? order > 0 : order < 0)) {
                best = key;
            }
        }
    }
    return best;
}

// Steps all sources that stand at `key`; gives the newest one's value.
static enum err take_key(struct view_cursor *c, struct span key, struct span *out_value,
                         bool *out_deleted)
{
    bool taken = false;
    const struct view *v = c->view;

    for (int i = 0; i < 2; i++) {
        const struct memtable_node *n = c->nodes[i];

        if (!n || !span_eq(node_key(n), key)) {
            continue;
        }
        if (!taken) {
            taken = true;
            *out_value = node_value(n);
            *out_deleted = n->deleted;
        }
        c->nodes[i] =
            c->reverse ? memtable_before(v->tables[i], key, v->seq) : memtable_next(n, v->seq);
    }
    if (c->index_ended || !span_eq(c->index_key, key)) {
        return ERR_OK;
    }
    if (!taken) {
        *out_value = c->index_value;
        *out_deleted = false;
    }
    return index_move(c, c->reverse ? MDB_PREV : MDB_NEXT, SPAN(""));
}

enum err view_cursor_next(struct view_cursor *c, struct span *out_key, struct span *out_value)
{
    for (;;) {
        struct span key = next_key(c), value = {0};
        bool deleted = false;

        if (!key.p) {
            return ERR_NOT_FOUND;
        }
        enum err e = take_key(c, key, &value, &deleted);

        if (e != ERR_OK) {
            return e;
        }
        check_limits(c);
        if (!deleted) {
            *out_key = key;
            *out_value = value;
            return ERR_OK;
        }
    }
}

void view_cursor_close(struct view_cursor *c)
{
    if (c->cursor) {
        mdb_cursor_close(c->cursor);
        c->cursor = NULL;
    }
}
