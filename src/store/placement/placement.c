// SPDX-License-Identifier: Apache-2.0
//
// Reading a mailbox's placements, and the two ways its chunks change: records put at the end
// (placer) and records taken out (remover).
#include "store/placement.h"

#include <stdlib.h>

#include "base/log.h"
#include "store/belongings_internal.h"

#include "base/banned.h"

// ---- scanning -----------------------------------------------------------------------------------

#define SET_BYTES_MAX (8u << 20)

struct placement_scan {
    struct chunk_walk walk;
    struct arena arena; // of the set, when the change log gave it
    struct uid_set set;
    struct uid_range range;
    modseq changed_since;
    struct chunk_view chunk;
    unsigned at; // next record of the chunk
    struct seen_view seen;
    uint16_t more[KEYWORDS_PER_MESSAGE_MAX];
};

enum err placement_scan_open(struct view *v, mailbox_id mailbox, uint32_t first, uint32_t last,
                             modseq changed_since, struct placement_scan **out)
{
    struct placement_scan *p = malloc(sizeof(*p));

    if (!p) {
        return ERR_NOMEM;
    }
    p->range = (struct uid_range){first, last};
    p->set = (struct uid_set){&p->range, first <= last};
    p->changed_since = changed_since;
    p->chunk.count = 0;
    p->at = 0;
    arena_init(&p->arena, SET_BYTES_MAX);
    enum err e = seen_view_begin(&p->seen, v, mailbox);

    if (e != ERR_OK) {
        free(p);
        return e;
    }
    // In vain: all chunks are looked at, each says how new its newest record is.
    if (changed_since && first <= last) {
        (void)view_changed_uids(v, mailbox, changed_since, p->range, &p->arena, &p->set);
    }
    chunk_walk_begin(&p->walk, v, mailbox, &p->set);
    *out = p;
    return ERR_OK;
}

// The next chunk that has something wanted.
static enum err scan_chunk(struct placement_scan *p)
{
    struct span value;
    uint32_t key_uid;
    enum err e;

    do {
        e = chunk_walk_next(&p->walk, &key_uid, &value, &p->chunk);
    } while (e == ERR_OK && p->chunk.highest <= p->changed_since);
    p->at = 0;
    if (e != ERR_OK) {
        p->chunk.count = 0;
    }
    return e;
}

enum err placement_next(struct placement_scan *p, struct placement *out)
{
    while (true) {
        while (p->at < p->chunk.count) {
            unsigned i = p->at++;
            uint32_t uid = chunk_view_uid(&p->chunk, i);

            if (uid > p->range.last) {
                p->at = p->chunk.count;
                break;
            }
            if (uid >= p->range.first &&
                (p->changed_since == 0 || chunk_view_modseq(&p->chunk, i) > p->changed_since)) {
                enum err e = chunk_view_read(&p->chunk, i, p->more, out);

                return e == ERR_OK && p->seen.since ? seen_view_put(&p->seen, out) : e;
            }
        }
        enum err e = scan_chunk(p);

        if (e != ERR_OK) {
            return e;
        }
    }
}

void placement_scan_close(struct placement_scan *p)
{
    if (p) {
        chunk_walk_end(&p->walk);
        arena_finish(&p->arena);
        free(p);
    }
}

// The mailbox's first or last chunk. ERR_NOT_FOUND: there is none.
static enum err end_chunk(struct view *v, mailbox_id mailbox, bool last, struct chunk_view *out)
{
    struct key from = key_u32(KEY_CHUNK, mailbox), to = key_after(&from);
    struct scan *scan;
    struct span key, value;
    enum err e = scan_open(v->snapshot, v->account, key_span(&from), key_span(&to), last, &scan);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_next(scan, &key, &value);
    scan_close(scan);
    return e != ERR_OK ? e : chunk_open(value, out);
}

// As many UIDs from the first to the last as there are messages: then all of them are there, and
// no chunk between needs to be looked at.
static enum err find_one_run(struct view *v, mailbox_id mailbox, struct uid_range *out, bool *found)
{
    struct mailbox_record record;
    struct chunk_view first, last;
    enum err e = view_mailbox_record(v, mailbox, &record);

    *found = false;
    if (e != ERR_OK || record.is.exists <= 2 * CHUNK_RECORDS_MAX) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = end_chunk(v, mailbox, false, &first);
    e = e != ERR_OK ? e : end_chunk(v, mailbox, true, &last);
    if (e == ERR_OK) {
        *out = (struct uid_range){chunk_view_uid(&first, 0), last.last_uid};
        *found = out->last - out->first + 1 == record.is.exists;
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

void view_prefetch(struct view *v, mailbox_id mailbox)
{
    struct key from = key_u32(KEY_CHUNK, mailbox), to = key_after(&from);
    struct mailbox_record record;

    if (view_mailbox_record(v, mailbox, &record) == ERR_OK &&
        record.is.exists > 2 * CHUNK_RECORDS_MAX) {
        struct key middle = key_chunk(mailbox, record.is.uid_next / 2);

        scan_prefetch(v->snapshot, v->account, key_span(&from), key_span(&to), key_span(&middle));
    }
}

enum err view_uids(struct view *v, mailbox_id mailbox, struct arena *a, struct uid_set *out)
{
    struct uid_range run;
    bool is_one_run;
    struct chunk_walk w;
    struct chunk_view c;
    struct span value;
    struct uid_builder b;
    uint32_t key_uid;
    enum err e = find_one_run(v, mailbox, &run, &is_one_run);

    if (e != ERR_OK) {
        return e;
    }
    uid_builder_init(&b, a);
    if (is_one_run) {
        uid_builder_add(&b, run.first, run.last);
        return uid_builder_finish(&b, out);
    }
    chunk_walk_begin(&w, v, mailbox, &uid_set_all);
    while ((e = chunk_walk_next(&w, &key_uid, &value, &c)) == ERR_OK) {
        uint32_t first = chunk_view_uid(&c, 0);

        if (c.last_uid - first + 1 == c.count) { // no gaps
            uid_builder_add(&b, first, c.last_uid);
            continue;
        }
        for (unsigned i = 0; i < c.count; i++) {
            uint32_t uid = chunk_view_uid(&c, i);

            uid_builder_add(&b, uid, uid);
        }
    }
    chunk_walk_end(&w);
    return e == ERR_NOT_FOUND ? uid_builder_finish(&b, out) : e;
}

// ---- counts -------------------------------------------------------------------------------------

void placement_count(struct edit *ed, struct edit_mailbox *m, const struct placement *p)
{
    struct mailbox *b = &m->record.is;

    b->exists++;
    b->unseen += !(p->flags & FLAG_SEEN);
    b->deleted += !!(p->flags & FLAG_DELETED);
    b->bytes += p->bytes;
    b->highest_modseq = ed->modseq;
    ed->header.bytes += p->bytes;
    ed->header.messages++;
    m->is_dirty = true;
    seen_edit_there(ed, m, p->uid, true);
}

// Counts that would fall below zero are damage found by store_check, not a reason to stop here.
static uint64_t less(uint64_t from, uint64_t n)
{
    return from > n ? from - n : 0;
}

void placement_uncount(struct edit *ed, struct edit_mailbox *m, const struct placement *p)
{
    struct mailbox *b = &m->record.is;

    b->exists = (uint32_t)less(b->exists, 1);
    b->unseen = (uint32_t)less(b->unseen, !(p->flags & FLAG_SEEN));
    b->deleted = (uint32_t)less(b->deleted, !!(p->flags & FLAG_DELETED));
    b->bytes = less(b->bytes, p->bytes);
    b->highest_modseq = m->record.gone_modseq = ed->modseq;
    ed->header.bytes = less(ed->header.bytes, p->bytes);
    ed->header.messages = less(ed->header.messages, 1);
    m->is_dirty = true;
    seen_edit_there(ed, m, p->uid, false);
}

// ---- neighbours ---------------------------------------------------------------------------------

// The last chunk whose key is below `uid`, as the view has it; ERR_NOT_FOUND.
static enum err chunk_before(struct edit *ed, mailbox_id mailbox, uint64_t uid, uint32_t *out_uid,
                             struct span *out_value)
{
    struct key from = key_u32(KEY_CHUNK, mailbox), to = key_after(&from);
    struct view *v = &ed->view;
    struct scan *scan;
    struct span key;

    if (uid <= UINT32_MAX) {
        to = key_chunk(mailbox, (uint32_t)uid);
    }
    enum err e = scan_open(v->snapshot, v->account, key_span(&from), key_span(&to), true, &scan);

    if (e != ERR_OK) {
        return e;
    }
    e = scan_next(scan, &key, out_value);
    scan_close(scan);
    if (e == ERR_OK && !key_read_chunk(key, &mailbox, out_uid)) {
        e = ERR_CORRUPT;
    }
    return e;
}

static enum err chunk_write(struct edit *ed, mailbox_id mailbox, const struct chunk *c)
{
    struct key k = key_chunk(mailbox, c->key_uid);

    return edit_put(ed, &k, chunk_encode(c, ed->room));
}

static enum err chunk_erase(struct edit *ed, mailbox_id mailbox, uint32_t key_uid)
{
    struct key k = key_chunk(mailbox, key_uid);

    return edit_delete(ed, &k);
}

// Adds the records of `c` to the end of `to` when they fit.
static bool chunk_join(struct chunk *to, const struct chunk *c)
{
    if (to->count + c->count > CHUNK_RECORDS_MAX) {
        return false;
    }
    for (unsigned i = 0; i < c->count; i++) {
        struct placement p;

        chunk_get(c, i, &p);
        chunk_append(to, &p);
    }
    return true;
}

// ---- placer -------------------------------------------------------------------------------------

void placer_begin(struct placer *p, struct edit *ed, struct edit_mailbox *m)
{
    p->ed = ed;
    p->mailbox = m;
    p->has_chunk = false;
}

void placer_begin_fresh(struct placer *p, struct edit *ed, struct edit_mailbox *m)
{
    placer_begin(p, ed, m);
    p->has_chunk = true;
    chunk_init(&p->chunk, m->record.is.uid_next);
}

// The last chunk has grown as far as appends let it: joins the one before when that has room.
static enum err tail_retire(struct placer *p)
{
    mailbox_id id = p->mailbox->record.is.id;
    struct chunk before;
    struct span value;
    uint32_t uid;
    enum err e = chunk_before(p->ed, id, p->chunk.key_uid, &uid, &value);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = chunk_load(&before, uid, value);
    if (e != ERR_OK || !chunk_join(&before, &p->chunk)) {
        return e;
    }
    e = chunk_write(p->ed, id, &before);
    return e != ERR_OK ? e : chunk_erase(p->ed, id, p->chunk.key_uid);
}

// Takes up the mailbox's last chunk, or starts a new one.
static enum err placer_open(struct placer *p)
{
    struct mailbox_record *r = &p->mailbox->record;
    struct key k = key_chunk(r->is.id, r->tail);
    struct span value;
    uint32_t uid = r->tail;
    enum err e = ERR_NOT_FOUND;

    if (r->tail) {
        e = view_get(&p->ed->view, &k, &value);
        e = e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    } else if (r->is.exists) {
        e = chunk_before(p->ed, r->is.id, (uint64_t)UINT32_MAX + 1, &uid, &value);
    }
    p->has_chunk = true;
    if (e == ERR_NOT_FOUND) {
        chunk_init(&p->chunk, r->is.uid_next);
        return ERR_OK;
    }
    e = e != ERR_OK ? e : chunk_load(&p->chunk, uid, value);
    if (e == ERR_OK && p->chunk.count >= CHUNK_TAIL_RECORDS) {
        e = tail_retire(p);
        chunk_init(&p->chunk, r->is.uid_next);
    }
    return e;
}

static enum err placer_flush(struct placer *p)
{
    struct mailbox_record *r = &p->mailbox->record;

    r->tail = p->chunk.key_uid;
    p->mailbox->is_dirty = true;
    return chunk_write(p->ed, r->is.id, &p->chunk);
}

enum err placer_add(struct placer *p, struct placement *placement)
{
    struct mailbox *b = &p->mailbox->record.is;
    enum err e = ERR_OK;

    if (b->uid_next == UINT32_MAX || b->exists == UINT32_MAX) {
        return ERR_LIMIT;
    }
    if (!p->has_chunk) {
        e = placer_open(p);
    } else if (p->chunk.count == CHUNK_RECORDS_MAX) {
        e = placer_flush(p);
        chunk_init(&p->chunk, b->uid_next);
    }
    if (e != ERR_OK) {
        return e;
    }
    placement->uid = b->uid_next++;
    placement->changed = p->ed->modseq;
    chunk_append(&p->chunk, placement);
    placement_count(p->ed, p->mailbox, placement);
    return ERR_OK;
}

enum err placer_add_new(struct placer *p, struct placement *placement)
{
    bool is_mine = seen_edit_is_own(p->ed, p->mailbox) && placement->flags & FLAG_SEEN;

    if (is_mine) {
        placement->flags &= (uint16_t)~FLAG_SEEN;
    }
    enum err e = placer_add(p, placement);

    if (e == ERR_OK && is_mine) {
        (void)seen_edit_put(p->ed, p->mailbox, placement->uid, true);
    }
    return e;
}

enum err placer_finish(struct placer *p)
{
    return p->has_chunk && p->chunk.count ? placer_flush(p) : ERR_OK;
}

// ---- remover ------------------------------------------------------------------------------------

void remover_begin(struct remover *r, struct edit *ed, struct edit_mailbox *m)
{
    r->ed = ed;
    r->mailbox = m;
    r->has_pending = false;
    r->has_touched = false;
    r->has_gap = false;
    r->touched_uid = 0;
}

static void remover_touch(struct remover *r, uint32_t key_uid)
{
    r->has_touched = true;
    r->touched_uid = key_uid > r->touched_uid ? key_uid : r->touched_uid;
}

static enum err remover_erase(struct remover *r, uint32_t key_uid)
{
    struct mailbox_record *record = &r->mailbox->record;

    if (record->tail == key_uid) {
        record->tail = 0; // looked up by the next append
        r->mailbox->is_dirty = true;
    }
    remover_touch(r, key_uid);
    return chunk_erase(r->ed, record->is.id, key_uid);
}

// A chunk that has become small joins the one before it, unless this edit has changed that too:
// then they were compared already.
static enum err pending_join_before(struct remover *r, bool *out_joined)
{
    mailbox_id id = r->mailbox->record.is.id;
    struct chunk before;
    struct span value;
    uint32_t uid;
    enum err e = chunk_before(r->ed, id, r->pending.key_uid, &uid, &value);

    *out_joined = false;
    if (e != ERR_OK || (r->has_touched_before && uid <= r->touched_before)) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = chunk_load(&before, uid, value);
    if (e != ERR_OK || !chunk_join(&before, &r->pending)) {
        return e;
    }
    *out_joined = true;
    e = chunk_write(r->ed, id, &before);
    return e != ERR_OK ? e : remover_erase(r, r->pending.key_uid);
}

static enum err pending_flush(struct remover *r)
{
    bool joined = false;
    enum err e = ERR_OK;

    if (!r->has_pending) {
        return ERR_OK;
    }
    r->has_pending = false;
    if (r->pending.count < CHUNK_TAIL_RECORDS) {
        e = pending_join_before(r, &joined);
    }
    if (e == ERR_OK && !joined) {
        e = chunk_write(r->ed, r->mailbox->record.is.id, &r->pending);
    }
    remover_touch(r, r->pending.key_uid);
    return e;
}

enum err remover_chunk(struct remover *r, const struct chunk *c, bool adjacent)
{
    if (c->count == 0) {
        return remover_erase(r, c->key_uid);
    }
    if (r->has_pending && adjacent && !r->has_gap && chunk_join(&r->pending, c)) {
        return remover_erase(r, c->key_uid);
    }
    enum err e = pending_flush(r);

    r->has_gap = false;
    r->pending = *c;
    r->has_pending = true;
    r->has_touched_before = r->has_touched;
    r->touched_before = r->touched_uid;
    return e;
}

void remover_pass(struct remover *r)
{
    r->has_gap = true;
}

enum err remover_finish(struct remover *r)
{
    return pending_flush(r);
}
