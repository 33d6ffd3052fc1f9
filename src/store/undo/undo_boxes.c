// SPDX-License-Identifier: Apache-2.0
//
// Undoing what was done to mailboxes themselves: made, deleted, renamed, what they are for,
// subscriptions.
#include <stdio.h>
#include <stdlib.h>

#include "store/undo/undo_internal.h"

#include "base/banned.h"

#define WHY_SINCE "somebody else has changed it since"
#define WHY_TAKEN "the name is taken by another mailbox"

struct undo_box *undo_box_get(struct undo_plan *p, mailbox_id id)
{
    struct undo_box *b = p->boxes;

    while (b && b->id != id) {
        b = b->next;
    }
    if (b) {
        return b;
    }
    const struct mailbox *m;

    b = arena_zalloc(&p->arena, 1, sizeof(*b));
    if (b) {
        b->id = id;
        b->next = p->boxes;
        b->is_gone = view_mailbox(p->view, id, &m) != ERR_OK;
        b->is_dead = b->is_gone || m->is_no_select;
        b->name = b->is_gone ? SPAN("") : m->name;
        p->boxes = b;
    }
    return b;
}

struct undo_box *undo_box_now(struct undo_plan *p, mailbox_id id)
{
    struct undo_box *b = undo_box_get(p, id);

    for (unsigned i = 0; b && b->is_dead && b->successor && i < 1000; i++) {
        b = undo_box_get(p, b->successor);
    }
    return b;
}

struct span undo_box_name(struct undo_plan *p, mailbox_id id)
{
    struct undo_box *b = undo_box_now(p, id);

    return !b ? SPAN("") : b->is_dead && b->base_name.n ? b->base_name : b->name;
}

enum err undo_box_learn(struct undo_plan *p, const struct change *c)
{
    struct undo_box *b = undo_box_get(p, c->mailbox);
    struct span rest = c->after.n ? arena_dup(&p->arena, c->after) : c->after, one;

    if (!b || (c->after.n && !rest.p)) {
        return ERR_LIMIT;
    }
    if (!rest.n || b->keyword_count) {
        return ERR_OK;
    }
    b->keywords = arena_zalloc(&p->arena, KEYWORDS_PER_MAILBOX_MAX, sizeof(*b->keywords));
    while (b->keywords && b->keyword_count < KEYWORDS_PER_MAILBOX_MAX &&
           unpack_str(&rest, KEYWORD_BYTES_MAX, &one)) {
        b->keywords[b->keyword_count++] = one;
    }
    return b->keywords ? ERR_OK : ERR_LIMIT;
}

bool undo_box_keyword(struct undo_plan *p, mailbox_id id, size_t n, struct span *out)
{
    const struct span *names;
    size_t count;

    if (view_keywords(p->view, id, &names, &count) == ERR_OK && n < count) {
        *out = names[n];
        return true;
    }
    const struct undo_box *b = undo_box_get(p, id);

    if (!b || n >= b->keyword_count) {
        return false;
    }
    *out = b->keywords[n];
    return true;
}

// ---- reading ------------------------------------------------------------------------------------

// A mailbox under the name of one that was deleted stands for it.
static void succeed(struct undo_plan *p, struct undo_box *made, bool theirs)
{
    for (struct undo_box *b = p->boxes; b; b = b->next) {
        if (b != made && b->is_dead && !b->successor && b->life_is_theirs && b->base_exists &&
            span_eq(b->base_name, made->name)) {
            b->successor = made->id;
            b->life_is_theirs = !b->is_gone; // a level that is left, perhaps under another name
            b->base_exists = b->name_is_theirs = false;
            made->life_is_theirs &= !theirs; // what they made again is to be there
        }
    }
}

static enum err read_created(struct undo_plan *p, const struct change *c, struct undo_box *b,
                             bool theirs)
{
    struct span name = arena_dup(&p->arena, c->after);

    if (!name.p) {
        return ERR_LIMIT;
    }
    b->name = b->is_gone ? name : b->name;
    b->life_is_theirs = theirs;
    b->base_exists = false;
    struct span now = b->name;

    b->name = name; // as it was called then
    succeed(p, b, theirs);
    b->name = now;
    return ERR_OK;
}

static enum err read_deleted(struct undo_plan *p, const struct change *c, struct undo_box *b,
                             bool theirs)
{
    struct span name = arena_dup(&p->arena, c->before);

    if (!name.p) {
        return ERR_LIMIT;
    }
    b->name = b->is_gone ? name : b->name;
    if (!theirs) {
        b->life_is_theirs = false;
        b->name_is_left |= b->name_is_theirs;
    } else if (b->life_is_theirs && !b->base_exists) {
        b->life_is_theirs = !b->is_gone; // they made it, and they deleted it, but for a level
    } else {
        b->life_is_theirs = b->base_exists = true;
        b->base_name = b->name_is_theirs ? b->base_name : name;
        b->base_use = b->use_is_theirs ? b->base_use : (uint8_t)c->value;
    }
    b->name_is_theirs &= !b->is_gone; // a level that is left still has its name
    b->use_is_theirs = false;
    return ERR_OK;
}

// Is this the name of one that an undo has moved aside?
static bool is_aside(const struct undo_box *b, struct span before, struct span after)
{
    char tail[16];
    int n = snprintf(tail, sizeof(tail), " (%u)", b->id);

    return after.n == before.n + (size_t)n && span_eq(span_first(after, before.n), before) &&
           span_eq(span_skip(after, before.n), span_of(tail, (size_t)n));
}

static enum err read_renamed(struct undo_plan *p, const struct change *c, struct undo_box *b,
                             bool theirs)
{
    struct span before = arena_dup(&p->arena, c->before);

    if (!before.p) {
        return ERR_LIMIT;
    }
    if (theirs) {
        b->base_name = b->name_is_theirs ? b->base_name : before;
        b->name_is_theirs = !span_eq(b->base_name, c->after);
        b->name_is_left = false;
    } else {
        b->name_is_left = b->name_is_theirs && !span_eq(b->base_name, c->after);
        b->name_is_theirs = false;
        // Those below the one that was renamed, which comes first, only went along.
        if (b->life_is_theirs && !b->base_exists && !p->has_renamed &&
            !is_aside(b, c->before, c->after)) {
            b->life_is_theirs = false; // somebody else has taken it into use
        }
    }
    p->has_renamed = true;
    return ERR_OK;
}

static enum err read_subscription(struct undo_plan *p, const struct change *c, bool theirs)
{
    struct undo_subscription *s = p->subscriptions;

    while (s && !(c->mailbox ? s->mailbox == c->mailbox : span_eq(s->name, c->after))) {
        s = s->next;
    }
    if (!theirs) {
        if (s && s->is_theirs) {
            s->is_theirs = false;
            s->is_left = s->base != (c->value != 0);
        }
        return ERR_OK;
    }
    if (!s) {
        s = arena_zalloc(&p->arena, 1, sizeof(*s));
        if (!s) {
            return ERR_LIMIT;
        }
        *s = (struct undo_subscription){.next = p->subscriptions,
                                        .mailbox = c->mailbox,
                                        .name = arena_dup(&p->arena, c->after)};
        p->subscriptions = s;
    }
    s->base = s->is_theirs ? s->base : c->value == 0;
    s->is_theirs = true;
    s->is_left = false;
    return s->name.p ? ERR_OK : ERR_LIMIT;
}

static void read_use(const struct change *c, struct undo_box *b, bool theirs)
{
    if (theirs) {
        b->base_use = b->use_is_theirs ? b->base_use : (uint8_t)(c->value >> 8);
        b->use_is_theirs = true;
        b->use_is_left = false;
    } else {
        b->use_is_left = b->use_is_theirs && b->base_use != (uint8_t)c->value;
        b->use_is_theirs = false;
    }
}

enum err undo_read_box(struct undo_plan *p, const struct change *c, bool theirs)
{
    struct undo_box *b = c->kind == CHANGE_SUBSCRIPTION ? NULL : undo_box_get(p, c->mailbox);

    if (c->kind == CHANGE_SUBSCRIPTION) {
        return read_subscription(p, c, theirs);
    }
    if (!b) {
        return ERR_LIMIT;
    }
    switch (c->kind) {
    case CHANGE_MAILBOX_CREATED:
        return read_created(p, c, b, theirs);
    case CHANGE_MAILBOX_DELETED:
        return read_deleted(p, c, b, theirs);
    case CHANGE_MAILBOX_RENAMED:
        return read_renamed(p, c, b, theirs);
    default:
        read_use(c, b, theirs);
        return ERR_OK;
    }
}

// ---- names, and what was deleted ----------------------------------------------------------------

struct box_list {
    struct undo_box **p;
    size_t n;
};

typedef bool box_fn(const struct undo_box *b);

static bool is_to_rename(const struct undo_box *b)
{
    return b->name_is_theirs && !span_eq(b->name, b->base_name) && !b->is_gone &&
           !(b->life_is_theirs && !b->base_exists);
}

static bool is_to_make(const struct undo_box *b)
{
    return b->life_is_theirs && b->base_exists && b->is_dead;
}

static bool is_to_delete(const struct undo_box *b)
{
    return b->life_is_theirs && !b->base_exists && !b->is_gone;
}

static int by_base_name(const void *a, const void *b)
{
    const struct undo_box *const *x = a, *const *y = b;

    return span_cmp((*x)->base_name, (*y)->base_name);
}

// From the deepest.
static int by_name_down(const void *a, const void *b)
{
    const struct undo_box *const *x = a, *const *y = b;

    return -span_cmp((*x)->name, (*y)->name);
}

static enum err collect(struct undo_plan *p, box_fn *wanted,
                        int (*order)(const void *, const void *), struct box_list *out)
{
    size_t n = 0;

    for (const struct undo_box *b = p->boxes; b; b = b->next) {
        n++;
    }
    *out = (struct box_list){.p = arena_zalloc(&p->arena, n + 1, sizeof(*out->p))};
    for (struct undo_box *b = p->boxes; b && out->p; b = b->next) {
        if (wanted(b)) {
            out->p[out->n++] = b;
        }
    }
    if (out->n > 1) {
        qsort(out->p, out->n, sizeof(*out->p), order);
    }
    return out->p ? ERR_OK : ERR_LIMIT;
}

static enum err say_names(struct undo_work *w, const struct undo_name *names, size_t n)
{
    enum err e = w->is_trial ? ERR_OK : undo_names(w->store, w->account, w->by, names, n);

    for (size_t i = 0; i < n && e == ERR_OK; i++) {
        undo_say(w, UNDO_NAME, names[i].to, names[i].from, 1);
    }
    // What is taken may be free in the next round.
    return e == ERR_EXISTS || e == ERR_INVALID || e == ERR_NOT_FOUND || e == ERR_LIMIT ? ERR_OK : e;
}

// One that they made under a name that is wanted back moves aside; if it is empty, it goes later.
static size_t move_aside(struct undo_plan *p, struct span name, struct undo_name *out)
{
    for (struct undo_box *b = p->boxes; b; b = b->next) {
        struct buf to;

        if (!is_to_delete(b) || !span_eq(b->name, name)) {
            continue;
        }
        buf_init(&to, NAME_BYTES_MAX + 20);
        buf_printf(&to, "%.*s (%u)", SPAN_ARG(name), b->id);
        *out = (struct undo_name){b->id, b->name, arena_dup(&p->arena, buf_span(&to))};
        buf_finish(&to);
        return out->to.p != NULL;
    }
    return 0;
}

static enum err names_back(struct undo_work *w, struct undo_plan *p)
{
    struct box_list boxes;
    enum err e = collect(p, is_to_rename, by_base_name, &boxes);
    struct undo_name *names = arena_zalloc(&p->arena, 2 * boxes.n + 1, sizeof(*names));
    size_t n = boxes.n;

    if (e != ERR_OK || !names) {
        return e != ERR_OK ? e : ERR_LIMIT;
    }
    for (size_t i = 0; i < boxes.n; i++) {
        names[i] = (struct undo_name){boxes.p[i]->id, boxes.p[i]->name, boxes.p[i]->base_name};
        n += move_aside(p, boxes.p[i]->base_name, &names[n]);
    }
    if (!w->is_one_by_one) {
        return say_names(w, names, n);
    }
    for (size_t i = 0; i < boxes.n && e == ERR_OK; i++) {
        e = say_names(w, &names[i], 1);
    }
    return e;
}

static bool is_subscribed(struct undo_plan *p, struct span name)
{
    const struct mailbox *m;
    const struct span *orphans;
    size_t n;

    if (view_mailbox_by_name(p->view, name, &m) == ERR_OK) {
        return m->is_subscribed;
    }
    if (view_orphan_subscriptions(p->view, &orphans, &n) == ERR_OK) {
        for (size_t i = 0; i < n; i++) {
            if (span_eq(orphans[i], name)) {
                return true;
            }
        }
    }
    return false;
}

// It was subscribed when it was deleted, under the name that it had by then.
static enum err carry_subscription(struct undo_work *w, struct undo_plan *p,
                                   const struct undo_box *b)
{
    if (w->is_trial || span_eq(b->name, b->base_name) || !is_subscribed(p, b->name)) {
        return ERR_OK;
    }
    enum err e = mailbox_subscribe(w->store, w->account, w->by, b->base_name, true);

    e = e == ERR_OK ? mailbox_subscribe(w->store, w->account, w->by, b->name, false) : e;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err make_again(struct undo_work *w, struct undo_plan *p, const struct undo_box *b)
{
    mailbox_id id;
    enum err e = w->is_trial
                     ? ERR_OK
                     : mailbox_create(w->store, w->account, w->by, b->base_name, b->base_use, &id);

    if (e == ERR_INVALID) { // another has its special use by now
        e = mailbox_create(w->store, w->account, w->by, b->base_name, 0, &id);
    }
    if (e == ERR_OK) {
        undo_say(w, UNDO_MADE, b->base_name, SPAN(""), 1);
        e = carry_subscription(w, p, b);
    }
    return e == ERR_EXISTS || e == ERR_LIMIT ? ERR_OK : e;
}

enum err undo_boxes_back(struct undo_work *w, struct undo_plan *p)
{
    struct box_list boxes;
    enum err e = names_back(w, p);

    e = e == ERR_OK ? collect(p, is_to_make, by_base_name, &boxes) : e;
    for (size_t i = 0; e == ERR_OK && i < boxes.n; i++) {
        e = make_again(w, p, boxes.p[i]);
    }
    return e;
}

// ---- uses, subscriptions, what was made ---------------------------------------------------------

static enum err uses_back(struct undo_work *w, struct undo_plan *p)
{
    enum err e = ERR_OK;

    for (struct undo_box *b = p->boxes; b && e == ERR_OK; b = b->next) {
        const struct mailbox *m;

        if (!b->use_is_theirs || view_mailbox(p->view, b->id, &m) != ERR_OK || m->is_no_select ||
            m->special_use == b->base_use) {
            continue;
        }
        e = w->is_trial
                ? ERR_OK
                : mailbox_set_special_use(w->store, w->account, w->by, m->name, b->base_use);
        if (e == ERR_OK) {
            undo_say(w, UNDO_USE, m->name, SPAN(""), 1);
        }
        b->use_is_theirs = e == ERR_OK;
        b->use_is_left = e != ERR_OK;
        e = e == ERR_INVALID || e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    return e;
}

static enum err subscriptions_back(struct undo_work *w, struct undo_plan *p)
{
    enum err e = ERR_OK;

    for (struct undo_subscription *s = p->subscriptions; s && e == ERR_OK; s = s->next) {
        struct span name = s->mailbox ? undo_box_name(p, s->mailbox) : s->name;

        name = name.n ? name : s->name;
        if (!s->is_theirs || is_subscribed(p, name) == s->base) {
            continue;
        }
        e = w->is_trial ? ERR_OK : mailbox_subscribe(w->store, w->account, w->by, name, s->base);
        if (e == ERR_OK) {
            undo_say(w, UNDO_SUBSCRIPTION, name, SPAN(""), 1);
        }
        e = e == ERR_NOT_FOUND ? ERR_OK : e; // no mailbox of the name is there to subscribe to
    }
    return e;
}

static bool is_empty(struct undo_plan *p, struct undo_box *b, const char **out_why)
{
    const struct mailbox *m, *const *all;
    size_t n = 0;

    *out_why = NULL;
    if (view_mailbox(p->view, b->id, &m) != ERR_OK) {
        return false;
    }
    b->name = m->name;
    if (m->exists) {
        *out_why = "there are messages in it";
    }
    if (view_mailboxes(p->view, &all, &n) == ERR_OK) {
        for (size_t i = 0; i < n; i++) {
            // Those below that are theirs, too, go first.
            if (mailbox_name_is_under(all[i]->name, m->name)) {
                *out_why = *out_why ? *out_why : "there are mailboxes below it";
            }
        }
    }
    return !*out_why;
}

enum err undo_boxes_away(struct undo_work *w, struct undo_plan *p)
{
    struct box_list boxes;
    enum err e = uses_back(w, p);

    e = e == ERR_OK ? subscriptions_back(w, p) : e;
    e = e == ERR_OK ? collect(p, is_to_delete, by_name_down, &boxes) : e;
    for (size_t i = 0; e == ERR_OK && i < boxes.n; i++) {
        struct undo_box *b = boxes.p[i];
        struct undo_plan now = {.what = p->what};
        const char *why;

        if (w->is_trial) { // what it holds may be theirs and go before it
            undo_say(w, UNDO_DELETED, b->name, SPAN(""), 1);
            continue;
        }
        e = view_open(w->store, w->account, &now.view);
        if (e == ERR_OK && is_empty(&now, b, &why)) {
            e = mailbox_delete(w->store, w->account, w->by, b->name);
            if (e == ERR_OK) {
                undo_say(w, UNDO_DELETED, b->name, SPAN(""), 1);
            }
            e = e == ERR_NOT_FOUND || e == ERR_DENIED ? ERR_OK : e;
        }
        view_close(now.view);
    }
    return e;
}

// ---- what stays ---------------------------------------------------------------------------------

void undo_boxes_left(struct undo_work *w, struct undo_plan *p)
{
    for (struct undo_box *b = p->boxes; b; b = b->next) {
        const char *why = NULL;

        if (b->name_is_left || b->use_is_left) {
            undo_say_left(w, b->name_is_left ? UNDO_NAME : UNDO_USE, b->name, SPAN(""), 1,
                          WHY_SINCE);
        }
        if (w->is_trial) {
            continue; // what was said before would be done
        }
        if (is_to_rename(b)) {
            undo_say_left(w, UNDO_NAME, b->base_name, b->name, 1, WHY_TAKEN);
        }
        if (is_to_make(b)) {
            undo_say_left(w, UNDO_MADE, b->base_name, SPAN(""), 1, "there are too many mailboxes");
        }
        if (is_to_delete(b) && !is_empty(p, b, &why) && why) {
            undo_say_left(w, UNDO_DELETED, b->name, SPAN(""), 1, why);
        }
    }
    for (struct undo_subscription *s = p->subscriptions; s; s = s->next) {
        if (s->is_left) {
            undo_say_left(w, UNDO_SUBSCRIPTION, s->name, SPAN(""), 1, WHY_SINCE);
        }
    }
}
