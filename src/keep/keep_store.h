// SPDX-License-Identifier: Apache-2.0
//
// Opens the engine and the store as the settings say: for keep, and for commands that
// run without a server. The data directory's lock is the caller's affair. One thread; blocks.
#ifndef KEEP_KEEP_STORE_H
#define KEEP_KEEP_STORE_H

#include "admin/admin.h"
#include "conf/settings.h"

// What our own header lines may add to a message of the largest size.
#define KEEP_TRACE_BYTES (128u << 10)

struct keep_store {
    struct engine *engine;
    struct store *store;
};

// `why` gets a line for the operator: what recovery did, or what is wrong. Errors: see
// engine_local_open.
enum err keep_store_open(const struct settings *s, struct keep_store *out, struct buf *why);
void keep_store_close(struct keep_store *k);
struct password_params keep_password_params(const struct settings *s);
// What admin operations need, but for the queue and what only a server has. The settings must stay.
void keep_store_admin(struct settings *s, const struct keep_store *k, struct admin *out);

#endif
