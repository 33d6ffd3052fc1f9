// SPDX-License-Identifier: Apache-2.0
//
// Messages from the gate before the filters of the settings. A message is gathered on the loop,
// nobody's thread, for its client may be slow; when it is whole a thread of a bounded number asks
// the filters one after the other, until one refuses. What was not asked in time, or cannot be
// reached, is away; what follows from that is the gate's business.
#ifndef COURIER_FILTER_COURIER_FILTER_H
#define COURIER_FILTER_COURIER_FILTER_H

#include "courier/filter/filter.h"
#include "net/loop.h"

struct courier_filter_options {
    struct loop *loop;
    const struct span *filters; // as the setting has them
    size_t filter_count;
    unsigned threads;
    int64_t timeout_ms;
    size_t message_max; // bytes; the gate does not send more
    size_t memory_max;  // of all messages
    // For Unix sockets: child_ask_connection. Called in any thread.
    enum err (*ask_connection)(void *arg, uint8_t place, int fd);
    void *arg;
};

struct courier_filter;

// ERR_INVALID (logged): a filter that is none. Starts the threads: inside the sandbox.
enum err courier_filter_create(const struct courier_filter_options *o, struct courier_filter **out);
// Takes over one end of a pair on which a message will come. On the loop's thread.
void courier_filter_take(struct courier_filter *c, int fd);
// Nobody is asked any more. Any thread.
void courier_filter_stop(struct courier_filter *c);
// Waits for the threads. On the loop's thread when it runs no more. NULL is allowed.
void courier_filter_destroy(struct courier_filter *c);

#endif
