// SPDX-License-Identifier: Apache-2.0
//
// Copying messages from one account into another: what goes is collected from a view of the one and
// placed by one edit of the other; the body is shared. Moving is copying, then expunging by the
// caller: two accounts have no commit together, and a message that is there twice is better than
// one that is lost.
#include "store/belongings_internal.h"
#include "store/placement/carry_internal.h"

#include "base/banned.h"

// In one commit, as COPY has to be.
#define ACROSS_MAX      20000
#define ARENA_BYTES_MAX (128u << 20)
#define TRIES           20 // a body is forgotten between the view and the commit

struct across {
    struct store *store;
    account_id from_account, reader;
    mailbox_id from, to;
    struct uid_set uids;
    uint16_t flags; // that are carried over
    bool keywords;
    struct arena arena; // of what was collected
    struct carried *items;
    size_t count, cap;
    uint64_t bytes;
    bool missing_target;
    struct arena *out_arena;
    struct copy_result out;
};

// ---- collecting ---------------------------------------------------------------------------------

static struct carried *room_for_one(struct across *a)
{
    if (a->count == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 16;
        struct carried *items = arena_alloc(&a->arena, cap * sizeof(*items));

        if (!items) {
            return NULL;
        }
        if (a->count) {
            memcpy(items, a->items, a->count * sizeof(*items));
        }
        a->items = items;
        a->cap = cap;
    }
    return &a->items[a->count];
}

static enum err collect_one(struct across *a, struct view *v, const struct placement *p,
                            const struct span *names, size_t count)
{
    struct carried *out = room_for_one(a);

    if (!out || a->count == ACROSS_MAX) {
        return out ? ERR_LIMIT : ERR_NOMEM;
    }
    enum err e = carry_take(v, p, names, count, a->keywords, &a->arena, out);

    if (e == ERR_OK) {
        a->bytes += p->bytes;
        a->count++;
    }
    return e;
}

static enum err collect_from(struct across *a, struct view *v)
{
    struct uid_cursor wanted = {.set = &a->uids};
    struct placement_scan *scan;
    const struct span *names;
    struct placement p;
    size_t count;
    enum err e = view_keywords(v, a->from, &names, &count);

    e = e == ERR_OK ? placement_scan_open(v, a->from, a->uids.ranges[0].first,
                                          a->uids.ranges[a->uids.count - 1].last, 0, &scan)
                    : e;
    if (e != ERR_OK) {
        return e;
    }
    while ((e = placement_next(scan, &p)) == ERR_OK) {
        e = uid_cursor_has(&wanted, p.uid) ? collect_one(a, v, &p, names, count) : ERR_OK;
        if (e != ERR_OK) {
            break;
        }
    }
    placement_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err collect(struct across *a)
{
    struct view v;
    enum err e = view_begin(&v, a->store, a->from_account);

    v.seen_of = a->reader == a->from_account ? 0 : a->reader;
    arena_reset(&a->arena);
    a->items = NULL;
    a->count = a->cap = 0;
    a->bytes = 0;
    if (e == ERR_OK) {
        e = collect_from(a, &v);
        view_end(&v);
    }
    return e;
}

// ---- placing ------------------------------------------------------------------------------------

static enum err place(struct across *a, struct placer *placer, struct change_draft *log,
                      const struct carried *item)
{
    struct placement p = item->placement;
    struct keyword_set keywords;
    enum err e = edit_keywords(placer->ed, placer->mailbox, item->keywords, item->keyword_count,
                               true, &keywords);

    if (e != ERR_OK) {
        return e;
    }
    p.flags &= a->flags;
    p.saved = edit_now_s(placer->ed);
    keyword_set_to(&keywords, &p);
    e = carry_put(placer->ed, item, &p.message);
    e = e == ERR_OK ? placer_add_new(placer, &p) : e;
    if (e == ERR_OK) {
        change_draft_add(log, p.uid, p.message, NULL);
    }
    return e;
}

static enum err report(struct across *a, uint32_t uid_validity, uint32_t first_uid)
{
    struct uid_builder from, to;

    uid_builder_init(&from, a->out_arena);
    uid_builder_init(&to, a->out_arena);
    for (size_t i = 0; i < a->count; i++) {
        uint32_t uid = a->items[i].placement.uid, there = first_uid + (uint32_t)i;

        uid_builder_add(&from, uid, uid);
        uid_builder_add(&to, there, there);
    }
    a->out.uid_validity = uid_validity;
    enum err e = uid_builder_finish(&from, &a->out.from);

    return e == ERR_OK ? uid_builder_finish(&to, &a->out.to) : e;
}

static enum err across_edit(struct edit *ed, void *arg)
{
    struct across *a = arg;
    struct edit_mailbox *m;
    struct placer placer;
    struct change_draft log;
    enum err e = edit_mailbox_with_messages(ed, a->to, &m);

    a->missing_target = e == ERR_NOT_FOUND;
    e = e == ERR_OK ? edit_quota_check(ed, a->bytes, a->count) : e;
    if (e != ERR_OK || !a->count) {
        return e;
    }
    uint32_t first_uid = m->record.is.uid_next;

    placer_begin(&placer, ed, m);
    change_draft_begin(&log, ed, CHANGE_ARRIVED, a->to, 0);
    for (size_t i = 0; i < a->count && e == ERR_OK; i++) {
        e = place(a, &placer, &log, &a->items[i]);
    }
    e = e == ERR_OK ? placer_finish(&placer) : e;
    e = change_draft_end(&log, e);
    return e == ERR_OK ? report(a, m->record.is.uid_validity, first_uid) : e;
}

enum err placement_copy_across(struct store *s, const struct actor *by, const struct copy_across *c,
                               struct arena *arena, struct copy_result *out,
                               bool *out_missing_target)
{
    struct across a = {.store = s,
                       .from_account = c->from_account,
                       .reader = c->reader,
                       .from = c->from,
                       .to = c->to,
                       .uids = c->uids,
                       .flags = c->flags,
                       .keywords = c->keywords,
                       .out_arena = arena};
    enum err e = ERR_CONFLICT;

    *out_missing_target = false;
    if (!c->uids.count) {
        *out = (struct copy_result){0};
        return ERR_OK;
    }
    arena_init(&a.arena, ARENA_BYTES_MAX);
    for (unsigned i = 0; i < TRIES && e == ERR_CONFLICT; i++) {
        e = collect(&a);
        if (e != ERR_OK) {
            break;
        }
        e = store_edit(s, c->to_account, by, across_edit, &a, &a.out.version);
        // A body went between the view and the commit, with its message.
        e = e == ERR_NOT_FOUND && !a.missing_target ? ERR_CONFLICT : e;
    }
    arena_finish(&a.arena);
    *out_missing_target = a.missing_target;
    if (e == ERR_OK) {
        *out = a.out;
    }
    return e;
}
