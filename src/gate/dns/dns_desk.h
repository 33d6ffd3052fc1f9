// SPDX-License-Identifier: Apache-2.0
//
// A worker's questions to the DNS. The gate may connect nowhere, so they go to the courier, which
// validates and caches. Any number may be asked: a bounded number is with the courier at a time,
// the others wait their turn here. What it has said is known here for as long as it may be. Nothing
// blocks; every question is answered in bounded time, with DNS_TEMPFAIL when the courier is away or
// too slow.
//
// On the worker's thread unless said otherwise.
#ifndef GATE_DNS_DNS_DESK_H
#define GATE_DNS_DNS_DESK_H

#include "base/arena.h"
#include "base/list.h"
#include "ipc/message.h"
#include "net/loop.h"
#include "senderauth/resolver.h"

struct dns_desk;

struct dns_desk_options {
    struct loop *loop;
    // Ids of questions are n * id_step + id_first, n = 1, 2, ...: so the gate knows whose an answer
    // is.
    uint64_t id_first, id_step;
    // Sends a frame, with a descriptor unless it is -1, to the courier; ERR_UNAVAILABLE when it is
    // away. On the worker's thread.
    enum err (*send)(void *arg, struct span frame, int fd);
    void *arg;
    unsigned open_max;    // questions that are with the courier at a time
    unsigned waiting_max; // and those that wait for that; beyond, ERR_LIMIT
    int64_t timeout_ms;   // of a question, from when it was asked
};

enum err dns_desk_create(const struct dns_desk_options *o, struct dns_desk **out); // ERR_NOMEM
// When the worker's thread has ended, or on it. Open questions are dropped. NULL is allowed.
void dns_desk_destroy(struct dns_desk *d);

// Somebody who asks; embedded by its owner.
struct dns_client {
    struct list asks;
    // An answer: its spans live until this returns. May ask on, forget, or free the client. Never
    // called while dns_desk_ask runs.
    void (*answered)(struct dns_client *c, struct span name, enum dns_type type,
                     const struct dns_answer *answer);
};

void dns_client_init(struct dns_client *c);
// Questions that are open will not be answered any more.
void dns_client_forget(struct dns_client *c);

// `name`: as struct resolver has it. ERR_UNAVAILABLE: the courier is away; ERR_LIMIT; ERR_NOMEM.
// Then there will be no answer.
enum err dns_desk_ask(struct dns_desk *d, struct dns_client *c, struct span name,
                      enum dns_type type);

// What was answered before, and still holds: no question is needed. Spans point into the desk,
// until its next call; the list lies in `arena`. False: ask.
bool dns_desk_known(struct dns_desk *d, struct span name, enum dns_type type, struct arena *arena,
                    struct dns_answer *out);

// An answer of the courier's; copied. Answers to nobody's question are dropped. Any thread.
void dns_desk_answer(struct dns_desk *d, const struct ipc_dns_answer *answer);
// The courier is gone: what is open is answered DNS_TEMPFAIL. Any thread.
void dns_desk_lost(struct dns_desk *d);

// Sends the courier something else, as `send` above does.
enum err dns_desk_send(struct dns_desk *d, struct span frame, int fd);

// Questions that have no answer yet.
unsigned dns_desk_open(const struct dns_desk *d);
// How often the courier was lost: a DNS_TEMPFAIL from such a time says nothing about the DNS.
unsigned dns_desk_losses(const struct dns_desk *d);

#endif
