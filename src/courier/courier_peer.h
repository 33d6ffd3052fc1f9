// SPDX-License-Identifier: Apache-2.0
//
// The courier's conversations with keep and the gate: questions to the DNS from both, transactions
// and questions about people and places from keep, messages for filters from the gate. On the
// loop's thread; nothing blocks.
#ifndef COURIER_COURIER_PEER_H
#define COURIER_COURIER_PEER_H

#include "courier/dns/lookup.h"
#include "ipc/channel.h"

struct alert_post;
struct courier_filter;
struct courier_relay;
struct places;
struct vouch;

struct courier_peers {
    struct loop *loop;
    struct lookup *lookup;
    struct courier_relay *relay;
    struct courier_filter *filter; // NULL: there are no filters
    struct vouch *vouch;
    struct alert_post *alerts; // NULL: there is no webhook
    struct places *places;
    struct courier_peer {
        struct courier_peers *all;
        enum ipc_process id;
        struct channel *channel; // NULL: none, or away
        uint32_t generation;     // raised by each new conversation
    } peers[IPC_PROCESSES];
};

void courier_peers_init(struct courier_peers *p);
// A conversation begins; `fd` is taken over on ERR_OK.
enum err courier_peers_attach(struct courier_peers *p, enum ipc_process peer, int fd);
void courier_peers_close(struct courier_peers *p);

#endif
