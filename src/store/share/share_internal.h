// SPDX-License-Identifier: Apache-2.0
//
// What the files of store/share/ do for each other.
#ifndef STORE_SHARE_INTERNAL_H
#define STORE_SHARE_INTERNAL_H

#include "store/belongings_internal.h"
#include "store/share/acl.h"

// The engine account that says who shares with whom: riders of the owners' commits, nothing else.
// Its keys, each with the version byte as value:
//   `u` reader u64, owner u64     the owner has a list with an entry for that account
//   `d` domain, 0x00, owner u64   ... with an entry for anyone of that domain
#define SHARE_ACCOUNT 0xFFFFFFFFFFFFFC00ull

// acl.c: the value of a row, in the arena. The list is not empty.
enum err acl_encode(const struct acl *acl, struct arena *a, struct span *out);

// acl_index.c: the rider says of everybody in `before` and `after` (lists of one mailbox) whether
// the owner shares with them now, this mailbox having `after`.
enum err acl_edit_index(struct edit *ed, mailbox_id mailbox, const struct acl *before,
                        const struct acl *after);
#endif
