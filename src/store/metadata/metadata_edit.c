// SPDX-License-Identifier: Apache-2.0
//
// Changing entries, and what becomes of them when mailboxes go.
#include "store/metadata/metadata_internal.h"

#include "base/banned.h"

// ---- one row ------------------------------------------------------------------------------------

// The value before is kept as far as that goes: a history, not a second copy.
static enum err note(struct edit *ed, const struct key *k, const struct metadata_entry *before,
                     struct metadata_where where)
{
    char room[METADATA_BEFORE_BYTES_MAX + 3 * VARINT_BYTES_MAX];
    struct pack p = {.p = room, .cap = sizeof(room)};
    struct metadata_where none = {0};
    struct key head = metadata_key(none, SPAN(""));
    struct change c = {.kind = CHANGE_METADATA,
                       .mailbox = where.owner ? 0 : where.mailbox,
                       .value = where.owner,
                       .after = span_skip(key_span(k), head.n)};

    pack_u64(&p, before ? before->value.n + 1 : 0);
    pack_str(&p, before ? span_first(before->value, METADATA_BEFORE_BYTES_MAX) : SPAN(""));
    if (where.owner) { // the log names mailboxes of its own account only
        pack_u64(&p, where.mailbox);
    }
    c.before = pack_span(&p);
    return change_put(ed, &c);
}

static void count_out(struct edit *ed, const struct metadata_entry *entry)
{
    ed->header.metadata--;
    ed->header.metadata_bytes -= metadata_entry_bytes(entry);
}

static enum err put_row(struct edit *ed, const struct key *k, const struct metadata_entry *entry)
{
    size_t room = 1 + 3 * VARINT_BYTES_MAX + entry->name.n + entry->value.n;
    char *p = arena_alloc(&ed->view.arena, room);

    if (!p) {
        return ERR_NOMEM;
    }
    struct pack value = pack_record(p, room, SCHEMA_VERSION);

    pack_u64(&value, ed->modseq);
    pack_str(&value, entry->name);
    pack_str(&value, entry->value);
    ed->header.metadata++;
    ed->header.metadata_bytes += metadata_entry_bytes(entry);
    return edit_put(ed, k, pack_span(&value));
}

enum err metadata_edit_seen(struct edit *ed, mailbox_id mailbox, struct span value)
{
    struct metadata_entry before,
        after = {.where = {.mailbox = mailbox}, .name = SPAN(METADATA_SEEN), .value = value};
    struct key k = metadata_key(after.where, after.name);
    enum err e = view_metadata(&ed->view, after.where, after.name, &before);
    bool was_there = e == ERR_OK;

    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_CORRUPT) {
        return e;
    }
    if (was_there) {
        count_out(ed, &before);
    }
    e = value.n ? put_row(ed, &k, &after) : edit_delete(ed, &k);
    return e == ERR_OK ? note(ed, &k, was_there ? &before : NULL, after.where) : e;
}

// ---- setting ------------------------------------------------------------------------------------

struct set_args {
    struct metadata_where where;
    const struct metadata_change *changes;
    size_t n;
    const struct metadata_limits *limits;
};

// The entry that switches something (METADATA_SEEN).
static enum err switch_seen(struct edit *ed, const struct set_args *a,
                            const struct metadata_change *c)
{
    struct edit_mailbox *m;

    if (a->where.owner || !a->where.mailbox || !metadata_name_is_seen(c->name)) {
        return ERR_OK;
    }
    enum err e = edit_mailbox(ed, a->where.mailbox, &m);

    return e == ERR_OK ? seen_edit_switch(ed, m, span_eq(c->value, SPAN(METADATA_SEEN_OWN))) : e;
}

static enum err set_one(struct edit *ed, const struct set_args *a, const struct metadata_change *c)
{
    struct key k = metadata_key(a->where, c->name);
    struct metadata_entry before, after = {.where = a->where, .name = c->name, .value = c->value};
    struct span row;
    enum err e = view_get(&ed->view, &k, &row);
    bool was_there = e == ERR_OK && metadata_decode(key_span(&k), row, &before) == ERR_OK;

    if (e == ERR_NOT_FOUND && !c->value.p) {
        return ERR_OK;
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    if (was_there) {
        if (c->value.p && span_eq(before.value, c->value)) {
            return ERR_OK;
        }
        after.name = before.name;
        count_out(ed, &before);
    }
    e = c->value.p ? put_row(ed, &k, &after) : edit_delete(ed, &k);
    e = e == ERR_OK ? note(ed, &k, was_there ? &before : NULL, a->where) : e;
    return e == ERR_OK ? switch_seen(ed, a, c) : e;
}

static bool is_named_again(const struct set_args *a, size_t i)
{
    for (size_t k = i + 1; k < a->n; k++) {
        if (span_eq_nocase(a->changes[k].name, a->changes[i].name)) {
            return true;
        }
    }
    return false;
}

static enum err count_row(void *arg, struct span key, struct span value)
{
    struct metadata_entry entry;

    *(uint64_t *)arg += metadata_decode(key, value, &entry) == ERR_OK;
    return ERR_OK;
}

// What is less than before fits, whatever the limits are now.
static enum err check_limits(struct edit *ed, const struct set_args *a)
{
    const struct header *was = &ed->view.header, *is = &ed->header;
    struct key rows = metadata_key(a->where, SPAN(""));
    uint64_t there = 0;

    if (is->metadata_bytes > was->metadata_bytes && is->metadata_bytes > a->limits->account_bytes) {
        return ERR_QUOTA;
    }
    if (is->metadata <= was->metadata) {
        return ERR_OK;
    }
    enum err e = view_each(&ed->view, &rows, count_row, &there);

    there += is->metadata - was->metadata;
    return e == ERR_OK && there > a->limits->entries ? ERR_LIMIT : e;
}

static enum err set_edit(struct edit *ed, void *arg)
{
    const struct set_args *a = arg;
    struct edit_mailbox *m;
    enum err e =
        a->where.mailbox && !a->where.owner ? edit_mailbox(ed, a->where.mailbox, &m) : ERR_OK;

    for (size_t i = 0; i < a->n && e == ERR_OK; i++) {
        e = is_named_again(a, i) ? ERR_OK : set_one(ed, a, &a->changes[i]);
    }
    return e == ERR_OK ? check_limits(ed, a) : e;
}

// ---- what others have deleted -------------------------------------------------------------------

struct sweep {
    struct edit *ed;
    struct metadata_where last;
    bool is_gone; // the mailbox of `last`
};

static enum err look_for(struct store *s, struct metadata_where where, bool *out_gone)
{
    struct mailbox_record m;
    struct view v;
    enum err e = view_begin(&v, s, where.owner);

    if (e == ERR_OK) {
        e = view_mailbox_record(&v, where.mailbox, &m);
        view_end(&v);
    }
    *out_gone = e == ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND || e == ERR_CORRUPT ? ERR_OK : e;
}

static enum err sweep_row(void *arg, struct span key, struct span value)
{
    struct sweep *w = arg;
    struct metadata_entry entry;
    enum err e = ERR_OK;

    if (metadata_decode(key, value, &entry) != ERR_OK || !entry.where.owner) {
        return ERR_OK;
    }
    if (entry.where.owner != w->last.owner || entry.where.mailbox != w->last.mailbox) {
        w->last = entry.where;
        e = look_for(w->ed->store, entry.where, &w->is_gone);
    }
    if (e != ERR_OK || !w->is_gone) {
        return e;
    }
    struct key k = metadata_key(entry.where, entry.name);

    count_out(w->ed, &entry);
    e = edit_delete(w->ed, &k);
    return e == ERR_OK ? note(w->ed, &k, &entry, entry.where) : e;
}

// Rows on mailboxes of others that are there no more.
static enum err sweep_edit(struct edit *ed, void *arg)
{
    struct sweep w = {.ed = ed};
    struct key rows = key_plain(KEY_METADATA);

    (void)arg;
    return view_each(&ed->view, &rows, sweep_row, &w);
}

enum err metadata_set(struct store *s, account_id account, const struct actor *by,
                      struct metadata_where where, const struct metadata_change *changes, size_t n,
                      const struct metadata_limits *limits)
{
    struct set_args a = {where, changes, n, limits};

    for (size_t i = 0; i < n; i++) {
        bool is_switch = !where.owner && where.mailbox && metadata_name_is_seen(changes[i].name);

        if (!metadata_name_is_valid(changes[i].name, false) ||
            (is_switch && !metadata_seen_is_good(changes[i].value))) {
            return ERR_INVALID;
        }
        if (changes[i].value.n > METADATA_VALUE_BYTES_MAX) {
            return ERR_LIMIT;
        }
    }
    enum err e = store_edit(s, account, by, set_edit, &a, NULL);

    if (e != ERR_QUOTA) {
        return e;
    }
    e = store_edit(s, account, by, sweep_edit, NULL, NULL);
    return e == ERR_OK ? store_edit(s, account, by, set_edit, &a, NULL) : e;
}

// ---- mailboxes that go --------------------------------------------------------------------------

static enum err forget_row(void *arg, struct span key, struct span value)
{
    struct edit *ed = arg;
    struct metadata_entry entry;
    enum err e = batch_delete(ed->batch, key);

    if (e != ERR_OK || metadata_decode(key, value, &entry) != ERR_OK) {
        return e;
    }
    struct key k = metadata_key(entry.where, entry.name);

    count_out(ed, &entry);
    return note(ed, &k, &entry, entry.where);
}

enum err metadata_edit_forget(struct edit *ed, mailbox_id mailbox)
{
    struct metadata_where where = {.mailbox = mailbox};
    struct key rows = metadata_key(where, SPAN(""));

    return view_each(&ed->view, &rows, forget_row, ed);
}

struct copy {
    struct edit *ed;
    mailbox_id to;
};

// The mailbox may have it already, from the one above it.
static enum err copy_seen(const struct copy *c, const struct metadata_entry *entry)
{
    struct edit_mailbox *m;
    enum err e = edit_mailbox(c->ed, c->to, &m);

    if (e != ERR_OK || m->record.is.seen_since) {
        return e;
    }
    e = seen_edit_switch(c->ed, m, span_eq(entry->value, SPAN(METADATA_SEEN_OWN)));
    return e == ERR_OK ? metadata_edit_seen(c->ed, c->to, entry->value) : e;
}

static enum err copy_row(void *arg, struct span key, struct span value)
{
    const struct copy *c = arg;
    struct metadata_entry entry;

    if (metadata_decode(key, value, &entry) != ERR_OK) {
        return ERR_OK;
    }
    entry.where.mailbox = c->to;
    if (metadata_name_is_seen(entry.name)) {
        return copy_seen(c, &entry);
    }
    struct key k = metadata_key(entry.where, entry.name);
    enum err e = put_row(c->ed, &k, &entry);

    return e == ERR_OK ? note(c->ed, &k, NULL, entry.where) : e;
}

enum err metadata_edit_copy(struct edit *ed, mailbox_id from, mailbox_id to)
{
    struct copy c = {ed, to};
    struct metadata_where where = {.mailbox = from};
    struct key rows = metadata_key(where, SPAN(""));
    enum err e = view_each(&ed->view, &rows, copy_row, &c);

    return e == ERR_OK && ed->header.metadata_bytes > METADATA_ACCOUNT_BYTES_MAX ? ERR_LIMIT : e;
}
