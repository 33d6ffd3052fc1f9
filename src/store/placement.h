// SPDX-License-Identifier: Apache-2.0
//
// Placements: a message's place in a mailbox, with its UID, flags, keywords and MODSEQ. Reading
// them, changing their flags, copying, moving and expunging. Threads and blocking: see store.h.
#ifndef STORE_PLACEMENT_H
#define STORE_PLACEMENT_H

#include "store/mailbox.h"

enum message_flag {
    FLAG_SEEN = 1 << 0,
    FLAG_ANSWERED = 1 << 1,
    FLAG_FLAGGED = 1 << 2,
    FLAG_DELETED = 1 << 3,
    FLAG_DRAFT = 1 << 4,
};

#define KEYWORDS_PER_MAILBOX_MAX 1000
#define KEYWORDS_PER_MESSAGE_MAX 64
#define KEYWORD_BYTES_MAX        64

struct placement {
    uint32_t uid;
    uint16_t flags;                // enum message_flag bits
    uint64_t keywords;             // bit n: keyword number n of the mailbox, for n < 64
    const uint16_t *more_keywords; // numbers 64 and above, ascending; lives until the next step
    uint16_t more_keyword_count;
    int16_t zone_minutes; // of the internal date, east of UTC
    modseq changed;       // the message's MODSEQ
    message_id message;
    body_id body;
    int64_t internal_date; // seconds since 1970 UTC
    int64_t saved;         // when it came into this mailbox (SAVEDATE), seconds since 1970 UTC
    uint32_t bytes;        // RFC822.SIZE
};

// A set of UIDs: sorted, disjoint, not adjacent ranges, both ends included.
struct uid_range {
    uint32_t first, last;
};
struct uid_set {
    struct uid_range *ranges; // owner: whoever made it, usually an arena
    size_t count;
};

// Walks a mailbox's placements with first <= uid <= last in order of UID, leaving out those not
// changed after `changed_since` (0: all; whole chunks are skipped unread). The scan must be closed
// before its view.
struct placement_scan;
enum err placement_scan_open(struct view *v, mailbox_id mailbox, uint32_t first, uint32_t last,
                             modseq changed_since, struct placement_scan **out);
enum err placement_next(struct placement_scan *p, struct placement *out); // ERR_NOT_FOUND: the end
void placement_scan_close(struct placement_scan *p);                      // NULL is allowed

// Adds to `out` (ranges in the arena) the UIDs of the mailbox, ascending.
enum err view_uids(struct view *v, mailbox_id mailbox, struct arena *a, struct uid_set *out);

// A hint: all of the mailbox's placements will be read soon. See scan_prefetch.
void view_prefetch(struct view *v, mailbox_id mailbox);

// The message's record: what does not depend on a mailbox. ERR_NOT_FOUND.
struct message_info {
    body_id body;
    thread_id thread;
    int64_t sent_date; // of the Date field, or the arrival when there is none; seconds since 1970
    uint64_t bytes;
};
enum err view_message(struct view *v, message_id id, struct message_info *out);

// ---- changing -----------------------------------------------------------------------------------

enum flag_change { FLAGS_SET, FLAGS_ADD, FLAGS_REMOVE };

struct flag_request {
    mailbox_id mailbox;
    struct uid_set uids; // UIDs without a message are passed over
    enum flag_change how;
    uint16_t flags;
    const struct span *keywords; // names; compared without case, stored as first written
    size_t keyword_count;
    uint16_t keep;          // FLAGS_SET: flags that stay as they are
    bool keep_keywords;     // ... and so do the keywords
    modseq unchanged_since; // UINT64_MAX: always. RFC 7162 3.1.3
};
struct flag_result {
    modseq version;          // MODSEQ of the messages that were changed
    struct uid_set modified; // refused by unchanged_since; in the arena
    bool new_keywords;       // the mailbox's keyword list grew
    bool changed;            // something was changed: `version` is our own commit
};
// One commit for all of them. Messages that already are as wanted keep their MODSEQ. ERR_NOT_FOUND
// (no such mailbox), ERR_LIMIT (keywords).
enum err placement_flags(struct store *s, account_id account, const struct actor *by,
                         const struct flag_request *r, struct arena *a, struct flag_result *out);

struct copy_result {
    uint32_t uid_validity;   // of the destination
    struct uid_set from, to; // same order, same number of UIDs; in the arena
    modseq version;
};
// Copies or, with `move`, moves messages with flags, keywords, dates and identity (RFC 6851): all
// or none, one commit. ERR_NOT_FOUND: `*out_missing_target` tells which mailbox. ERR_QUOTA for
// copies.
enum err placement_copy(struct store *s, account_id account, const struct actor *by,
                        mailbox_id from, struct uid_set uids, mailbox_id to, bool move,
                        struct arena *a, struct copy_result *out, bool *out_missing_target);
// The same for somebody who may not set all flags there.
struct copy_within {
    mailbox_id from, to;
    struct uid_set uids;
    bool move;
    uint16_t flags; // that go along; others are left out
    bool keywords;  // so do these
};
enum err placement_copy_within(struct store *s, account_id account, const struct actor *by,
                               const struct copy_within *c, struct arena *a,
                               struct copy_result *out, bool *out_missing_target);

// The same from one account into another, where they are new messages (other ids, same bodies): all
// or none, one commit of the account they go to. ERR_LIMIT above 20,000.
struct copy_across {
    account_id from_account, to_account; // not the same
    account_id reader;                   // who reads there (view_open_for); 0: the owner
    mailbox_id from, to;
    struct uid_set uids;
    uint16_t flags; // that go along; others are left out
    bool keywords;  // so do these
};
enum err placement_copy_across(struct store *s, const struct actor *by, const struct copy_across *c,
                               struct arena *a, struct copy_result *out, bool *out_missing_target);

// Removes the messages among `uids` (NULL: all) that have \Deleted; with `any` also those without.
// They stay restorable. `out_gone`: the UIDs removed, in the arena.
enum err placement_expunge(struct store *s, account_id account, const struct actor *by,
                           mailbox_id mailbox, const struct uid_set *uids, bool any,
                           struct arena *a, struct uid_set *out_gone, modseq *out_version);

#endif
