// SPDX-License-Identifier: Apache-2.0
//
// What tests and fuzz targets of the filter language share: an environment made of plain values,
// and a result as text.
#ifndef TESTS_UNIT_SIEVE_SIEVE_DRIVER_H
#define TESTS_UNIT_SIEVE_SIEVE_DRIVER_H

#include "sieve/sieve_run.h"

#define WORLD_MAX 64

struct world_pair {
    struct span name, value;
};

// The world around a message. Fill it, then world_env; it must stay where it is.
struct world {
    struct span mailboxes[WORLD_MAX], ids[WORLD_MAX], addresses[WORLD_MAX];
    struct world_pair uses[WORLD_MAX];     // special use, mailbox
    struct world_pair metadata[WORLD_MAX]; // "mailbox|/entry" or "|/entry", value
    struct world_pair scripts[WORLD_MAX];  // "personal name" or "global name", text
    struct world_pair items[WORLD_MAX];
    size_t mailbox_n, id_n, address_n, use_n, metadata_n, script_n, item_n;
    bool is_seen;      // every duplicate test finds its key
    enum err failure;  // what callbacks answer instead
    struct buf *trace; // NULL: nobody listens
    struct sieve_env env;
};

void world_init(struct world *w);

// Appends what a result says, a line for each thing; the message of an action with `shows_message`.
void world_put_result(struct buf *out, const struct sieve_result *result, bool shows_message);

// Compiles and runs; appends problems or the result. Returns what sieve_compile or sieve_run did.
enum err world_run(struct world *w, struct span script, uint64_t steps, bool shows_message,
                   struct buf *out);

#endif
