// SPDX-License-Identifier: Apache-2.0
//
// Who must have a second factor: the accounts of a domain, or whoever has a role. Rows `F` of
// account 0 (docs/format/store.md); a domain or a role that goes takes its row along. Threads and
// blocking: see store.h.
#ifndef STORE_FACTOR_POLICY_H
#define STORE_FACTOR_POLICY_H

#include "store/directory.h"

// `what`: "@example.org" (a domain as the directory spells it) or the name of a role.
// ERR_NOT_FOUND: there is no such domain or role.
enum err factor_policy_set(struct store *s, const struct actor *by, struct span what,
                           bool is_required);
enum err factor_policy_get(struct store *s, struct span what, bool *out);

// Must this account have one, for its domain or for a role it has? `name` is its address.
enum err factor_policy_of(struct store *s, account_id account, struct span name, bool *out);

// A row, for the check; `*out_what` points into the key. ERR_CORRUPT, ERR_UNSUPPORTED.
enum err factor_policy_decode(struct span key, struct span value, struct span *out_what);

#endif
