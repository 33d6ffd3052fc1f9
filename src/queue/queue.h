// SPDX-License-Identifier: Apache-2.0
//
// Mail that waits to leave: durable in the engine, picked by destination. A recipient is always in
// exactly one state: waiting, held, failed or delivered with a notice still owed, or gone. What is
// being tried now is known in memory only: after a crash it is tried again.
//
// All functions may be called on any thread and may block on the disk, never on the network. Those
// that change something return after the change is durable.
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/engine.h"
#include "trail/trail.h"

#define QUEUE_ACCOUNT_FIRST                                                                        \
    0xFFFFFFFFFFFFFF00ull // the engine accounts from here on are the queue's
#define QUEUE_ADDRESS_BYTES_MAX  320
#define QUEUE_ORCPT_BYTES_MAX    500
#define QUEUE_ENVID_BYTES_MAX    100
#define QUEUE_DESTINATION_MAX    255
#define QUEUE_PREFIX_BYTES_MAX   65536
#define QUEUE_REPLY_BYTES_MAX    512
#define QUEUE_RECIPIENTS_MAX     10000 // of one message
#define QUEUE_JOB_RECIPIENTS_MAX 100
#define QUEUE_CRASHES_MAX        3    // then a message is set aside
#define QUEUE_EXPIRIES_MAX       1000 // recipients an hour
#define QUEUE_ONCE_BYTES         16

typedef uint64_t queue_id; // 0 is none

struct queue;

enum queue_message_flag {
    QUEUE_SMTPUTF8 = 1,
    QUEUE_8BITMIME = 2,
    QUEUE_BINARYMIME = 4,
    QUEUE_REQUIRETLS = 8,
    QUEUE_RET_FULL = 16,
    QUEUE_RET_HDRS = 32,
    QUEUE_INTERNAL = 64, // a notice or report of our own
    QUEUE_SENT_ON = 128, // by somebody's rules: not looked up here yet (delivery.h)
    QUEUE_SUSPECT = 256, // thought to be junk when it was taken in
    QUEUE_ARRIVED = 512, // one of its recipients has it; given by the queue
};

enum queue_notify { // RFC 3461 4.1; 0: not given
    QUEUE_NOTIFY_SUCCESS = 1,
    QUEUE_NOTIFY_FAILURE = 2,
    QUEUE_NOTIFY_DELAY = 4,
    QUEUE_NOTIFY_NEVER = 8,
};

enum queue_state { QUEUE_WAITING = 1, QUEUE_HELD, QUEUE_FAILED, QUEUE_DELIVERED };

struct queue_message {
    queue_id id;         // given by queue_submit
    int64_t accepted_ms; // since 1970; given by queue_submit
    int64_t expires_ms;  // since 1970; after that, and some tries, it fails
    body_id body;
    uint64_t body_bytes;
    unsigned flags;         // enum queue_message_flag
    account_id submitter;   // whose mail it is; 0: nobody's
    uint32_t recipients;    // left; given by queue_submit
    struct span sender;     // empty: the null path
    struct span envid;      // as given, decoded
    struct span message_id; // for people who look for it
    struct span device, origin;
    uint32_t device_id; // of the submitter's devices (store/access/device.h); 0: none of them
    struct span prefix; // header lines that go before the body when it leaves
    trail_id mail;      // what it is in the trail; queue_submit: 0 for a new one
    // Only for queue_submit: events that ride with it (trail_batch; the queue adds its own; it
    // stays the caller's), and what to say there beside the recipients: on whose behalf it leaves,
    // and why.
    struct batch *rider;
    struct span by_way, words;
    // What tells this message from every other, QUEUE_ONCE_BYTES; or empty. Until then, another
    // that has the same is left out: its client did not hear that the first was taken in. Not so
    // when the first has gone without reaching anybody.
    struct span once;
    int64_t once_until_ms; // since 1970; only for queue_submit
    struct span same;      // the submitter's, as `once`: what it knows the message by itself
};

struct queue_recipient {
    uint32_t number;                  // within the message; given by queue_submit
    enum queue_state state;           // queue_submit: FAILED, DELIVERED, or anything for WAITING
    bool is_delay_due, is_delay_told; // a notice of delay
    unsigned notify;                  // enum queue_notify
    uint32_t attempts;
    int64_t due_ms; // since 1970; queue_submit: not before, 0 for at once
    int64_t tried_ms;
    struct span address;
    struct span orcpt;       // as given, decoded: "rfc822;anna@example.org"
    struct span destination; // domain in lower case, or a route's name
    struct span host, reply; // of the last try
};

struct queue_options {
    unsigned destination_jobs_max; // jobs at a time to one destination
    unsigned jobs_max;             // jobs at a time
    uint32_t delay_notice_s;       // the sender is told of a delay after this; 0: never
    uint32_t retry_first_s, retry_max_s;
    struct trail *trail; // where it is told what happens; NULL: nowhere. Must outlive the queue
};
void queue_options_default(struct queue_options *o);

// Opens the queue on an engine, which stays the caller's and must outlive it. Reads one key for
// each destination.
enum err queue_open(struct engine *e, const struct queue_options *o, struct queue **out);
void queue_close(struct queue *q); // no job may be running; NULL is allowed
// Called, on any thread, when something may be due earlier than queue_take said; at once, without
// locks, and may not call the queue. Set before the first submit.
void queue_set_wake(struct queue *q, void (*fn)(void *arg), void *arg);

// Accepts a message for `count` recipients (1 to QUEUE_RECIPIENTS_MAX): one commit. The body must
// be finished, its writer alive. A recipient that comes FAILED or DELIVERED, with host and reply,
// is not tried: its sender is told. *out is 0 when the same was taken in before (`once`): then only
// the trail hears of it. ERR_INVALID, ERR_LIMIT (a text too long), and the engine's errors.
enum err queue_submit(struct queue *q, const struct queue_message *m,
                      const struct queue_recipient *recipients, size_t count, queue_id *out);

// ---- delivering ---------------------------------------------------------------------------------

// One transaction to make: one message to some recipients at one destination.
struct queue_job {
    struct queue_message message;
    struct queue_recipient recipients[QUEUE_JOB_RECIPIENTS_MAX];
    size_t count;
    trail_id told;      // queue_notice_done: the notice, in the trail; 0: there is none
    struct arena arena; // all spans
};

// The next job that is due and allowed by the limits. ERR_NOT_FOUND: none now; *out_next_ms is when
// to ask again (milliseconds since 1970, INT64_MAX: when something happens). Nothing is handed out
// while the engine takes no commits or results are not stored. May block for a commit.
enum err queue_take(struct queue *q, int64_t now_ms, struct queue_job **out, int64_t *out_next_ms);

enum queue_outcome {
    QUEUE_OUT_DELIVERED,
    QUEUE_OUT_DEFERRED, // tried, and worth trying again
    QUEUE_OUT_FAILED,   // for good
    QUEUE_OUT_UNTRIED,  // not this recipient's fault: the destination could not be reached
    QUEUE_OUT_LOST,     // whoever was to send it ended meanwhile: put off; held when that
                        // happens to the message QUEUE_CRASHES_MAX times in a row
};
struct queue_result {
    enum queue_outcome outcome;
    struct span host, reply; // cut to QUEUE_REPLY_BYTES_MAX
    struct span protection;  // of the connection, in words; may be empty
};
// Deals with mail for destinations that cannot be reached and whose other mail nobody tries
// meanwhile: what has waited too long fails, and a sender who is to hear of a delay does. A bounded
// piece of it, one job at most; ERR_NOT_FOUND: there is no more to do now. Of those that have
// waited too long QUEUE_EXPIRIES_MAX recipients fail within an hour, here and by queue_done; for
// the rest it goes on an hour later: a clock that jumped, or the end of a long outage, is no flood
// of notices.
enum err queue_overdue(struct queue *q, int64_t now_ms);

// Before work on a job in this process that might end the process: that it has begun is noted,
// until queue_done. ERR_DENIED: it has begun QUEUE_CRASHES_MAX times and never ended; its
// recipients are held. With any error the job is gone, as by queue_abandon.
enum err queue_try(struct queue *q, struct queue_job *job);
// Ends a job with a result for each of its recipients, in their order, and frees it. UNTRIED holds
// the whole destination back for a growing time. ERR_*: the results are not stored yet. They are
// kept, queue_take tries to store them once a second, and until that is done hands out nothing.
enum err queue_done(struct queue *q, struct queue_job *job, const struct queue_result *results,
                    int64_t now_ms);
// Ends a job that was not tried at all: nothing is stored, its recipients are due as before.
void queue_abandon(struct queue *q, struct queue_job *job);

// ---- notices ------------------------------------------------------------------------------------

// The next message whose sender is owed a notice: its recipients that failed, were delivered and
// NOTIFY=SUCCESS, or are late. Up to QUEUE_JOB_RECIPIENTS_MAX at a time. ERR_NOT_FOUND.
enum err queue_notice_take(struct queue *q, struct queue_job **out);
// As queue_try, before it is written. ERR_DENIED: it is left alone until the next start.
enum err queue_notice_try(struct queue *q, struct queue_job *job);
// The notice was sent, or nobody wants it: forgets what it was about. With `sent` false it is left
// for the next time. Frees the job.
enum err queue_notice_done(struct queue *q, struct queue_job *job, bool sent);

// Names the body of every message in the queue, as the snapshot shows it; for `mailkeep check`.
enum err queue_bodies(struct snapshot *s, void (*add)(void *to, body_id id), void *to);

typedef void queue_problem_fn(void *arg, const char *problem);
// Recounts the whole queue under one snapshot and calls `fn` for each difference, in plain words,
// before it returns; with read_bodies also reads every text. Any thread; blocks on the disk.
enum err queue_check(struct engine *engine, bool read_bodies, queue_problem_fn *fn, void *arg,
                     uint64_t *out_problems);

// ---- administration -----------------------------------------------------------------------------

typedef bool queue_list_fn(void *arg, const struct queue_message *m,
                           const struct queue_recipient *r); // false: stop
// Every recipient of every message, oldest message first within a shard; `only` 0: all.
enum err queue_list(struct queue *q, queue_id only, queue_list_fn *fn, void *arg);

// The same in pages, for lists of any length: the messages after `after` (0: from the start) in
// order of age, at most `max` (1 to QUEUE_PAGE_MAX) of them under one snapshot. `*out_last` is
// where the next page starts; equal to `after`: there are no more.
#define QUEUE_PAGE_MAX 256
enum err queue_list_after(struct queue *q, queue_id after, size_t max, queue_list_fn *fn, void *arg,
                          queue_id *out_last);

enum queue_action {
    QUEUE_HOLD,    // not tried until released
    QUEUE_RELEASE, // held ones wait again
    QUEUE_RETRY,   // waiting ones are due now
    QUEUE_REMOVE,  // gone, without a notice
    QUEUE_FAIL,    // fails now, with a notice
};
// For one recipient, or all of the message (UINT32_MAX). ERR_NOT_FOUND. What is being tried right
// now is not stopped; its result then finds the new state and keeps to it.
enum err queue_act(struct queue *q, queue_id id, uint32_t number, enum queue_action action,
                   uint32_t *out_changed);

// Holds what the device of an account has sent and what has not left; a person looks at it. The
// number of messages; set on errors, too. Blocks on the disk.
enum err queue_hold_device(struct queue *q, uint64_t account, uint32_t device, uint64_t *out_held);

// Holds back a destination until resumed; survives a restart.
enum err queue_pause(struct queue *q, struct span destination, struct span reason);
enum err queue_resume(struct queue *q, struct span destination);

typedef void queue_pause_fn(void *arg, struct span destination, int64_t since_ms,
                            struct span reason);
// Every paused destination; under a snapshot.
enum err queue_pauses(struct queue *q, queue_pause_fn *fn, void *arg);

struct queue_destination_status {
    struct span name;
    bool is_paused;
    unsigned running, window; // jobs now, and how many are allowed at a time
    int64_t back_off_until_ms;
    unsigned failures; // of the destination in a row
};
typedef void queue_destination_fn(void *arg, const struct queue_destination_status *s);
void queue_destinations(struct queue *q, queue_destination_fn *fn, void *arg);

struct queue_counts {
    uint64_t messages, recipients; // in the queue, done or not
    unsigned running, destinations;
    bool is_expiry_paused; // QUEUE_EXPIRIES_MAX have failed within an hour
};
void queue_count(struct queue *q, struct queue_counts *out);

// How long after the n-th failed attempt the next one comes, in milliseconds: doubling from the
// first to the largest, give or take a fifth by `dice`, any number. Pure.
int64_t queue_retry_delay_ms(const struct queue_options *o, uint32_t attempts, uint64_t dice);

// An id as people write it: 16 characters.
struct queue_id_text {
    char s[17];
};
struct queue_id_text queue_id_text(queue_id id);
bool queue_id_read(struct span text, queue_id *out);

#endif
