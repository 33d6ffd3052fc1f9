// SPDX-License-Identifier: Apache-2.0
//
// Metadata (RFC 5464): named values of a mailbox or of all of an account, rows `v` of the account.
// An entry's name is ASCII, its levels separated by '/', the first of them "private" or "shared";
// letters count without case. Whose row it is says who sees it:
//
//   /private and /shared of one's own mailboxes: one's own account, owner 0
//   /private of oneself ("the server" of RFC 5464): one's own account, owner 0, mailbox 0
//   /private of somebody else's mailbox: one's own account, that owner and their mailbox
//   /shared of the server: account 0, owner 0, mailbox 0
//
// So a /shared entry of a mailbox is its owner's, and a /private one is nobody's business but whose
// account it is in. An entry goes with its mailbox when that is renamed, and is gone when it is
// deleted; what others have kept on it for themselves is not found any more (a mailbox id is never
// given again), and dropped when they need the room. Who may is for the caller to ask. Threads and
// blocking: see store.h.
#ifndef STORE_METADATA_H
#define STORE_METADATA_H

#include "store/change.h"

#define METADATA_NAME_BYTES_MAX    240
#define METADATA_VALUE_BYTES_MAX   (512u << 10)
#define METADATA_ENTRIES_MAX       1000        // of one mailbox
#define METADATA_ACCOUNT_BYTES_MAX (32u << 20) // names and values, and for each entry
#define METADATA_ENTRY_BYTES       64          // ... this much
// Of the value before, in the change log.
#define METADATA_BEFORE_BYTES_MAX 1024

// Of a mailbox: those with whom it is shared have a \Seen of their own there ("own"), or the
// owner's
// ("shared", as without the entry). It is kept like any other; changing it changes the mailbox in
// the same commit. A mailbox that is made is as the nearest one above it.
#define METADATA_SEEN        "/shared/vendor/mailkeep/seen"
#define METADATA_SEEN_OWN    "own"
#define METADATA_SEEN_SHARED "shared"

struct metadata_where {
    account_id owner;   // of the mailbox; 0: the account that the row is in
    mailbox_id mailbox; // 0: the account, or in account 0 the server
};

// A name that can be an entry's: with two levels or more, below /private/vendor and /shared/vendor
// with four (RFC 5464 section 3.2). `root`: also one that only has entries below it.
bool metadata_name_is_valid(struct span name, bool root);
bool metadata_name_is_private(struct span name); // of a valid name; else it is shared
bool metadata_name_is_seen(struct span name);    // METADATA_SEEN
bool metadata_seen_is_good(struct span value);   // of it; value.p NULL: it goes

struct metadata_entry {
    struct metadata_where where;
    struct span name;  // as it was written when it was made
    struct span value; // any bytes, perhaps none
    modseq changed;
};

// ---- looking ------------------------------------------------------------------------------------

// Spans live as long as the view. ERR_NOT_FOUND; ERR_CORRUPT.
enum err view_metadata(struct view *v, struct metadata_where where, struct span name,
                       struct metadata_entry *out);

enum metadata_depth { METADATA_DEPTH_0, METADATA_DEPTH_1, METADATA_DEPTH_ALL };
typedef enum err metadata_fn(void *arg, const struct metadata_entry *entry); // ERR_EOF: stop
// The entry `name` and those below it as deep as that, in order of their names, and of them those
// behind the name `after` (empty: from the first on). One that cannot be read is left out.
enum err view_metadata_each(struct view *v, struct metadata_where where, struct span name,
                            enum metadata_depth depth, struct span after, metadata_fn *fn,
                            void *arg);

// Names and values of the whole account and METADATA_ENTRY_BYTES for each entry.
uint64_t view_metadata_bytes(const struct view *v);

// ---- changing -----------------------------------------------------------------------------------

struct metadata_limits {
    uint64_t value_bytes;   // not above METADATA_VALUE_BYTES_MAX
    uint32_t entries;       // of one mailbox; not above METADATA_ENTRIES_MAX
    uint64_t account_bytes; // not above METADATA_ACCOUNT_BYTES_MAX
};

struct metadata_change {
    struct span name, value; // value.p NULL: the entry goes
};

// All of them or none, in one commit, each with a record in the change log (metadata_change_read).
// Of an entry that is named twice the last counts; one that has that value already is not changed.
// What shrinks is never refused. ERR_NOT_FOUND: no such account, or it has no such mailbox (that of
// another owner is not looked for); ERR_INVALID: a name, or METADATA_SEEN with another value;
// ERR_LIMIT: too many entries (a value over the limit is for the caller to refuse); ERR_QUOTA: too
// many bytes in the account.
enum err metadata_set(struct store *s, account_id account, const struct actor *by,
                      struct metadata_where where, const struct metadata_change *changes, size_t n,
                      const struct metadata_limits *limits);

// ---- the change log -----------------------------------------------------------------------------

// A record of the kind CHANGE_METADATA: which entry has another value now, or is gone. The value it
// has is in the account, not in the log.
struct metadata_changed {
    struct metadata_where where;
    struct span name; // in lower case
    bool was_there;
    uint64_t before_bytes; // of the value before
    struct span before;    // its first METADATA_BEFORE_BYTES_MAX bytes
};
// False when it is no such record.
bool metadata_change_read(const struct change *c, struct metadata_changed *out);

// ---- rows ---------------------------------------------------------------------------------------

// A row of docs/format/store.md, for the check. ERR_CORRUPT.
enum err metadata_decode(struct span key, struct span value, struct metadata_entry *out);
// What an entry counts in the account's header.
uint64_t metadata_entry_bytes(const struct metadata_entry *entry);

#endif
