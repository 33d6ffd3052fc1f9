// SPDX-License-Identifier: Apache-2.0
//
// What a NOTIFY asks for (RFC 5465 section 8), as imap_parse gives it. In the arena of the command,
// see imap_command.h.
#ifndef WIRE_IMAP_IMAP_NOTIFY_H
#define WIRE_IMAP_IMAP_NOTIFY_H

#include "base/buf.h"
#include "wire/imap/imap_fetch.h"

#define IMAP_NOTIFY_GROUPS_MAX 100  // event groups of one NOTIFY
#define IMAP_NOTIFY_NAMES_MAX  5000 // mailboxes of a group

enum imap_event {
    IMAP_EVENT_MESSAGE_NEW = 1u << 0,
    IMAP_EVENT_MESSAGE_EXPUNGE = 1u << 1,
    IMAP_EVENT_FLAG_CHANGE = 1u << 2,
    IMAP_EVENT_ANNOTATION_CHANGE = 1u << 3,
    IMAP_EVENT_MAILBOX_NAME = 1u << 4,
    IMAP_EVENT_SUBSCRIPTION_CHANGE = 1u << 5,
    IMAP_EVENT_MAILBOX_METADATA_CHANGE = 1u << 6,
    IMAP_EVENT_SERVER_METADATA_CHANGE = 1u << 7,
    IMAP_EVENT_OTHER = 1u << 8, // a name of the future (event-ext)
};
#define IMAP_EVENTS_MESSAGE                                                                        \
    (IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE | IMAP_EVENT_FLAG_CHANGE |                \
     IMAP_EVENT_ANNOTATION_CHANGE)

enum imap_notify_filter {
    IMAP_NOTIFY_SELECTED,
    IMAP_NOTIFY_SELECTED_DELAYED,
    IMAP_NOTIFY_INBOXES,
    IMAP_NOTIFY_PERSONAL,
    IMAP_NOTIFY_SUBSCRIBED,
    IMAP_NOTIFY_SUBTREE,   // of names
    IMAP_NOTIFY_MAILBOXES, // names
};

struct imap_event_group {
    enum imap_notify_filter filter;
    const struct span *names; // canonical
    size_t name_n;
    uint32_t events;                     // enum imap_event; 0: NONE
    const struct imap_fetch_item *items; // of MessageNew, with IMAP_NOTIFY_SELECTED* only
    size_t item_n;
};

struct imap_notify_request {
    bool is_set; // else NONE
    bool status; // with the STATUS indicator
    const struct imap_event_group *groups;
    size_t n;
};

// "MessageNew MessageExpunge ..." of these events, in the order above.
void imap_events_write(struct buf *out, uint32_t events);

#endif
