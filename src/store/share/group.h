// SPDX-License-Identifier: Apache-2.0
//
// Groups in lists of rights. A group is an alias (route.h) that a list has named: it has a number
// from then on, which goes with the alias and is never given again. Its members are the accounts
// whose own address it leads to, through other aliases or not; an address with a detail, a
// catch-all and a forwarding are ways for mail and make nobody a member. docs/format/store.md has
// the rows. Threads and blocking: see store.h.
#ifndef STORE_GROUP_H
#define STORE_GROUP_H

#include "store/share/acl.h"

#define GROUP_DEPTH_MAX   20   // aliases in aliases, as mail is delivered
#define GROUP_ALIASES_MAX 1000 // that lead to one account

// The groups that an account is a member of, at one moment.
struct acl_groups {
    const uint64_t *ids; // ascending
    size_t n;
    bool is_cut; // there may be more: nobody knows of which it is not a member
};
bool acl_groups_have(const struct acl_groups *g, uint64_t id);

// In the arena. It costs what the account's own groups are.
enum err groups_of(struct snapshot *snapshot, account_id account, struct arena *a,
                   struct acl_groups *out);
// Another number when the account is a member of other groups than before.
enum err groups_mark(struct store *s, account_id account, uint64_t *out);

// Whom a folded address names in a list: an account, or the group that an alias is. With `by` an
// alias gets its number; else it may have none yet, and the id is 0. ERR_NOT_FOUND: nobody's.
enum err acl_who_find(struct store *s, const struct actor *by, struct span address,
                      struct acl_who *out);
// Their address, or "anyone"; in the arena. ERR_NOT_FOUND: somebody who is no more.
enum err acl_who_name(struct store *s, const struct acl_who *who, struct arena *a,
                      struct span *out);

#endif
