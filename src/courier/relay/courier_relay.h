// SPDX-License-Identifier: Apache-2.0
//
// Sending mail on: transactions from keep, each over a socket pair of its own (the messages are in
// ipc/message_table.h), run by a bounded number of threads that may wait. See
// docs/decisions/0010-threads-in-the-courier.md.
#ifndef COURIER_RELAY_COURIER_RELAY_H
#define COURIER_RELAY_COURIER_RELAY_H

#include "courier/dns/lookup.h"
#include "courier/relay/hop.h"

struct courier_relay_options {
    struct lookup *lookup;
    unsigned threads;
    uint16_t port;     // of servers found by MX: 25
    uint16_t sts_port; // of the servers of MTA-STS policies: 443
    bool allow_private;
    const char *ca_file; // empty: the system's
    int64_t connect_ms, command_ms, data_ms, keep_open_ms;
};

struct courier_relay;

// Reads certificates: before the sandbox. Errors are logged.
enum err courier_relay_create(const struct courier_relay_options *o, struct courier_relay **out);
// Starts the threads.
enum err courier_relay_start(struct courier_relay *r);

// Takes over one end of a pair on which a transaction will come. When there is no room, or all
// stops, it is closed at once: keep tries again later. Any thread.
void courier_relay_take(struct courier_relay *r, int fd);

// No new transactions; what still runs at this moment (monotonic milliseconds) is broken off.
void courier_relay_stop(struct courier_relay *r, int64_t at_ms);
unsigned courier_relay_running(struct courier_relay *r);
// Closes connections that have waited long enough; about once a second.
void courier_relay_tidy(struct courier_relay *r);
// Waits for the threads. NULL is allowed.
void courier_relay_destroy(struct courier_relay *r);

struct courier_relay_counts {
    uint64_t delivered, deferred, failed; // recipients
};
void courier_relay_count(struct courier_relay *r, struct courier_relay_counts *out);

#endif
