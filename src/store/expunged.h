// SPDX-License-Identifier: Apache-2.0
//
// Expunged messages: kept for a set time, listed, restored, and at last forgotten (their bodies are
// then dropped). Threads and blocking: see store.h.
#ifndef STORE_EXPUNGED_H
#define STORE_EXPUNGED_H

#include "store/placement.h"

struct expunged {
    message_id message;
    body_id body;
    struct span mailbox_name; // where it was
    uint32_t bytes;
    int64_t expunged_at; // seconds since 1970
};
typedef bool expunged_fn(void *arg, const struct expunged *m); // false: stop
enum err expunged_list(struct view *v, expunged_fn *fn, void *arg);

// Puts messages back into a mailbox (0: where they were, made again when missing) as new UIDs.
// ERR_NOT_FOUND, ERR_QUOTA.
enum err expunged_restore(struct store *s, account_id account, const struct actor *by,
                          const message_id *messages, size_t count, mailbox_id mailbox);

// Forgets what was expunged before `before_s`; at most `limit` messages in this call. `out_more`:
// call again.
enum err expunged_forget(struct store *s, account_id account, int64_t before_s, size_t limit,
                         bool *out_more);

#endif
