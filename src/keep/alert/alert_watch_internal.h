// SPDX-License-Identifier: Apache-2.0
//
// What the files of keep/alert share. Only keep/alert includes this.
#ifndef KEEP_ALERT_WATCH_INTERNAL_H
#define KEEP_ALERT_WATCH_INTERNAL_H

#include "base/lock.h"
#include "base/map.h"
#include "keep/alert/alert_watch.h"

#define NOTED_SLOTS   16384 // a power of two; fuller than three quarters: all are looked at
#define SEEN_MAX      4096  // accounts whose counting is in memory
#define FOUND_MAX     16    // alerts of one look at an account
#define RECORDS_MAX   5000  // of the change log, in one look
#define SIGNINS_MAX   2000  // rows looked at: all there can be

#define ALERT_LOOK_MS 1000 // what happens meanwhile is looked at together

// An account that was looked at.
struct seen {
    account_id account;
    struct alert_cursor cursor;
    bool is_unsaved;
    struct alert_meter folders, deleted;
};

// The thread's, but for what is under alert_watch.lock.
struct alert_hook {
    enum err (*send)(void *arg, struct span frame); // NULL: there is no webhook
    void *arg;
    struct span key;
    bool is_open; // it was sent, and nobody knows yet
    struct alert_due open;
    uint64_t id;
    int64_t next_ms, wait_ms; // monotonic: when the next may be sent; the last wait
    uint64_t answer_id;       // under the lock, as what follows
    int answer;               // enum ipc_alert_outcome; 0: none
    char words[256];
    bool is_lost; // the courier has ended since
};

struct alert_watch {
    void (*wake)(void *arg, int64_t delay_ms); // of the options, as what follows
    bool (*is_stopping)(void *arg);
    void *arg;
    struct alert_watch_options o; // the thread's; a copy of `set` at each turn
    struct lock lock;             // LOCK_LEAF: what follows, up to the blank line
    struct alert_watch_options set;
    account_id *noted; // NOTED_SLOTS, by hash; 0: free
    size_t noted_n;
    bool is_overflown, is_awake;
    struct map readers; // alert_download.c
    size_t readers_due;
    int64_t left_out_ms; // real: when it was last told that there are too many

    bool was_started; // all accounts were looked at once
    struct map seen;  // id: struct seen
    struct alert_hook hook;
    int64_t save_at_ms, forget_at_ms; // monotonic
};

// What one look at an account found; its texts are in the arena.
struct look {
    struct alert_watch *w;
    account_id account;
    struct seen *seen;
    struct arena *arena;
    struct alert found[FOUND_MAX];
    size_t found_n;
    bool has_signins;
    bool rules_changed; // the forwarding, or a script
    struct span rules_by;
    int64_t rules_ms;
    modseq rules_number;
};

// Keeps it, with copies of its texts. What is more than FOUND_MAX is left out.
void look_found(struct look *l, const struct alert *a);

// alert_changes.c: the change log, from the cursor on. `*out_more`: there is more than RECORDS_MAX.
enum err look_at_changes(struct look *l, struct view *v, bool *out_more);
// Counts again what had been counted before the server started.
enum err look_back(struct look *l, struct view *v);

// alert_signin_rows.c
enum err look_at_signins(struct look *l);

// With the lock held: the account is looked at with the next turn. True: nobody has been woken.
bool alert_watch_note_locked(struct alert_watch *w, account_id account);

// alert_download.c: who has read much.
enum err look_at_downloads(struct look *l);
void alert_readers_finish(struct alert_watch *w);

// alert_outward.c: addresses outside that the account's mail is sent to, and were not known.
enum err look_at_outward(struct look *l, bool is_first);

// alert_raise.c: limits, mutes, and the commit with the cursor. True: a letter is due.
enum err look_raise(struct look *l, bool *out_due);

// alert_tell.c: puts letters into INBOX, as many as are due.
void alert_tell(struct alert_watch *w);
// An alert as text: never the same for two.
void alert_id_put(const struct alert *a, char *out, size_t room);

// alert_hook.c: what the webhook has answered, and the next one to it.
void alert_hook_turn(struct alert_watch *w);

#endif
