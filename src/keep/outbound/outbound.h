// SPDX-License-Identifier: Apache-2.0
//
// keep's part of sending mail: takes what is due from the queue, hands it to the courier, stores
// what became of it, and writes the notices that senders are owed. A thread of its own looks at the
// queue; each message on its way is a connection of a pool, to the courier (ipc RELAY_*).
#ifndef KEEP_OUTBOUND_OUTBOUND_H
#define KEEP_OUTBOUND_OUTBOUND_H

#include "delivery/delivery.h"
#include "ipc/message.h"
#include "net/loop.h"
#include "queue/queue.h"

struct outbound;

struct outbound_route { // where mail for other servers goes; host empty: by MX
    struct span host, user, password;
    uint16_t port;
    uint8_t tls; // enum ipc_relay_tls
};

struct outbound_options {
    struct loop *loop; // of the conversation with the courier
    struct engine *engine;
    struct store *store; // has the routes (relay_route.h); NULL: there are none
    struct queue *queue;
    struct delivery *delivery;
    struct trail *trail;         // NULL: what notices are about is not noted
    struct span server;          // our name; copied
    struct outbound_route route; // of mail that no route of the store fits; copied
    bool tells_tls; // what became of TLS is observed for reports (RFC 8460); wants a trail
    unsigned threads, jobs_max;
};

// On the loop's thread. Nothing is sent before the courier is attached.
enum err outbound_create(const struct outbound_options *o, struct outbound **out);
// The conversation with the courier from now on; takes over the descriptor. On the loop's thread.
enum err outbound_attach(struct outbound *o, int fd);
// What others of keep have to do with the courier goes over the same conversation.
struct outbound_listener {
    // A frame that outbound does not know, without descriptors. ERR_INVALID: nor does this one. On
    // the loop's thread.
    enum err (*message)(void *arg, const struct ipc_frame *frame);
    // The courier has gone, or is another one. Any thread; outbound's lock is held: calls nothing
    // of outbound.
    void (*lost)(void *arg);
    void *arg;
};
// Before the courier is attached.
void outbound_listen(struct outbound *o, const struct outbound_listener *listener);
// ERR_UNAVAILABLE: the courier is not there. Any thread; does not block.
enum err outbound_send(struct outbound *o, struct span frame);
// Asks the DNS by way of the courier and waits for the answer, at most `timeout_ms`. `name` as in
// DNS_ASK; the answer's records are copied into the arena. ERR_UNAVAILABLE: the courier is not
// there; ERR_TIMEOUT. Any thread but the loop's.
enum err outbound_ask(struct outbound *o, struct span name, uint16_t type, int64_t timeout_ms,
                      struct arena *a, struct ipc_dns_answer *out);
// Whoever waits for the DNS, or asks from now on, gets ERR_UNAVAILABLE: the end of the process is
// not held up. Any thread.
void outbound_end_questions(struct outbound *o);
// Lets what is on its way finish for `timeout_ms`, then leaves it in the queue. On the loop's
// thread, which has stopped; blocks. NULL is allowed.
void outbound_destroy(struct outbound *o, int64_t timeout_ms);

#endif
