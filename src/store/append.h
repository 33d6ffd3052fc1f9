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

// The same with one message that takes the place of another (RFC 8508), which may lie in another
// mailbox: it is expunged in the same commit, and its size is free for the new one.
// ERR_NOT_FOUND: `*out_missing` tells whether it is the message that is not there.
struct append_replaced {
    mailbox_id mailbox;
    uint32_t uid;
};
enum err store_replace(struct store *s, account_id account, const struct actor *by,
                       mailbox_id mailbox, const struct append_item *item,
                       const struct append_replaced *replaced, struct append_result *out,
                       bool *out_missing);

// ---- one message to many accounts ---------------------------------------------------------------

// Where one recipient's copy goes. A mailbox that is gone by then is INBOX instead, and flags or
// keywords that find no room are left out: mail is not refused for either.
struct delivery_copy {
    struct incoming *message; // NULL: the delivery's. Finished, like that one
    mailbox_id mailbox;       // 0: by name
    struct span name;         // checked by mailbox_name_check; empty: INBOX
    bool is_created;          // the mailbox `name` is made when there is none
    uint8_t special_use;      // that it is made with, if no other has it
    uint16_t flags;
    const struct span *keywords;
    size_t keyword_count;
    mailbox_id stored; // out: where it went
    uint32_t uid;      // out
};

// What the account's rules remember from this delivery on (rules.h).
struct delivery_memory {
    struct span what;
    int64_t until_s;
    bool is_prolonged; // also when it is remembered already
};

// The message is stored once, all share a sync, each recipient's result is its own; what concerns
// one account is one commit. `mailbox` 0 means INBOX.
struct delivery_target {
    account_id account;
    mailbox_id mailbox;
    uint16_t flags;
    struct delivery_copy *copies; // instead of one by `mailbox` and `flags`; NULL: that one
    size_t copy_count;            // with `copies`; may be 0: then `words` should say why
    const struct delivery_memory *memories;
    size_t memory_count;
    // Hashed (rules.h). Remembered until then; when it was remembered before, nothing is stored
    // and `was_there` set. Empty: no such thing.
    struct span once;
    int64_t once_until_s;
    struct span words; // for the change log, beside the arrival; empty: nothing
    // Makes what rides with the commit (batch_set_rider), when what is stored is known: the names
    // of the copies' mailboxes, or that it was there. Called again when the commit is tried again;
    // `*out` stays the maker's until the delivery is over, and may be NULL. NULL: nothing rides.
    enum err (*ride)(void *arg, bool was_there, const struct span *mailboxes, size_t count,
                     struct batch **out);
    void *ride_arg;
    enum err result; // out
    uint32_t uid;    // out: of the first copy
    bool was_there;  // out
};
// `verdict`: what the checks on the message found, in words, for the change log; may be empty.
enum err store_deliver(struct store *s, const struct actor *by, struct incoming *m,
                       struct span verdict, struct delivery_target *targets, size_t count);

// ---- what the owner has sent --------------------------------------------------------------------

// The server's copy of a message that its owner has sent (sent.c), in the mailbox with the special
// use \Sent, unless the mail program puts its own there. The two are told to be the same message by
// their Message-ID, within SENT_SECONDS and, when the program was first, among the SENT_LOOK newest
// UIDs: whichever comes second finds the first in its commit. The program's copy stays: when the
// server's was there before it, store_append by ACTOR_USER replaces that.
#define SENT_SECONDS      600
#define SENT_LOOK         50
#define SENT_ID_BYTES_MAX 250 // a longer Message-ID is not compared

enum sent_outcome {
    SENT_FILED,
    SENT_THERE,      // a message with its Message-ID: nothing was changed
    SENT_NO_MAILBOX, // none is for sent mail, and none could be made
};

// Files the message, with \Seen. Without a mailbox for sent mail, `Sent` is made. ERR_QUOTA: it
// does not fit. That, and SENT_NO_MAILBOX, is in the account's change log. ERR_NOT_FOUND: no such
// account; and the engine's errors.
enum err sent_file(struct store *s, account_id account, const struct actor *by, struct incoming *m,
                   enum sent_outcome *out);

#endif
