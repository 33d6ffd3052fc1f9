// SPDX-License-Identifier: Apache-2.0
//
// What keep does by itself, on a thread of its own: forgets expunged messages whose time is over,
// what rules remember, old sign-ins.
#ifndef KEEP_KEEP_UPKEEP_H
#define KEEP_KEEP_UPKEEP_H

#include "store/store.h"

struct keep_upkeep;

// `expunged_keep_s`: how long an expunged message can be restored. Runs at once and then every
// hour, in small commits.
enum err keep_upkeep_start(struct store *s, uint32_t expunged_keep_s, struct keep_upkeep **out);
// Another time, looked at at once. Any thread.
void keep_upkeep_set(struct keep_upkeep *u, uint32_t expunged_keep_s);
// How long the sign-in history reaches back, looked at once a day. Any thread.
void keep_upkeep_set_signins(struct keep_upkeep *u, int64_t keep_ms);
// Ends the thread; waits for the commit it is in. NULL is allowed.
void keep_upkeep_stop(struct keep_upkeep *u);

#endif
