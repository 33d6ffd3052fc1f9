// SPDX-License-Identifier: Apache-2.0
//
// Deleting and renaming mailboxes: what reaches below and above one name.
#include "store/belongings_internal.h"
#include "store/store_internal.h"

#include "base/banned.h"

static enum err has_children(struct edit *ed, struct span name, bool *out)
{
    const struct mailbox *const *all;
    size_t n;
    enum err e = view_mailboxes(&ed->view, &all, &n);

    *out = false;
    for (size_t i = 0; i < n && e == ERR_OK && !*out; i++) {
        *out = mailbox_name_is_under(all[i]->name, name);
    }
    return e;
}

// ---- deleting -----------------------------------------------------------------------------------

struct delete_args {
    struct span name;
    bool more; // messages are left: run it again
};

static enum err delete_record(struct edit *ed, struct edit_mailbox *m)
{
    struct mailbox *b = &m->record.is;
    struct key record = key_u32(KEY_MAILBOX, b->id), name = key_name(KEY_NAME, b->name);
    enum err e = edit_delete(ed, &record);

    e = e != ERR_OK ? e : edit_delete(ed, &name);
    if (e == ERR_OK && b->is_subscribed) {
        e = edit_put_orphan(ed, b->name);
    }
    ed->header.mailboxes--;
    m->is_dirty = false;
    return e;
}

// The names of the keywords by number: with the mailbox its list goes, and what the log says of
// flags could not be read any more.
static enum err pack_keywords(struct edit *ed, mailbox_id id, struct span *out)
{
    struct keyword_table table;
    size_t room = 1;
    enum err e = keyword_table_load(&ed->view, id, &table);

    if (e != ERR_OK) {
        return e;
    }
    for (size_t i = 0; i < table.count; i++) {
        room += table.names[i].n + VARINT_BYTES_MAX;
    }
    struct pack p = {.p = arena_alloc(&ed->view.arena, room), .cap = room};

    for (size_t i = 0; p.p && i < table.count; i++) {
        pack_str(&p, table.names[i]);
    }
    *out = pack_span(&p);
    return p.p ? ERR_OK : ERR_NOMEM;
}

static enum err delete_edit(struct edit *ed, void *arg)
{
    struct delete_args *a = arg;
    struct edit_mailbox *m;
    struct uid_builder gone;
    mailbox_id id;
    bool parent;

    if (span_eq(a->name, mailbox_inbox)) {
        return ERR_DENIED;
    }
    enum err e = view_name_lookup(&ed->view, a->name, &id);

    e = e != ERR_OK ? e : edit_mailbox(ed, id, &m);
    e = e != ERR_OK ? e : has_children(ed, a->name, &parent);
    if (e == ERR_OK && parent && m->record.is.is_no_select) {
        e = ERR_DENIED;
    }
    if (e != ERR_OK) {
        return e;
    }
    uid_builder_init(&gone, &ed->view.arena);
    e = edit_expunge(ed, m, NULL, true, EXPUNGE_AT_ONCE, &gone, &a->more);
    if (e != ERR_OK || a->more) {
        return e;
    }
    struct key keywords = key_u32(KEY_KEYWORDS, id);
    struct change c = {.kind = CHANGE_MAILBOX_DELETED,
                       .mailbox = id,
                       .before = m->record.is.name,
                       .value = m->record.is.special_use};

    e = pack_keywords(ed, id, &c.after);
    e = e != ERR_OK ? e : change_put(ed, &c);
    e = e != ERR_OK ? e : edit_delete(ed, &keywords);
    e = e != ERR_OK ? e : acl_edit_forget(ed, id);
    e = e != ERR_OK ? e : edit_drop_url_key(ed, id);
    e = e != ERR_OK ? e : metadata_edit_forget(ed, id);
    e = e != ERR_OK ? e : seen_edit_forget(ed, m);
    if (e == ERR_OK && parent) {
        m->record.is.is_no_select = true;
        m->record.is.special_use = 0;
        m->is_dirty = true;
    } else if (e == ERR_OK) {
        e = delete_record(ed, m);
    }
    return e;
}

enum err mailbox_delete(struct store *s, account_id account, const struct actor *by,
                        struct span name)
{
    struct delete_args a = {.name = name};
    enum err e;

    do {
        a.more = false;
        e = store_edit(s, account, by, delete_edit, &a, NULL);
    } while (e == ERR_OK && a.more);
    return e;
}

// ---- renaming -----------------------------------------------------------------------------------

struct rename_args {
    struct span from, to;
};

static size_t level_count(struct span name)
{
    size_t n = 1;

    for (size_t i = 0; i < name.n; i++) {
        n += name.p[i] == '/';
    }
    return n;
}

// `name` with `from` at its start replaced by `to`.
static enum err name_moved(struct edit *ed, const struct rename_args *a, struct span name,
                           struct span *out)
{
    size_t n = a->to.n + name.n - a->from.n;

    if (n > NAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    char *p = arena_alloc(&ed->view.arena, n);

    if (!p) {
        return ERR_NOMEM;
    }
    memcpy(p, a->to.p, a->to.n);
    memcpy(p + a->to.n, name.p + a->from.n, name.n - a->from.n);
    *out = span_of(p, n);
    return level_count(*out) > NAME_LEVELS_MAX ? ERR_LIMIT : ERR_OK;
}

// Writes the record at once: a tree of thousands would make the edit's list slow.
static enum err rename_one(struct edit *ed, const struct rename_args *a, const struct mailbox *b)
{
    struct mailbox_record r;
    struct span name;
    bool was_subscribed = false;
    struct key old = key_name(KEY_NAME, b->name), k = key_u32(KEY_MAILBOX, b->id);
    enum err e = view_mailbox_record(&ed->view, b->id, &r);

    e = e != ERR_OK ? e : name_moved(ed, a, b->name, &name);
    e = e != ERR_OK ? e : edit_take_orphan(ed, name, &was_subscribed);
    e = e != ERR_OK ? e : edit_delete(ed, &old);
    e = e != ERR_OK ? e : edit_put_name(ed, name, b->id);
    if (e != ERR_OK) {
        return e;
    }
    struct change c = {
        .kind = CHANGE_MAILBOX_RENAMED, .mailbox = b->id, .before = b->name, .after = name};

    r.is.name = name;
    r.is.is_subscribed |= was_subscribed;
    e = edit_put(ed, &k, mailbox_encode(&r, ed->room));
    return e != ERR_OK ? e : change_put(ed, &c);
}

static enum err rename_tree(struct edit *ed, const struct rename_args *a)
{
    const struct mailbox *const *all;
    size_t n;
    enum err e = view_mailboxes(&ed->view, &all, &n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        if (span_eq(all[i]->name, a->from) || mailbox_name_is_under(all[i]->name, a->from)) {
            e = rename_one(ed, a, all[i]);
        }
    }
    return e;
}

// RFC 3501 6.3.5: INBOX stays, its messages move into a new mailbox.
static enum err rename_inbox(struct edit *ed, const struct rename_args *a, mailbox_id inbox)
{
    struct edit_mailbox *from, *to;
    enum err e = edit_mailbox(ed, inbox, &from);

    e = e != ERR_OK ? e : edit_make_mailbox(ed, a->to, 0, false, &to);
    e = e != ERR_OK ? e : metadata_edit_copy(ed, inbox, to->record.is.id);
    return e != ERR_OK ? e : edit_move_all(ed, from, to);
}

static enum err rename_edit(struct edit *ed, void *arg)
{
    const struct rename_args *a = arg;
    struct edit_mailbox *above;
    mailbox_id id, taken;
    enum err e = view_name_lookup(&ed->view, a->from, &id);

    if (e != ERR_OK) {
        return e;
    }
    e = view_name_lookup(&ed->view, a->to, &taken);
    if (e != ERR_NOT_FOUND) {
        return e == ERR_OK ? ERR_EXISTS : e;
    }
    if (span_eq(a->from, mailbox_inbox)) {
        return rename_inbox(ed, a, id);
    }
    if (mailbox_name_is_under(a->to, a->from)) {
        return ERR_INVALID;
    }
    struct span parent = mailbox_name_parent(a->to);

    if (parent.n) {
        e = view_name_lookup(&ed->view, parent, &taken);
        e = e == ERR_NOT_FOUND ? edit_make_mailbox(ed, parent, 0, false, &above) : e;
    } else {
        e = ERR_OK;
    }
    return e != ERR_OK ? e : rename_tree(ed, a);
}

enum err mailbox_rename(struct store *s, account_id account, const struct actor *by,
                        struct span from, struct span to)
{
    struct rename_args a = {.from = from, .to = to};

    if (to.n == 0 || to.n > NAME_BYTES_MAX) {
        return ERR_LIMIT;
    }
    return store_edit(s, account, by, rename_edit, &a, NULL);
}
