// SPDX-License-Identifier: Apache-2.0
//
// The account's change log: every commit is one entry, its number is the account's MODSEQ. It says
// what changed (with the value before), who did it and when. IDLE, CONDSTORE, QRESYNC, the owner's
// history, undo and backup are readers of it.
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include "store/placement.h"

enum change_kind {
    CHANGE_ARRIVED = 1, // messages came in (append, delivery, import): uids
    CHANGE_FLAGS,       // flags or keywords changed: uids
    CHANGE_COPIED,      // messages copied here: uids, other_mailbox
    CHANGE_MOVED_IN,    // uids, other_mailbox (where from)
    CHANGE_MOVED_OUT,   // uids gone from this mailbox, other_mailbox (where to)
    CHANGE_EXPUNGED,    // uids gone
    CHANGE_RESTORED,    // uids back from the expunged
    CHANGE_MAILBOX_CREATED,
    CHANGE_MAILBOX_DELETED, // `before`: its name; `after`: its keywords, a
                            // string each (pack.h), in order of number; value: its special uses
    CHANGE_MAILBOX_RENAMED, // `before`: the old name, `after`: the new one
    CHANGE_SUBSCRIPTION,    // `after`: the name; value: 1 subscribed, 0 not
    CHANGE_SPECIAL_USE,     // value: bits before << 8 | bits after
    CHANGE_QUOTA,
    CHANGE_ACCOUNT,   // made, renamed, suspended, password set: `after` says it in words
    CHANGE_FORGOTTEN, // expunged messages whose time was up were dropped: value: number of them
    CHANGE_REPAIRED,  // mended by `mailkeep check`: `after` says what
    CHANGE_ROUTE,     // an alias or another name of a domain: `after` says it in words
    CHANGE_RULES,     // a Sieve script or the forwarding: `after` says it in words
    CHANGE_SENT,      // about the server's copy of what was sent (sent.c): `after` says it in words
    CHANGE_DEVICE,    // a device (device.h): value: its id; `after` says it in words
    CHANGE_ACL,       // a mailbox's access control list (acl.h): `before`, `after`: whose rights
    CHANGE_METADATA,  // an entry of metadata (metadata/metadata.h) has another value, or is gone:
                      // mailbox: this account's, 0: of the account itself (in account 0: of the
                      // server); `after`: the entry's name, in lower case; value: not 0: kept here
                      // on a mailbox of that account. metadata_change_read takes it apart
    CHANGE_SEEN, // a reader's own \Seen: uids; value: the reader's account, `after`: v 1 set, 0
                 // taken away; value 0: readers have none of their own any more
};

// One record of an entry; a commit may have several (a move has two).
struct change {
    modseq number;   // the entry's
    int64_t when_ms; // milliseconds since 1970 UTC
    struct actor by;
    enum change_kind kind;
    mailbox_id mailbox, other_mailbox;
    struct uid_set uids;
    struct span before, after;
    uint64_t value;
    struct span flags_before; // FLAGS, EXPUNGED, MOVED_OUT: change_flags_next takes it apart
    struct span messages;     // ids, in order of UID: change_messages_next takes it apart
};

// `flags_before` as runs: the next `count` of the record's messages had these. False at the end
// (and for what is no such text).
struct change_flags {
    uint64_t count;
    uint16_t flags;
    uint64_t keywords; // bit n: keyword number n of the mailbox, n < 64
    uint16_t more[KEYWORDS_PER_MESSAGE_MAX];
    unsigned more_count;
};
bool change_flags_next(struct span *packed, struct change_flags *out);

// What a CHANGE_FLAGS did (its `after`). False when it is no such text.
struct change_flags_done {
    enum flag_change how;
    struct change_flags what; // count is 0
};
bool change_flags_done(struct span after, struct change_flags_done *out);

// `messages` as runs of ids that follow each other, *last 0 at the start. False at the end.
bool change_messages_next(struct span *packed, message_id *last, message_id *out_first,
                          uint64_t *out_count);

// Walks the records of entries number > since, oldest first (or newest first). A record and its
// spans live until the next step. Entries trimmed away are not shown: see changes_known_since.
struct change_scan;
enum err change_scan_open(struct view *v, modseq since, bool newest_first,
                          struct change_scan **out);
enum err change_next(struct change_scan *c, struct change *out); // ERR_NOT_FOUND: the end
void change_scan_close(struct change_scan *c);

// Every entry above this number is still there.
enum err changes_known_since(struct view *v, modseq *out);

// UIDs that left the mailbox after `since` (RFC 7162 VANISHED), limited to `among` when not NULL.
// When the log does not reach back so far, everything below UIDNEXT that is not there now.
enum err view_vanished(struct view *v, mailbox_id mailbox, modseq since,
                       const struct uid_set *among, struct arena *a, struct uid_set *out);

// UIDs among which are all that came or changed after `since`, of those within. ERR_LIMIT: the log
// does not know, or looking at all of the mailbox is no more work. The set is in the arena.
enum err view_changed_uids(struct view *v, mailbox_id mailbox, modseq since,
                           struct uid_range within, struct arena *a, struct uid_set *out);

#endif
