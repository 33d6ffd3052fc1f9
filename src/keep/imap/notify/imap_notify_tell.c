// SPDX-License-Identifier: Apache-2.0
//
// From an account's change log to STATUS and LIST responses (RFC 5465 section 5). What happened to
// messages is said once a mailbox and step, as STATUS with what is true now; what happened to names
// in the order in which it happened. What the session did itself is left out.
#include <stdlib.h>

#include "keep/imap/mailbox/imap_list.h"
#include "keep/imap/notify/imap_notify_internal.h"
#include "store/metadata/metadata.h"

#include "base/banned.h"

// What happened to a mailbox's messages in this step.
struct tally_item {
    mailbox_id id;
    uint32_t events;
};

struct telling {
    struct imap_session *s;
    struct imap_notify *n;
    struct notify_account *a;
    struct view *v, *own;
    struct tally_item *items;
    size_t item_n, item_cap;
    modseq number;          // of the entry that is read
    bool is_looked_at_anew; // names or rights of somebody else's mailboxes changed
    struct span renamed;    // by this entry, with all below it
    struct span parent;     // told of last, for who makes many mailboxes in one place
};

static bool is_own(const struct telling *t)
{
    return t->v == t->own;
}

// ---- responses ----------------------------------------------------------------------------------

static bool has_children(struct view *v, struct span name)
{
    const struct mailbox *const *all;
    size_t n;

    if (view_mailboxes(v, &all, &n)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (all[i]->name.n > name.n && all[i]->name.p[name.n] == '/' &&
            span_starts(all[i]->name, name)) {
            return true;
        }
    }
    return false;
}

static uint32_t attributes_of(struct view *v, bool own, struct span name)
{
    const struct mailbox *mailbox;

    if (!v || view_mailbox_by_name(v, name, &mailbox) != ERR_OK) {
        return IMAP_ATTR_NONEXISTENT;
    }
    uint32_t bits = mailbox->is_no_select ? IMAP_ATTR_NOSELECT : 0;

    // What is below somebody else's mailbox may be nobody's business.
    if (own) {
        bits |= mailbox->special_use;
        bits |= has_children(v, name) ? IMAP_ATTR_HAS_CHILDREN : IMAP_ATTR_HAS_NO_CHILDREN;
    }
    return bits;
}

void notify_list(struct imap_session *s, struct view *v, bool own_name, struct view *own,
                 struct span name, struct span full, struct span old, bool no_access)
{
    const char separator[] = {s->options.separator, '\0'};
    uint32_t bits = attributes_of(v, own_name, name);

    bits |= notify_is_subscribed(own, full) ? IMAP_ATTR_SUBSCRIBED : 0;
    bits |= no_access ? IMAP_ATTR_NO_ACCESS : 0;
    OUT(s, "* LIST ");
    imap_attributes_write(s->out, bits);
    buf_put_byte(s->out, ' ');
    imap_write_string(s->out, span_from_str(separator), false);
    buf_put_byte(s->out, ' ');
    imap_name_out(s, full);
    if (old.n) {
        OUT(s, " (\"OLDNAME\" (");
        imap_name_out(s, old);
        OUT(s, "))");
    }
    OUT(s, "\r\n");
}

void notify_status(struct imap_session *s, struct view *v, const struct mailbox *mailbox,
                   struct span full, uint32_t events)
{
    uint32_t items = IMAP_STATUS_UIDVALIDITY;

    if (events & (IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE)) {
        items |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT;
    }
    if (events & IMAP_EVENT_FLAG_CHANGE) {
        items |= IMAP_STATUS_UNSEEN;
    }
    if (imap_is_enabled(s, IMAP_ENABLE_CONDSTORE | IMAP_ENABLE_QRESYNC)) {
        items |= IMAP_STATUS_HIGHESTMODSEQ;
    }
    imap_status_write(s, v, mailbox, full, items);
}

// ---- the user's own names -----------------------------------------------------------------------

static bool wants_name(const struct telling *t, struct span full)
{
    return notify_events_of(t->n, full, true, notify_is_subscribed(t->own, full)) &
           IMAP_EVENT_MAILBOX_NAME;
}

static struct span parent_of(struct span name)
{
    size_t n = name.n;

    while (n > 0 && name.p[n - 1] != '/') {
        n--;
    }
    return span_first(name, n ? n - 1 : 0);
}

// RFC 5465 section 5.4: the mailbox above is affected, too.
static enum err tell_name(struct telling *t, struct span name)
{
    struct span parent = parent_of(name);

    if (wants_name(t, name)) {
        notify_list(t->s, t->v, true, t->own, name, name, (struct span){0}, false);
    }
    if (parent.n && !span_eq(parent, t->parent) && wants_name(t, parent)) {
        notify_list(t->s, t->v, true, t->own, parent, parent, (struct span){0}, false);
        t->parent = arena_dup(&t->s->tell_arena, parent);
        return t->parent.p ? ERR_OK : ERR_NOMEM;
    }
    return ERR_OK;
}

// One response for a whole tree.
static enum err tell_rename(struct telling *t, const struct change *c)
{
    bool is_below = t->renamed.n && c->before.n > t->renamed.n &&
                    c->before.p[t->renamed.n] == '/' && span_starts(c->before, t->renamed);

    if (is_below) {
        return ERR_OK;
    }
    t->renamed = arena_dup(&t->s->tell_arena, c->before);
    if (wants_name(t, c->before) || wants_name(t, c->after)) {
        notify_list(t->s, t->v, true, t->own, c->after, c->after, c->before, false);
    }
    return t->renamed.p ? ERR_OK : ERR_NOMEM;
}

// A name below "Other Users" that the user may see now; who shares it need not be watched yet.
static bool is_seen(struct imap_session *s, struct span full)
{
    struct imap_place p;
    const char *why;
    bool found = false;

    if (imap_place_is_reserved(full) &&
        imap_place_find(s, imap_name_shown(s, full), &p, &why) == ERR_OK) {
        found = p.mailbox && !p.is_own && (p.rights & ACL_LOOKUP);
        imap_place_close(&p);
    }
    return found;
}

static void tell_subscription(struct telling *t, struct span name)
{
    struct imap_session *s = t->s;

    if (imap_place_is_reserved(name)) {
        t->n->owners_told = 0; // whom SUBSCRIBED reaches may be another
    }
    if (!(notify_events_of(t->n, name, !imap_place_is_reserved(name), true) &
          IMAP_EVENT_SUBSCRIPTION_CHANGE)) {
        return;
    }
    if (is_seen(s, name)) {
        OUT(s, "* LIST (");
        buf_put_str(s->out, notify_is_subscribed(t->own, name) ? "\\Subscribed" : "");
        OUT(s, ") ");
        imap_write_string(s->out, span_of(&s->options.separator, 1), false);
        buf_put_byte(s->out, ' ');
        imap_name_out(s, name);
        OUT(s, "\r\n");
        return;
    }
    notify_list(s, t->v, true, t->own, name, name, (struct span){0}, false);
}

// ---- metadata -----------------------------------------------------------------------------------

static const struct notify_seen *find_seen(const struct notify_seen_all *seen, mailbox_id id);

static void write_metadata(struct imap_session *s, struct span full, struct span entry)
{
    OUT(s, "* METADATA ");
    if (full.n) {
        imap_name_out(s, full);
    } else {
        OUT(s, "\"\"");
    }
    buf_put_byte(s->out, ' ');
    imap_write_astring(s->out, entry, false);
    OUT(s, "\r\n");
}

// Somebody else's mailbox, as the user knows it; empty when that may not be read.
static struct span name_seen(const struct imap_notify *n, account_id owner, mailbox_id mailbox)
{
    for (size_t i = 0; i < n->account_n; i++) {
        if (n->accounts[i].id == owner) {
            const struct notify_seen *seen = find_seen(&n->accounts[i].seen, mailbox);

            return seen && seen->can_read ? seen->name : (struct span){0};
        }
    }
    return (struct span){0};
}

// RFC 5465 sections 5.6 and 5.7. What is private is its owner's, whosever mailbox it is about.
static void tell_metadata(struct telling *t, const struct change *c)
{
    struct metadata_changed m;
    const struct mailbox *mailbox;
    struct span full = {0};

    if (!metadata_change_read(c, &m) || (!is_own(t) && metadata_name_is_private(m.name))) {
        return;
    }
    if (!m.where.mailbox) {
        if ((is_own(t) || !t->a->id) && t->n->asks_server) {
            write_metadata(t->s, full, m.name);
        }
        return;
    }
    if (is_own(t) && !m.where.owner) {
        full = view_mailbox(t->v, m.where.mailbox, &mailbox) ? full : mailbox->name;
    } else {
        full = name_seen(t->n, is_own(t) ? m.where.owner : t->a->id, m.where.mailbox);
    }
    if (full.n && notify_events_of(t->n, full, is_own(t) && !m.where.owner,
                                   notify_is_subscribed(t->own, full)) &
                      IMAP_EVENT_MAILBOX_METADATA_CHANGE) {
        write_metadata(t->s, full, m.name);
    }
}

// ---- reading the log ----------------------------------------------------------------------------

static enum err count(struct telling *t, mailbox_id id, uint32_t events)
{
    if (t->item_n && t->items[t->item_n - 1].id == id) {
        t->items[t->item_n - 1].events |= events;
        return ERR_OK;
    }
    if (t->item_n == t->item_cap) {
        size_t cap = t->item_cap ? t->item_cap * 2 : 16;
        struct tally_item *items = arena_zalloc(&t->s->tell_arena, cap, sizeof(*items));

        if (!items) {
            return ERR_NOMEM;
        }
        if (t->item_n) {
            memcpy(items, t->items, t->item_n * sizeof(*items));
        }
        t->items = items;
        t->item_cap = cap;
    }
    t->items[t->item_n++] = (struct tally_item){id, events};
    return ERR_OK;
}

static enum err tell_change_of_names(struct telling *t, const struct change *c)
{
    if (!is_own(t)) {
        t->is_looked_at_anew = true;
        return ERR_OK;
    }
    switch (c->kind) {
    case CHANGE_MAILBOX_CREATED:
        return tell_name(t, c->after);
    case CHANGE_MAILBOX_DELETED:
        return tell_name(t, c->before);
    case CHANGE_MAILBOX_RENAMED:
        return tell_rename(t, c);
    case CHANGE_SUBSCRIPTION:
        tell_subscription(t, c->after);
        return ERR_OK;
    default:
        return ERR_OK;
    }
}

static enum err tell_change(struct telling *t, const struct change *c)
{
    enum err e;

    if (!t->a->id && c->kind != CHANGE_METADATA) {
        return ERR_OK;
    }
    switch (c->kind) {
    case CHANGE_METADATA:
        tell_metadata(t, c);
        return ERR_OK;
    case CHANGE_ARRIVED:
    case CHANGE_COPIED:
    case CHANGE_MOVED_IN:
    case CHANGE_RESTORED:
        return count(t, c->mailbox, IMAP_EVENT_MESSAGE_NEW);
    case CHANGE_MOVED_OUT:
    case CHANGE_EXPUNGED:
        return count(t, c->mailbox, IMAP_EVENT_MESSAGE_EXPUNGE);
    case CHANGE_FLAGS:
    case CHANGE_SEEN:
        return count(t, c->mailbox, IMAP_EVENT_FLAG_CHANGE);
    case CHANGE_REPAIRED:
        return c->mailbox ? count(t, c->mailbox, IMAP_EVENTS_MESSAGE) : ERR_OK;
    case CHANGE_MAILBOX_CREATED:
        // One of that name may have been there before: its UIDVALIDITY is another (section 5.1).
        e = tell_change_of_names(t, c);
        return e ? e : count(t, c->mailbox, IMAP_EVENT_FLAG_CHANGE);
    case CHANGE_MAILBOX_DELETED:
    case CHANGE_MAILBOX_RENAMED:
    case CHANGE_SUBSCRIPTION:
    case CHANGE_ACL:
        return tell_change_of_names(t, c);
    default:
        return ERR_OK;
    }
}

// Whole entries only, so that the next step begins with the next.
static enum err read_log(struct telling *t, bool *out_more)
{
    struct change_scan *scan;
    struct change c;
    unsigned records = 0;
    enum err e = change_scan_open(t->v, t->a->told, false, &scan);

    if (e) {
        return e;
    }
    t->number = t->a->told;
    while (!(e = change_next(scan, &c))) {
        if (c.number != t->number) {
            if (records >= NOTIFY_RECORDS_MAX || imap_batch_is_full(t->s)) {
                *out_more = true;
                break;
            }
            t->number = c.number;
            t->renamed = (struct span){0};
        }
        records++;
        if (!actor_has_made(&t->n->own, t->a->id, c.number) && (e = tell_change(t, &c))) {
            break;
        }
    }
    change_scan_close(scan);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// ---- mailboxes whose messages changed -----------------------------------------------------------

static int by_id(const void *x, const void *y)
{
    const struct tally_item *a = x, *b = y;

    return a->id < b->id ? -1 : a->id > b->id;
}

static const struct notify_seen *find_seen(const struct notify_seen_all *seen, mailbox_id id)
{
    size_t low = 0, high = seen->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (seen->items[mid].id == id) {
            return &seen->items[mid];
        }
        if (seen->items[mid].id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

static void tell_messages(struct telling *t, mailbox_id id, uint32_t events)
{
    const struct imap_selected *sel = t->s->selected;
    const struct notify_seen *seen = NULL;
    const struct mailbox *mailbox;

    if ((sel && sel->account == t->a->id && sel->mailbox == id) ||
        view_mailbox(t->v, id, &mailbox) != ERR_OK || mailbox->is_no_select) {
        return;
    }
    if (!is_own(t) && (!(seen = find_seen(&t->a->seen, id)) || !seen->can_read)) {
        return;
    }
    struct span full = seen ? seen->name : mailbox->name;
    bool is_subscribed = is_own(t) ? mailbox->is_subscribed : notify_is_subscribed(t->own, full);
    uint32_t wanted = notify_events_of(t->n, full, is_own(t), is_subscribed);

    if (wanted & events) {
        notify_status(t->s, t->v, mailbox, full,
                      (wanted & events) | (wanted & IMAP_EVENT_FLAG_CHANGE));
    }
}

static void tell_all_messages(struct telling *t)
{
    if (t->item_n) {
        qsort(t->items, t->item_n, sizeof(*t->items), by_id);
    }
    for (size_t i = 0; i < t->item_n;) {
        uint32_t events = 0;
        mailbox_id id = t->items[i].id;

        while (i < t->item_n && t->items[i].id == id) {
            events |= t->items[i++].events;
        }
        tell_messages(t, id, events);
    }
}

// ---- somebody else's names and rights -----------------------------------------------------------

// Renamed with the one above it, of which the user is told.
static bool moved_with_parent(const struct notify_seen_all *before,
                              const struct notify_seen_all *now, const struct notify_seen *was,
                              const struct notify_seen *is)
{
    struct span from = parent_of(was->name), to = parent_of(is->name);

    if (!span_eq(span_skip(was->name, from.n), span_skip(is->name, to.n))) {
        return false;
    }
    for (size_t i = 0; i < before->n; i++) {
        const struct notify_seen *other = &before->items[i];

        if (span_eq(other->name, from)) {
            const struct notify_seen *moved = find_seen(now, other->id);

            return moved && span_eq(moved->name, to) && !span_eq(from, to);
        }
    }
    return false;
}

// "Other Users/anna@example.org/INBOX" as its owner knows it.
static struct span name_in_account(const struct notify_account *a, struct span full)
{
    return span_skip(full, sizeof(IMAP_OTHERS "/") - 1 + a->address.n + 1);
}

static void tell_seen(struct imap_session *s, struct imap_notify *n, const struct notify_account *a,
                      struct view *v, struct view *own, const struct notify_seen *was,
                      const struct notify_seen *is)
{
    struct span full = is ? is->name : was->name, old = {0};
    bool is_subscribed = notify_is_subscribed(own, full), can_read = is && is->can_read;
    uint32_t wanted = notify_events_of(n, full, false, is_subscribed);

    if (was && is && !span_eq(was->name, is->name)) {
        old = was->name;
        wanted |= notify_events_of(n, old, false, notify_is_subscribed(own, old));
    }
    // RFC 5465 section 5.9: who may not read it any more, or may again.
    bool is_access = was && is && was->can_read != is->can_read;

    if (is_access ? wanted != 0 : (wanted & IMAP_EVENT_MAILBOX_NAME) != 0) {
        notify_list(s, is ? v : NULL, false, own, name_in_account(a, full), full, old,
                    is && !can_read);
    }
}

void notify_difference(struct imap_session *s, struct imap_notify *n,
                       const struct notify_account *a, struct view *v, struct view *own,
                       const struct notify_seen_all *before, const struct notify_seen_all *now)
{
    size_t i = 0, k = 0;

    while (i < before->n || k < now->n) {
        const struct notify_seen *was = i < before->n ? &before->items[i] : NULL;
        const struct notify_seen *is = k < now->n ? &now->items[k] : NULL;

        if (was && is && was->id != is->id) {
            was = was->id < is->id ? was : NULL;
            is = was ? NULL : is;
        }
        i += was != NULL;
        k += is != NULL;
        bool is_same = was && is && span_eq(was->name, is->name);

        if (is_same && was->can_read == is->can_read) {
            continue;
        }
        if (was && is && !is_same && moved_with_parent(before, now, was, is)) {
            continue;
        }
        tell_seen(s, n, a, v, own, was, is);
    }
}

static enum err look_anew(struct telling *t)
{
    struct notify_seen_all now;
    enum err e = notify_look(t->s, t->a, t->v, &now);

    if (e) {
        return e;
    }
    notify_difference(t->s, t->n, t->a, t->v, t->own, &t->a->seen, &now);
    arena_finish(&t->a->seen.arena);
    t->a->seen = now;
    return ERR_OK;
}

// ---- all together -------------------------------------------------------------------------------

static enum err tell_in(struct telling *t, bool *out_more)
{
    modseq known;
    enum err e = changes_known_since(t->v, &known);

    if (e || t->a->told < known) {
        return e ? e : ERR_LIMIT;
    }
    e = read_log(t, out_more);
    if (!e && t->is_looked_at_anew) {
        e = look_anew(t);
    }
    if (!e) {
        tell_all_messages(t);
        t->a->told = *out_more ? t->number : view_modseq(t->v);
    }
    return e;
}

enum err notify_tell(struct imap_session *s, struct imap_notify *n, struct notify_account *a,
                     bool *out_more)
{
    struct telling t = {.s = s, .n = n, .a = a};
    enum err e = imap_view_open(s, s->account, &t.own);

    if (e) {
        return e;
    }
    t.v = t.own;
    e = a->id == s->account ? ERR_OK : imap_view_open(s, a->id, &t.v);
    if (!e) {
        arena_init(&s->tell_arena, IMAP_COMMAND_BYTES);
        e = tell_in(&t, out_more);
        arena_finish(&s->tell_arena);
    }
    if (!e && t.v != t.own) {
        view_close(t.v);
    }
    view_close(t.own);
    return e;
}
