// SPDX-License-Identifier: Apache-2.0
//
// keep's part of taking mail: what the gate has heard by SMTP, submission or LMTP comes over a
// socket pair of its own (ipc MAIL_*), one for each client, and is answered when it is durable.
// Each pair is a connection of a pool; whatever blocks on the disk does so on one of its workers.
#ifndef KEEP_INBOUND_INBOUND_H
#define KEEP_INBOUND_INBOUND_H

#include "delivery/delivery.h"
#include "keep/login/keep_link.h"

struct inbound;

struct inbound_options {
    struct store *store; // these stay the caller's and must outlive it
    struct delivery *delivery;
    struct keep_sessions *sessions;
    struct trail *trail;        // NULL: what is refused is not noted
    struct span server;         // our name; the texts are copied
    struct span separators;     // that may start a detail in an address
    struct span default_domain; // whose postmaster is meant by <postmaster>; or empty
    struct span dir;            // a folder for messages too large for memory
    unsigned threads;           // deliveries at a time
    unsigned connections_max;
};

// What a reload can change; counts from the next transaction on.
struct inbound_limits {
    uint64_t message_bytes_max;
    uint32_t recipients_per_hour; // of one account, by submission
    int64_t undo_ms;              // submitted mail waits that long before it leaves
    bool check_from;              // the header's From must be an address of the sender, too
    bool copy_in_sent;            // what a user sends is filed in the user's mailbox for sent mail
};

enum err inbound_create(const struct inbound_options *o, const struct inbound_limits *limits,
                        struct inbound **out);
void inbound_set_limits(struct inbound *in, const struct inbound_limits *limits); // any thread

// The mail of one client from now on; takes over the descriptor unless it fails. Does not block;
// any thread. ERR_LIMIT, ERR_NOMEM, ERR_UNAVAILABLE.
enum err inbound_open(struct inbound *in, const struct ipc_mail *m,
                      const struct keep_link_login *login, int fd);

// Deliveries that run come to their end and are answered; what is half there is dropped, its client
// tries again. Blocks; `timeout_ms` as for conn_pool_stop.
void inbound_stop(struct inbound *in, int64_t timeout_ms);
void inbound_destroy(struct inbound *in); // after inbound_stop; NULL is allowed

#endif
