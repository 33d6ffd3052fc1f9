// SPDX-License-Identifier: Apache-2.0
//
// Looks at what happened to accounts, by the change log and the sign-in history, raises alerts by
// the rules of alert/, and puts the message into the owner's INBOX. Memory is bounded: a table of
// accounts that changed, and what is counted of those looked at lately.
//
// One thread looks; alert_watch_note and alert_watch_set are for any.
#ifndef KEEP_ALERT_WATCH_H
#define KEEP_ALERT_WATCH_H

#include "alert/rows/alert_rows.h"
#include "store/store.h"

struct alert_watch;

struct alert_watch_options {
    struct store *store;
    struct span server; // this server's name; must stay
    struct alert_settings rules;
    bool is_on;
    // The webhook, or `hook_send` NULL: there is none. Sends a frame to the courier;
    // ERR_UNAVAILABLE: it is away. Never blocks.
    enum err (*hook_send)(void *arg, struct span frame);
    void *hook_arg;
    struct span hook_key; // must stay
    int64_t keep_ms;      // how long alerts are kept
    // A turn is wanted, in `delay_ms` at the latest. Any thread, with locks held; must not block.
    void (*wake)(void *arg, int64_t delay_ms);
    bool (*is_stopping)(void *arg);
    void *arg;
};

enum err alert_watch_create(const struct alert_watch_options *o, struct alert_watch **out);
// What was not looked at is when the server starts again. NULL is allowed.
void alert_watch_destroy(struct alert_watch *w);
// Rules, is_on and keep_ms. Any thread.
void alert_watch_set(struct alert_watch *w, const struct alert_watch_options *o);

// A store_watch_fn: the account has changed. Never blocks.
void alert_watch_note(void *arg, account_id account, modseq version);
#define ALERT_READ_TEXT_MAX 128

// Bytes of messages that were handed out to one who reads an account's mail.
struct alert_read {
    uint64_t account;
    uint32_t device;    // 0: the account's own password
    struct span client; // what the mail program calls itself; may be empty
    struct span remote; // its address; may be empty
    struct span by;     // an administrator, "the administrator (hilde@x.example)"; else empty
    uint64_t bytes;
};
// Counts it. Any thread; does not block on the disk.
void alert_watch_read(struct alert_watch *w, const struct alert_read *r);

// Something is due (an administrator's test): looked at with the next turn.
void alert_watch_due(struct alert_watch *w);

// ALERT_RESULT has come. ERR_INVALID: it makes no sense. Any thread; does not block.
enum err alert_watch_posted(struct alert_watch *w, struct span fields);
// The courier has ended: what it was to send is sent again. Any thread; does not block.
void alert_watch_lost(struct alert_watch *w);

// Looks at all that was noted, and at all accounts the first time; writes, and delivers what is
// due. Blocks on the disk.
void alert_watch_turn(struct alert_watch *w);
// Writes how far was looked. Blocks on the disk.
void alert_watch_save(struct alert_watch *w);

#endif
