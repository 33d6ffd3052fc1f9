// SPDX-License-Identifier: Apache-2.0
//
// A thread of the gate with its loop and its connections. Connections are given to the workers in
// turn and stay where they are.
#ifndef GATE_WORKER_H
#define GATE_WORKER_H

#include "base/list.h"
#include "base/map.h"
#include "gate/dns/dns_desk.h"
#include "gate/gate_internal.h"
#include "ipc/message.h"
#include "net/loop.h"

struct client;

struct gate_worker {
    struct gate *gate;
    struct loop *loop;
    unsigned index;
    pthread_t thread;
    bool has_thread;
    // On the worker's thread only:
    struct list clients, relays;
    struct map asking; // conversation (8 bytes) -> struct client
    uint64_t next_conversation;
    struct dns_desk *dns; // questions to the DNS
};

enum err worker_start(struct gate *g, unsigned index, struct gate_worker **out);
// Ends the thread and every connection left. NULL is allowed.
void worker_stop(struct gate_worker *w);

// From the main thread: a connection for this worker; takes over `fd`.
void worker_give(struct gate_worker *w, int fd, const struct address *peer,
                 const struct service *service);
// From the main thread: keep's answer to a question of this worker's.
void worker_answer(struct gate_worker *w, const struct ipc_auth_result *answer);
void worker_challenge(struct gate_worker *w, const struct ipc_auth_challenge *challenge);
// The same, about a domain.
void worker_domain_answer(struct gate_worker *w, const struct ipc_domain_result *answer);
// From the main thread: keep is gone, questions will not be answered.
void worker_keep_lost(struct gate_worker *w);
// From the main thread: say goodbye to who is not logged in.
void worker_goodbye(struct gate_worker *w);

// The worker that a conversation belongs to.
unsigned worker_of_conversation(uint64_t conversation);

// On the worker's thread: names a question. 0 without memory.
uint64_t worker_ask(struct gate_worker *w, struct client *c);
void worker_forget(struct gate_worker *w, uint64_t conversation);
// On the worker's thread: ends the one that has waited longest, never `newcomer` or one about to be
// let in. False when there is none.
bool worker_make_room(struct gate_worker *w, const struct client *newcomer);

#endif
