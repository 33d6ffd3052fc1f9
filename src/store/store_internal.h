// SPDX-License-Identifier: Apache-2.0
//
// What the files of store/ share: store, view, and edit, the one way to change an account.
//
// An edit is a function from a view to a batch. store_edit runs it under the account's writer lock
// (so that conflicts are rare in a process), commits on condition that the account is still at the
// view's version, and runs it again on a fresh one if it is not: it starts from nothing each time.
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "store/append.h"
#include "store/chunk_internal.h"
#include "store/quota.h"
#include "store/schema_internal.h"

#define VIEW_ARENA_BYTES_MAX (512u << 20)

struct store {
    struct engine *engine;
    struct store_options options; // as given at the start; the next two count instead of theirs
    _Atomic uint64_t message_bytes_max;
    _Atomic uint32_t mailboxes_max;
    struct lock accounts_lock; // LOCK_STORE_ACCOUNTS
    struct map accounts;       // id: struct account_lock, while somebody writes
    struct lock watch_lock;    // LOCK_STORE_WATCH
    struct map watches;        // id: struct watch_account
    store_watch_fn *all_fn;    // of store_watch_all
    void *all_arg;
};

// ---- views --------------------------------------------------------------------------------------

struct keyword_table {
    mailbox_id mailbox;
    struct span *names;
    size_t count, cap, slot_count;
    uint16_t *slots; // of an edit: numbers + 1 by hash of the name; NULL: not needed yet
};

struct view {
    struct store *store;
    struct snapshot *snapshot;
    account_id account, seen_of; // whose \Seen is shown (view_open_for); 0: the owner's
    modseq version;
    struct arena arena;
    struct header header;
    const struct mailbox **mailboxes; // NULL until asked for
    struct span *orphans;
    size_t mailbox_count, orphan_count;
    bool has_mailboxes, has_orphans;
    struct keyword_table keywords;   // of the mailbox last asked for
    const struct acl_groups *groups; // of `groups_reader`, the last who was asked about; or NULL
    account_id groups_reader;
};
// ERR_NOT_FOUND: no such account. view_begin works in the caller's memory; pair with view_end.
enum err view_begin(struct view *v, struct store *s, account_id account);
void view_end(struct view *v);
enum err view_get(struct view *v, const struct key *k, struct span *out);
enum err view_mailbox_record(struct view *v, mailbox_id id, struct mailbox_record *out);
// ERR_NOT_FOUND when the name is free.
enum err view_name_lookup(struct view *v, struct span name, mailbox_id *out);
enum err view_message_record(struct view *v, message_id id, struct message_record *out);
// Names live in the view's arena or snapshot.
enum err keyword_table_load(struct view *v, mailbox_id mailbox, struct keyword_table *out);
int mailbox_name_compare(struct span a, struct span b); // the order of view_mailboxes
bool mailbox_name_is_under(struct span name, struct span parent);
struct span mailbox_name_parent(struct span name); // empty at the top
extern const struct span mailbox_inbox;

// `fn` is called for each key and value with the prefix, or ends it with ERR_EOF; or how many there
// are. store_each: of what is the server's and no account's.
typedef enum err view_each_fn(void *arg, struct span key, struct span value);
enum err view_each(struct view *v, const struct key *prefix, view_each_fn *fn, void *arg);
enum err view_count(struct view *v, const struct key *prefix, size_t *out);
enum err store_each(struct store *s, const struct key *prefix, view_each_fn *fn, void *arg);

// ---- edits --------------------------------------------------------------------------------------

struct edit_mailbox {
    struct edit_mailbox *next;
    struct mailbox_record record;
    struct keyword_table keywords;
    bool is_dirty, has_keywords, keywords_dirty;
    struct seen_edit *seen; // seen/seen_edit.c; NULL: nothing of it was looked at
};

struct thread_slot { // an entry of the thread index that this edit has changed
    uint64_t hash;
    struct thread_record record;
    bool is_used;
};
struct thread_table {
    struct thread_slot *slots;
    size_t slot_count, n; // a power of two, or 0
};

struct log_part { // a finished part of the change log entry being written
    struct log_part *next;
    struct span body;
};

struct edit {
    struct store *store;
    const struct actor *by;
    struct view view;
    struct batch *batch, *rider; // `rider`: who shares with whom (share/acl_index.c); or NULL
    struct header header;        // as it will be
    modseq modseq;               // this change's number
    int64_t now_ms;
    struct edit_mailbox *mailboxes; // loaded so far
    struct thread_table threads;
    struct buf log;             // records of the current part
    struct log_part *log_parts; // newest first
    unsigned log_part_count;
    bool is_changed;
    char room[CHUNK_BYTES_MAX]; // to encode a value in
};

typedef enum err edit_fn(struct edit *ed, void *arg);
// `out_version` may be NULL. A function that changed nothing commits nothing.
enum err store_edit(struct store *s, account_id account, const struct actor *by, edit_fn *fn,
                    void *arg, modseq *out_version);
// The same for an account that does not exist yet: starts from an empty header. ERR_EXISTS.
enum err store_edit_new(struct store *s, account_id account, const struct actor *by, edit_fn *fn,
                        void *arg);

// The steps of store_edit, for a delivery to many accounts. edit_end frees whatever edit_begin and
// edit_seal left; the edit's memory is the caller's.
enum err edit_begin(struct edit *ed, struct store *s, account_id account, const struct actor *by);
enum err edit_seal(struct edit *ed);
void edit_end(struct edit *ed);

enum err edit_put(struct edit *ed, const struct key *k, struct span value);
enum err edit_delete(struct edit *ed, const struct key *k);
static inline int64_t edit_now_s(const struct edit *ed)
{
    return ed->now_ms / 1000;
}

// The mailbox as this edit has it; changes to the record are written when `is_dirty` is set.
// ERR_NOT_FOUND.
enum err edit_mailbox(struct edit *ed, mailbox_id id, struct edit_mailbox **out);
// The same, and not \NoSelect (ERR_NOT_FOUND).
enum err edit_mailbox_with_messages(struct edit *ed, mailbox_id id, struct edit_mailbox **out);
// A mailbox's id by name, as this edit has it. ERR_NOT_FOUND.
enum err edit_name_lookup(struct edit *ed, struct span name, mailbox_id *out);
// Makes it with the levels above; a \NoSelect level becomes a mailbox. ERR_EXISTS, ERR_LIMIT.
enum err edit_make_mailbox(struct edit *ed, struct span name, uint8_t special_use, bool subscribed,
                           struct edit_mailbox **out);
// ERR_INVALID when another mailbox than `except` has one of these uses.
enum err edit_use_check(struct edit *ed, uint8_t special_use, mailbox_id except);
// Takes the subscription of a name that had no mailbox, if there is one.
enum err edit_take_orphan(struct edit *ed, struct span name, bool *out_was_subscribed);
enum err edit_put_orphan(struct edit *ed, struct span name);
enum err edit_put_name(struct edit *ed, struct span name, mailbox_id id);
uint32_t edit_uid_validity(struct edit *ed);
// ERR_QUOTA when this much more would not fit.
enum err edit_quota_check(const struct edit *ed, uint64_t bytes, uint64_t messages);
enum err edit_put_message(struct edit *ed, message_id id, const struct message_record *m);

// Keyword numbers of a mailbox.
struct keyword_set {
    uint64_t low;   // numbers below 64
    unsigned count; // numbers from 64 up, ascending
    uint16_t more[KEYWORDS_PER_MESSAGE_MAX];
};
// Numbers of names, adding those missing when `add` (unknown ones are left out otherwise).
// ERR_LIMIT: too many in the mailbox or for one message; ERR_INVALID: no keyword.
enum err edit_keywords(struct edit *ed, struct edit_mailbox *m, const struct span *names, size_t n,
                       bool add, struct keyword_set *out);
void keyword_set_of(const struct placement *p, struct keyword_set *out);
void keyword_set_to(const struct keyword_set *k, struct placement *p);           // points into `k`
enum err keyword_set_add(struct keyword_set *k, const struct keyword_set *more); // ERR_LIMIT
void keyword_set_remove(struct keyword_set *k, const struct keyword_set *less);
bool keyword_set_eq(const struct keyword_set *a, const struct keyword_set *b);
// Carries keywords from one mailbox to another: from numbers there to numbers here, looked up once.
struct keyword_map {
    struct keyword_table from;
    struct edit_mailbox *to;
    uint16_t numbers[KEYWORDS_PER_MAILBOX_MAX]; // number there + 1; 0: not looked up
};
enum err keyword_map_begin(struct keyword_map *k, struct edit *ed, mailbox_id from,
                           struct edit_mailbox *to);
enum err keyword_map_translate(struct keyword_map *k, struct edit *ed, const struct placement *p,
                               struct keyword_set *out);

// Puts placements at a mailbox's end: UIDs, counts, quota and chunks. `p` comes without UID and
// MODSEQ and gets them.
struct placer {
    struct edit *ed;
    struct edit_mailbox *mailbox;
    bool has_chunk;
    struct chunk chunk;
};
void placer_begin(struct placer *p, struct edit *ed, struct edit_mailbox *m);
// Leaves the chunks that are there alone: for an edit that also removes from them.
void placer_begin_fresh(struct placer *p, struct edit *ed, struct edit_mailbox *m);
enum err placer_add(struct placer *p, struct placement *placement);
enum err placer_finish(struct placer *p);
// The other direction: takes a placement out of the counts and the quota.
void placement_uncount(struct edit *ed, struct edit_mailbox *m, const struct placement *p);
void placement_count(struct edit *ed, struct edit_mailbox *m, const struct placement *p);

// Removes placements, chunk by chunk, in order of UID.
struct remover {
    struct edit *ed;
    struct edit_mailbox *mailbox;
    bool has_pending;
    struct chunk pending; // changed, not yet written
    // Keys of chunks this edit has written or deleted: the highest, and the highest before
    // `pending`. The view still shows what they were.
    uint32_t touched_uid, touched_before;
    bool has_touched, has_touched_before;
    bool has_gap; // a chunk that stays as it is came after `pending`
};
void remover_begin(struct remover *r, struct edit *ed, struct edit_mailbox *m);
// `c` is the chunk without what was removed, perhaps empty; `adjacent`: it followed the one before.
enum err remover_chunk(struct remover *r, const struct chunk *c, bool adjacent);
void remover_pass(struct remover *r); // the next chunk stays as it is
enum err remover_finish(struct remover *r);

// Removes the messages of a mailbox that `set` and `any` select (as placement_expunge); at most
// `limit` of them. `out_more`: there are others.
enum err edit_expunge(struct edit *ed, struct edit_mailbox *m, const struct uid_set *set, bool any,
                      size_t limit, struct uid_builder *gone, bool *out_more);
#define EXPUNGE_AT_ONCE 50000
// Moves everything (RENAME of INBOX).
enum err edit_move_all(struct edit *ed, struct edit_mailbox *from, struct edit_mailbox *to);

// ---- the change log -----------------------------------------------------------------------------

// Adds a record to this edit's entry; `number`, `when_ms` and `by` are not used.
enum err change_put(struct edit *ed, const struct change *c);
enum err edit_log_seal(struct edit *ed); // writes the entry and trims old ones

// A record with many UIDs, built one by one in ascending order; split when it grows large.
struct change_draft {
    struct edit *ed;
    struct change is;
    struct uid_builder uids;
    struct buf flags, messages;
    struct placement run; // flags of the run being counted
    struct keyword_set run_keywords;
    uint64_t run_count;
    message_id message_first, message_next, message_last;
    enum err failed;
};
void change_draft_begin(struct change_draft *d, struct edit *ed, enum change_kind kind,
                        mailbox_id mailbox, mailbox_id other);
// `message` 0: no messages in this kind; `before` NULL: no flags.
void change_draft_add(struct change_draft *d, uint32_t uid, message_id message,
                      const struct placement *before);
// Frees the draft; puts the record when `e` is ERR_OK. Returns the first failure.
enum err change_draft_end(struct change_draft *d, enum err e);

// ---- new messages -------------------------------------------------------------------------------

// A message received (append.h), its body put and its facts known.
struct incoming {
    struct store *store;
    struct body_writer *writer;
    struct mime_reader *reader;
    uint64_t bytes, bytes_max;
    enum err failed;
    bool is_finished;
    body_id body;
    int64_t sent;
    bool has_sent;
    uint32_t thread_key_count;
    uint64_t thread_keys[THREAD_KEYS_MAX];
    size_t sent_id_bytes, sort_key_bytes; // 0: none
    char sent_id[SENT_ID_BYTES_MAX], sort_keys[SORT_KEYS_BYTES_MAX];
};
// The record of a new message with so many placements; joins its thread.
enum err edit_add_message(struct edit *ed, const struct incoming *in, int64_t date,
                          uint32_t placements, message_id *out);

// ---- threads ------------------------------------------------------------------------------------

// The hashes by which a message with this header finds its thread; returns how many.
uint32_t thread_keys_of(struct span header, uint64_t *out);

// Finds the thread of a new message and counts its keys; sets m->thread.
enum err edit_thread_join(struct edit *ed, message_id id, struct message_record *m);
enum err edit_thread_leave(struct edit *ed, const struct message_record *m);

// ---- accounts -----------------------------------------------------------------------------------

// Finishes what a crash left half done in the directory.
enum err directory_resume(struct store *s);
enum err account_erase(struct store *s, account_id account);
void store_watch_commit(void *arg, account_id account, uint64_t version);
void store_watch_finish(struct store *s);

#endif
