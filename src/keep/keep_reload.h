// SPDX-License-Identifier: Apache-2.0
//
// `mailkeep reload`: carries the question from a control thread to the supervisor, puts together
// what the supervisor tells, and hands it to everybody whose question it answers. The report is
// described in docs/protocol/control.md.
#ifndef KEEP_KEEP_RELOAD_H
#define KEEP_KEEP_RELOAD_H

#include <jansson.h>

#include "ipc/message.h"

struct keep_reload;

// Sends RELOAD_ASK; any thread, must not block.
typedef enum err keep_reload_ask_fn(void *arg, uint64_t number);

enum err keep_reload_create(keep_reload_ask_fn *ask, void *arg, struct keep_reload **out);
// Nobody may be waiting any more. NULL is allowed.
void keep_reload_destroy(struct keep_reload *k);

// What the supervisor tells. One thread, the loop's; `m` is not kept.
void keep_reload_item(struct keep_reload *k, const struct ipc_reload_item *m);
void keep_reload_end(struct keep_reload *k, const struct ipc_reload_end *m);

// Asks and waits for a reload that begins after the call, up to `patience_ms`; blocks. Any number
// of threads. `*out_report` is a new reference. ERR_TIMEOUT; ERR_UNAVAILABLE: the server stops, or
// the supervisor cannot be asked; ERR_EOF: `cancelled` (asked several times a second) said so.
enum err keep_reload_run(struct keep_reload *k, int64_t patience_ms, bool (*cancelled)(void *),
                         void *cancelled_arg, json_t **out_report);
// Sends away all who wait, and who comes later. Any thread. NULL is allowed.
void keep_reload_stop(struct keep_reload *k);

#endif
