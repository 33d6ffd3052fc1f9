// SPDX-License-Identifier: Apache-2.0
//
// The check of the index: every row is of a kind and a size that are written, and what it says of
// bodies and files agrees with a recount.
#include <stdio.h>

#include "engine/local/compress_internal.h"
#include "engine/local/verify_internal.h"

#include "base/banned.h"

#define ROW_NAME_BYTES 64

// A row's key for a line: its table, then what is printable of the rest, or hexadecimal.
static const char *row_name(struct span key, char out[ROW_NAME_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < key.n && n + 3 < ROW_NAME_BYTES; i++) {
        bool plain = (i == 0 || key.p[0] == 'm') && key.p[i] > ' ' && key.p[i] < 127;

        n += (size_t)snprintf(out + n, ROW_NAME_BYTES - n, plain ? "%c" : "%02x",
                              (unsigned char)key.p[i]);
    }
    out[n] = '\0';
    return out;
}

static void bad_row(struct verify *v, struct span key)
{
    char name[ROW_NAME_BYTES];

    verify_problem(v, false, "the row %s of the index is none that is written like that",
                   row_name(key, name));
}

bool verify_has_dictionary(struct verify *v, uint32_t number)
{
    return compressor_has(v->e->compressor, number);
}

// ---- one row of each table ----------------------------------------------------------------------

static void verify_uses(struct verify *v, struct span key, struct span value)
{
    struct span record;
    unsigned long long id = key_to_number(key);

    if (value.n != 4 || get_le32(value.p) < 2) {
        verify_problem(v, false, "body %llu has a use count that makes no sense", id);
    }
    if (local_find_record(v->s, id, &record) != ERR_OK) {
        verify_problem(v, false, "body %llu has a use count but no record", id);
    }
}

static void verify_meta(struct verify *v, struct span key, struct span value)
{
    static const struct {
        const char *name;
        size_t n;
    } known[] = {{"format", 4},  {"epoch", 4},      {"position", 16},    {"position-epoch", 4},
                 {"bodies", 16}, {"body-limit", 8}, {"segment-limit", 8}};

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (span_eq(span_skip(key, 1), span_from_str(known[i].name)) && value.n == known[i].n) {
            return;
        }
    }
    bad_row(v, key);
}

static void verify_dictionary(struct verify *v, struct span key, struct span value)
{
    if (key.n != 5 || value.n < 8 || frame_hash(span_skip(value, 8)) != get_le64(value.p)) {
        verify_problem(v, false,
                       "dictionary %u of the index is damaged; bodies compressed with it "
                       "are lost, bring them from a backup",
                       key.n == 5 ? get_be32(key.p + 1) : 0);
    }
}

static void verify_segment(struct verify *v, struct span key, struct span value)
{
    struct segment s;
    uint64_t id = key_to_number(key);

    if (value.n != SEGMENT_ROW_BYTES) {
        bad_row(v, key);
    } else if (segment_next(&v->e->segments, id, &s) && s.id == id && (int)s.kind != value.p[0]) {
        verify_problem(v, false, "file %016llx is of another kind than the index says",
                       (unsigned long long)id);
    }
}

static void verify_row(struct verify *v, struct span key, struct span value)
{
    char table = key.n ? key.p[0] : '\0';
    bool numbered = key.n == 9;

    if (table == 'm') {
        verify_meta(v, key, value);
    } else if (table == 'z') {
        verify_dictionary(v, key, value);
    } else if (table == 'd' && key.n >= 9) {
        return; // the store's own, which knows what they say
    } else if (table == 'a' && numbered && value.n == 8) {
        return;
    } else if (table == 'b' && numbered) {
        verify_body(v, key_to_number(key), value);
    } else if (table == 'u' && numbered) {
        verify_uses(v, key, value);
    } else if (table == 's' && numbered) {
        verify_segment(v, key, value);
    } else {
        bad_row(v, key);
    }
}

enum err verify_rows(struct verify *v)
{
    struct view_cursor c;
    struct span key, value;
    enum err e = view_cursor_open(&v->s->view, span_of("", 1), SPAN("\xff\xff"), false, &c);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = view_cursor_next(&c, &key, &value)) == ERR_OK) {
        verify_row(v, key, value);
    }
    view_cursor_close(&c);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ---- live bytes ---------------------------------------------------------------------------------

// Calls `fn` for each row of a table, in one transaction of the index alone.
static enum err each_of(struct verify *v, MDB_txn *t, char table, struct live_changes *live,
                        enum err (*fn)(struct verify *v, struct span key, struct span value,
                                       struct live_changes *live))
{
    MDB_cursor *c;
    MDB_val key = {1, &table}, value;
    enum err e = ERR_OK;
    int rc = mdb_cursor_open(t, v->e->index.dbi, &c);

    if (rc != 0) {
        return index_error(rc);
    }
    for (rc = mdb_cursor_get(c, &key, &value, MDB_SET_RANGE);
         rc == 0 && e == ERR_OK && *(char *)key.mv_data == table;
         rc = mdb_cursor_get(c, &key, &value, MDB_NEXT)) {
        e = fn(v, index_span(&key), index_span(&value), live);
    }
    mdb_cursor_close(c);
    return e;
}

static enum err recount(struct verify *v, struct span key, struct span value,
                        struct live_changes *live)
{
    enum err e = live_add(live, value, +1);

    (void)v, (void)key;
    return e == ERR_CORRUPT ? ERR_OK : e; // told with its body
}

// Rows of files in which nothing lives belong to the recount, too.
static enum err recount_row(struct verify *v, struct span key, struct span value,
                            struct live_changes *live)
{
    (void)v, (void)value;
    return key.n == 9 ? live_add_place(live, key_to_number(key)) : ERR_OK;
}

static enum err put_row(struct verify *v, MDB_txn *t, const struct live_change *l,
                        enum segment_kind kind, struct span old)
{
    struct index_key key;
    char row[SEGMENT_ROW_BYTES] = {0};

    if (old.n == sizeof(row)) {
        memcpy(row, old.p, sizeof(row));
    }
    row[0] = (char)kind;
    put_le64(row + 1, (uint64_t)l->bytes);
    return index_put(&v->e->index, t, key_number(&key, 's', l->segment), span_of(row, sizeof(row)));
}

// A wrong number keeps dead files, or has compaction look into them in vain.
static enum err verify_live_of(struct verify *v, MDB_txn *t, struct live_change *l)
{
    struct index_key key;
    struct span row = {0};
    struct segment s;
    unsigned long long id = l->segment;
    enum err e = index_get(&v->e->index, t, key_number(&key, 's', l->segment), &row);
    uint64_t noted = e == ERR_OK && row.n == SEGMENT_ROW_BYTES ? get_le64(row.p + 1) : 0;

    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    bool there = segment_next(&v->e->segments, l->segment, &s) && s.id == l->segment;

    l->now = (uint64_t)l->bytes;
    if (!there && l->bytes) {
        verify_problem(v, false,
                       "file %016llx of journal/ is missing, and mail is in it: put it back, or "
                       "bring the mail from a backup",
                       id);
    }
    if (noted == l->now && (e == ERR_NOT_FOUND || row.n == SEGMENT_ROW_BYTES)) {
        return ERR_OK;
    }
    verify_problem(v, v->options.repair && there,
                   "file %016llx: %llu live bytes counted, %llu noted", id,
                   (unsigned long long)l->now, (unsigned long long)noted);
    return v->options.repair && there ? put_row(v, t, l, s.kind, row) : ERR_OK;
}

static enum err verify_live_in(struct verify *v, MDB_txn *t, struct live_changes *live)
{
    enum err e = each_of(v, t, 'b', live, recount);

    if (e == ERR_OK) {
        e = each_of(v, t, 's', live, recount_row);
    }
    for (size_t i = 0; e == ERR_OK && i < live->n; i++) {
        e = verify_live_of(v, t, &live->all[i]);
    }
    return e;
}

// With repair nothing else can change rows meanwhile.
static enum err repair_live(struct verify *v, struct live_changes *live)
{
    MDB_txn *t;
    uint64_t before = v->report.repaired;
    enum err e = index_write_begin(&v->e->index, &t);

    if (e != ERR_OK) {
        return e;
    }
    e = verify_live_in(v, t, live);
    if (e != ERR_OK || v->report.repaired == before) {
        mdb_txn_abort(t);
        return e;
    }
    e = index_write_commit(t);
    if (e == ERR_OK) {
        live_publish(v->e, live);
    }
    return e;
}

enum err verify_live(struct verify *v)
{
    struct live_changes live = {0};
    enum err e = v->options.repair ? repair_live(v, &live)
                                   : verify_live_in(v, v->s->view.reader->txn, &live);

    live_finish(&live);
    return e;
}
