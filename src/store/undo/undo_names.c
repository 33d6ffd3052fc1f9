// SPDX-License-Identifier: Apache-2.0
//
// Giving many mailboxes their names back in one commit, so that names that were exchanged do not
// stand in each other's way. What lies below one of them goes along.
#include "store/undo/undo_internal.h"

#include "base/banned.h"

struct renaming {
    struct mailbox_record record;
    struct span name; // as it will be
};

struct naming {
    const struct undo_name *names;
    size_t count;
    struct renaming *all;
    size_t n;
};

// As it will be: named itself, or with the nearest above it that is.
static enum err new_name(struct edit *ed, const struct naming *g, const struct mailbox *m,
                         struct span *out)
{
    const struct undo_name *above = NULL;

    *out = m->name;
    for (size_t i = 0; i < g->count; i++) {
        const struct undo_name *one = &g->names[i];

        if (one->mailbox == m->id) {
            *out = one->to;
            return ERR_OK;
        }
        if (mailbox_name_is_under(m->name, one->from) && (!above || one->from.n > above->from.n)) {
            above = one;
        }
    }
    if (!above) {
        return ERR_OK;
    }
    size_t n = above->to.n + m->name.n - above->from.n;
    char *p = n <= NAME_BYTES_MAX ? arena_alloc(&ed->view.arena, n) : NULL;

    if (!p) {
        return n <= NAME_BYTES_MAX ? ERR_NOMEM : ERR_LIMIT;
    }
    memcpy(p, above->to.p, above->to.n);
    memcpy(p + above->to.n, m->name.p + above->from.n, m->name.n - above->from.n);
    *out = span_of(p, n);
    return ERR_OK;
}

// ERR_CONFLICT would be tried again: what was planned from is not so any more.
static enum err still_so(struct edit *ed, const struct naming *g)
{
    for (size_t i = 0; i < g->count; i++) {
        struct mailbox_record r;
        enum err e = view_mailbox_record(&ed->view, g->names[i].mailbox, &r);

        if (e != ERR_OK || !span_eq(r.is.name, g->names[i].from)) {
            return e == ERR_OK ? ERR_NOT_FOUND : e;
        }
    }
    return ERR_OK;
}

static enum err names_plan(struct edit *ed, struct naming *g, struct map *taken)
{
    const struct mailbox *const *all;
    enum err e = view_mailboxes(&ed->view, &all, &g->n);

    if (e != ERR_OK) {
        return e;
    }
    g->all = arena_zalloc(&ed->view.arena, g->n + 1, sizeof(*g->all));
    if (!g->all) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < g->n && e == ERR_OK; i++) {
        void *old = NULL;

        e = view_mailbox_record(&ed->view, all[i]->id, &g->all[i].record);
        e = e == ERR_OK ? new_name(ed, g, all[i], &g->all[i].name) : e;
        e = e == ERR_OK ? map_put(taken, g->all[i].name, &g->all[i], &old) : e;
        if (e == ERR_OK && old) {
            e = ERR_EXISTS;
        }
    }
    return e;
}

// edit_make_mailbox would look at the names as they were.
static enum err make_level(struct edit *ed, struct span name)
{
    struct mailbox_record r = {.is = {.id = ed->header.next_mailbox,
                                      .name = name,
                                      .uid_validity = edit_uid_validity(ed),
                                      .uid_next = 1,
                                      .highest_modseq = ed->modseq},
                               .created_modseq = ed->modseq};
    struct change c = {.kind = CHANGE_MAILBOX_CREATED, .mailbox = r.is.id, .after = name};
    struct key k = key_u32(KEY_MAILBOX, r.is.id);

    if (ed->header.mailboxes >= atomic_load(&ed->store->mailboxes_max) ||
        ed->header.next_mailbox == UINT32_MAX) {
        return ERR_LIMIT;
    }
    enum err e = edit_take_orphan(ed, name, &r.is.is_subscribed);

    ed->header.next_mailbox++;
    ed->header.mailboxes++;
    e = e == ERR_OK ? edit_put_name(ed, name, r.is.id) : e;
    e = e == ERR_OK ? edit_put(ed, &k, mailbox_encode(&r, ed->room)) : e;
    return e == ERR_OK ? change_put(ed, &c) : e;
}

// After the old names are away: levels that are missing above the new ones.
static enum err parents_make(struct edit *ed, const struct naming *g, struct map *taken)
{
    static char made;
    enum err e = ERR_OK;

    for (size_t i = 0; i < g->n; i++) {
        struct span name = g->all[i].name;

        for (size_t at = 0; at < name.n && e == ERR_OK; at++) {
            struct span parent = span_first(name, at);

            if (name.p[at] == '/' && !map_get(taken, parent)) {
                e = make_level(ed, parent);
                e = e == ERR_OK ? map_put(taken, parent, &made, NULL) : e;
            }
        }
    }
    return e;
}

static enum err put_one(struct edit *ed, struct renaming *r)
{
    struct key k = key_u32(KEY_MAILBOX, r->record.is.id);
    struct change c = {.kind = CHANGE_MAILBOX_RENAMED,
                       .mailbox = r->record.is.id,
                       .before = r->record.is.name,
                       .after = r->name};
    bool was_subscribed;
    enum err e = edit_take_orphan(ed, r->name, &was_subscribed);

    r->record.is.name = r->name;
    r->record.is.is_subscribed |= was_subscribed;
    e = e == ERR_OK ? edit_put_name(ed, r->name, r->record.is.id) : e;
    e = e == ERR_OK ? edit_put(ed, &k, mailbox_encode(&r->record, ed->room)) : e;
    return e == ERR_OK ? change_put(ed, &c) : e;
}

static enum err names_edit(struct edit *ed, void *arg)
{
    struct naming *g = arg;
    struct map taken;
    enum err e = still_so(ed, g);

    map_init(&taken);
    e = e == ERR_OK ? names_plan(ed, g, &taken) : e;
    // All old names away before the first new one is put.
    for (size_t i = 0; i < g->n && e == ERR_OK; i++) {
        if (!span_eq(g->all[i].record.is.name, g->all[i].name)) {
            struct key old = key_name(KEY_NAME, g->all[i].record.is.name);

            e = edit_delete(ed, &old);
        }
    }
    e = e == ERR_OK ? parents_make(ed, g, &taken) : e;
    map_finish(&taken);
    for (size_t i = 0; i < g->n && e == ERR_OK; i++) {
        if (!span_eq(g->all[i].record.is.name, g->all[i].name)) {
            e = put_one(ed, &g->all[i]);
        }
    }
    return e;
}

enum err undo_names(struct store *s, account_id account, const struct actor *by,
                    const struct undo_name *names, size_t count)
{
    struct naming g = {.names = names, .count = count};

    return count ? store_edit(s, account, by, names_edit, &g, NULL) : ERR_OK;
}
