// SPDX-License-Identifier: Apache-2.0
//
// Quota: bytes and number of messages of an account, exact in every commit. A message placed in
// several mailboxes counts once per placement, as people see it in their clients. Expunged messages
// that can still be restored do not count. Threads and blocking: see store.h.
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include "store/store.h"

struct quota {
    uint64_t bytes, bytes_max;       // max UINT64_MAX: none
    uint64_t messages, messages_max; // max UINT64_MAX: none
};
enum err view_quota(struct view *v, struct quota *out);
enum err quota_set(struct store *s, account_id account, const struct actor *by, uint64_t bytes_max,
                   uint64_t messages_max);

#endif
