// SPDX-License-Identifier: Apache-2.0
//
// What the files of queue/ share. Only queue/ includes this.
//
// Two kinds of state: what is on the disk, changed by edits (one at a time a shard), and the
// schedule in memory: destinations with something due, and what is being tried. The schedule is
// told of each change after its commit, and can always be made anew from the disk.
#ifndef QUEUE_QUEUE_INTERNAL_H
#define QUEUE_QUEUE_INTERNAL_H

#include "base/list.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/timer.h"
#include "queue/queue_schema_internal.h"

struct queue_shard {
    struct lock lock; // LOCK_QUEUE_SHARD: one edit at a time
    queue_id last;    // the newest id given
    char room[QUEUE_MESSAGE_BYTES_MAX];
};

// Where to look next in a shard, in the order of due keys.
struct queue_cursor {
    int64_t due_ms;
    queue_id id;
    uint32_t number;
};

struct queue_destination {
    struct timer next; // real time: nothing can be taken before; not set: paused, or full
    char *name;
    size_t name_bytes;
    bool is_paused;
    unsigned running, window, successes, failures;
    int64_t back_off_until_ms;
    unsigned shard; // to look at first
    struct queue_cursor cursors[QUEUE_SHARDS];
    // While it cannot be reached:
    struct list unreached; // in queue.unreached: not all that waits was looked at
    unsigned look_shard;   // where that goes on
    struct queue_cursor look;
    char *reply; // why, cut; NULL: not known
    size_t reply_bytes;
};

struct queue {
    struct engine *engine;
    struct queue_options options;
    struct queue_shard shards[QUEUE_SHARDS];
    _Atomic unsigned turn; // the next message's shard
    void (*wake)(void *arg);
    void *wake_arg;
    struct lock lock;        // LOCK_QUEUE: what follows
    struct map destinations; // name: struct queue_destination
    struct timer_heap by_time;
    struct map active;     // id and number: the recipient is in a job
    struct map notices;    // id: a notice is being made
    struct list owed;      // jobs that were tried and whose results are not stored yet
    int64_t owed_at_ms;    // when that is tried again
    struct list unreached; // destinations whose mail nobody tries
    struct {
        int64_t since_ms; // the hour that is counted
        unsigned n;
    } expired;
    unsigned running;
    struct queue_shard_counts counts;
};

static inline account_id queue_shard_account(unsigned shard)
{
    return QUEUE_ACCOUNT_FIRST + shard;
}
static inline unsigned queue_shard_of(queue_id id)
{
    return (unsigned)(id % 16);
}

// ---- edits (queue_edit.c) -----------------------------------------------------------------------

struct queue_edit {
    struct queue *queue;
    unsigned shard;
    struct snapshot *snapshot;
    struct batch *batch;
    struct queue_shard_counts counts; // of the shard, as they will be
    char *room;                       // for one encoded value
    struct batch *rider;              // events; or NULL
    bool is_lent;                     // the rider is the caller's
    bool is_changed;
};
typedef enum err queue_edit_fn(struct queue_edit *ed, void *arg);
// Runs `fn` alone in the shard and commits what it put into the batch.
enum err queue_edit(struct queue *q, unsigned shard, queue_edit_fn *fn, void *arg);

enum err queue_get_message(struct snapshot *s, unsigned shard, queue_id id,
                           struct queue_message *out);
enum err queue_get_recipient(struct snapshot *s, unsigned shard, queue_id id, uint32_t number,
                             struct queue_recipient *out);
// Calls `fn` for each recipient in order; ends with its first error, which ERR_EOF may be.
typedef enum err queue_each_fn(void *arg, const struct queue_recipient *r);
enum err queue_each_recipient(struct snapshot *s, queue_id id, queue_each_fn *fn, void *arg);
enum err queue_put_mark(struct queue_edit *ed, const struct queue_key *k); // a key without more
enum err queue_put_message(struct queue_edit *ed, const struct queue_message *m);
// Writes `now` in place of `before` (NULL: there was none), with its due key.
enum err queue_put_recipient(struct queue_edit *ed, queue_id id,
                             const struct queue_recipient *before,
                             const struct queue_recipient *now);
// Takes a recipient out, and off m->recipients.
enum err queue_drop_recipient(struct queue_edit *ed, struct queue_message *m,
                              const struct queue_recipient *r);
// After changes of its recipients: writes the message, or drops it with its last recipient. `owes`:
// the sender is to be told something.
enum err queue_settle_message(struct queue_edit *ed, const struct queue_message *m, bool owes);

// ---- the trail (queue_trail.c) ------------------------------------------------------------------

// Events ride with the edit's commit; without a trail these do nothing. ERR_NOMEM.
enum err queue_trail_submitted(struct queue_edit *ed, const struct queue_message *m,
                               const struct queue_recipient *recipients, size_t count);
// It came a second time.
enum err queue_trail_left_out(struct queue_edit *ed, const struct queue_message *m,
                              const struct queue_recipient *recipients, size_t count);
struct queue_tried {      // what became of one recipient of a job
    enum trail_kind kind; // 0: it was gone
    uint32_t attempts;
    int64_t next_ms;
};
enum err queue_trail_tried(struct queue_edit *ed, const struct queue_job *j,
                           const struct queue_tried *tried, const struct queue_result *results);
enum err queue_trail_acted(struct queue_edit *ed, const struct queue_message *m,
                           enum queue_action action, const struct span *addresses, size_t count);
enum err queue_trail_told(struct queue_edit *ed, const struct queue_job *j);

// ---- the schedule (queue_schedule.c); q->lock is held -------------------------------------------

struct queue_destination *queue_destination_get(struct queue *q, struct span name);  // or NULL
struct queue_destination *queue_destination_need(struct queue *q, struct span name); // NULL: memory
void queue_destination_free(struct queue *q, struct queue_destination *d);
// Sets `next` from what is known: not before `at_ms`, not while it is paused or full.
void queue_destination_arm(struct queue *q, struct queue_destination *d, int64_t at_ms);
// A recipient waits: looks no later than its due key says.
void queue_schedule_due(struct queue *q, queue_id id, const struct queue_recipient *r);
bool queue_is_active(struct queue *q, queue_id id, uint32_t number);
enum err queue_set_active(struct queue *q, queue_id id, uint32_t number);
void queue_clear_active(struct queue *q, queue_id id, uint32_t number);
// A person wants one to be tried again while it is in a job: at once when that has ended, whatever
// the job comes to find. Nothing when it is in none.
void queue_ask_active(struct queue *q, queue_id id, uint32_t number);
bool queue_is_asked(struct queue *q, queue_id id, uint32_t number);

void queue_wake(struct queue *q); // without locks

// ---- results (queue_done.c) ---------------------------------------------------------------------

// Stores what could not be stored before, if it is time. True: nothing is owed any more. Without
// locks.
bool queue_store_owed(struct queue *q, int64_t now_ms);
void queue_owed_finish(struct queue *q);

// ---- what stops a process (queue_suspect.c)
// ------------------------------------------------------

extern const char queue_suspect_reply[];
// How often the process that worked on the message ended meanwhile; 0: never.
enum err queue_crashes_get(struct queue_edit *ed, queue_id id, uint32_t *out);
enum err queue_crashes_put(struct queue_edit *ed, queue_id id, uint32_t n);
void queue_say_suspect(queue_id id);

// ---- what was taken in once (queue_once.c) ------------------------------------------------------

unsigned queue_once_shard(struct span once);
// Has the same been taken in, and is that still to be known? If not, it is from now on.
enum err queue_once_take(struct queue_edit *ed, const struct queue_message *m, bool *out_was_there);
// It has gone and nobody got it: who sends it anew means it.
enum err queue_once_forget(struct queue_edit *ed, const struct queue_message *m);

// ---- jobs ---------------------------------------------------------------------------------------

// A job with copies of the message's texts. ERR_NOMEM.
enum err queue_job_create(const struct queue_message *m, struct queue_job **out);
enum err queue_job_add(struct queue_job *j, const struct queue_recipient *r); // ERR_LIMIT: full
void queue_job_destroy(struct queue_job *j);

// ---- rules (queue_rules.c); pure ----------------------------------------------------------------

// Before these many tries nothing expires: a clock that jumped ahead fails nobody's mail.
#define QUEUE_TRIES_BEFORE_EXPIRY 3

// It waits, has waited too long, and was tried often enough: itself, or by way of its destination,
// which could not be reached `tries` times in a row.
bool queue_is_late(const struct queue_message *m, const struct queue_recipient *r, uint32_t tries,
                   int64_t now_ms);
// Late, or its sender is to hear that it is delayed and has not yet.
bool queue_is_overdue(const struct queue_options *o, const struct queue_message *m,
                      const struct queue_recipient *r, uint32_t tries, int64_t now_ms);
// What a result makes of a recipient; `gives_up`: it is late, and may expire now.
enum queue_next { QUEUE_NEXT_DROP, QUEUE_NEXT_KEEP };
enum queue_next queue_apply(const struct queue_options *o, const struct queue_message *m,
                            struct queue_recipient *r, const struct queue_result *result,
                            bool gives_up, int64_t now_ms, int64_t due_ms);

// ---- what waits too long (queue_overdue.c) ------------------------------------------------------

// Whether one more may expire now; takes q->lock. Says so when it is the last one for now.
bool queue_may_expire(struct queue *q, int64_t now_ms);
bool queue_expiry_is_paused(const struct queue *q, int64_t now_ms); // with q->lock held
// Its destination could not be reached, once more: what waits for it is looked at by queue_overdue.
// With q->lock held, as the next.
void queue_unreached(struct queue *q, struct queue_destination *d, struct span reply);
void queue_reached(struct queue_destination *d);
// A job that was not tried since its destination could not be reached `tries` times in a row
// (queue_done.c). As queue_done, but nothing is learned of the destination.
enum err queue_done_overdue(struct queue *q, struct queue_job *job,
                            const struct queue_result *results, uint32_t tries, int64_t now_ms);

#endif
