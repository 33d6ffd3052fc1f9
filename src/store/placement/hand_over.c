// SPDX-License-Identifier: Apache-2.0
//
// Handing mail over to another account (hand_over.h). What goes is collected from a view of the one
// account, and placed by an edit of the other.
//
// Crash story: placements, message records, quota, log entry and the mark of how far it has come
// (rows `h`) are one commit of the account that gets the mail. The other one is not changed. A mark
// that has moved since the messages were collected means that somebody else is at it, too: they are
// collected anew.
#include "store/placement/hand_over.h"

#include "store/placement/carry_internal.h"
#include "store/rules_internal.h"

#include "base/banned.h"

#define TRIES           20 // a body is forgotten, or another is at it, while messages are collected
#define ARENA_BYTES_MAX (32u << 20)
#define MARK_BYTES_MAX  16

// ---- how far it has come ------------------------------------------------------------------------

struct mark {
    uint32_t uid;       // the last of the mailbox that has gone
    mailbox_id mailbox; // where to; 0: nothing has gone
};

static struct key mark_key(const struct hand_over *h)
{
    struct key k = key_u64(KEY_HANDED_OVER, h->from),
               mailbox = key_u32(KEY_HANDED_OVER, h->mailbox);

    memcpy(k.p + k.n, mailbox.p + 1, mailbox.n - 1);
    k.n += mailbox.n - 1;
    return k;
}

static enum err mark_decode(struct span value, struct mark *out)
{
    uint64_t uid, mailbox;
    enum err e = unpack_version(&value);

    if (e != ERR_OK) {
        return e;
    }
    if (!unpack_u64(&value, UINT32_MAX, &uid) || !unpack_u64(&value, UINT32_MAX, &mailbox) ||
        uid == 0) {
        return ERR_CORRUPT;
    }
    *out = (struct mark){(uint32_t)uid, (mailbox_id)mailbox};
    return ERR_OK;
}

enum err hand_over_mark_check(struct span key, struct span value)
{
    struct mark m;

    return key.n == 1 + sizeof(account_id) + sizeof(mailbox_id) ? mark_decode(value, &m)
                                                                : ERR_CORRUPT;
}

static enum err mark_read(struct view *to, const struct hand_over *h, struct mark *out)
{
    struct key k = mark_key(h);
    struct span value;
    enum err e = view_get(to, &k, &value);

    if (e == ERR_NOT_FOUND) {
        *out = (struct mark){0};
        return ERR_OK;
    }
    return e == ERR_OK ? mark_decode(value, out) : e;
}

static enum err mark_put(struct edit *ed, const struct hand_over *h, const struct mark *m)
{
    struct key k = mark_key(h);
    char room[MARK_BYTES_MAX];
    struct pack p = pack_record(room, sizeof(room), SCHEMA_VERSION);

    pack_u64(&p, m->uid);
    pack_u64(&p, m->mailbox);
    return edit_put(ed, &k, pack_span(&p));
}

// ---- collecting ---------------------------------------------------------------------------------

struct run {
    const struct hand_over *h;
    struct arena arena;
    struct carried *items; // HAND_OVER_AT_ONCE
    size_t count;
    uint64_t bytes, lost, keywords_dropped;
    struct mark before; // when they were collected
    uint32_t last_uid;  // that was looked at
    bool is_full, is_overtaken;
};

static enum err collect_one(struct run *r, struct view *v, const struct placement *p,
                            const struct span *names, size_t count)
{
    struct carried *out = &r->items[r->count];
    struct body_info body;
    enum err e = body_info(v->snapshot, p->body, &body);

    r->last_uid = p->uid;
    if (e == ERR_NOT_FOUND) {
        r->lost++;
        return ERR_OK;
    }
    e = e == ERR_OK ? carry_take(v, p, names, count, true, &r->arena, out) : e;
    if (e == ERR_OK) {
        r->bytes += p->bytes;
        r->count++;
    }
    return e;
}

static enum err collect_from(struct run *r, struct view *v)
{
    struct placement_scan *scan;
    const struct span *names;
    struct placement p;
    size_t count, looked_at = 0;
    enum err e = view_keywords(v, r->h->mailbox, &names, &count);

    r->last_uid = r->before.uid;
    if (e == ERR_OK && r->before.uid == UINT32_MAX) {
        return ERR_OK;
    }
    e = e == ERR_OK ? placement_scan_open(v, r->h->mailbox, r->before.uid + 1, UINT32_MAX, 0, &scan)
                    : e;
    if (e != ERR_OK) {
        return e;
    }
    while (looked_at < HAND_OVER_AT_ONCE && (e = placement_next(scan, &p)) == ERR_OK) {
        looked_at++;
        e = collect_one(r, v, &p, names, count);
        if (e != ERR_OK) {
            break;
        }
    }
    placement_scan_close(scan);
    r->is_full = looked_at == HAND_OVER_AT_ONCE;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err collect(struct store *s, struct run *r)
{
    struct view v;
    enum err e = view_begin(&v, s, r->h->to);

    r->count = r->bytes = r->lost = r->keywords_dropped = 0;
    r->is_overtaken = r->is_full = false;
    arena_reset(&r->arena);
    r->items = arena_zalloc(&r->arena, HAND_OVER_AT_ONCE, sizeof(*r->items));
    if (e == ERR_OK) {
        e = r->items ? mark_read(&v, r->h, &r->before) : ERR_NOMEM;
        view_end(&v);
    }
    e = e == ERR_OK ? view_begin(&v, s, r->h->from) : e;
    if (e == ERR_OK) {
        e = collect_from(r, &v);
        view_end(&v);
    }
    return e;
}

// ---- placing ------------------------------------------------------------------------------------

static enum err find_mailbox(struct edit *ed, const struct run *r, struct edit_mailbox **out)
{
    mailbox_id id;
    enum err e =
        r->before.mailbox ? edit_mailbox_with_messages(ed, r->before.mailbox, out) : ERR_NOT_FOUND;

    if (e != ERR_NOT_FOUND) {
        return e;
    }
    e = edit_name_lookup(ed, r->h->name, &id);
    e = e == ERR_OK ? edit_mailbox_with_messages(ed, id, out) : e;
    return e == ERR_NOT_FOUND ? edit_make_mailbox(ed, r->h->name, 0, true, out) : e;
}

static enum err place(struct edit *ed, struct run *r, struct placer *placer,
                      struct change_draft *log, const struct carried *item)
{
    struct placement p = {.flags = item->placement.flags,
                          .zone_minutes = item->placement.zone_minutes,
                          .body = item->placement.body,
                          .internal_date = item->placement.internal_date,
                          .saved = edit_now_s(ed),
                          .bytes = item->placement.bytes};
    struct keyword_set keywords;
    enum err e =
        edit_keywords(ed, placer->mailbox, item->keywords, item->keyword_count, true, &keywords);

    if (e == ERR_LIMIT || e == ERR_INVALID) { // the message matters more
        r->keywords_dropped++;
        e = edit_keywords(ed, placer->mailbox, NULL, 0, true, &keywords);
    }
    if (e != ERR_OK) {
        return e;
    }
    keyword_set_to(&keywords, &p);
    e = carry_put(ed, item, &p.message);
    e = e == ERR_OK ? placer_add(placer, &p) : e;
    if (e == ERR_OK) {
        change_draft_add(log, p.uid, p.message, NULL);
    }
    return e;
}

static enum err place_all(struct edit *ed, struct run *r, struct edit_mailbox *m)
{
    struct placer placer;
    struct change_draft log;
    enum err e = ERR_OK;

    r->keywords_dropped = 0;
    placer_begin(&placer, ed, m);
    change_draft_begin(&log, ed, CHANGE_ARRIVED, m->record.is.id, 0);
    log.is.after = r->h->words;
    for (size_t i = 0; i < r->count && e == ERR_OK; i++) {
        e = place(ed, r, &placer, &log, &r->items[i]);
    }
    e = e == ERR_OK ? placer_finish(&placer) : e;
    return change_draft_end(&log, e);
}

static enum err hand_over_edit(struct edit *ed, void *arg)
{
    struct run *r = arg;
    struct mark now, after = {.uid = r->last_uid, .mailbox = r->before.mailbox};
    struct edit_mailbox *m;
    enum err e = mark_read(&ed->view, r->h, &now);

    r->is_overtaken = e == ERR_OK && now.uid != r->before.uid;
    if (e != ERR_OK || r->is_overtaken || r->last_uid == now.uid) {
        return e;
    }
    if (r->count > 0) { // else all that is left is lost
        e = edit_quota_check(ed, r->bytes, r->count);
        e = e == ERR_OK ? find_mailbox(ed, r, &m) : e;
        e = e == ERR_OK ? place_all(ed, r, m) : e;
        after.mailbox = e == ERR_OK ? m->record.is.id : 0;
    }
    e = e == ERR_OK ? mark_put(ed, r->h, &after) : e;
    ed->is_changed = true;
    return e;
}

enum err hand_over_some(struct store *s, const struct actor *by, const struct hand_over *h,
                        struct hand_over_counts *counts, bool *out_more)
{
    struct run r = {.h = h};
    enum err e = h->from && h->to && h->from != h->to ? ERR_CONFLICT : ERR_NOT_FOUND;

    arena_init(&r.arena, ARENA_BYTES_MAX);
    for (unsigned i = 0; i < TRIES && e == ERR_CONFLICT; i++) {
        e = collect(s, &r);
        if (e != ERR_OK) {
            break;
        }
        e = store_edit(s, h->to, by, hand_over_edit, &r, NULL);
        // A body may have gone between the view and the commit.
        e = r.is_overtaken || (e == ERR_NOT_FOUND && r.count > 0) ? ERR_CONFLICT : e;
    }
    if (e == ERR_OK) {
        counts->messages += r.count;
        counts->bytes += r.bytes;
        counts->lost += r.lost;
        counts->keywords_dropped += r.keywords_dropped;
        *out_more = r.is_full;
    }
    arena_finish(&r.arena);
    return e == ERR_CONFLICT ? ERR_NOT_FOUND : e;
}

// ---- what is left -------------------------------------------------------------------------------

static enum err count_after(struct view *from, mailbox_id mailbox, uint32_t uid,
                            struct hand_over_counts *out)
{
    struct placement_scan *scan;
    struct placement p;

    if (uid == UINT32_MAX) {
        return ERR_OK;
    }
    enum err e = placement_scan_open(from, mailbox, uid + 1, UINT32_MAX, 0, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = placement_next(scan, &p)) == ERR_OK) {
        out->messages++;
        out->bytes += p.bytes;
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err count_all(struct view *from, struct view *to, mailbox_id only,
                          struct hand_over_counts *out)
{
    const struct mailbox *const *boxes;
    size_t count, seen = 0;
    enum err e = view_mailboxes(from, &boxes, &count);

    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        const struct hand_over h = {
            .from = from->account, .to = to->account, .mailbox = boxes[i]->id};
        struct mark mark;

        if (boxes[i]->is_no_select || (only && boxes[i]->id != only)) {
            continue;
        }
        seen++;
        e = mark_read(to, &h, &mark);
        e = e == ERR_OK ? count_after(from, h.mailbox, mark.uid, out) : e;
    }
    return e == ERR_OK && only && seen == 0 ? ERR_NOT_FOUND : e;
}

enum err hand_over_left(struct store *s, account_id from, account_id to, mailbox_id mailbox,
                        struct hand_over_counts *out)
{
    struct view source, target;
    enum err e = from && to ? view_begin(&source, s, from) : ERR_NOT_FOUND;

    *out = (struct hand_over_counts){0};
    if (e != ERR_OK) {
        return e;
    }
    e = view_begin(&target, s, to);
    if (e == ERR_OK) {
        e = count_all(&source, &target, mailbox, out);
        view_end(&target);
    }
    view_end(&source);
    return e;
}
