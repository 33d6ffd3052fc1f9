// SPDX-License-Identifier: Apache-2.0
//
// Expunging: placements go, messages that lose their last one stay restorable. A crash leaves all
// of a commit or nothing of it; more than EXPUNGE_AT_ONCE messages take several commits.
#include <stdlib.h>

#include "store/store_internal.h"

#include "base/banned.h"

// Message records this close to each other are read by walking, so many or more of them.
#define WALK_STEPS 8
#define WALK_FROM  8

// A placement that goes, until its message's record is written.
struct goner {
    message_id message;
    uint32_t order;
    bool is_last; // the message has no placement left
    struct placement placement;
};

// Message records asked for in order of id.
struct record_walk {
    struct scan *scan; // NULL: they lie too far apart, each is looked up
    message_id at;     // of `value`; 0: before the first
    struct span value;
};

struct expunge_run {
    struct edit *ed;
    struct edit_mailbox *mailbox;
    struct keyword_table keywords;
    struct uid_cursor wanted;
    bool any;
    size_t limit;
    struct goner *goners;
    size_t count, cap;
    struct uid_builder *gone;
    struct change_draft log;
    struct remover remover;
    bool more;
    struct record_walk messages;
    struct span names[KEYWORDS_PER_MESSAGE_MAX]; // of the goner at hand
};

static enum err goner_add(struct expunge_run *x, const struct placement *p)
{
    struct arena *arena = &x->ed->view.arena;

    if (x->count == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 16;
        struct goner *goners = arena_alloc(arena, cap * sizeof(*goners));

        if (!goners) {
            return ERR_NOMEM;
        }
        if (x->count) {
            memcpy(goners, x->goners, x->count * sizeof(*goners));
        }
        x->goners = goners;
        x->cap = cap;
    }
    struct goner *g = &x->goners[x->count];

    *g = (struct goner){.message = p->message, .order = (uint32_t)x->count, .placement = *p};
    if (p->more_keyword_count) {
        struct span more =
            arena_dup(arena, span_of(p->more_keywords, p->more_keyword_count * sizeof(uint16_t)));

        if (!more.p) {
            return ERR_NOMEM;
        }
        g->placement.more_keywords = (const uint16_t *)(const void *)more.p;
    }
    x->count++;
    return ERR_OK;
}

static enum err expunge_chunk(struct expunge_run *x, uint32_t key_uid, struct span value,
                              bool adjacent)
{
    struct chunk c;
    unsigned kept = 0;
    enum err e = chunk_load(&c, key_uid, value);

    if (e != ERR_OK) {
        return e;
    }
    for (unsigned i = 0; i < c.count && e == ERR_OK; i++) {
        struct placement p;

        chunk_get(&c, i, &p);
        bool wanted = uid_cursor_has(&x->wanted, p.uid) && (x->any || (p.flags & FLAG_DELETED));

        if (wanted && x->count < x->limit) {
            change_draft_add(&x->log, p.uid, p.message, &p);
            uid_builder_add(x->gone, p.uid, p.uid);
            placement_uncount(x->ed, x->mailbox, &p);
            e = goner_add(x, &p);
            continue;
        }
        x->more |= wanted;
        if (kept != i) {
            chunk_set(&c, kept, &p);
        }
        kept++;
    }
    if (e != ERR_OK || kept == c.count) {
        remover_pass(&x->remover);
        return e;
    }
    chunk_truncate(&c, kept);
    return remover_chunk(&x->remover, &c, adjacent);
}

static enum err expunge_walk(struct expunge_run *x, const struct uid_set *set)
{
    struct chunk_walk w;
    struct chunk_view view;
    struct span value;
    uint32_t key_uid;
    enum err e;

    chunk_walk_begin(&w, &x->ed->view, x->mailbox->record.is.id, set ? set : &uid_set_all);
    while ((e = chunk_walk_next(&w, &key_uid, &value, &view)) == ERR_OK) {
        e = expunge_chunk(x, key_uid, value, w.is_adjacent);
        if (e != ERR_OK || x->more) {
            break;
        }
    }
    chunk_walk_end(&w);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ---- messages -----------------------------------------------------------------------------------

static int by_message(const void *a, const void *b)
{
    const struct goner *x = a, *y = b;

    if (x->message != y->message) {
        return x->message < y->message ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

// Keyword names of a placement, for the record that outlives the mailbox.
static void goner_keywords(const struct expunge_run *x, const struct placement *p,
                           struct span *names, struct message_record *m)
{
    m->keyword_count = 0;
    m->keywords = names;
    for (unsigned n = 0; n < 64; n++) {
        if (p->keywords >> n & 1 && n < x->keywords.count) {
            names[m->keyword_count++] = x->keywords.names[n];
        }
    }
    for (unsigned i = 0; i < p->more_keyword_count; i++) {
        if (p->more_keywords[i] < x->keywords.count &&
            m->keyword_count < KEYWORDS_PER_MESSAGE_MAX) {
            names[m->keyword_count++] = x->keywords.names[p->more_keywords[i]];
        }
    }
}

static enum err record_walk_begin(struct expunge_run *x)
{
    struct view *v = &x->ed->view;
    message_id first = x->goners[0].message, last = x->goners[x->count - 1].message;
    struct key from = key_u64(KEY_MESSAGE, first), end = key_u64(KEY_MESSAGE, last);
    struct key to = key_after(&end);

    if (x->count < WALK_FROM || (last - first) / x->count >= WALK_STEPS) {
        return ERR_OK;
    }
    return scan_open(v->snapshot, v->account, key_span(&from), key_span(&to), false,
                     &x->messages.scan);
}

// As view_message_record; reads on from the message before when it is not far.
static enum err record_walk_get(struct expunge_run *x, message_id id, struct message_record *out)
{
    struct record_walk *w = &x->messages;
    struct span key;
    enum err e = ERR_OK;

    for (unsigned i = 0; w->scan && e == ERR_OK && w->at < id && i < WALK_STEPS; i++) {
        e = scan_next(w->scan, &key, &w->value);
        if (e == ERR_OK && !key_read_u64(key, &w->at)) {
            e = ERR_CORRUPT;
        }
    }
    if (e == ERR_OK && w->at == id) {
        return message_decode(w->value, out);
    }
    return e == ERR_OK || e == ERR_NOT_FOUND ? view_message_record(&x->ed->view, id, out) : e;
}

// The message of `n` placements that go, the last of them `g`.
static enum err message_lose(struct expunge_run *x, struct goner *g, size_t n)
{
    struct edit *ed = x->ed;
    struct message_record m;
    enum err e = record_walk_get(x, g->message, &m);

    if (e == ERR_NOT_FOUND) {
        return ERR_OK; // damage: a placement without a message can still be expunged
    }
    if (e != ERR_OK) {
        return e;
    }
    m.placements = m.placements > n ? m.placements - (uint32_t)n : 0;
    if (m.placements == 0) {
        g->is_last = true;
        m.expunged_at = edit_now_s(ed);
        m.from = x->mailbox->record.is.id;
        m.from_name = x->mailbox->record.is.name;
        m.flags = g->placement.flags;
        m.internal_date = g->placement.internal_date;
        m.zone_minutes = g->placement.zone_minutes;
        goner_keywords(x, &g->placement, x->names, &m);
        ed->header.expunged++;
        ed->header.expunged_bytes += m.bytes;
    }
    return edit_put_message(ed, g->message, &m);
}

static enum err goner_list(struct expunge_run *x, const struct goner *g)
{
    struct key k = key_expunged(edit_now_s(x->ed), g->message);
    char version = SCHEMA_VERSION;

    return edit_put(x->ed, &k, span_of(&version, 1));
}

static void goners_sort(struct expunge_run *x)
{
    for (size_t i = 1; i < x->count; i++) {
        if (by_message(&x->goners[i - 1], &x->goners[i]) > 0) {
            qsort(x->goners, x->count, sizeof(*x->goners), by_message);
            return;
        }
    }
}

// One message may have several placements in the mailbox: they are counted together. Kind by kind,
// so that the batch's keys come in order.
static enum err messages_lose(struct expunge_run *x)
{
    if (!x->count) {
        return ERR_OK;
    }
    goners_sort(x);
    enum err e = record_walk_begin(x);

    for (size_t i = 0; i < x->count && e == ERR_OK;) {
        size_t n = 1;

        while (i + n < x->count && x->goners[i + n].message == x->goners[i].message) {
            n++;
        }
        e = message_lose(x, &x->goners[i + n - 1], n);
        i += n;
    }
    scan_close(x->messages.scan);
    for (size_t i = 0; i < x->count && e == ERR_OK; i++) {
        e = x->goners[i].is_last ? goner_list(x, &x->goners[i]) : ERR_OK;
    }
    return e;
}

enum err edit_expunge(struct edit *ed, struct edit_mailbox *m, const struct uid_set *set, bool any,
                      size_t limit, struct uid_builder *gone, bool *out_more)
{
    struct expunge_run x = {
        .ed = ed, .mailbox = m, .wanted = {.set = set}, .any = any, .limit = limit, .gone = gone};
    enum err e = keyword_table_load(&ed->view, m->record.is.id, &x.keywords);

    if (e != ERR_OK) {
        return e;
    }
    change_draft_begin(&x.log, ed, CHANGE_EXPUNGED, m->record.is.id, 0);
    remover_begin(&x.remover, ed, m);
    e = expunge_walk(&x, set);
    e = e != ERR_OK ? e : remover_finish(&x.remover);
    e = e != ERR_OK ? e : messages_lose(&x);
    e = change_draft_end(&x.log, e);
    if (e == ERR_OK) {
        *out_more = x.more;
    }
    return e;
}

// ---- the public call ----------------------------------------------------------------------------

struct expunge_args {
    mailbox_id mailbox;
    const struct uid_set *uids;
    bool any, more;
    struct arena *arena;
    struct uid_builder gone; // in this commit
};

static enum err expunge_edit(struct edit *ed, void *arg)
{
    struct expunge_args *a = arg;
    struct edit_mailbox *m;
    enum err e = edit_mailbox_with_messages(ed, a->mailbox, &m);

    a->more = false;
    uid_builder_init(&a->gone, a->arena);
    if (e != ERR_OK || (!a->any && m->record.is.deleted == 0)) {
        return e;
    }
    return edit_expunge(ed, m, a->uids, a->any, EXPUNGE_AT_ONCE, &a->gone, &a->more);
}

enum err placement_expunge(struct store *s, account_id account, const struct actor *by,
                           mailbox_id mailbox, const struct uid_set *uids, bool any,
                           struct arena *a, struct uid_set *out_gone, modseq *out_version)
{
    struct expunge_args args = {.mailbox = mailbox, .uids = uids, .any = any, .arena = a};
    struct uid_builder all;
    modseq version;
    enum err e;

    uid_builder_init(&all, a);
    do {
        e = store_edit(s, account, by, expunge_edit, &args, &version);
        if (e != ERR_OK || args.gone.failed) {
            return e != ERR_OK ? e : ERR_NOMEM;
        }
        for (size_t i = 0; i < args.gone.set.count; i++) {
            uid_builder_add(&all, args.gone.set.ranges[i].first, args.gone.set.ranges[i].last);
        }
    } while (args.more);
    e = uid_builder_finish(&all, out_gone);
    if (e == ERR_OK) {
        *out_version = version;
    }
    return e;
}
