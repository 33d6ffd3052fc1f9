// SPDX-License-Identifier: Apache-2.0
//
// New messages: from bytes to a durable placement, in one account or in many. The bytes stream
// through: at most about 1 MiB of a message is in memory at a time.
#ifndef STORE_APPEND_H
#define STORE_APPEND_H

#include "store/placement.h"

// A message being received. One thread at a time; nothing is visible until it is appended.
struct incoming;
enum err incoming_begin(struct store *s, struct incoming **out);
// ERR_LIMIT beyond message_bytes_max: the rest may still be fed and is thrown away.
enum err incoming_write(struct incoming *m, struct span bytes);
// No more bytes: parses what is left and makes the summary. Required before appending.
enum err incoming_finish(struct incoming *m);
uint64_t incoming_bytes(const struct incoming *m);
// Of a finished message, for those who use the body outside of accounts (the queue).
body_id incoming_body(const struct incoming *m);
// Free it after the last append that names it. NULL is allowed.
void incoming_destroy(struct incoming *m);

struct append_item {
    struct incoming *message;
    uint16_t flags;
    const struct span *keywords;
    size_t keyword_count;
    int64_t internal_date; // seconds since 1970; INT64_MIN: now
    int16_t zone_minutes;
};
struct append_result {
    uint32_t uid_validity;
    uint32_t first_uid; // the items have consecutive UIDs
    modseq version;
};
// All items or none, one commit (RFC 3502). ERR_NOT_FOUND (no such mailbox), ERR_QUOTA, ERR_LIMIT,
// and the engine's errors.
enum err store_append(struct store *s, account_id account, const struct actor *by,
                      mailbox_id mailbox, const struct append_item *items, size_t count,
                      struct append_result *out);

// One message to many accounts: the body is stored once, all share a sync, each recipient's result
// is its own. `mailbox` 0 means INBOX.
struct delivery_target {
    account_id account;
    mailbox_id mailbox;
    uint16_t flags;
    enum err result; // out
    uint32_t uid;    // out
};
enum err store_deliver(struct store *s, const struct actor *by, struct incoming *m,
                       struct delivery_target *targets, size_t count);

#endif
