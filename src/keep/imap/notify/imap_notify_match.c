// SPDX-License-Identifier: Apache-2.0
//
// Which events are wanted of which mailbox (RFC 5465 section 6): by its name, so that a mailbox
// that is made or renamed later is meant as well. Several groups may mean one mailbox.
#include "keep/imap/notify/imap_notify_internal.h"

#include "base/banned.h"

// Where the first name that is not below `name` stands.
static size_t lower_bound(const struct span *names, size_t n, struct span name)
{
    size_t low = 0;

    while (low < n) {
        size_t mid = low + (n - low) / 2;

        if (span_cmp(names[mid], name) < 0) {
            low = mid + 1;
        } else {
            n = mid;
        }
    }
    return low;
}

static bool has_name(const struct notify_group *g, struct span name)
{
    size_t at = lower_bound(g->names, g->n, name);

    return at < g->n && span_eq(g->names[at], name);
}

// The name itself or a level above it.
static bool has_tree(const struct notify_group *g, struct span name)
{
    for (size_t i = 0; i <= name.n; i++) {
        if ((i == name.n || name.p[i] == '/') && has_name(g, span_first(name, i))) {
            return true;
        }
    }
    return false;
}

static bool is_meant(const struct notify_group *g, struct span full, bool is_own,
                     bool is_subscribed)
{
    switch (g->filter) {
    case IMAP_NOTIFY_INBOXES: // rules may file mail anywhere
    case IMAP_NOTIFY_PERSONAL:
        return is_own;
    case IMAP_NOTIFY_SUBSCRIBED:
        return is_subscribed;
    case IMAP_NOTIFY_SUBTREE:
        return has_tree(g, full);
    case IMAP_NOTIFY_MAILBOXES:
        return has_name(g, full);
    default:
        return false;
    }
}

uint32_t notify_events_of(const struct imap_notify *n, struct span full, bool is_own,
                          bool is_subscribed)
{
    uint32_t events = 0;

    for (size_t i = 0; i < n->group_n; i++) {
        if (is_meant(&n->groups[i], full, is_own, is_subscribed)) {
            events |= n->groups[i].events;
        }
    }
    return events;
}

// view_orphan_subscriptions gives them in the order of mailboxes, INBOX first; others' mailboxes
// and orphans are few.
bool notify_is_subscribed(struct view *own, struct span full)
{
    const struct mailbox *mailbox;
    const struct span *names;
    size_t n;

    if (view_mailbox_by_name(own, full, &mailbox) == ERR_OK) {
        return mailbox->is_subscribed;
    }
    if (view_orphan_subscriptions(own, &names, &n) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (span_eq(names[i], full)) {
            return true;
        }
    }
    return false;
}

// Is a name the prefix, or above or below it?
static bool is_in_line(struct span name, struct span prefix)
{
    struct span shorter = name.n < prefix.n ? name : prefix;
    struct span longer = name.n < prefix.n ? prefix : name;

    return span_starts(longer, shorter) && (longer.n == shorter.n || longer.p[shorter.n] == '/');
}

static bool subscriptions_reach(struct view *own, struct span prefix)
{
    const struct span *names;
    size_t n;

    if (view_orphan_subscriptions(own, &names, &n) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (is_in_line(names[i], prefix)) {
            return true;
        }
    }
    return false;
}

bool notify_reaches(const struct imap_notify *n, struct view *own, struct span prefix)
{
    for (size_t i = 0; i < n->group_n; i++) {
        const struct notify_group *g = &n->groups[i];

        if (g->filter == IMAP_NOTIFY_SUBSCRIBED && subscriptions_reach(own, prefix)) {
            return true;
        }
        for (size_t k = 0; k < g->n; k++) {
            if (is_in_line(g->names[k], prefix)) {
                return true;
            }
        }
    }
    return false;
}
