// SPDX-License-Identifier: Apache-2.0
//
// Reads entries and writes METADATA responses, in batches.
#include "keep/imap/metadata/imap_metadata.h"

#include "base/banned.h"

struct metadata_source metadata_source_of(const struct imap_session *s, struct view *v,
                                          struct view *own, mailbox_id mailbox)
{
    struct metadata_source from = {.shared = v, .own = own, .in_shared = {0, mailbox}};

    from.in_own = from.in_shared;
    if (view_account(v) != s->account) {
        from.in_own.owner = view_account(v);
    }
    return from;
}

// Without DEPTH a name must be an entry's; with it also what only has entries below it.
enum err metadata_get_check(const struct imap_metadata_get *get)
{
    for (size_t i = 0; i < get->n; i++) {
        if (!metadata_name_is_valid(get->entries[i], get->depth != IMAP_METADATA_DEPTH_0)) {
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

struct writing {
    struct imap_session *s;
    const struct imap_metadata_get *get;
    struct metadata_cursor *c;
    struct span shown;
    bool is_open; // the response that is being written
    bool is_full;
};

static void write_value(struct imap_session *s, struct span value)
{
    if (value.p && span_find_byte(value, '\0') < value.n) {
        imap_write_literal_head(s->out, value.n, true);
        buf_put(s->out, value);
    } else {
        imap_write_nstring(s->out, value, imap_is_utf8(s));
    }
}

static void write_pair(struct writing *w, struct span name, struct span value)
{
    struct imap_session *s = w->s;

    if (!w->is_open) {
        OUT(s, "* METADATA ");
        if (w->shown.n) {
            imap_name_out(s, w->shown);
        } else {
            OUT(s, "\"\"");
        }
        OUT(s, " (");
    } else {
        buf_put_byte(s->out, ' ');
    }
    w->is_open = true;
    imap_write_astring(s->out, name, imap_is_utf8(s));
    buf_put_byte(s->out, ' ');
    write_value(s, value);
    w->is_full = imap_batch_is_full(s);
}

static enum err write_entry(void *arg, const struct metadata_entry *entry)
{
    struct writing *w = arg;
    struct metadata_cursor *c = w->c;

    c->after_n = entry->name.n;
    memcpy(c->after, entry->name.p, entry->name.n);
    if (w->get->has_maxsize && entry->value.n > w->get->maxsize) {
        c->longest = entry->value.n > c->longest ? entry->value.n : c->longest;
        return ERR_OK;
    }
    write_pair(w, entry->name, entry->value.p ? entry->value : SPAN(""));
    return w->is_full ? ERR_EOF : ERR_OK;
}

static enum err write_one(struct writing *w, struct view *v, struct metadata_where where,
                          struct span name)
{
    struct metadata_entry entry;
    enum err e = v ? view_metadata(v, where, name, &entry) : ERR_NOT_FOUND;

    if (e == ERR_NOT_FOUND) {
        write_pair(w, name, (struct span){0});
        return ERR_OK;
    }
    e = e ? e : write_entry(w, &entry);
    return e == ERR_EOF ? ERR_OK : e;
}

static enum err write_asked(struct writing *w, const struct metadata_source *from)
{
    static const enum metadata_depth depths[] = {
        [IMAP_METADATA_DEPTH_0] = METADATA_DEPTH_0,
        [IMAP_METADATA_DEPTH_1] = METADATA_DEPTH_1,
        [IMAP_METADATA_INFINITY] = METADATA_DEPTH_ALL,
    };
    struct metadata_cursor *c = w->c;
    struct span name = w->get->entries[c->at];
    bool is_own = metadata_name_is_private(name);
    struct view *v = is_own ? from->own : from->shared;
    struct metadata_where where = is_own ? from->in_own : from->in_shared;
    enum err e = ERR_OK;

    if (w->get->depth == IMAP_METADATA_DEPTH_0) {
        e = write_one(w, v, where, name);
    } else if (v) {
        e = view_metadata_each(v, where, name, depths[w->get->depth], span_of(c->after, c->after_n),
                               write_entry, w);
    }
    // A batch that is full at the last of those below is followed by an empty look.
    if (!w->is_full || w->get->depth == IMAP_METADATA_DEPTH_0) {
        c->at++;
        c->after_n = 0;
    }
    return e;
}

enum err metadata_write(struct imap_session *s, const struct imap_metadata_get *get,
                        const struct metadata_source *from, struct span shown,
                        struct metadata_cursor *c)
{
    struct writing w = {.s = s, .get = get, .c = c, .shown = shown};
    enum err e = ERR_OK;

    while (!e && !w.is_full && c->at < get->n) {
        e = write_asked(&w, from);
    }
    if (w.is_open) {
        OUT(s, ")\r\n");
    }
    c->is_done = c->at == get->n;
    return e;
}
