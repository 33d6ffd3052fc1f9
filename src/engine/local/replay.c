// SPDX-License-Identifier: Apache-2.0
//
// Opening: which files there are, and reading the journal again from where the index is to its end
// (docs/format/journal.md, "Reading it again").
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/local_internal.h"

#include "base/banned.h"

// ---- files --------------------------------------------------------------------------------------

static enum err read_row(struct local_engine *e, MDB_txn *t, struct segment *s, bool *out_row)
{
    struct index_key key;
    struct span v;
    enum err error = index_get(&e->index, t, key_number(&key, 's', s->id), &v);

    *out_row = error == ERR_OK;
    if (error == ERR_OK) {
        if (v.n != SEGMENT_ROW_BYTES) {
            return ERR_CORRUPT;
        }
        s->live = get_le64(v.p + 1);
        s->base = get_le64(v.p + 9);
    }
    return error == ERR_NOT_FOUND ? ERR_OK : error;
}

// Reads the first frame. A file that has none is kept out of the table and left alone unless it
// may be thrown away.
static enum err read_first_frame(struct local_engine *e, const char *name, struct segment *s)
{
    int fd CLEANUP_FD = -1;
    struct frame_walk w;
    struct frame f;
    struct frame_segment head;
    struct span h, t;
    enum err error = file_open(e->journal_fd, name, O_RDONLY, &fd);

    if (error == ERR_OK) {
        error = file_size(fd, &s->size);
    }
    if (error != ERR_OK) {
        return error;
    }
    frame_walk_init(&w, fd, (struct position){s->id, 0}, s->size);
    error = frame_walk_next(&w, &f, &h, &t);
    if (error == ERR_OK && (f.type != FRAME_SEGMENT || !frame_segment_get(h, &head) ||
                            head.kind != s->kind || head.size != s->size)) {
        error = ERR_CORRUPT;
    }
    if (error == ERR_OK) {
        s->created_s = head.created_s;
    }
    frame_walk_finish(&w);
    return error == ERR_EOF ? ERR_CORRUPT : error;
}

// A new index beside files with something in them: somebody lost the index. Starting afresh would
// throw the mail away.
static enum err add_to_new_store(struct local_engine *e, const char *name, struct segment *s,
                                 struct buf *why)
{
    int fd CLEANUP_FD = -1;
    struct frame_walk w;
    struct frame f;
    enum err error = file_open(e->journal_fd, name, O_RDONLY, &fd);

    if (error == ERR_OK) {
        error = file_size(fd, &s->size);
    }
    if (error != ERR_OK) {
        return error;
    }
    frame_walk_init(&w, fd, (struct position){s->id, FRAME_HEADER_BYTES}, s->size);
    error = frame_walk_search(&w, &f);
    frame_walk_finish(&w);
    if (error == ERR_OK) {
        buf_printf(why, "the index is new, but journal/%s has frames: the index was lost", name);
        return ERR_CORRUPT;
    }
    return error == ERR_NOT_FOUND ? file_unlink(e->journal_fd, name) : error;
}

static enum err add_file(struct local_engine *e, MDB_txn *t, const struct index_meta *meta,
                         const char *name, struct buf *why)
{
    struct segment s = {.fd = -1};
    bool row;
    int kind;

    if (!segment_name_parse(name, &s.id, &kind)) {
        return ERR_OK; // not ours
    }
    s.kind = (enum segment_kind)kind;
    if (kind && meta->position.segment == 0) {
        return add_to_new_store(e, name, &s, why);
    }
    enum err error = read_row(e, t, &s, &row);

    if (error != ERR_OK) {
        return error;
    }
    // Unfinished: a file in the making, or a pack the index does not know.
    if (kind == 0 || (kind == SEGMENT_PACK && !row)) {
        return file_unlink(e->journal_fd, name);
    }
    error = read_first_frame(e, name, &s);
    if (error == ERR_CORRUPT && !row && s.id > meta->position.segment && s.size == 0) {
        return file_unlink(e->journal_fd, name);
    }
    if (error == ERR_CORRUPT) {
        // Whoever needs it will say so; the rest stays readable.
        buf_printf(why, "journal/%s has no good first frame; ", name);
        error = ERR_OK;
    }
    s.current = kind == SEGMENT_JOURNAL && s.id >= meta->position.segment;
    return error == ERR_OK ? segment_add(&e->segments, &s) : error;
}

// Every file with live bodies is there.
static enum err check_rows(struct local_engine *e, MDB_txn *t, struct buf *why)
{
    struct index_key key;
    MDB_cursor *c;
    MDB_val k = index_val(key_number(&key, 's', 0)), v;
    enum err error = ERR_OK;
    int rc = mdb_cursor_open(t, e->index.dbi, &c);

    if (rc != 0) {
        return index_error(rc);
    }
    for (rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
         rc == 0 && k.mv_size == 9 && *(char *)k.mv_data == 's';
         rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        struct segment s;
        uint64_t id = key_to_number(index_span(&k));

        if (v.mv_size == SEGMENT_ROW_BYTES && get_le64((char *)v.mv_data + 1) != 0 &&
            (!segment_next(&e->segments, id, &s) || s.id != id)) {
            buf_printf(why, "file %016llx of journal/ is missing, and mail is in it; ",
                       (unsigned long long)id);
            error = ERR_CORRUPT;
        }
    }
    mdb_cursor_close(c);
    return rc == 0 || rc == MDB_NOTFOUND ? error : index_error(rc);
}

enum err replay_find_files(struct local_engine *e, const struct index_meta *meta, struct buf *why)
{
    int fd = -1;
    struct index_reader *r;
    enum err error = file_open(e->journal_fd, ".", O_RDONLY | O_DIRECTORY, &fd);
    DIR *d = error == ERR_OK ? fdopendir(fd) : NULL;

    if (!d) {
        cleanup_fd(&fd);
        return error == ERR_OK ? ERR_NOMEM : error;
    }
    error = index_read_begin(&e->index, &r);
    if (error == ERR_OK) {
        for (struct dirent *f; error == ERR_OK && (f = readdir(d));) {
            error = add_file(e, r->txn, meta, f->d_name, why);
        }
        if (error == ERR_OK) {
            error = check_rows(e, r->txn, why);
        }
        index_read_end(&e->index, r);
    }
    closedir(d);
    if (e->segments.next_id < meta->segment_limit) {
        e->segments.next_id = meta->segment_limit;
    }
    return error;
}

// ---- replay -------------------------------------------------------------------------------------

struct replay {
    struct local_engine *e;
    struct position at;
    uint32_t epoch; // of the last frame, or the oldest that may come first
    uint64_t frames, commits;
    struct buf *why;
};

static enum err replay_body(struct replay *r, const struct view *v, const struct commit_body *b)
{
    struct body_change c = {.id = b->id};
    enum err e = apply_uses(v, b->id, &c.before, &c.record);
    int64_t after = (int64_t)c.before + b->uses;

    if (e != ERR_OK) {
        return e;
    }
    if (after < 0 || after > UINT32_MAX || (c.before == 0 && b->record.n == 0)) {
        return ERR_CORRUPT;
    }
    c.after = (uint64_t)after;
    if (c.before == 0) {
        c.record = b->record;
    }
    local_note_body(r->e, b->id);
    return apply_body(r->e, &c);
}

static enum err check_next_version(const struct view *v, account_id account, uint64_t version)
{
    struct index_key key;
    struct span value;
    enum err e = local_view_get(v, key_number(&key, 'a', account), &value);
    uint64_t before = e == ERR_OK && value.n == 8 ? get_le64(value.p) : 0;

    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    return version == before + 1 ? ERR_OK : ERR_CORRUPT;
}

static enum err replay_commit(struct replay *r, const struct view *v, struct span head,
                              struct span tail)
{
    struct local_engine *e = r->e;
    struct commit_reader c;
    struct commit_body body;
    struct batch_op op;

    if (!commit_reader_init(&c, head, tail)) {
        return ERR_CORRUPT;
    }
    enum err error = check_next_version(v, c.account, c.version);

    e->seq++;
    if (error == ERR_OK) {
        error = apply_version(e, c.account, c.version);
    }
    while (error == ERR_OK && commit_body_next(&c, &body)) {
        error = replay_body(r, v, &body);
    }
    while (error == ERR_OK && commit_op_next(&c, &op)) {
        error = apply_op(e, c.account, &op);
    }
    r->commits++;
    return error == ERR_OK && c.bad ? ERR_CORRUPT : error;
}

// Keeps memory bounded when the journal has much to replay.
static enum err relieve(struct replay *r)
{
    struct local_engine *e = r->e;

    if (memtable_bytes(e->active) <= e->options.memtable_bytes) {
        return ERR_OK;
    }
    return apply_freeze(e, r->at, r->epoch) ? checkpoint_write(e) : ERR_NOMEM;
}

static enum err replay_frame(struct replay *r, const struct frame *f, struct span head,
                             struct span tail)
{
    struct view v;

    if (f->type != FRAME_COMMIT) {
        return ERR_OK;
    }
    lock_take(&r->e->state_lock);
    enum err e = local_view_open(r->e, &v);

    lock_release(&r->e->state_lock);
    if (e != ERR_OK) {
        return e;
    }
    v.seq = UINT64_MAX;
    e = replay_commit(r, &v, head, tail);
    local_view_close(&v);
    if (e == ERR_CORRUPT) {
        buf_printf(r->why, "the commit at %016llx:%llu does not follow what came before it",
                   (unsigned long long)f->at.segment, (unsigned long long)f->at.offset);
    }
    return e;
}

// What the last process left in the page cache may not be on the medium, and after a failed sync
// looks as if it were. Written out and dropped, it is read again from where it counts.
static enum err settle(int fd)
{
    enum err e = file_sync_data(fd);

    return e != ERR_OK ? e : posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 ? ERR_OK : ERR_IO;
}

// Walks one segment. *out_next is the next segment, 0 when the journal ends in this one (at r->at).
static enum err replay_segment(struct replay *r, const struct segment *s, uint64_t *out_next)
{
    struct frame_walk w;
    struct frame f;
    struct span head, tail;
    enum err e = settle(s->fd);

    *out_next = 0;
    frame_walk_init(&w, s->fd, r->at, s->size);
    while (e == ERR_OK && *out_next == 0) {
        e = frame_walk_next(&w, &f, &head, &tail);
        if (e == ERR_OK && (f.epoch < r->epoch || f.epoch > r->e->epoch)) {
            e = ERR_CORRUPT;
        }
        if (e != ERR_OK) {
            e = e == ERR_CORRUPT || e == ERR_EOF ? ERR_OK : e; // the end, or damage: see below
            break;
        }
        r->epoch = f.epoch;
        r->frames++;
        e = replay_frame(r, &f, head, tail);
        if (e == ERR_OK && f.type == FRAME_SEAL && !frame_seal_get(head, out_next)) {
            e = ERR_CORRUPT;
        }
        if (e == ERR_OK) {
            r->at = w.at;
            e = relieve(r);
        }
    }
    frame_walk_finish(&w);
    return e;
}

// Looks for a frame further on that says the bad place was durable.
static enum err look_for_damage(struct replay *r, uint64_t segment, uint64_t from)
{
    struct segment *s;
    struct frame_walk w;
    struct frame f;
    enum err e = segment_use(&r->e->segments, segment, &s);

    if (e != ERR_OK) {
        return e;
    }
    frame_walk_init(&w, s->fd, (struct position){segment, from}, s->size);
    while ((e = frame_walk_search(&w, &f)) == ERR_OK) {
        if (position_cmp(f.durable, r->at) > 0) {
            buf_printf(r->why,
                       "damage in journal/%016llx.seg at %llu: no good frame there, but the one at "
                       "%016llx:%llu says that it was durable",
                       (unsigned long long)r->at.segment, (unsigned long long)r->at.offset,
                       (unsigned long long)f.at.segment, (unsigned long long)f.at.offset);
            e = ERR_CORRUPT;
            break;
        }
    }
    frame_walk_finish(&w);
    segment_done(&r->e->segments, s);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// At the end r->at: nothing behind it may claim that it was durable. Later files were made ahead
// of need and go.
static enum err check_end(struct replay *r)
{
    struct segments *t = &r->e->segments;
    struct segment s;
    enum err e = look_for_damage(r, r->at.segment, r->at.offset);

    for (uint64_t id = r->at.segment + 1; e == ERR_OK && segment_next(t, id, &s); id = s.id + 1) {
        if (s.kind == SEGMENT_JOURNAL) {
            e = look_for_damage(r, s.id, 0);
        }
    }
    for (uint64_t id = r->at.segment + 1; e == ERR_OK && segment_next(t, id, &s); id = s.id + 1) {
        if (s.kind == SEGMENT_JOURNAL) {
            e = segment_remove(t, s.id);
        }
    }
    return e;
}

static enum err replay_chain(struct replay *r)
{
    struct segments *t = &r->e->segments;
    uint64_t next = r->at.segment;
    enum err e = ERR_OK;

    while (e == ERR_OK && next) {
        struct segment *s;

        e = segment_use(t, next, &s);
        if (e != ERR_OK || s->kind != SEGMENT_JOURNAL || r->at.offset > s->size) {
            buf_printf(r->why, "journal/%016llx.seg is needed at %llu and is missing or too short",
                       (unsigned long long)next, (unsigned long long)r->at.offset);
            if (e == ERR_OK) {
                segment_done(t, s);
            }
            return ERR_CORRUPT;
        }
        e = replay_segment(r, s, &next);
        segment_done(t, s);
        if (e == ERR_OK && next) {
            if (next <= r->at.segment) {
                return ERR_CORRUPT;
            }
            segment_set_current(t, r->at.segment, false);
            r->at = (struct position){next, 0};
        }
    }
    return e;
}

enum err replay_run(struct local_engine *e, const struct index_meta *meta, struct position *out_end,
                    struct buf *why)
{
    struct replay r = {.e = e, .at = meta->position, .epoch = meta->position_epoch, .why = why};
    enum err error = replay_chain(&r);

    if (error == ERR_OK) {
        error = check_end(&r);
    }
    if (error == ERR_OK) {
        buf_printf(why, "replayed %llu commits in %llu frames up to %016llx:%llu",
                   (unsigned long long)r.commits, (unsigned long long)r.frames,
                   (unsigned long long)r.at.segment, (unsigned long long)r.at.offset);
        *out_end = r.at;
    }
    return error;
}
