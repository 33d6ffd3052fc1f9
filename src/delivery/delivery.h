// SPDX-License-Identifier: Apache-2.0
//
// A message with its envelope goes to where it belongs: into mailboxes here, into the queue for
// elsewhere. Whoever took the message from a client may acknowledge a recipient when its outcome
// says so, and only then: everything is durable by that time. Any thread; blocks on the disk, never
// on the network.
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include "queue/queue.h"
#include "report/report_seen.h"
#include "store/store.h"

#define DELIVERY_HERE     "local:" // the queue's destination for what could not be delivered here
#define DELIVERY_GROUP    "group:" // of a recipient that became several; only in notices
#define DELIVERY_HOPS_MAX 50       // Received lines: more are a loop (RFC 5321 6.3)

struct delivery;

struct delivery_options {
    struct span server;     // our name: "mail.example.org"; copied
    struct span separators; // that may start a detail in an address; copied
    uint32_t expire_s;      // how long the queue tries: 5 days
    char hierarchy;         // between the levels of mailbox names in rules; '\0': '/'
    // How long a message is known that comes a second time because its client did not hear of the
    // first; 0: not at all.
    uint32_t duplicates_s;
    struct trail *trail; // where it is told what happens; NULL: nowhere. Stays the caller's
    // Letters to this address, or to this name at any domain here, may have reports; copied. They
    // are noted in `reports` (NULL: nowhere; stays the caller's; wants a trail).
    struct span report_address;
    struct reports *reports;
};

// The store and the queue stay the caller's and must outlive it. ERR_*: the key for rewritten
// senders could not be read or made.
enum err delivery_create(struct store *s, struct queue *q, const struct delivery_options *o,
                         struct delivery **out);
void delivery_destroy(struct delivery *d); // NULL is allowed

enum delivery_outcome {
    DELIVERY_ACCEPTED,  // ours now: durable
    DELIVERY_TEMPORARY, // not now; the client keeps it
    DELIVERY_REFUSED,
};
// What to say to a client, as SMTP does: one line each. Static texts, or in the envelope's `texts`.
struct delivery_answer {
    enum delivery_outcome outcome;
    unsigned code;        // 250, 450, 550 ...
    const char *enhanced; // "5.1.1"
    const char *text;
};

struct delivery_recipient {
    struct span address;           // as in RCPT TO; without source route
    struct span orcpt;             // decoded, or empty
    unsigned notify;               // enum queue_notify
    struct delivery_answer answer; // out
};

struct delivery_message;

struct delivery_envelope {
    struct span sender;   // empty: the null path
    struct span envid;    // decoded, or empty
    unsigned flags;       // enum queue_message_flag
    account_id submitter; // an account of ours that sends it, by its device
    struct span device;   // its device's name, or what the client calls itself
    uint32_t device_id;   // of the submitter's devices (store/access/device.h); 0: none of them
    struct span origin;   // the client's address, for people
    bool allow_remote;    // may go to other servers: it was submitted, or comes from a trusted host
    bool is_suspect;      // goes to Junk instead of INBOX
    bool is_ours;         // written here: what fails for now waits in the queue, nobody else tries
    bool one_answer;      // the client hears one answer for all recipients (SMTP)
    int64_t hold_until_ms; // since 1970; 0: at once. Also mail for here waits in the queue
    struct span verdict; // of the checks on the message, in words, for the change log; may be empty
    // For the trail; all may be empty.
    struct span helo, tls, user, how;
    trail_id mail;                  // its number; 0: a new one
    bool is_traced;                 // its first event is there already
    trail_id about;                 // the mail that a notice is about
    struct span written;            // by ourselves, and what it is; empty: a notice, or not by us
    const struct report_seen *seen; // what the sender's domain is to be told of it; or NULL
    // For what may be begun anew without a client: what tells it, after a crash too. Words, or what
    // the queue kept of when it was taken in. Empty: it comes from a client.
    struct span once, same;
    struct arena *texts; // for the words of a refusal by rules; NULL: general words do
    // What is filed in the submitter's mailbox for sent mail once the message is accepted: the
    // message itself, or as the submitter wrote it. That it cannot be filed is logged and changes
    // no answer. NULL: nothing is.
    const struct delivery_message *sent_copy;
    struct delivery_recipient *recipients;
    size_t count;
};

// Whether a message for these is told of in reports: not when it is for the address for reports
// itself, or two servers would report on each other's reports for ever.
bool delivery_tells(const struct delivery *d, const struct delivery_recipient *to, size_t count);

struct delivery_message {
    struct span prefix; // header lines of ours that go in front
    // Appends [offset, offset + n) of the message, fewer at its end.
    enum err (*read)(void *arg, uint64_t offset, size_t n, struct buf *out);
    void *arg;
    uint64_t bytes;
    struct span header; // its header block, or the first part of it
};

// May this recipient be told OK before the message is there? Looks at the directory and, with
// `bytes` (0: not said), at the quota. Sets r->answer.
enum err delivery_check(struct delivery *d, const struct delivery_envelope *env, uint64_t bytes,
                        struct delivery_recipient *r);

// Delivers. Sets the answer of every recipient, also on an error (then all are TEMPORARY). Where
// one answer is for all and some could be delivered, the others wait in the queue (TEMPORARY
// becomes ACCEPTED), and senders are told of those that are refused.
enum err delivery_run(struct delivery *d, struct delivery_envelope *env,
                      const struct delivery_message *m);

// Once more for one recipient here, from the queue (DELIVERY_HERE). Sets *out.
void delivery_again(struct delivery *d, const struct queue_message *m, struct span address,
                    enum err (*read)(void *arg, uint64_t offset, size_t n, struct buf *out),
                    void *arg, struct delivery_answer *out);

#endif
