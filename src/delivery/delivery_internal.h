// SPDX-License-Identifier: Apache-2.0
//
// What the files of delivery/ share: one message on its way (struct run). delivery.c has the entry
// points and the order of things, deliver_bytes.c the message's bytes, deliver_away.c what goes
// into the queue, deliver_here.c mailboxes, deliver_rules.c what accounts' rules want,
// deliver_once.c that nothing of it is done twice, deliver_sent.c the sender's own copy.
#ifndef DELIVERY_DELIVERY_INTERNAL_H
#define DELIVERY_DELIVERY_INTERNAL_H

#include "delivery/delivery.h"
#include "delivery/resolve.h"
#include "delivery/rules/rules.h"
#include "delivery/sign.h"
#include "store/append.h"
#include "store/secret.h"

#define READ_BYTES      65536
#define LINES_BYTES_MAX 2048 // header lines of ours for one copy
#define REDIRECTS_MAX   100  // of all rules together, for one delivery

struct delivery {
    struct store *store;
    struct queue *queue;
    char server[256], separators[16];
    char hierarchy;
    uint32_t expire_s;
    uint32_t duplicates_s;
    char srs_key[SECRET_BYTES];
    struct signer *signer;
    struct trail *trail;     // or NULL
    struct reports *reports; // or NULL
    char report_address[QUEUE_ADDRESS_BYTES_MAX + 1];
};

// What rules see: our lines, and the message from its start. Once filled it stays where it is.
struct shown {
    struct buf text;
    uint64_t bytes; // of the message
    size_t header;  // bytes of `text`, with the empty line; 0: its end was not found yet
};

// What is done for one message.
struct run {
    struct delivery *d;
    struct delivery_envelope *env;
    const struct delivery_message *message;
    struct arena arena;
    struct resolution to;
    uint32_t *target_counts;   // of each recipient
    struct incoming *incoming; // as it is kept here
    struct incoming *leaving;  // as it leaves: without Return-Path
    bool *done;                // by recipient, or [0] for all: something of it is durable
    bool is_retry;             // it comes from the queue, which tries again itself
    bool is_held;              // it is to wait in the queue
    trail_id mail;             // 0: there is no trail
    bool is_traced;            // its first event is durable

    struct shown shown[2]; // the header only, and with the body
    struct sieve_budget budget;
    unsigned redirects_left;

    bool has_digest; // of the message's bytes, without our lines
    unsigned char digest[16];
    unsigned char same_room[QUEUE_ONCE_BYTES];
    struct span same; // what tells it from every other message; empty: nothing, or not needed yet
};

// ---- answers (delivery.c) -----------------------------------------------------------------------

extern const struct delivery_answer delivery_looping;
struct delivery_answer delivery_answer_of(enum err e);
struct delivery_recipient *delivery_recipient_of(struct run *r, const struct resolve_target *t);
// What the client takes for one thing: a recipient where it hears of each, else the whole.
bool *delivery_group_of(struct run *r, const struct resolve_target *t);
// Sets the answer of the target's recipient when `e` is an error; else something of it is done.
void delivery_settle(struct run *r, const struct resolve_target *t, enum err e);

// ---- bytes (deliver_bytes.c) --------------------------------------------------------------------

// The message as a new body; `return_path`: with that line in front (RFC 5321 4.4: where it is
// delivered for good). `version` NULL: as it came.
enum err deliver_take_in(struct run *r, bool return_path, const struct sieve_version *version,
                         struct incoming **out);
// Another message than the run's, as it is.
enum err deliver_take_in_other(struct run *r, const struct delivery_message *m,
                               struct incoming **out);
// Nobody outside knows it, so nobody can make two messages with one digest.
uint64_t deliver_digest_seed(const struct run *r);
enum err deliver_need_incoming(struct run *r);
enum err deliver_need_leaving(struct run *r);
// For rules_case.show; `arg` is the run.
enum err deliver_show(void *arg, bool whole, struct span *out, uint64_t *out_more);
// The header block with our lines, as far as RULES_SHOWN_BYTES_MAX.
enum err deliver_header(struct run *r, struct span *out);
// One of its Delivered-To lines names the address: it went through there before.
bool deliver_has_passed(struct span header, struct span address);

// ---- the queue (deliver_away.c) -----------------------------------------------------------------

struct deliver_part;

struct deliver_letter { // what goes into the queue
    struct incoming *body;
    struct span sender;
    struct span forwarder; // on whose behalf: rewrites the sender; empty: nobody's
    unsigned flags;        // enum queue_message_flag
    // What `body` holds, to be signed: by DKIM when it is written by one of ours or by ourselves,
    // by ARC when it is sent on. NULL: it stays as it is.
    const struct delivery_message *content;
    const char *words; // why it leaves, for the trail; or NULL
    // What tells it from the other letters that the message brings forth, so that it is not put in
    // twice: why, and which of them. NULL: whoever makes it sees to that.
    const char *why;
    unsigned nth;
    bool is_itself; // the message, for which all begins anew later
};
enum err deliver_submit(struct run *r, const struct deliver_letter *l,
                        const struct queue_recipient *recipients, size_t count);
// Where a letter of ours goes: the domain, or DELIVERY_HERE for one of our own.
enum err deliver_destination(struct run *r, struct span address, struct span *out);
// For targets elsewhere.
enum err deliver_away(struct run *r);
// Tells the sender what became of a recipient (QUEUE_FAILED or QUEUE_DELIVERED), if he wants to
// hear of that. `destination` says how (notice.h).
enum err deliver_tell(struct run *r, uint32_t recipient, enum queue_state state,
                      struct span destination, struct span reply);

// ---- the same once more (deliver_once.c)
// ---------------------------------------------------------

// What the mailbox remembers of this delivery: sets p->to->once, or not. ERR_NOMEM.
enum err deliver_once_here(struct run *r, struct deliver_part *p);
// What the queue remembers of a letter: sets m->once, in `room`, and its time. ERR_NOMEM.
enum err deliver_once_letter(struct run *r, const struct deliver_letter *l,
                             const struct queue_recipient *to, size_t count,
                             unsigned char room[QUEUE_ONCE_BYTES], struct queue_message *m);

// ---- mailboxes (deliver_here.c) -----------------------------------------------------------------

enum err deliver_here(struct run *r);

// ---- sent mail (deliver_sent.c) -----------------------------------------------------------------

// Files the submitter's copy of a message that is accepted, after everything else of it is durable.
void deliver_sent(struct run *r);

// ---- the trail (deliver_trail.c) ----------------------------------------------------------------

// The Message-ID: of the message, or what we gave it.
struct span deliver_message_id(const struct delivery_message *m);
// Events for what is put into the queue: the mail's first one where it is still to be told, and
// those of a letter of our own, which becomes a mail of its own. Sets m->mail, rider (the
// caller's) and what else the trail is told.
enum err deliver_trail_letter(struct run *r, const struct deliver_letter *l,
                              const struct queue_recipient *recipients, size_t count,
                              struct queue_message *m);
// For delivery_target.ride; `arg` is the part.
enum err deliver_trail_ride(void *arg, bool was_there, const struct span *mailboxes, size_t count,
                            struct batch **out);

// ---- rules (deliver_rules.c) --------------------------------------------------------------------

// One account's part of a delivery.
struct deliver_part {
    struct run *run;
    struct batch *rider; // what the trail is told of it; or NULL
    const struct resolve_target *target;
    struct arena arena; // of what the rules decided
    struct rules_decision decision;
    struct delivery_target *to; // for the store
    struct incoming **versions; // bodies made for this part, as many as copies
    size_t version_count;
    struct span words;           // for the change log
    bool is_refused, is_sent_on; // what rules did with it
    bool is_refused_here;        // the client is told
    bool has_skipped;            // a redirect was left out
    enum err failed;             // nothing is stored
};
// Decides, sends on what is to be sent on, and says in `to` what is stored.
enum err deliver_rules_before(struct run *r, struct deliver_part *p);
// After it is stored: answers and notifications. What fails here is logged.
void deliver_rules_after(struct run *r, struct deliver_part *p);
void deliver_rules_finish(struct deliver_part *p);

// ---- reports (deliver_report.c) -----------------------------------------------------------------

// Puts what the sender's domain is to be told, with the mail's first event.
enum err deliver_report_seen(struct run *r, struct batch *b);
// Notes a letter to the address for reports, in the rider of its delivery.
enum err deliver_report_ride(const struct deliver_part *p, struct batch *b);
// It is delivered: whoever reads it may begin.
void deliver_report_done(const struct deliver_part *p);

#endif
