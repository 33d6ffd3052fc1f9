// SPDX-License-Identifier: Apache-2.0
//
// The mail store: accounts, mailboxes, messages, placements, and one change log per account, on top
// of an engine. This header: opening, who makes a change, and looking at an account. The rest of
// the public face: directory.h (domains, accounts), mailbox.h, placement.h, append.h, change.h,
// quota.h, expunged.h, route.h, rules.h, device.h, secret.h, check/store_check.h.
//
// All functions may be called on any thread and may block on the disk, never on a client. Those
// that change something work out their batch from a snapshot and commit it; when somebody else was
// first they do it again. They return after the change is durable.
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "engine/engine.h"

typedef uint32_t mailbox_id; // within an account; 0 is none; never used twice
typedef uint64_t message_id; // within an account; 0 is none; never used twice: the EMAILID
typedef uint64_t thread_id;  // within an account: the THREADID
typedef uint64_t modseq;     // an account's version: the number of its newest change

struct store;
struct view;

struct store_options {
    char separator;             // shown to people in plain-word texts only; names use '/'
    uint64_t message_bytes_max; // a message larger than this is refused: 50 MiB
    uint32_t mailboxes_max;     // mailboxes per account: 10,000
    uint32_t changes_keep;      // entries of the change log kept per account for QRESYNC; see
                                // change.h
};
void store_options_default(struct store_options *o);

// Opens a store on an engine, which stays the caller's and must outlive it.
enum err store_open(struct engine *e, const struct store_options *o, struct store **out);
void store_close(struct store *s);
// New limits for what begins from now on. Any thread.
void store_set_limits(struct store *s, uint64_t message_bytes_max, uint32_t mailboxes_max);
struct engine *store_engine(struct store *s);

// Who makes a change: kept in the change log.
enum actor_kind {
    ACTOR_SYSTEM,   // Mailkeep itself: expiry, repair
    ACTOR_USER,     // the account's owner, by a client
    ACTOR_DELIVERY, // mail that arrived
    ACTOR_ADMIN,    // an administrator, by the command line or the admin page
    ACTOR_IMPORT,
};
// The entries of change logs that somebody made, as far as there is room: who is told of changes
// is not told of their own. Cleared memory is empty.
#define ACTOR_ENTRIES_MAX 32
struct actor_entries {
    struct {
        account_id account;
        modseq first, last;
    } made[ACTOR_ENTRIES_MAX];
    unsigned next; // where the next goes
};
void actor_made(struct actor_entries *e, account_id account, modseq number); // NULL is allowed
bool actor_has_made(const struct actor_entries *e, account_id account, modseq number);

struct actor {
    enum actor_kind kind;
    struct span device; // the device's or client's name ("Thunderbird", "phone"), 64 bytes at most
    struct span origin; // the client's address or the sender, 128 bytes at most
    uint32_t device_id; // of the account's devices (device.h); 0: none of them
    account_id
        reader; // who changes somebody else's account by what is shared; 0: its owner, the server
    struct actor_entries *entries; // what the store commits for this actor is noted; or NULL
};

// ---- watching -----------------------------------------------------------------------------------

// Called after each commit to the account, on an engine thread: must return at once and may not
// call the store. `version` is the account's new modseq. A hint only: look at a view for the truth.
typedef void store_watch_fn(void *arg, account_id account, modseq version);
struct store_watch;
enum err store_watch_add(struct store *s, account_id account, store_watch_fn *fn, void *arg,
                         struct store_watch **out);
// After it returns the function is not running and will not be called. NULL is allowed.
void store_watch_remove(struct store_watch *w);
// The newest modseq of a watched account as last announced: a cheap "is there anything new?".
modseq store_watch_version(const struct store_watch *w);
// The same for every account of the engine, those that are no people's, too (0, the queue's): one
// function, NULL: none. After it returns the one before is not running.
void store_watch_all(struct store *s, store_watch_fn *fn, void *arg);

// ---- looking ------------------------------------------------------------------------------------

// A view is one moment of one account. One thread at a time; closed before waiting for a client.
// Spans it hands out live until it is closed.
enum err view_open(struct store *s, account_id account, struct view **out);
// The same for a reader with whom mailboxes of the account are shared: where readers have a \Seen
// of their own the messages come with theirs. `reader` may be the account itself.
enum err view_open_for(struct store *s, account_id account, account_id reader, struct view **out);
void view_close(struct view *v); // NULL is allowed
modseq view_modseq(const struct view *v);
account_id view_account(const struct view *v);
struct snapshot *view_snapshot(struct view *v); // for body_read and body_summary

#endif
