// SPDX-License-Identifier: Apache-2.0
//
// Reads the change log and follows each thing that is to be undone: what it was before, and whether
// somebody else has changed it since.
#include "base/bytes.h"
#include "store/sent_internal.h"
#include "store/undo/undo_internal.h"

#include "base/banned.h"

#define ALL_FLAGS (FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT)

bool undo_concerns(const struct undo_what *w, const struct change *c)
{
    if (c->when_ms < w->since_ms || c->when_ms > w->until_ms) {
        return false;
    }
    return w->device_id ? c->by.device_id == w->device_id
                        : c->by.device_id == 0 && w->name.n > 0 && span_eq(c->by.device, w->name);
}

// ---- tracks -------------------------------------------------------------------------------------

struct track_key {
    char p[8];
};

static struct track_key key_of(mailbox_id mailbox, uint32_t uid)
{
    struct track_key k;

    put_be32(k.p, mailbox);
    put_be32(k.p + 4, uid);
    return k;
}

static struct undo_track *track_find(struct undo_plan *p, mailbox_id mailbox, uint32_t uid)
{
    struct track_key k = key_of(mailbox, uid);

    return p->tracks ? map_get(&p->at, span_of(k.p, sizeof(k.p))) : NULL;
}

static enum err track_put(struct undo_plan *p, struct undo_track *t, mailbox_id mailbox,
                          uint32_t uid)
{
    struct track_key k = key_of(mailbox, uid);

    t->mailbox = mailbox;
    t->uid = uid;
    return map_put(&p->at, span_of(k.p, sizeof(k.p)), t, NULL);
}

static void track_take(struct undo_plan *p, const struct undo_track *t)
{
    struct track_key k = key_of(t->mailbox, t->uid);

    map_remove(&p->at, span_of(k.p, sizeof(k.p)));
}

// Of a message that was in `base` before they touched it; 0: it was not there.
static enum err track_new(struct undo_plan *p, mailbox_id mailbox, uint32_t uid, mailbox_id base,
                          struct undo_track **out)
{
    struct undo_track *t = arena_zalloc(&p->arena, 1, sizeof(*t));

    if (!t) {
        return ERR_LIMIT;
    }
    if (++p->track_count > UNDO_TRACKS_MAX) {
        return ERR_LIMIT;
    }
    t->base_mailbox = base;
    t->next = p->tracks;
    p->tracks = t;
    *out = t;
    return track_put(p, t, mailbox, uid);
}

// Theirs is followed from now on; of others' only what is followed already (NULL otherwise).
static enum err track_get(struct undo_plan *p, mailbox_id mailbox, uint32_t uid,
                          struct undo_track **out)
{
    *out = track_find(p, mailbox, uid);
    return *out || !p->is_theirs ? ERR_OK : track_new(p, mailbox, uid, mailbox, out);
}

// ---- a record's messages ------------------------------------------------------------------------

struct walk {
    struct span flags, messages;
    struct change_flags run; // of the message at hand
    uint64_t run_left, id_left;
    message_id last, next;
    message_id message; // of the message at hand; 0: the record has none
    struct span *names; // keywords of the run, when asked for
    size_t name_count;
    bool is_new_run;
};

static void walk_begin(struct walk *w, const struct change *c)
{
    *w = (struct walk){.flags = c->flags_before, .messages = c->messages};
}

static void walk_next(struct walk *w)
{
    message_id first;

    w->is_new_run = false;
    if (w->run_left == 0) {
        w->is_new_run = true;
        if (!change_flags_next(&w->flags, &w->run) || w->run.count == 0) {
            w->run = (struct change_flags){.count = UINT64_MAX};
        }
        w->run_left = w->run.count;
    }
    w->run_left--;
    if (w->id_left == 0) {
        w->message = 0;
        if (!change_messages_next(&w->messages, &w->last, &first, &w->id_left) || !w->id_left) {
            w->id_left = 0;
            return;
        }
        w->next = first;
    }
    w->message = w->next++;
    w->id_left--;
}

// ---- flags --------------------------------------------------------------------------------------

static void note_flags(struct undo_plan *p, struct undo_track *t, uint16_t before, uint16_t changed)
{
    uint16_t after = before ^ changed;

    if (p->is_theirs) {
        uint16_t first = changed & (uint16_t)~t->their_flags;

        t->base_flags = (uint16_t)((t->base_flags & ~first) | (before & first));
        t->their_flags |= changed;
        t->left_flags &= (uint16_t)~changed;
    } else {
        uint16_t was = changed & t->their_flags;

        t->their_flags &= (uint16_t)~was;
        t->left_flags = (uint16_t)((t->left_flags & ~was) | ((after ^ t->base_flags) & was));
    }
}

static enum err note_keyword(struct undo_plan *p, struct undo_track *t, struct span name,
                             bool before)
{
    struct undo_keyword *k = t->keywords;

    while (k && !span_eq(k->name, name)) {
        k = k->next;
    }
    if (!p->is_theirs) {
        if (k && k->is_theirs) {
            k->is_theirs = false;
            k->is_left = !before != k->base;
        }
        return ERR_OK;
    }
    if (!k) {
        k = arena_zalloc(&p->arena, 1, sizeof(*k));
        if (!k) {
            return ERR_LIMIT;
        }
        *k = (struct undo_keyword){.next = t->keywords, .name = name};
        t->keywords = k;
    }
    if (!k->is_theirs) {
        k->base = before;
        k->is_theirs = true;
    }
    k->is_left = false;
    return ERR_OK;
}

static bool has_keyword(const struct change_flags *f, unsigned n)
{
    if (n < 64) {
        return f->keywords >> n & 1;
    }
    for (unsigned i = 0; i < f->more_count; i++) {
        if (f->more[i] == n) {
            return true;
        }
    }
    return false;
}

static bool keyword_changed(const struct change_flags_done *d, const struct change_flags *before,
                            unsigned n)
{
    bool was = has_keyword(before, n), what = has_keyword(&d->what, n);

    return d->how == FLAGS_SET ? was != what : d->how == FLAGS_ADD ? what && !was : what && was;
}

static enum err note_number(struct undo_plan *p, struct undo_track *t, mailbox_id mailbox,
                            const struct change_flags_done *d, const struct change_flags *before,
                            unsigned n)
{
    struct span name;

    if (!keyword_changed(d, before, n)) {
        return ERR_OK;
    }
    if (!undo_box_keyword(p, mailbox, n, &name)) {
        p->unknown_keywords += p->is_theirs;
        return ERR_OK;
    }
    return note_keyword(p, t, name, has_keyword(before, n));
}

static enum err note_keywords(struct undo_plan *p, struct undo_track *t, mailbox_id mailbox,
                              const struct change_flags_done *d, const struct change_flags *before)
{
    uint64_t low = before->keywords | d->what.keywords;
    enum err e = ERR_OK;

    for (unsigned n = 0; n < 64 && low >> n && e == ERR_OK; n++) {
        if (low >> n & 1) {
            e = note_number(p, t, mailbox, d, before, n);
        }
    }
    for (unsigned i = 0; i < d->what.more_count && e == ERR_OK; i++) {
        e = note_number(p, t, mailbox, d, before, d->what.more[i]);
    }
    for (unsigned i = 0; i < before->more_count && d->how == FLAGS_SET && e == ERR_OK; i++) {
        if (!has_keyword(&d->what, before->more[i])) {
            e = note_number(p, t, mailbox, d, before, before->more[i]);
        }
    }
    return e;
}

static uint16_t flags_changed(const struct change_flags_done *d, uint16_t before)
{
    uint16_t what = d->what.flags;
    uint16_t changed = d->how == FLAGS_SET   ? (uint16_t)(before ^ what)
                       : d->how == FLAGS_ADD ? (uint16_t)(what & ~before)
                                             : (uint16_t)(what & before);

    return changed & ALL_FLAGS;
}

// ---- records ------------------------------------------------------------------------------------

// One message of a record. The walk has its flags before and its id.
typedef enum err one_fn(struct undo_plan *p, const struct change *c, struct walk *w, uint32_t uid);

static enum err each(struct undo_plan *p, const struct change *c, one_fn *fn)
{
    struct walk w;
    enum err e = ERR_OK;

    walk_begin(&w, c);
    for (size_t i = 0; i < c->uids.count; i++) {
        for (uint64_t u = c->uids.ranges[i].first; u <= c->uids.ranges[i].last; u++) {
            walk_next(&w);
            e = fn(p, c, &w, (uint32_t)u);
            if (e != ERR_OK) {
                return e;
            }
        }
    }
    return e;
}

static enum err one_flags(struct undo_plan *p, const struct change *c, struct walk *w, uint32_t uid)
{
    struct change_flags_done d;
    struct undo_track *t;
    enum err e = track_get(p, c->mailbox, uid, &t);

    if (e != ERR_OK || !t || !change_flags_done(c->after, &d)) {
        return e;
    }
    t->is_touched |= !p->is_theirs;
    note_flags(p, t, w->run.flags, flags_changed(&d, w->run.flags));
    return note_keywords(p, t, c->mailbox, &d, &w->run);
}

static enum err one_new(struct undo_plan *p, const struct change *c, struct walk *w, uint32_t uid)
{
    struct undo_track *t;
    enum err e = track_new(p, c->mailbox, uid, 0, &t);

    if (e == ERR_OK) {
        t->message = w->message;
        t->place_is_theirs = true;
    }
    return e;
}

static enum err note_new(struct undo_plan *p, const struct change *c)
{
    if (!p->is_theirs) {
        return ERR_OK;
    }
    if (c->kind == CHANGE_ARRIVED && span_eq(c->after, SPAN(SENT_FILED_WORDS))) {
        p->sent_copies++; // evidence of what was sent
        return ERR_OK;
    }
    return each(p, c, one_new);
}

static enum err uids_add(struct undo_plan *p, struct undo_uids *u, uint32_t uid, message_id id)
{
    if (u->n == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 64;
        struct undo_uid *more = arena_alloc(&p->arena, cap * sizeof(*more));

        if (!more) {
            return ERR_LIMIT;
        }
        if (u->n) {
            memcpy(more, u->p, u->n * sizeof(*more));
        }
        u->p = more;
        u->cap = cap;
    }
    u->p[u->n++] = (struct undo_uid){uid, id};
    return ERR_OK;
}

static enum err one_out(struct undo_plan *p, const struct change *c, struct walk *w, uint32_t uid)
{
    p->moved_from = c->mailbox;
    p->moved_to = c->other_mailbox;
    return uids_add(p, &p->out, uid, w->message);
}

static enum err one_in(struct undo_plan *p, const struct change *c, struct walk *w, uint32_t uid)
{
    (void)c;
    return uids_add(p, &p->in, uid, w->message);
}

static enum err note_moved(struct undo_plan *p, const struct undo_uid *from, uint32_t to)
{
    struct undo_track *t;
    enum err e = track_get(p, p->moved_from, from->uid, &t);

    if (e != ERR_OK || !t) {
        return e;
    }
    t->message = from->message;
    track_take(p, t);
    if (p->is_theirs) {
        if (!t->place_is_theirs) {
            t->base_mailbox = p->moved_from;
        }
        t->place_is_theirs = t->base_mailbox != p->moved_to;
        t->place_is_left = false;
    } else {
        t->place_is_left = t->place_is_theirs && t->base_mailbox &&
                           undo_box_now(p, t->base_mailbox) != undo_box_now(p, p->moved_to);
        t->place_is_theirs = false;
        t->is_touched = true;
        t->base_mailbox = p->moved_to;
    }
    return track_put(p, t, p->moved_to, to);
}

// The keywords by name. NULL: one of them nobody knows.
static enum err run_names(struct undo_plan *p, mailbox_id mailbox, struct walk *w)
{
    uint64_t low = w->run.keywords;
    bool known = true;

    if (!w->is_new_run) {
        return ERR_OK;
    }
    w->name_count = 0;
    w->names = arena_zalloc(&p->arena, KEYWORDS_PER_MESSAGE_MAX, sizeof(*w->names));
    for (unsigned n = 0; w->names && known && n < 64 && low >> n; n++) {
        if (low >> n & 1 && w->name_count < KEYWORDS_PER_MESSAGE_MAX) {
            known = undo_box_keyword(p, mailbox, n, &w->names[w->name_count++]);
        }
    }
    for (unsigned i = 0; w->names && known && i < w->run.more_count; i++) {
        known = w->name_count < KEYWORDS_PER_MESSAGE_MAX &&
                undo_box_keyword(p, mailbox, w->run.more[i], &w->names[w->name_count++]);
    }
    if (!w->names) {
        return ERR_LIMIT;
    }
    w->names = known ? w->names : NULL;
    return ERR_OK;
}

static enum err note_gone(struct undo_plan *p, struct undo_track *t)
{
    char key[8];
    void *first = NULL;

    put_be64(key, t->message);
    first = map_get(&p->gone, span_of(key, sizeof(key)));
    t->next_gone = first;
    return map_put(&p->gone, span_of(key, sizeof(key)), t, NULL);
}

static enum err one_expunged(struct undo_plan *p, const struct change *c, struct walk *w,
                             uint32_t uid)
{
    struct undo_track *t;
    enum err e = track_get(p, c->mailbox, uid, &t);

    if (e != ERR_OK || !t) {
        return e;
    }
    e = p->is_theirs ? run_names(p, c->mailbox, w) : ERR_OK;
    track_take(p, t);
    t->uid = 0;
    t->message = w->message;
    t->gone_flags = w->run.flags;
    t->gone_keywords = w->names;
    t->gone_keyword_count = w->name_count;
    if (!p->is_theirs) {
        t->place_is_left = t->base_mailbox && (t->place_is_theirs || t->their_flags);
        t->place_is_theirs = false;
        t->is_touched = true;
        t->base_mailbox = 0;
    } else if (!t->place_is_theirs) {
        t->base_mailbox = c->mailbox;
        t->place_is_theirs = true;
    } else if (!t->base_mailbox) {
        t->place_is_theirs = false; // they made it, and they removed it
    }
    if (p->is_theirs) { // a message comes back without \Deleted, unless others had set it
        note_flags(p, t, w->run.flags, FLAG_DELETED);
    }
    return e == ERR_OK ? note_gone(p, t) : e;
}

// The one of the message's that comes back: that of this mailbox, or what went last.
static struct undo_track *take_gone(struct undo_plan *p, message_id id, mailbox_id into)
{
    char key[8];
    struct undo_track *best = NULL, *head;

    put_be64(key, id);
    head = map_get(&p->gone, span_of(key, sizeof(key)));
    for (struct undo_track *t = head; t; t = t->next_gone) {
        if (t->base_mailbox && undo_box_now(p, t->base_mailbox) == undo_box_now(p, into)) {
            best = t;
            break;
        }
    }
    best = best ? best : head;
    if (!best) {
        return NULL;
    }
    if (best == head) {
        if (head->next_gone) {
            map_put(&p->gone, span_of(key, sizeof(key)), head->next_gone, NULL);
        } else {
            map_remove(&p->gone, span_of(key, sizeof(key)));
        }
        return best;
    }
    for (struct undo_track *t = head; t; t = t->next_gone) {
        if (t->next_gone == best) {
            t->next_gone = best->next_gone;
            break;
        }
    }
    return best;
}

static enum err one_restored(struct undo_plan *p, const struct change *c, struct walk *w,
                             uint32_t uid)
{
    struct undo_track *t = take_gone(p, w->message, c->mailbox);

    if (!t) {
        return p->is_theirs ? one_new(p, c, w, uid) : ERR_OK;
    }
    struct undo_box *base = t->base_mailbox ? undo_box_now(p, t->base_mailbox) : NULL;
    bool is_elsewhere = base != undo_box_now(p, c->mailbox);

    t->their_flags &= (uint16_t)~FLAG_DELETED;
    if (p->is_theirs) {
        t->place_is_theirs = is_elsewhere;
    } else {
        t->place_is_left = t->place_is_theirs && is_elsewhere;
        t->place_is_theirs = false;
        t->base_mailbox = c->mailbox;
    }
    return track_put(p, t, c->mailbox, uid);
}

// ---- entries ------------------------------------------------------------------------------------

// A move's two records may come in pieces: they are put together when the entry is over.
static enum err entry_end(struct undo_plan *p)
{
    size_t n = p->out.n < p->in.n ? p->out.n : p->in.n;
    enum err e = ERR_OK;

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        e = note_moved(p, &p->out.p[i], p->in.p[i].uid);
    }
    p->out.n = p->in.n = 0;
    if (e == ERR_OK && p->has_rules) {
        e = undo_read_rules(p, p->number, p->is_theirs);
    }
    p->has_rules = p->has_renamed = false;
    return e;
}

static enum err note_record(struct undo_plan *p, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_ARRIVED:
    case CHANGE_COPIED:
        return note_new(p, c);
    case CHANGE_FLAGS:
        return each(p, c, one_flags);
    case CHANGE_MOVED_OUT:
        return each(p, c, one_out);
    case CHANGE_MOVED_IN:
        return each(p, c, one_in);
    case CHANGE_EXPUNGED:
        return each(p, c, one_expunged);
    case CHANGE_RESTORED:
        return each(p, c, one_restored);
    case CHANGE_MAILBOX_CREATED:
    case CHANGE_MAILBOX_DELETED:
    case CHANGE_MAILBOX_RENAMED:
    case CHANGE_SUBSCRIPTION:
    case CHANGE_SPECIAL_USE:
        return undo_read_box(p, c, p->is_theirs);
    case CHANGE_RULES:
        p->has_rules = true;
        return ERR_OK;
    case CHANGE_QUOTA:
    case CHANGE_ACCOUNT:
    case CHANGE_ROUTE:
    case CHANGE_DEVICE:
    case CHANGE_ACL:
    case CHANGE_METADATA:
        p->others += p->is_theirs;
        return ERR_OK;
    case CHANGE_FORGOTTEN:
    case CHANGE_REPAIRED:
    case CHANGE_SENT:
    case CHANGE_SEEN: // each reader's own
        break;
    }
    return ERR_OK;
}

static enum err read_from(struct undo_plan *p, modseq since)
{
    struct change_scan *scan;
    struct change c;
    enum err e = change_scan_open(p->view, since, false, &scan);

    if (e != ERR_OK) {
        return e;
    }
    while ((e = change_next(scan, &c)) == ERR_OK) {
        if (c.number != p->number) {
            e = entry_end(p);
            p->number = c.number;
            p->is_theirs = undo_concerns(p->what, &c);
        }
        e = e == ERR_OK ? note_record(p, &c) : e;
        if (e != ERR_OK) {
            break;
        }
    }
    change_scan_close(scan);
    return e == ERR_NOT_FOUND ? entry_end(p) : e;
}

// The first entry of theirs; 0: there is none.
static enum err find_first(struct undo_plan *p, modseq *out, bool *out_is_cut)
{
    struct change_scan *scan;
    struct change c;
    enum err e = change_scan_open(p->view, 0, true, &scan);

    *out = 0;
    *out_is_cut = false;
    if (e != ERR_OK) {
        return e;
    }
    while ((e = change_next(scan, &c)) == ERR_OK && c.when_ms >= p->what->since_ms) {
        if (undo_concerns(p->what, &c)) {
            *out = c.number;
        }
        if (c.kind == CHANGE_MAILBOX_DELETED) {
            e = undo_box_learn(p, &c);
            if (e != ERR_OK) {
                break;
            }
        }
    }
    if (e == ERR_NOT_FOUND) {
        modseq known;

        e = changes_known_since(p->view, &known);
        *out_is_cut = e == ERR_OK && known > 0;
    }
    change_scan_close(scan);
    return e;
}

enum err undo_plan_begin(struct undo_plan *p, struct store *s, account_id account,
                         const struct undo_what *what, bool *out_is_cut)
{
    modseq first;

    *p = (struct undo_plan){.what = what};
    enum err e = view_open(s, account, &p->view);

    if (e != ERR_OK) {
        return e;
    }
    arena_init(&p->arena, UNDO_ARENA_BYTES);
    map_init(&p->at);
    map_init(&p->gone);
    e = find_first(p, &first, out_is_cut);
    if (e == ERR_OK && first) {
        e = read_from(p, first - 1);
    }
    if (e != ERR_OK) {
        undo_plan_end(p);
    }
    return e;
}

void undo_plan_end(struct undo_plan *p)
{
    map_finish(&p->at);
    map_finish(&p->gone);
    arena_finish(&p->arena);
    view_close(p->view);
}
