// SPDX-License-Identifier: Apache-2.0
//
// Where alerts are kept: an engine account of their own, docs/format/alert.md. A commit of these
// rows changes nothing of the accounts that they are about. All functions: any thread, block on the
// disk. Rows of alerts and of what was looked at are written by one thread (keep/alert), but for
// tests and mutes, which are an administrator's.
#ifndef ALERT_ROWS_H
#define ALERT_ROWS_H

#include "alert/alert.h"
#include "engine/engine.h"

#define ALERT_ACCOUNT   0xFFFFFFFFFFFFFD00ull // the engine account they lie in
#define ALERTS_MAX      200                   // of an account; the oldest go
#define ALERT_KNOWN_MAX 32                    // addresses outside that an account's mail is sent to

enum alert_state {
    ALERT_LETTER_DUE = 1, // the message to the owner is not in INBOX yet
    ALERT_HOOK_DUE = 2,   // the administrator's webhook has not taken it yet
    ALERT_HELD_BACK = 4,  // one of too many: told to nobody
    ALERT_MUTED = 8,      // the kind is muted for the account: told to nobody
    ALERT_GIVEN_UP = 16,  // the webhook did not take it for too long
    ALERT_STATES = 31,
};

struct alert_row {
    struct alert is; // spans live as long as the call, or the arena, that hands it out
    unsigned state;  // enum alert_state
};

// How far an account has been looked at.
struct alert_cursor {
    uint64_t seen;  // number of the change
    int64_t since;  // seconds since 1970: when looking began; 0: with the account
    unsigned quota; // level reached: 0, 80, 95
    size_t known_n; // addresses outside that its mail is sent to, hashed
    uint64_t known[ALERT_KNOWN_MAX];
};

// Adds to a batch for ALERT_ACCOUNT (ENGINE_ANY_VERSION). A row in the same place is replaced.
enum err alert_row_put(struct batch *b, const struct alert_row *row);
enum err alert_row_delete(struct batch *b, const struct alert *a);
enum err alert_cursor_put(struct batch *b, uint64_t account, const struct alert_cursor *c);
// Everything of an account that is gone.
enum err alert_forget(struct engine *e, uint64_t account);

// ERR_NOT_FOUND: the account was not looked at yet.
enum err alert_cursor_get(struct engine *e, uint64_t account, struct alert_cursor *out);

// Accounts that had no cursor when alerts were first switched on are not new: the mark says that
// all of them got one.
enum err alert_mark_get(struct engine *e, bool *out);
enum err alert_mark_put(struct batch *b);

// Oldest change first; account 0: all accounts, in order of their ids. Under one snapshot.
typedef bool alert_row_fn(void *arg, const struct alert_row *row); // false: stop
enum err alert_rows_each(struct engine *e, uint64_t account, alert_row_fn *fn, void *arg);
// Those of which something is due, in order, at most `max`; the list begins behind `after` (all 0:
// at its beginning).
struct alert_due {
    uint64_t account, trigger;
    enum alert_kind kind;
    uint32_t salt;
};
enum err alert_due_list(struct engine *e, const struct alert_due *after, struct alert_due *out,
                        size_t max, size_t *out_count);
// One of them. ERR_NOT_FOUND.
enum err alert_row_get(struct engine *e, const struct alert_due *which, struct arena *a,
                       struct alert_row *out);

// What is muted of an account: bit n, kind n; until then (seconds since 1970; 0: for good).
struct alert_mute {
    uint32_t kinds;
    int64_t until;
};
enum err alert_mute_get(struct engine *e, uint64_t account, struct alert_mute *out); // none: 0, 0
enum err alert_mute_put(struct engine *e, uint64_t account, const struct alert_mute *m);

// Drops what is older, unless something of it is due.
enum err alert_rows_forget(struct engine *e, int64_t before_ms);

// A row of the alerts' account, for the check and for tests: the spans point into the value.
// ERR_CORRUPT, ERR_UNSUPPORTED.
enum err alert_row_decode(struct span key, struct span value, struct alert_row *out);
enum err alert_cursor_decode(struct span value, struct alert_cursor *out);
enum err alert_mute_decode(struct span value, struct alert_mute *out);

typedef void alert_problem_fn(void *arg, const char *problem);
// As trail_check, for all rows of alerts.
enum err alert_check(struct engine *e, alert_problem_fn *fn, void *arg, uint64_t *out_problems);

#endif
