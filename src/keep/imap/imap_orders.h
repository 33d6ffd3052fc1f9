// SPDX-License-Identifier: Apache-2.0
//
// What sessions have sorted and threaded, for the next who asks the same: numbers in order, by a
// key that says of which mailbox and how. A message's keys never change, so an order stays right
// for the messages it has; `mark` says up to where, in the asker's terms. The least lately used go
// when there are too many. In memory only. Any thread.
#ifndef KEEP_IMAP_ORDERS_H
#define KEEP_IMAP_ORDERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

// Orders of all mailboxes together.
#define IMAP_ORDERS_BYTES_MAX (64u << 20)
// Memory of all sorting and threading that goes on at once. One may always go on.
#define IMAP_SORTING_BYTES_MAX (512u << 20)

struct imap_orders;

struct imap_order {
    uint64_t mark;
    size_t n;
    uint32_t *numbers; // owned
};

enum err imap_orders_create(size_t bytes_max, struct imap_orders **out);
void imap_orders_destroy(struct imap_orders *o); // NULL is allowed; nothing may be held

// The order of this key, held until imap_orders_release; NULL: there is none.
struct imap_order *imap_orders_get(struct imap_orders *o, struct span key);
// Takes over `numbers` (from malloc), also when it keeps nothing, and holds what it has become;
// NULL without memory: `numbers` is then freed.
struct imap_order *imap_orders_put(struct imap_orders *o, struct span key, uint64_t mark,
                                   uint32_t *numbers, size_t n);
void imap_orders_release(struct imap_orders *o, struct imap_order *order); // NULL is allowed

// Whether so much memory may be used for sorting now; then it is given back with the same number.
bool imap_orders_begin(struct imap_orders *o, size_t bytes);
void imap_orders_end(struct imap_orders *o, size_t bytes);

// For tests: orders kept, and their bytes.
size_t imap_orders_count(struct imap_orders *o, size_t *out_bytes);

#endif
