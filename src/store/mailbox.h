// SPDX-License-Identifier: Apache-2.0
//
// Mailboxes of an account: names, hierarchy, special use, subscription, counts. A name is UTF-8
// (NFC), its levels separated by '/', at most 1,024 bytes, 255 a level, 64 levels; "INBOX" is
// written so in every spelling. Threads and blocking: see store.h.
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include "store/store.h"

// Special uses (RFC 6154); a mailbox has any number of them.
enum special_use {
    USE_ALL = 1 << 0,
    USE_ARCHIVE = 1 << 1,
    USE_DRAFTS = 1 << 2,
    USE_FLAGGED = 1 << 3,
    USE_JUNK = 1 << 4,
    USE_SENT = 1 << 5,
    USE_TRASH = 1 << 6,
    USE_IMPORTANT = 1 << 7, // RFC 8457
};

struct mailbox {
    mailbox_id id; // the MAILBOXID
    struct span name;
    uint32_t uid_validity;
    uint32_t uid_next;
    modseq highest_modseq;            // of anything in the mailbox; at least 1
    uint32_t exists, unseen, deleted; // messages; without \Seen; with \Deleted
    uint64_t bytes;                   // sizes of all messages
    uint8_t special_use;              // enum special_use bits
    bool is_subscribed;
    // Not 0: those it is shared with have a \Seen of their own, since that MODSEQ; `unseen` counts
    // the owner's.
    modseq seen_since;
    bool is_no_select; // only a level of the hierarchy: deleted while it had children
};

// Checks and canonicalises a name (NFC, INBOX): ERR_INVALID with `*out_reason` (static text) for
// controls, an empty level, "." or ".." levels, invalid UTF-8, bytes over the limits. The name is
// in the arena.
enum err mailbox_name_check(struct arena *a, struct span name, struct span *out,
                            const char **out_reason);

// All mailboxes and, apart, subscribed names that have no mailbox (kept by RFC 3501 6.3.6), sorted
// by name with INBOX first. The arrays belong to the view.
enum err view_mailboxes(struct view *v, const struct mailbox *const **out, size_t *out_count);
enum err view_orphan_subscriptions(struct view *v, const struct span **out, size_t *out_count);
// ERR_NOT_FOUND when there is none. The name must have gone through mailbox_name_check.
enum err view_mailbox_by_name(struct view *v, struct span name, const struct mailbox **out);
enum err view_mailbox(struct view *v, mailbox_id id, const struct mailbox **out);

// Messages without \Seen, as this view's reader has it (view_open_for). Reads two rows for 4,096
// UIDs where the reader has one of their own, and nothing else.
enum err view_unseen(struct view *v, const struct mailbox *m, uint32_t *out);

// Keywords in use in a mailbox: index in the array is the keyword's number in placements. Numbers
// are never reused for another name.
enum err view_keywords(struct view *v, mailbox_id id, const struct span **out, size_t *out_count);

// Creates a mailbox and the levels above it that are missing. ERR_EXISTS (a \NoSelect level of that
// name becomes a real mailbox instead), ERR_LIMIT, ERR_INVALID (special use taken already).
enum err mailbox_create(struct store *s, account_id account, const struct actor *by,
                        struct span name, uint8_t special_use, mailbox_id *out);

// Deletes a mailbox with its messages, which stay restorable. With children it becomes \NoSelect
// (ERR_DENIED when it already is). INBOX: ERR_DENIED. The subscription stays.
enum err mailbox_delete(struct store *s, account_id account, const struct actor *by,
                        struct span name);

// Renames a mailbox with all below it; UIDVALIDITY, UIDs and MAILBOXIDs stay. Renaming INBOX moves
// its messages into a new mailbox and leaves INBOX empty (RFC 3501 6.3.5). Missing levels above the
// new name are made. ERR_NOT_FOUND, ERR_EXISTS, ERR_INVALID (into itself), ERR_LIMIT.
enum err mailbox_rename(struct store *s, account_id account, const struct actor *by,
                        struct span from, struct span to);

// The name need not exist to be unsubscribed; subscribing to a missing mailbox: ERR_NOT_FOUND.
enum err mailbox_subscribe(struct store *s, account_id account, const struct actor *by,
                           struct span name, bool subscribed);

// The same for a name of somebody else's mailbox as this account knows it: always a name without a
// mailbox here (view_orphan_subscriptions).
enum err mailbox_subscribe_other(struct store *s, account_id account, const struct actor *by,
                                 struct span name, bool subscribed);

// Replaces the special uses.
enum err mailbox_set_special_use(struct store *s, account_id account, const struct actor *by,
                                 struct span name, uint8_t special_use);

#endif
