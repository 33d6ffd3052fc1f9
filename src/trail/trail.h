// SPDX-License-Identifier: Apache-2.0
//
// The trail of mail: what happened to each message and why, kept for a set time, found by
// Message-ID, by address and by queue id (docs/format/trail.md). Events are riders of the commits
// that they tell of (engine.h); refusals, which change nothing, are collected and written by
// trail_flush.
//
// All functions may be called on any thread. Those that read, flush or trim block on the disk, the
// others do not.
#ifndef TRAIL_TRAIL_H
#define TRAIL_TRAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

#define TRAIL_ACCOUNT 0xFFFFFFFFFFFFFE00ull // the engine account it lies in
// Keys that begin with one of these bytes are not the trail's own: reports (report/) lie there.
#define TRAIL_OTHERS_FIRST     'A'
#define TRAIL_OTHERS_LAST      'Z'
#define TRAIL_RECIPIENTS_MAX   100  // of one stored event
#define TRAIL_TEXT_BYTES_MAX   1024 // longer ones are cut
#define TRAIL_ADDRESS_MAX      320
#define TRAIL_REPLY_MAX        512
#define TRAIL_MESSAGE_ID_MAX   900
#define TRAIL_REFUSED_DAY_MAX  100000 // refusals written in a day
#define TRAIL_REFUSED_HOUR_MAX 60     // of one network in an hour
#define TRAIL_REFUSED_WAIT_MAX 4096   // collected between two flushes

// Microseconds since 1970, never used twice; 0 is none.
typedef uint64_t trail_id;

struct trail;

enum trail_kind {
    TRAIL_TAKEN_IN = 1,
    TRAIL_WRITTEN,   // by ourselves: a notice, an answer
    TRAIL_REFUSED,   // in the session
    TRAIL_HERE,      // delivered into a mailbox
    TRAIL_LEFT_OUT,  // it had been delivered before
    TRAIL_NOT_KEPT,  // the account's rules kept nothing of it
    TRAIL_QUEUED,    //
    TRAIL_DELIVERED, // from the queue
    TRAIL_PUT_OFF,   //
    TRAIL_FAILED,    //
    TRAIL_NOT_TRIED, // the destination could not be reached
    TRAIL_EXPIRED,   //
    TRAIL_HELD,      // by an administrator, as the next four
    TRAIL_RELEASED,  //
    TRAIL_TO_TRY,    //
    TRAIL_REMOVED,   //
    TRAIL_GIVEN_UP,  //
    TRAIL_TOLD,      // its sender, by a notice
    TRAIL_ANSWERED,  // by rules
    TRAIL_KIND_LAST = TRAIL_ANSWERED,
};

enum trail_what {
    TRAIL_SENDER = 1, // empty: the null path
    TRAIL_RECIPIENT,  // in `recipients`, not in `texts`
    TRAIL_MESSAGE_ID,
    TRAIL_CLIENT, // its address
    TRAIL_HELO,
    TRAIL_TLS,
    TRAIL_USER,    // the account that has logged in
    TRAIL_VERDICT, // of the checks, in words
    TRAIL_MAILBOX,
    TRAIL_LEADS_TO, // the account's address
    TRAIL_BY_WAY,   // whose alias or forwarding
    TRAIL_HOST,
    TRAIL_REPLY,
    TRAIL_PROTECTION, // of the connection to the other server
    TRAIL_WORDS,
    TRAIL_BY,        // who did it
    TRAIL_HOW,       // it came: "SMTP", "submission", "LMTP"
    TRAIL_DEVICE,    // of the user, if it was one of theirs: its name then
    TRAIL_DEVICE_ID, // and its number, in digits
    TRAIL_WHATS,
};

struct trail_event {
    enum trail_kind kind;
    int64_t when_ms;    // since 1970; 0: now
    account_id account; // that it concerns; 0: none
    uint64_t queue;     // id in the queue; 0: none
    trail_id other;     // of the mail that came of it, or that it came of; 0: none
    uint64_t number;    // bytes, attempts or reply code, by kind
    int64_t next_ms;    // since 1970, when it is tried next; 0: nothing is planned
    bool is_junk;
    struct span texts[TRAIL_WHATS]; // by enum trail_what; p NULL: not there
    const struct span *recipients;
    size_t recipient_count; // any number: what is too much for one event becomes several
};

// Which of the user's devices it was (0: none of them: nothing is put). `room` must live as long as
// the event.
#define TRAIL_DIGITS 11
void trail_put_device(struct trail_event *e, struct span name, uint32_t id,
                      char room[TRAIL_DIGITS]);

// The engine stays the caller's and must outlive it. ERR_*: it could not be read.
enum err trail_open(struct engine *e, struct trail **out);
void trail_close(struct trail *t); // what was collected and not flushed is lost; NULL is allowed

// A number for a new mail.
trail_id trail_number(struct trail *t);

// A batch for events, to ride on another (batch_set_rider); batch_destroy it after the commit.
enum err trail_batch(struct batch **out);
// Adds an event of a mail, with the keys by which it is found. The first event (TRAIL_TAKEN_IN,
// TRAIL_WRITTEN) may be in several batches: it is one. ERR_NOMEM, ERR_LIMIT: as batch_put;
// the batch is then never written.
enum err trail_add(struct trail *t, struct batch *b, trail_id mail, const struct trail_event *e);

// Called when the first refusal since a flush was collected; at once, without locks. Set before
// anything is refused; NULL: nobody wants to know.
void trail_set_wake(struct trail *t, void (*fn)(void *arg), void *arg);
// Collects a refusal; one that is above the limits is only counted.
void trail_refused(struct trail *t, trail_id mail, const struct trail_event *e);
// With a row of somebody else's (TRAIL_OTHERS_FIRST) that is written, or left out, with it; `key`
// may be empty: there is none.
void trail_refused_with(struct trail *t, trail_id mail, const struct trail_event *e,
                        struct span key, struct span value);
// Collects a row of somebody else's (TRAIL_OTHERS_FIRST) that has nothing to ride with; above
// TRAIL_REFUSED_WAIT_MAX it is left out.
void trail_collect(struct trail *t, struct span key, struct span value);
// Writes what was collected: one commit.
enum err trail_flush(struct trail *t);

// Forgets mail older than that, oldest first, in one commit of bounded size. `*out_more`: there is
// more to forget.
enum err trail_trim(struct trail *t, int64_t before_ms, bool *out_more);

// ---- reading ------------------------------------------------------------------------------------

enum trail_by { TRAIL_BY_MESSAGE_ID, TRAIL_BY_ADDRESS, TRAIL_BY_QUEUE };

// The mails that are found by it, newest first, at most `max`. `text`: a Message-ID with or without
// angle brackets, an address; for TRAIL_BY_QUEUE the 8 bytes of a uint64_t. None older than
// `since_ms`. A hash may lead to a mail that has nothing to do with it: look at its events.
enum err trail_find(struct trail *t, enum trail_by by, struct span text, int64_t since_ms,
                    trail_id *out, size_t max, size_t *out_count);

struct trail_found {
    trail_id mail, event;
    struct trail_event is; // spans live as long as the call
    struct span recipients[TRAIL_RECIPIENTS_MAX];
};
typedef bool trail_each_fn(void *arg, const struct trail_found *f); // false: enough
// Every event of a mail in order, under one snapshot: `fn` may not wait for anybody.
enum err trail_each(struct trail *t, trail_id mail, trail_each_fn *fn, void *arg);

typedef void trail_problem_fn(void *arg, const char *problem);
// Looks at all of it under one snapshot and calls `fn` for each difference, in plain words, before
// it returns. Blocks on the disk.
enum err trail_check(struct engine *e, trail_problem_fn *fn, void *arg, uint64_t *out_problems);

#endif
