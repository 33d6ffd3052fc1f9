// SPDX-License-Identifier: Apache-2.0
//
// Taking back what somebody, usually a device, did in an account: from the change log, by new
// changes. Each thing (a flag of a message, where a message is, a mailbox's name, a subscription, a
// script) is put back to how somebody else left it last. What somebody else has changed since stays
// as it is and is named. Nothing in the log is rewritten; clients see the changes as any others.
//
// It works in commits of bounded size, each planned from what is there: ended at any moment and
// begun again it does what is left, and a second run finds nothing to do.
//
// Threads and blocking: see store.h. One call may take seconds.
#ifndef STORE_UNDO_UNDO_H
#define STORE_UNDO_UNDO_H

#include "store/change.h"

struct undo_what {
    uint32_t device_id; // whose changes; 0: those of whoever the log calls `name`, and of no device
    struct span name;
    int64_t since_ms, until_ms; // both included; milliseconds since 1970
};
// Is the record of the log among them?
bool undo_concerns(const struct undo_what *w, const struct change *c);

enum undo_kind {
    UNDO_FLAGS,   // flags or keywords of messages in `mailbox`
    UNDO_MOVED,   // messages moved back from `other` to `mailbox`
    UNDO_BROUGHT, // expunged messages brought back into `mailbox`
    UNDO_REMOVED, // messages that it put into `mailbox` taken out; they stay restorable
    UNDO_NAME,    // `other` is called `mailbox` again
    UNDO_MADE,    // a deleted mailbox made again
    UNDO_DELETED, // a mailbox that it made, and that is empty
    UNDO_USE,     // what a mailbox is for
    UNDO_SUBSCRIPTION,
    UNDO_RULES, // a script (`other`), the active one, forwarding
    UNDO_OTHER, // what is never undone: the password, what was sent
};
struct undo_note {
    enum undo_kind kind;
    bool is_left;               // not done: `why`
    struct span mailbox, other; // names; may be empty
    uint64_t count;             // messages or things
    const char *why;            // static text: "somebody else has changed it since"
};
// Notes come while the work is done, those about what is left at the end. False: stop there.
typedef bool undo_fn(void *arg, const struct undo_note *n);

struct undo_result {
    uint64_t done, left; // messages and things, added up
    bool is_cut;         // the log does not reach back to `since_ms`
    bool is_stopped;     // by the function
};
// `by` makes the changes. With `trial` nothing is changed, and the notes say what would be.
// ERR_NOT_FOUND (no account), ERR_QUOTA (what is brought back does not fit; what was done stays
// done), ERR_LIMIT (more than 2,000,000 messages).
enum err undo_run(struct store *s, account_id account, const struct actor *by,
                  const struct undo_what *what, bool trial, undo_fn *fn, void *arg,
                  struct undo_result *out);

#endif
