// SPDX-License-Identifier: Apache-2.0
//
// Looking at mailboxes: by id, by name, all of them in order.
#include <stdlib.h>

#include "store/store_internal.h"

#include "base/banned.h"

const struct span mailbox_inbox = {"INBOX", 5};

// ---- names --------------------------------------------------------------------------------------

bool mailbox_name_is_under(struct span name, struct span parent)
{
    return name.n > parent.n && name.p[parent.n] == '/' && span_starts(name, parent);
}

struct span mailbox_name_parent(struct span name)
{
    size_t n = name.n;

    while (n && name.p[n - 1] != '/') {
        n--;
    }
    return span_first(name, n ? n - 1 : 0);
}

static bool is_in_inbox(struct span name)
{
    return span_eq(name, mailbox_inbox) || mailbox_name_is_under(name, mailbox_inbox);
}

// INBOX and what is under it first; then by bytes, with '/' before all others, so that a mailbox
// is followed by its children.
int mailbox_name_compare(struct span a, struct span b)
{
    bool a_in = is_in_inbox(a), b_in = is_in_inbox(b);

    if (a_in != b_in) {
        return a_in ? -1 : 1;
    }
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++) {
        if (a.p[i] != b.p[i]) {
            int x = a.p[i] == '/' ? -1 : (unsigned char)a.p[i];
            int y = b.p[i] == '/' ? -1 : (unsigned char)b.p[i];

            return x - y;
        }
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

// ---- one mailbox --------------------------------------------------------------------------------

enum err view_mailbox_record(struct view *v, mailbox_id id, struct mailbox_record *out)
{
    struct key k = key_u32(KEY_MAILBOX, id);
    struct span value;
    enum err e = view_get(v, &k, &value);

    return e != ERR_OK ? e : mailbox_decode(id, value, out);
}

enum err view_name_lookup(struct view *v, struct span name, mailbox_id *out)
{
    struct span value;

    if (name.n == 0 || name.n > NAME_BYTES_MAX) {
        return ERR_NOT_FOUND;
    }
    struct key k = key_name(KEY_NAME, name);
    enum err e = view_get(v, &k, &value);

    return e != ERR_OK ? e : mailbox_id_decode(value, out);
}

enum err view_mailbox(struct view *v, mailbox_id id, const struct mailbox **out)
{
    struct mailbox_record *r = arena_alloc(&v->arena, sizeof(*r));

    if (!r) {
        return ERR_NOMEM;
    }
    enum err e = view_mailbox_record(v, id, r);

    if (e == ERR_OK) {
        *out = &r->is;
    }
    return e;
}

enum err view_mailbox_by_name(struct view *v, struct span name, const struct mailbox **out)
{
    mailbox_id id;
    enum err e = view_name_lookup(v, name, &id);

    if (e != ERR_OK) {
        return e;
    }
    e = view_mailbox(v, id, out);
    return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

// ---- all of them --------------------------------------------------------------------------------

struct collect {
    struct view *v;
    void *items; // array of pointers to mailboxes, or of spans
    size_t count, cap;
};

// Room for one more element, in the view's arena.
static void *collect_room(struct collect *c, size_t size)
{
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 16;
        void *items = arena_alloc(&c->v->arena, cap * size);

        if (!items) {
            return NULL;
        }
        if (c->count) {
            memcpy(items, c->items, c->count * size);
        }
        c->items = items;
        c->cap = cap;
    }
    return (char *)c->items + c->count++ * size;
}

static enum err collect_mailbox(void *arg, struct span key, struct span value)
{
    struct collect *c = arg;
    struct mailbox_record *r = arena_alloc(&c->v->arena, sizeof(*r));
    const struct mailbox **at = collect_room(c, sizeof(*at));
    mailbox_id id;

    if (!r || !at) {
        return ERR_NOMEM;
    }
    if (!key_read_u32(key, &id)) {
        return ERR_CORRUPT;
    }
    *at = &r->is;
    return mailbox_decode(id, value, r);
}

static int by_name(const void *a, const void *b)
{
    const struct mailbox *const *x = a, *const *y = b;

    return mailbox_name_compare((*x)->name, (*y)->name);
}

enum err view_mailboxes(struct view *v, const struct mailbox *const **out, size_t *out_count)
{
    if (!v->has_mailboxes) {
        struct collect c = {.v = v};
        struct key prefix = key_plain(KEY_MAILBOX);
        enum err e = view_each(v, &prefix, collect_mailbox, &c);

        if (e != ERR_OK) {
            return e;
        }
        v->mailboxes = c.items;
        v->mailbox_count = c.count;
        if (c.count) {
            qsort(c.items, c.count, sizeof(*v->mailboxes), by_name);
        }
        v->has_mailboxes = true;
    }
    *out = v->mailboxes;
    *out_count = v->mailbox_count;
    return ERR_OK;
}

static enum err collect_orphan(void *arg, struct span key, struct span value)
{
    struct span *at = collect_room(arg, sizeof(*at));

    (void)key;
    return at ? str_decode(value, NAME_BYTES_MAX, at) : ERR_NOMEM;
}

static int by_span(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return mailbox_name_compare(*x, *y);
}

enum err view_orphan_subscriptions(struct view *v, const struct span **out, size_t *out_count)
{
    if (!v->has_orphans) {
        struct collect c = {.v = v};
        struct key prefix = key_plain(KEY_SUBSCRIPTION);
        enum err e = view_each(v, &prefix, collect_orphan, &c);

        if (e != ERR_OK) {
            return e;
        }
        v->orphans = c.items;
        v->orphan_count = c.count;
        if (c.count) {
            qsort(c.items, c.count, sizeof(*v->orphans), by_span);
        }
        v->has_orphans = true;
    }
    *out = v->orphans;
    *out_count = v->orphan_count;
    return ERR_OK;
}

enum err view_keywords(struct view *v, mailbox_id id, const struct span **out, size_t *out_count)
{
    if (v->keywords.mailbox != id || id == 0) {
        enum err e = keyword_table_load(v, id, &v->keywords);

        if (e != ERR_OK) {
            return e;
        }
    }
    *out = v->keywords.names;
    *out_count = v->keywords.count;
    return ERR_OK;
}

enum err view_quota(struct view *v, struct quota *out)
{
    *out = (struct quota){.bytes = v->header.bytes,
                          .bytes_max = v->header.bytes_max,
                          .messages = v->header.messages,
                          .messages_max = v->header.messages_max};
    return ERR_OK;
}
