// SPDX-License-Identifier: Apache-2.0
//
// LIST (RFC 9051 section 6.3.9, with the extended form of RFC 5258, RFC 5819 and RFC 6154) and LSUB
// (RFC 3501 section 6.3.9).
//
// The names are copied out of one view, put in order of the tree and marked; then they are written,
// in as many steps as it takes. In that order all that is below a name follows it directly, so that
// every question about children is answered in one pass.
#include "keep/imap/mailbox/imap_list.h"

#include <stdlib.h>

#include "keep/imap/imap_place.h"
#include "keep/imap/metadata/imap_metadata.h"
#include "store/directory.h"
#include "wire/imap/imap_match.h"

#include "base/banned.h"

struct list_entry {
    struct span name;
    account_id account; // whose; 0: the user's own
    uint32_t rights;    // enum acl_right, of a mailbox
    mailbox_id id;      // 0: there is no such mailbox
    bool is_level;      // ... but a level above somebody else's
    uint8_t special_use;
    bool is_subscribed, is_no_select;
    bool matches;      // a pattern
    bool is_chosen;    // the selection options
    bool has_children; // mailboxes below it
    bool chosen_below; // something below is chosen ...
    bool unseen_below; // ... and does not match a pattern
    size_t parent;     // index + 1; 0: none
};

struct list_state {
    struct list_entry *entries;
    size_t n, cap, at;
    bool is_named; // that at `at`: only its metadata is still to come
    void *metadata;
    struct imap_pattern **patterns;
    size_t pattern_n;
};

// ---- gathering ----------------------------------------------------------------------------------

static struct list_entry *add_entry(struct imap_session *s, struct list_state *l, struct span name)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct list_entry *entries = arena_zalloc(&s->arena, cap, sizeof(*entries));

        if (!entries) {
            return NULL;
        }
        if (l->n) {
            memcpy(entries, l->entries, l->n * sizeof(*entries));
        }
        l->entries = entries;
        l->cap = cap;
    }
    struct span copy = arena_dup(&s->arena, name);

    if (!copy.p) {
        return NULL;
    }
    l->entries[l->n] = (struct list_entry){.name = copy};
    return &l->entries[l->n++];
}

static enum err add_mailboxes(struct imap_session *s, struct list_state *l, struct view *v)
{
    const struct mailbox *const *mailboxes;
    size_t n;
    enum err e = view_mailboxes(v, &mailboxes, &n);

    for (size_t i = 0; !e && i < n; i++) {
        struct list_entry *entry = add_entry(s, l, mailboxes[i]->name);

        if (!entry) {
            return ERR_NOMEM;
        }
        entry->id = mailboxes[i]->id;
        entry->rights = ACL_ALL;
        entry->special_use = mailboxes[i]->special_use;
        entry->is_subscribed = mailboxes[i]->is_subscribed;
        entry->is_no_select = mailboxes[i]->is_no_select;
    }
    return e;
}

// Subscribed names without a mailbox, with the levels above them.
static enum err add_orphans(struct imap_session *s, struct list_state *l, struct view *v)
{
    const struct span *names;
    size_t n;
    enum err e = view_orphan_subscriptions(v, &names, &n);

    for (size_t i = 0; !e && i < n; i++) {
        struct list_entry *entry = add_entry(s, l, names[i]);

        if (!entry) {
            return ERR_NOMEM;
        }
        entry->is_subscribed = true;
        for (size_t k = 1; k < names[i].n; k++) {
            if (names[i].p[k] == '/' && !add_entry(s, l, span_first(names[i], k))) {
                return ERR_NOMEM;
            }
        }
    }
    return e;
}

// ---- what others share --------------------------------------------------------------------------

// The levels above a name, for those who walk down with "%".
static enum err add_levels(struct imap_session *s, struct list_state *l, struct span name)
{
    for (size_t k = 1; k < name.n; k++) {
        if (name.p[k] == '/') {
            struct list_entry *entry = add_entry(s, l, span_first(name, k));

            if (!entry) {
                return ERR_NOMEM;
            }
            entry->is_level = true;
        }
    }
    return ERR_OK;
}

static enum err add_shared(struct imap_session *s, struct list_state *l, struct view *v,
                           struct span address, bool is_same_domain)
{
    const struct mailbox *const *mailboxes;
    size_t n;
    enum err e = view_mailboxes(v, &mailboxes, &n);

    for (size_t i = 0; !e && i < n; i++) {
        const struct mailbox *mailbox = mailboxes[i];
        uint32_t rights = view_acl_rights(v, mailbox->id, s->account, is_same_domain);

        if (!(rights & ACL_LOOKUP)) {
            continue;
        }
        struct span name = imap_place_name(s, view_account(v), address, mailbox->name);
        struct list_entry *entry = name.p ? add_entry(s, l, name) : NULL;

        if (!entry) {
            return ERR_NOMEM;
        }
        entry->id = mailbox->id;
        entry->account = view_account(v);
        entry->rights = rights;
        entry->is_no_select = mailbox->is_no_select || !(rights & ACL_READ);
        e = add_levels(s, l, name);
    }
    return e;
}

static struct span domain_of(struct span address)
{
    return span_skip(address, span_find_byte(address, '@') + 1);
}

static enum err add_owner(struct imap_session *s, struct list_state *l, account_id id)
{
    struct span domain = domain_of(span_from_str(s->user));
    struct account owner;
    struct view *v;
    enum err e = directory_account_by_id(s->server->store, id, &s->arena, &owner);

    e = e ? e : imap_view_open(s, id, &v);
    if (e) { // it has gone
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    e = add_shared(s, l, v, owner.name, span_eq_nocase(domain_of(owner.name), domain));
    view_close(v);
    return e;
}

// Is anything asked for that could be there?
static bool asks_for_others(const struct imap_session *s, const struct list_state *l)
{
    for (size_t i = 0; i < l->pattern_n && !session_is_reader(&s->device); i++) {
        if (imap_pattern_match(l->patterns[i], SPAN(IMAP_OTHERS))) {
            return true;
        }
    }
    return false;
}

static enum err add_others(struct imap_session *s, struct list_state *l)
{
    account_id *owners;
    size_t n;
    enum err e = asks_for_others(s, l)
                     ? acl_owners(s->server->store, s->account, domain_of(span_from_str(s->user)),
                                  &s->arena, &owners, &n)
                     : ERR_NOT_FOUND;

    if (e) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    for (size_t i = 0; i < n && !e; i++) {
        e = add_owner(s, l, owners[i]);
    }
    return e;
}

// ---- order --------------------------------------------------------------------------------------

// The separator sorts before all else, so a name is followed by what is below it; INBOX is first.
static int compare_names(struct span a, struct span b)
{
    static const struct span inbox = {"INBOX", 5};
    size_t n = a.n < b.n ? a.n : b.n;
    bool a_first = span_starts(a, inbox) && (a.n == 5 || a.p[5] == '/');
    bool b_first = span_starts(b, inbox) && (b.n == 5 || b.p[5] == '/');

    if (a_first != b_first) {
        return a_first ? -1 : 1;
    }
    for (size_t i = 0; i < n; i++) {
        if (a.p[i] != b.p[i]) {
            unsigned char x = a.p[i] == '/' ? 0 : (unsigned char)a.p[i];
            unsigned char y = b.p[i] == '/' ? 0 : (unsigned char)b.p[i];

            return x < y ? -1 : 1;
        }
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

static int compare_entries(const void *x, const void *y)
{
    const struct list_entry *a = x, *b = y;
    int order = compare_names(a->name, b->name);

    return order                          ? order
           : (a->id != 0) != (b->id != 0) ? (b->id != 0) - (a->id != 0)
                                          : b->is_level - a->is_level;
}

// One entry a name: a mailbox before a level that was put in for a subscription.
static void sort_entries(struct list_state *l)
{
    size_t n = 0;

    if (l->n) {
        qsort(l->entries, l->n, sizeof(*l->entries), compare_entries);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (n && span_eq(l->entries[n - 1].name, l->entries[i].name)) {
            l->entries[n - 1].is_subscribed |= l->entries[i].is_subscribed;
        } else {
            l->entries[n++] = l->entries[i];
        }
    }
    l->n = n;
}

// ---- marking ------------------------------------------------------------------------------------

static bool matches_any(const struct list_state *l, struct span shown)
{
    for (size_t i = 0; i < l->pattern_n; i++) {
        if (imap_pattern_match(l->patterns[i], shown) & IMAP_MATCH_YES) {
            return true;
        }
    }
    return false;
}

static bool is_below(struct span name, struct span above)
{
    return name.n > above.n && name.p[above.n] == '/' && span_starts(name, above);
}

static void find_parents(struct list_state *l)
{
    size_t above = 0; // index + 1 of the nearest name that may be above the next

    for (size_t i = 0; i < l->n; i++) {
        while (above && !is_below(l->entries[i].name, l->entries[above - 1].name)) {
            above = l->entries[above - 1].parent;
        }
        l->entries[i].parent = above;
        above = i + 1;
    }
}

static void mark(struct imap_session *s, struct list_state *l, uint32_t selection)
{
    for (size_t i = 0; i < l->n; i++) {
        struct list_entry *entry = &l->entries[i];
        struct span shown = imap_name_shown(s, entry->name);

        entry->matches = shown.p && matches_any(l, shown);
        entry->is_chosen = selection & IMAP_LIST_SUBSCRIBED ? entry->is_subscribed
                                                            : entry->id != 0 || entry->is_level;
        if (selection & IMAP_LIST_SPECIAL_USE) {
            entry->is_chosen &= entry->special_use != 0;
        }
    }
    find_parents(l);
    for (size_t i = l->n; i--;) {
        struct list_entry *entry = &l->entries[i];

        if (entry->parent) {
            struct list_entry *parent = &l->entries[entry->parent - 1];

            parent->has_children |= entry->id || entry->has_children;
            parent->chosen_below |= entry->is_chosen || entry->chosen_below;
            parent->unseen_below |= (entry->is_chosen && !entry->matches) || entry->unseen_below;
        }
    }
}

static enum err compile_patterns(struct imap_session *s, struct list_state *l)
{
    const struct imap_list *list = &s->command.list;
    char separator = s->options.separator;

    l->patterns = arena_zalloc(&s->arena, list->n, sizeof(*l->patterns));
    if (!l->patterns) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < list->n; i++) {
        struct span joined =
            imap_pattern_join(list->reference, list->patterns[i], separator, &s->arena);

        if (!joined.p ||
            imap_pattern_compile(joined, separator, &s->arena, &l->patterns[l->pattern_n++])) {
            return ERR_NOMEM;
        }
    }
    return ERR_OK;
}

static enum err gather(struct imap_session *s, struct list_state *l, uint32_t selection)
{
    struct view *v;
    enum err e = compile_patterns(s, l);

    e = e ? e : imap_view_open(s, s->account, &v);
    if (e) {
        return e;
    }
    e = add_mailboxes(s, l, v);
    if (!e && selection & IMAP_LIST_SUBSCRIBED) {
        e = add_orphans(s, l, v);
    }
    view_close(v);
    e = e ? e : add_others(s, l);
    if (!e) {
        sort_entries(l);
        mark(s, l, selection);
    }
    return e;
}

// ---- writing ------------------------------------------------------------------------------------

static void write_name(struct imap_session *s, struct span name)
{
    const char separator[] = {s->options.separator, '\0'};

    buf_put_byte(s->out, ' ');
    imap_write_string(s->out, span_from_str(separator), false);
    buf_put_byte(s->out, ' ');
    imap_name_out(s, name);
}

static uint32_t attributes_of(const struct imap_session *s, const struct list_entry *entry)
{
    const struct imap_list *list = &s->command.list;
    uint32_t bits = entry->special_use;

    bits |= entry->has_children ? IMAP_ATTR_HAS_CHILDREN : IMAP_ATTR_HAS_NO_CHILDREN;
    if (!entry->id && !entry->is_level) {
        bits |= IMAP_ATTR_NONEXISTENT;
    } else if (entry->is_no_select || entry->is_level) {
        bits |= IMAP_ATTR_NOSELECT;
    }
    if (entry->is_subscribed &&
        (list->selection & IMAP_LIST_SUBSCRIBED || list->returns & IMAP_RETURN_SUBSCRIBED)) {
        bits |= IMAP_ATTR_SUBSCRIBED;
    }
    return bits;
}

static void write_childinfo(struct imap_session *s)
{
    uint32_t selection = s->command.list.selection;

    OUT(s, " (\"CHILDINFO\" (");
    if (selection & IMAP_LIST_SUBSCRIBED) {
        OUT(s, "\"SUBSCRIBED\"");
    }
    if (selection & IMAP_LIST_SPECIAL_USE) {
        buf_put_str(s->out,
                    selection & IMAP_LIST_SUBSCRIBED ? " \"SPECIAL-USE\"" : "\"SPECIAL-USE\"");
    }
    OUT(s, "))");
}

static void write_status_in(struct imap_session *s, struct view *v, const struct list_entry *entry)
{
    const struct mailbox *mailbox;

    if (!view_mailbox(v, entry->id, &mailbox)) {
        imap_status_write(s, v, mailbox, entry->name, s->command.list.status_items);
    }
}

static void write_status(struct imap_session *s, struct view *v, const struct list_entry *entry)
{
    struct view *other;

    if (!(s->command.list.returns & IMAP_RETURN_STATUS) || !entry->id || entry->is_no_select) {
        return;
    }
    if (!entry->account) {
        write_status_in(s, v, entry);
    } else if (!imap_view_open(s, entry->account, &other)) {
        write_status_in(s, other, entry);
        view_close(other);
    }
}

// RFC 9051 section 6.3.9.3: a name that is chosen, or one with something chosen below it that the
// patterns leave out.
static void list_entry_write(struct imap_session *s, struct view *v, const struct list_entry *entry)
{
    bool recursive = s->command.list.selection & IMAP_LIST_RECURSIVEMATCH;

    if (!entry->matches || !(entry->is_chosen || (recursive && entry->unseen_below))) {
        return;
    }
    OUT(s, "* LIST ");
    imap_attributes_write(s->out, attributes_of(s, entry));
    write_name(s, entry->name);
    if (recursive && entry->chosen_below) {
        write_childinfo(s);
    }
    OUT(s, "\r\n");
    if (!entry->is_chosen) {
        return;
    }
    write_status(s, v, entry);
    if (s->command.list.returns & IMAP_RETURN_MYRIGHTS && entry->id) {
        imap_myrights_write(s, entry->name, entry->rights);
    }
}

// LSUB: a "%" also shows a level that is not subscribed itself but has something subscribed below.
static void lsub_entry_write(struct imap_session *s, struct view *v, const struct list_entry *entry)
{
    (void)v;
    if (!entry->matches || !(entry->is_chosen || entry->unseen_below)) {
        return;
    }
    OUT(s, "* LSUB ");
    imap_attributes_write(s->out, entry->is_chosen ? 0 : IMAP_ATTR_NOSELECT);
    write_name(s, entry->name);
    OUT(s, "\r\n");
}

// False: there is more, in the next batch.
static bool metadata_write_of(struct imap_session *s, struct list_state *l,
                              const struct list_entry *entry)
{
    struct imap_list_mailbox m = {.account = entry->account ? entry->account : s->account,
                                  .mailbox = entry->id,
                                  .rights = entry->rights,
                                  .name = entry->name};

    return s->command.id == IMAP_LSUB || !(s->command.list.returns & IMAP_RETURN_METADATA) ||
           !entry->id || !entry->matches || !entry->is_chosen ||
           imap_list_metadata(s, &m, &l->metadata);
}

typedef void entry_writer(struct imap_session *s, struct view *v, const struct list_entry *entry);

static enum imap_step write_entries(struct imap_session *s, struct list_state *l,
                                    entry_writer *writer)
{
    struct view *v;
    enum err e = imap_view_open(s, s->account, &v);

    if (e) {
        return imap_answer_err(s, e);
    }
    while (l->at < l->n && !imap_batch_is_full(s)) {
        const struct list_entry *entry = &l->entries[l->at];

        if (!l->is_named) {
            writer(s, v, entry);
        }
        l->is_named = !metadata_write_of(s, l, entry);
        l->at += !l->is_named;
    }
    view_close(v);
    if (l->at < l->n) {
        return STEP_MORE;
    }
    return imap_answer_ok(s, s->command.id == IMAP_LSUB ? "LSUB completed" : "LIST completed");
}

static enum imap_step run(struct imap_session *s, uint32_t selection, entry_writer *writer)
{
    struct list_state *l = s->state;

    if (!l) {
        l = imap_state(s, sizeof(*l));
        enum err e = l ? gather(s, l, selection) : ERR_NOMEM;

        if (e) {
            return imap_answer_err(s, e);
        }
    }
    return write_entries(s, l, writer);
}

static bool asks_separator(const struct imap_list *list)
{
    return list->n == 1 && !list->patterns[0].n && !list->extended;
}

enum imap_step imap_run_list(struct imap_session *s)
{
    if (asks_separator(&s->command.list)) {
        OUT(s, "* LIST (\\Noselect)");
        write_name(s, (struct span){"", 0});
        OUT(s, "\r\n");
        return imap_answer_ok(s, "LIST completed");
    }
    if (!s->state && s->command.list.returns & IMAP_RETURN_METADATA &&
        !imap_list_metadata_is_good(s)) {
        return imap_answer_bad(s, "METADATA asks for what cannot be an entry");
    }
    return run(s, s->command.list.selection, list_entry_write);
}

enum imap_step imap_run_lsub(struct imap_session *s)
{
    return run(s, IMAP_LIST_SUBSCRIBED, lsub_entry_write);
}

void imap_list_one(struct imap_session *s, const struct mailbox *mailbox, struct span name)
{
    OUT(s, "* LIST ");
    imap_attributes_write(s->out, s->selected->account == s->account ? mailbox->special_use : 0);
    write_name(s, name);
    OUT(s, "\r\n");
}
