// SPDX-License-Identifier: Apache-2.0
//
// ESEARCH, the search of several mailboxes (RFC 7377). The names are gathered first; then one
// mailbox after the other is searched as if it was selected, with a map of its UIDs and an arena of
// its own, both put in the session's place for the length of a step. What may be read is asked of
// imap_place.c, and what may not is passed over as if it was not there.
#include <stdlib.h>

#include "keep/imap/imap_place.h"
#include "keep/imap/metadata/imap_metadata.h"
#include "keep/imap/search/imap_search_internal.h"
#include "store/directory.h"

#include "base/banned.h"

#define MAILBOXES_MAX 20000
// Of what was not named but found (RFC 7377 section 2.2).
#define RIGHTS_FOUND (ACL_READ | ACL_LOOKUP)

struct multi_name {
    struct span name; // of the wire
    uint32_t needs;   // enum acl_right
};

struct multi_state {
    struct multi_name *names;
    size_t n, cap, at;
    bool wants_selected;
    int64_t used_us; // by those that are done

    // The mailbox that is searched now.
    bool is_open, is_selected;
    struct imap_selected *sel; // of another than the selected one; owned
    struct arena arena;
    struct search_run run;
    struct found found;
};

// ---- in the session's place ---------------------------------------------------------------------

static void change_places(struct imap_session *s, struct multi_state *m)
{
    struct arena arena = s->arena;

    s->arena = m->arena;
    m->arena = arena;
    if (!m->is_selected) {
        struct imap_selected *sel = s->selected;

        s->selected = m->sel;
        m->sel = sel;
    }
}

static void close_mailbox(struct multi_state *m)
{
    if (m->is_open) {
        m->used_us = m->run.used_us;
        search_run_finish(&m->run);
    }
    imap_selected_destroy(m->sel);
    arena_finish(&m->arena);
    m->sel = NULL;
    m->is_open = m->is_selected = false;
}

static void multi_cleanup(void *state)
{
    close_mailbox(state);
}

// ---- gathering ----------------------------------------------------------------------------------

static enum err add_name(struct imap_session *s, struct multi_state *m, struct span name,
                         uint32_t needs)
{
    struct span copy = arena_dup(&s->arena, name);

    if (m->n == MAILBOXES_MAX) {
        return ERR_LIMIT;
    }
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 64;
        struct multi_name *names = arena_zalloc(&s->arena, cap, sizeof(*names));

        if (!names) {
            return ERR_NOMEM;
        }
        if (m->n) {
            memcpy(names, m->names, m->n * sizeof(*names));
        }
        m->names = names;
        m->cap = cap;
    }
    m->names[m->n++] = (struct multi_name){copy, needs};
    return copy.p ? ERR_OK : ERR_NOMEM;
}

// A name of the store, as the wire has it.
static enum err add_found(struct imap_session *s, struct multi_state *m, struct span prefix,
                          const struct mailbox *mailbox, uint32_t needs)
{
    struct span name = mailbox->name;

    if (mailbox->is_no_select) {
        return ERR_OK;
    }
    if (prefix.n) {
        char *p = arena_alloc(&s->arena, prefix.n + name.n);

        if (!p) {
            return ERR_NOMEM;
        }
        memcpy(p, prefix.p, prefix.n);
        memcpy(p + prefix.n, name.p, name.n);
        name = span_of(p, prefix.n + name.n);
    }
    name = imap_name_shown(s, name);
    return name.p ? add_name(s, m, name, needs) : ERR_NOMEM;
}

// The user's own: all of them, or those that are subscribed, with what others share among these.
static enum err add_own(struct imap_session *s, struct multi_state *m, struct view *v,
                        bool subscribed)
{
    const struct mailbox *const *mailboxes;
    const struct span *names = NULL;
    size_t n, name_n = 0;
    enum err e = view_mailboxes(v, &mailboxes, &n);

    for (size_t i = 0; !e && i < n; i++) {
        if (!subscribed || mailboxes[i]->is_subscribed) {
            e = add_found(s, m, (struct span){0}, mailboxes[i], RIGHTS_FOUND);
        }
    }
    if (!e && subscribed) {
        e = view_orphan_subscriptions(v, &names, &name_n);
    }
    for (size_t i = 0; !e && i < name_n; i++) {
        struct span name = imap_name_shown(s, names[i]);

        e = name.p ? add_name(s, m, name, RIGHTS_FOUND) : ERR_NOMEM;
    }
    return e;
}

static bool is_in_tree(struct span name, struct span top, bool one_level)
{
    if (name.n <= top.n || name.p[top.n] != '/' || !span_starts(name, top)) {
        return false;
    }
    struct span rest = span_skip(name, top.n + 1);

    return !one_level || span_find_byte(rest, '/') == rest.n;
}

static enum err add_tree(struct imap_session *s, struct multi_state *m, struct span top,
                         bool one_level)
{
    const struct mailbox *const *mailboxes;
    struct imap_place p;
    const char *why;
    size_t n;
    enum err e = add_name(s, m, top, ACL_READ);

    e = e ? e : imap_place_find(s, top, &p, &why);
    if (e) { // no such account, or no name at all: nothing is below it
        return e == ERR_NOT_FOUND || e == ERR_INVALID ? ERR_OK : e;
    }
    struct span prefix = span_first(p.full, p.full.n - p.name.n);

    e = view_mailboxes(p.view, &mailboxes, &n);
    for (size_t i = 0; !e && i < n; i++) {
        if (is_in_tree(mailboxes[i]->name, p.name, one_level)) {
            e = add_found(s, m, prefix, mailboxes[i], RIGHTS_FOUND);
        }
    }
    imap_place_close(&p);
    return e;
}

static enum err add_source(struct imap_session *s, struct multi_state *m, struct view *own,
                           const struct imap_source *source)
{
    enum err e = ERR_OK;

    switch (source->kind) {
    case IMAP_SOURCE_SELECTED:
        m->wants_selected = true;
        return ERR_OK;
    case IMAP_SOURCE_INBOXES: // rules may file mail anywhere (RFC 5465 section 6.3)
    case IMAP_SOURCE_PERSONAL:
        return add_own(s, m, own, false);
    case IMAP_SOURCE_SUBSCRIBED:
        return add_own(s, m, own, true);
    default:
        break;
    }
    for (size_t i = 0; !e && i < source->n; i++) {
        e = source->kind == IMAP_SOURCE_MAILBOXES
                ? add_name(s, m, source->names[i], ACL_READ)
                : add_tree(s, m, source->names[i], source->kind == IMAP_SOURCE_SUBTREE_ONE);
    }
    return e;
}

static int compare_names(const void *a, const void *b)
{
    const struct multi_name *x = a, *y = b;
    int order = span_cmp(x->name, y->name);

    return order ? order : (x->needs > y->needs) - (x->needs < y->needs);
}

// Each mailbox once: of a name given and found, as given.
static void sort_names(struct multi_state *m)
{
    size_t n = 0;

    if (m->n) {
        qsort(m->names, m->n, sizeof(*m->names), compare_names);
    }
    for (size_t i = 0; i < m->n; i++) {
        if (!n || !span_eq(m->names[n - 1].name, m->names[i].name)) {
            m->names[n++] = m->names[i];
        }
    }
    m->n = n;
}

static enum err gather(struct imap_session *s, struct multi_state *m)
{
    const struct imap_multi *multi = &s->command.multi;
    struct view *own;
    enum err e = imap_view_open(s, s->account, &own);

    if (e) {
        return e;
    }
    m->wants_selected = !multi->n;
    for (size_t i = 0; !e && i < multi->n; i++) {
        e = add_source(s, m, own, &multi->sources[i]);
    }
    view_close(own);
    sort_names(m);
    return e;
}

// ---- one mailbox --------------------------------------------------------------------------------

static enum imap_step begin_search(struct imap_session *s, struct multi_state *m)
{
    struct imap_search *search = &s->command.multi.search;
    struct span full = m->found.mailbox;
    uint32_t validity = m->found.uid_validity;

    found_init(s, search, &m->found);
    m->found.extended = true;
    m->found.mailbox = full;
    m->found.uid_validity = validity;
    m->is_open = true;
    enum imap_step step = search_run_begin(s, search, false, &m->run);

    m->run.used_us = m->used_us;
    m->run.only_first = (m->found.returns & FOUND_SHOWN) == IMAP_SEARCH_RETURN_MIN;
    return step;
}

static enum err name_selected(struct imap_session *s, struct span *out)
{
    const struct imap_selected *sel = s->selected;
    const struct mailbox *mailbox;
    struct account owner;
    struct view *v;
    enum err e = directory_account_by_id(s->server->store, sel->account, &s->arena, &owner);

    e = e ? e : imap_view_open(s, sel->account, &v);
    if (e) {
        return e;
    }
    e = view_mailbox(v, sel->mailbox, &mailbox);
    if (!e) {
        *out = arena_dup(&s->arena, imap_place_name(s, sel->account, owner.name, mailbox->name));
        e = out->p ? ERR_OK : ERR_NOMEM;
    }
    view_close(v);
    return e;
}

// In the place of the selected mailbox, whose arena the session has now.
static enum err open_other(struct imap_session *s, struct multi_state *m,
                           const struct multi_name *name, const struct imap_selected *selected)
{
    struct imap_place p;
    const char *why;
    struct uid_set uids;
    enum err e = imap_place_open(s, name->name, name->needs, false, &p, &why);

    if (e) {
        return e == ERR_DENIED || e == ERR_INVALID ? ERR_NOT_FOUND : e;
    }
    bool is_twice =
        m->wants_selected && selected->account == p.account && selected->mailbox == p.mailbox->id;

    if (is_twice || !p.mailbox->exists) {
        e = ERR_NOT_FOUND;
    } else {
        s->selected->account = p.account;
        s->selected->mailbox = p.mailbox->id;
        s->selected->condstore = true; // nothing is to be said of it
        m->found.mailbox = p.full;
        m->found.uid_validity = p.mailbox->uid_validity;
        e = view_uids(p.view, p.mailbox->id, &s->arena, &uids);
        e = e ? e : uid_map_set(&s->selected->map, uids);
    }
    imap_place_close(&p);
    return e;
}

// Opens the next mailbox there is. ERR_NOT_FOUND: this one is passed over.
static enum imap_step open_next(struct imap_session *s, struct multi_state *m)
{
    const struct imap_selected *selected = s->selected;
    enum imap_step step = STEP_MORE;
    enum err e = ERR_OK;

    m->is_selected = m->wants_selected && m->at == 0;
    arena_init(&m->arena, IMAP_COMMAND_BYTES);
    if (!m->is_selected) {
        m->sel = imap_selected_create();
        if (!m->sel) {
            return imap_answer_err(s, ERR_NOMEM);
        }
    }
    change_places(s, m);
    if (m->is_selected) {
        m->found.uid_validity = s->selected->uid_validity;
        e = name_selected(s, &m->found.mailbox);
    } else {
        e = open_other(s, m, &m->names[m->at - m->wants_selected], selected);
    }
    if (!e) {
        step = begin_search(s, m);
    }
    change_places(s, m);
    m->at++;
    if (e || step == STEP_DONE) {
        close_mailbox(m);
    }
    return e && e != ERR_NOT_FOUND ? imap_answer_err(s, e) : step;
}

static enum imap_step after_search(struct imap_session *s, struct multi_state *m)
{
    m->found.set = m->run.found.set;
    m->found.n = uid_set_size(m->found.set);
    m->found.newest = m->run.newest;
    if (m->is_selected && !m->found.is_writing && found_save(s, &m->found)) {
        return imap_answer_err(s, ERR_NOMEM);
    }
    // Without a match nothing is said of a mailbox.
    return m->found.n ? found_write(s, &m->found) : imap_answer_ok(s, "");
}

static enum imap_step go_on(struct imap_session *s, struct multi_state *m)
{
    change_places(s, m);
    enum imap_step step = m->run.is_done ? after_search(s, m) : search_run_step(s, &m->run);

    change_places(s, m);
    if (step != STEP_DONE) {
        return step;
    }
    bool goes_on = s->result.condition == IMAP_OK ||
                   (!m->is_selected && span_eq(s->result.code, SPAN("NONEXISTENT")));

    close_mailbox(m);
    return goes_on ? STEP_MORE : STEP_DONE;
}

// ---- the command --------------------------------------------------------------------------------

static enum imap_step multi_begin(struct imap_session *s)
{
    const struct imap_multi *multi = &s->command.multi;
    struct imap_search *search = &s->command.multi.search;
    struct multi_state *m = imap_state(s, sizeof(*m));
    enum err e = m ? gather(s, m) : ERR_NOMEM;

    if (e) {
        return imap_answer_err(s, e);
    }
    s->cleanup = multi_cleanup;
    if (m->wants_selected && !s->selected) {
        return imap_answer_bad(s, "No mailbox is selected");
    }
    if (search->returns & IMAP_SEARCH_RETURN_SAVE && (m->n || multi->n > 1 || !m->wants_selected)) {
        return imap_answer_bad(s, "SAVE is for the selected mailbox alone");
    }
    if (search->returns & IMAP_SEARCH_RETURN_UPDATE) {
        if (!s->selected) {
            return imap_answer_bad(s, "UPDATE is for the selected mailbox");
        }
        context_refuse(s);
    }
    if (filters_expand(s, &s->arena, search) == STEP_DONE) { // once, in memory of the command's
        return STEP_DONE;
    }
    if (search->uses_modseq) {
        imap_condstore_enable(s);
    }
    return STEP_MORE;
}

enum imap_step imap_run_esearch(struct imap_session *s)
{
    struct multi_state *m = s->state;

    if (!m) {
        return multi_begin(s);
    }
    size_t all = m->n + m->wants_selected;

    if (!m->is_open && m->at == all) {
        return imap_answer_ok(s, "ESEARCH completed");
    }
    if (!m->run.is_done || !m->is_open) {
        imap_progress(s, m->at - m->is_open, all);
    }
    enum imap_step step = m->is_open ? go_on(s, m) : open_next(s, m);

    return step == STEP_DONE ? found_failed(s, &s->command.multi.search, step) : step;
}
