// SPDX-License-Identifier: Apache-2.0
//
// What the files of store/share/ do for each other.
#ifndef STORE_SHARE_INTERNAL_H
#define STORE_SHARE_INTERNAL_H

#include "store/belongings_internal.h"
#include "store/share/group.h"

// The engine account that says who shares with whom: riders of the owners' commits, nothing else.
// Its keys, each with the version byte as value:
//   `u` reader u64, owner u64     the owner has a list with an entry for that account
//   `d` domain, 0x00, owner u64   ... with an entry for anyone of that domain
//   `g` group u64, owner u64      ... with an entry for that group
//   `w`                           written when somebody becomes a member of a group or is none any
//                                 more, so that watchers of the account look again
#define SHARE_ACCOUNT 0xFFFFFFFFFFFFFC00ull

// acl.c: the value of a row, in the arena. The list is not empty.
enum err acl_encode(const struct acl *acl, struct arena *a, struct span *out);

// acl_index.c: the rider says of everybody in `before` and `after` (lists of one mailbox) whether
// the owner shares with them now, this mailbox having `after`.
enum err acl_edit_index(struct edit *ed, mailbox_id mailbox, const struct acl *before,
                        const struct acl *after);
// Wakes who watches who shares with whom.
enum err acl_edit_nudge(struct edit *ed);

// ---- groups (group.c) ---------------------------------------------------------------------------

// Calls `fn` for each alias that names exactly this address.
typedef enum err group_alias_fn(void *arg, struct span alias);
enum err group_each_alias(struct snapshot *snapshot, struct span address, group_alias_fn *fn,
                          void *arg);
// Other names of domains (`E`), all of them; and an address as it may be written: as it is, and
// with each other name of its domain. In the arena.
struct group_names {
    struct span *domains, *targets;
    size_t n, cap;
};
enum err group_names_read(struct snapshot *snapshot, struct arena *a, struct group_names *out);
enum err group_spellings(const struct group_names *names, struct span address, struct arena *a,
                         struct span **out, size_t *out_n);
// "a group now: team@example.org" in the log.
enum err group_note(struct edit *ed, const char *what, struct span alias);
#endif
