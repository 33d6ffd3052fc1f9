// SPDX-License-Identifier: Apache-2.0
//
// NOTIFY (RFC 5465): the command, and the steps of telling. Telling is done between two commands
// as well: imap_session.c asks for it whenever nothing is in the input.
#include <stdlib.h>

#include "base/log.h"
#include "keep/imap/imap_updates.h"
#include "keep/imap/notify/imap_notify_internal.h"

#include "base/banned.h"

struct notify_state {
    struct imap_notify *next; // what was asked for, until it holds
    bool is_caught_up;        // the selected mailbox's changes were told
    size_t account;           // of the STATUS indicator: where it goes on ...
    struct span after;        // ... behind the mailbox of this name
};

// ---- what the rest of the session asks ----------------------------------------------------------

uint32_t imap_notify_selected(const struct imap_session *s)
{
    return s->notify ? s->notify->selected : IMAP_EVENTS_MESSAGE;
}

enum imap_telling imap_notify_telling(const struct imap_session *s)
{
    const struct imap_notify *n = s->notify;

    return !n || !n->selected ? TELL_NOTHING : n->is_delayed ? TELL_NO_GONE : TELL_ALL;
}

enum err imap_notify_arrived(struct imap_session *s, const struct placement *p)
{
    struct imap_notify *n = s->notify;

    if (!n || !n->item_n || actor_has_made(&n->own, s->selected->account, p->changed)) {
        return ERR_OK;
    }
    return uid_map_append(&n->fresh, p->uid, p->uid);
}

void imap_notify_forget_selected(struct imap_session *s)
{
    if (s->notify) {
        uid_map_finish(&s->notify->fresh);
        uid_map_init(&s->notify->fresh);
    }
}

bool imap_notify_is_inside(const struct imap_session *s)
{
    return s->notify && s->notify->fetcher;
}

struct actor_entries *imap_notify_entries(const struct imap_session *s)
{
    return s->notify ? &s->notify->own : NULL;
}

size_t imap_notify_memory(const struct imap_notify *n)
{
    size_t bytes = n ? sizeof(*n) + n->arena.used : 0;

    for (size_t i = 0; n && i < n->account_n; i++) {
        bytes += sizeof(n->accounts[i]) + n->accounts[i].seen.arena.used;
    }
    return bytes;
}

void imap_notify_destroy(struct imap_notify *n)
{
    if (!n) {
        return;
    }
    imap_fetcher_finish(n->fetcher);
    notify_accounts_finish(n);
    uid_map_finish(&n->fresh);
    arena_finish(&n->arena);
    free(n);
}

// ---- keeping what was asked for -----------------------------------------------------------------

static enum err copy_section(struct arena *a, struct imap_section *section)
{
    uint32_t *part = arena_zalloc(a, section->part_n + 1, sizeof(*part));
    struct span *fields = arena_zalloc(a, section->field_n + 1, sizeof(*fields));

    if (!part || !fields) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < section->part_n; i++) {
        part[i] = section->part[i];
    }
    for (size_t i = 0; i < section->field_n; i++) {
        fields[i] = arena_dup(a, section->fields[i]);
        if (!fields[i].p) {
            return ERR_NOMEM;
        }
    }
    section->part = part;
    section->fields = fields;
    return ERR_OK;
}

// Nothing that is told by itself marks a message as read (RFC 5465 section 5.2).
static enum err copy_items(struct imap_notify *n, const struct imap_event_group *g)
{
    struct imap_fetch_item *items = arena_zalloc(&n->arena, g->item_n + 1, sizeof(*items));
    enum err e = items ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < g->item_n && !e; i++) {
        items[i] = g->items[i];
        e = copy_section(&n->arena, &items[i].section);
    }
    n->items = items;
    n->item_n = g->item_n;
    return e;
}

static int by_bytes(const void *x, const void *y)
{
    const struct span *a = x, *b = y;

    return span_cmp(*a, *b);
}

// A name as the user knows it when everything is written as it should be. What can be no name
// names nothing.
static enum err full_name(struct imap_session *s, struct imap_notify *n, struct span wire,
                          struct span *out)
{
    struct imap_place p;
    struct span full;
    const char *why;
    enum err e = imap_name_in(s, wire, &full, &why);

    if (!e && imap_place_is_reserved(full)) {
        n->asks_others = true;
        if (!imap_place_find(s, wire, &p, &why)) {
            full = p.full;
            imap_place_close(&p);
        }
    }
    *out = (struct span){0};
    if (e) {
        return e == ERR_INVALID ? ERR_OK : e;
    }
    *out = arena_dup(&n->arena, full);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static enum err copy_group(struct imap_session *s, struct imap_notify *n,
                           const struct imap_event_group *g)
{
    struct notify_group *to = &n->groups[n->group_n++];
    enum err e = ERR_OK;

    *to = (struct notify_group){.filter = g->filter, .events = g->events};
    n->asks_others |= g->filter == IMAP_NOTIFY_SUBSCRIBED;
    n->asks_server |= (g->events & IMAP_EVENT_SERVER_METADATA_CHANGE) != 0;
    if (!g->name_n) {
        return ERR_OK;
    }
    to->names = arena_zalloc(&n->arena, g->name_n, sizeof(*to->names));
    if (!to->names) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < g->name_n && !e; i++) {
        e = full_name(s, n, g->names[i], &to->names[to->n]);
        to->n += to->names[to->n].n > 0;
    }
    if (to->n) {
        qsort(to->names, to->n, sizeof(*to->names), by_bytes);
    }
    return e;
}

static enum err copy_request(struct imap_session *s, struct imap_notify *n,
                             const struct imap_notify_request *r)
{
    enum err e = ERR_OK;

    n->groups = arena_zalloc(&n->arena, r->n + 1, sizeof(*n->groups));
    if (!n->groups) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < r->n && !e; i++) {
        const struct imap_event_group *g = &r->groups[i];

        if (g->filter == IMAP_NOTIFY_SELECTED || g->filter == IMAP_NOTIFY_SELECTED_DELAYED) {
            n->selected = g->events;
            n->is_delayed = g->filter == IMAP_NOTIFY_SELECTED_DELAYED;
            e = copy_items(n, g);
        } else {
            e = copy_group(s, n, g);
        }
    }
    return e;
}

static enum err create(struct imap_session *s, const struct imap_notify_request *r,
                       struct imap_notify **out)
{
    struct imap_notify *n = calloc(1, sizeof(*n));

    if (!n) {
        return ERR_NOMEM;
    }
    arena_init(&n->arena, NOTIFY_BYTES_MAX);
    uid_map_init(&n->fresh);
    enum err e = copy_request(s, n, r);

    if (!e && n->group_n) {
        e = notify_accounts_begin(s, n);
        e = e ? e : notify_accounts_refresh(s, n, true);
    }
    if (e) {
        imap_notify_destroy(n);
        return e;
    }
    *out = n;
    return ERR_OK;
}

// ---- the command --------------------------------------------------------------------------------

static enum imap_step refuse_events(struct imap_session *s)
{
    struct buf code;

    buf_init(&code, 512);
    buf_put_str(&code, "BADEVENT (");
    imap_events_write(&code, NOTIFY_EVENTS);
    buf_put_byte(&code, ')');
    struct span kept = arena_dup(&s->arena, buf_span(&code));

    buf_finish(&code);
    return imap_answer(s, IMAP_NO, kept, SPAN("Not all of these events are known"));
}

static bool knows_events(const struct imap_notify_request *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->groups[i].events & ~NOTIFY_EVENTS) {
            return false;
        }
    }
    return true;
}

static void notify_cleanup(void *state)
{
    struct notify_state *st = state;

    imap_notify_destroy(st->next);
}

static bool asks_modseq(const struct imap_notify *n)
{
    for (size_t i = 0; i < n->item_n; i++) {
        if (n->items[i].type == IMAP_FETCH_MODSEQ) {
            return true;
        }
    }
    return false;
}

static enum imap_step notify_begin(struct imap_session *s)
{
    struct notify_state *st = imap_state(s, sizeof(*st));

    if (!st) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    s->cleanup = notify_cleanup;
    if (!knows_events(&s->command.notify)) {
        return refuse_events(s);
    }
    enum err e = create(s, &s->command.notify, &st->next);

    if (e == ERR_LIMIT) {
        return imap_answer_no(s, "NOTIFICATIONOVERFLOW", "This is more than can be watched");
    }
    if (e) {
        return imap_answer_err(s, e);
    }
    if (asks_modseq(st->next)) {
        imap_condstore_enable(s);
    }
    // All that changed so far is told before the new wishes hold (section 3.1).
    atomic_store(&s->is_watching, false);
    imap_notify_destroy(s->notify);
    s->notify = NULL;
    return STEP_MORE;
}

// ---- the STATUS indicator -----------------------------------------------------------------------

static void write_first(struct imap_session *s, struct notify_state *st, struct view *own,
                        struct view *v, const struct mailbox *mailbox)
{
    struct imap_notify *n = st->next;
    const struct notify_account *a = &n->accounts[st->account];
    bool is_own = st->account == 0;
    uint32_t rights = ACL_ALL;
    struct span full = imap_place_name(s, a->id, a->address, mailbox->name);

    if (!full.p) {
        return;
    }
    if (!is_own) {
        rights = view_acl_rights(v, mailbox->id, s->account, a->is_same_domain);
    }
    uint32_t events = notify_events_of(n, full, is_own, notify_is_subscribed(own, full));

    if (!events || !(rights & ACL_LOOKUP)) {
        return;
    }
    if (!(rights & ACL_READ)) {
        notify_list(s, v, false, own, mailbox->name, full, (struct span){0}, true);
        return;
    }
    bool is_selected =
        s->selected && s->selected->account == a->id && s->selected->mailbox == mailbox->id;

    if (s->command.notify.status && events & IMAP_EVENTS_MESSAGE && !is_selected &&
        !mailbox->is_no_select) {
        notify_status(s, v, mailbox, full, events);
    }
}

static enum err write_firsts_in(struct imap_session *s, struct notify_state *st, struct view *own,
                                struct view *v)
{
    const struct mailbox *const *all;
    size_t n, i = 0;
    enum err e = view_mailboxes(v, &all, &n);

    if (e) {
        return e;
    }
    // What was renamed meanwhile may be said twice or not at all: it is news then.
    while (st->after.p && i < n && !span_eq(all[i]->name, st->after)) {
        i++;
    }
    i += st->after.p != NULL;
    for (; i < n && !imap_batch_is_full(s); i++) {
        write_first(s, st, own, v, all[i]);
        st->after = all[i]->name;
    }
    if (i < n) {
        st->after = arena_dup(&s->arena, st->after);
        return st->after.p ? ERR_AGAIN : ERR_NOMEM;
    }
    st->after = (struct span){0};
    st->account++;
    return ERR_OK;
}

static enum err write_firsts(struct imap_session *s, struct notify_state *st)
{
    const struct notify_account *a = &st->next->accounts[st->account];
    struct view *own, *v;

    if (!a->id) { // the server has no mailboxes
        st->account++;
        return ERR_OK;
    }
    enum err e = imap_view_open(s, s->account, &own);

    if (e) {
        return e;
    }
    v = own;
    if (st->account) {
        e = imap_view_open(s, a->id, &v);
        if (e == ERR_NOT_FOUND) { // it has gone
            st->account++;
            view_close(own);
            return ERR_OK;
        }
    }
    e = e ? e : write_firsts_in(s, st, own, v);
    if (v != own) {
        view_close(v);
    }
    view_close(own);
    return e;
}

enum imap_step imap_run_notify(struct imap_session *s)
{
    struct notify_state *st = s->state;

    if (!st) {
        return notify_begin(s);
    }
    if (!st->is_caught_up) {
        enum imap_telling telling = imap_input_uses_numbers(s) ? TELL_NO_GONE : TELL_ALL;

        enum imap_step step = s->selected ? imap_updates_step(s, telling) : STEP_DONE;

        if (step != STEP_DONE) {
            return step;
        }
        st->is_caught_up = true;
        return STEP_MORE;
    }
    if (st->account < st->next->account_n) {
        enum err e = write_firsts(s, st);

        return e && e != ERR_AGAIN ? imap_answer_err(s, e) : STEP_MORE;
    }
    s->notify = st->next;
    st->next = NULL;
    atomic_store(&s->is_watching, s->notify->selected || s->notify->group_n);
    return imap_answer_ok(s, "NOTIFY completed");
}

// ---- steps of telling ---------------------------------------------------------------------------

static enum imap_step overflow(struct imap_session *s, const char *why)
{
    log_info("imap: %s: NOTIFY ends: %s", s->user, why);
    OUT(s, "* OK [NOTIFICATIONOVERFLOW] More changed than can be told; ask again\r\n");
    notify_accounts_finish(s->notify);
    s->notify->group_n = 0;
    s->notify->selected = 0;
    return STEP_DONE;
}

// What was asked for of messages that came.
static enum imap_step fetch_begin(struct imap_session *s, struct imap_notify *n)
{
    struct uid_range all = {1, UINT32_MAX};
    struct imap_fetch_request r = {.items = n->items, .n = n->item_n};
    enum err e = uid_map_known(&n->fresh, (struct uid_set){&all, 1}, &s->arena, &r.uids);

    // Those that have gone again are no messages of the map.
    e = e ? e : uid_map_known(&s->selected->map, r.uids, &s->arena, &r.uids);
    imap_notify_forget_selected(s);
    if (!e && r.uids.count) {
        n->fetcher = imap_fetcher_create(s, &r);
        e = n->fetcher ? ERR_OK : ERR_NOMEM;
    }
    if (e) {
        return overflow(s, "no memory to tell of new messages");
    }
    if (n->fetcher) {
        n->fetcher->sets_seen = false;
    }
    return STEP_MORE;
}

static enum imap_step fetch_step(struct imap_session *s, struct imap_notify *n)
{
    enum imap_step step = imap_fetcher_step(s, n->fetcher);

    if (step == STEP_DONE) {
        imap_fetcher_finish(n->fetcher);
        n->fetcher = NULL;
        return STEP_MORE;
    }
    return step;
}

static enum imap_step tell_accounts(struct imap_session *s, struct imap_notify *n)
{
    for (size_t i = 0; i < n->account_n; i++) {
        struct notify_account *a = &n->accounts[i];
        bool more = false;

        if (a->told >= store_watch_version(a->watch)) {
            continue;
        }
        enum err e = notify_tell(s, n, a, &more);

        if (e == ERR_LIMIT) {
            return overflow(s, "more changed than the history goes back");
        }
        if (e) { // told at the next occasion; who has gone is found by the refresh
            continue;
        }
        if (more || imap_batch_is_full(s)) {
            return STEP_MORE;
        }
    }
    return STEP_DONE;
}

static bool owners_changed(const struct imap_notify *n)
{
    return n->owners_watch && n->owners_told < store_watch_version(n->owners_watch);
}

enum imap_step imap_notify_step(struct imap_session *s)
{
    struct imap_notify *n = s->notify;

    if (!n) {
        return STEP_DONE;
    }
    if (n->fetcher) {
        return fetch_step(s, n);
    }
    if (n->fresh.exists && s->selected) {
        return fetch_begin(s, n);
    }
    // Whom a new subscription reaches has not begun to share just now.
    if (owners_changed(n) && notify_accounts_refresh(s, n, n->owners_told == 0) == ERR_LIMIT) {
        return overflow(s, "more changed than the history goes back");
    }
    enum imap_step step = tell_accounts(s, n);

    return step == STEP_DONE && owners_changed(n) ? STEP_MORE : step;
}
