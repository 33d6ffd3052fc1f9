// SPDX-License-Identifier: Apache-2.0
//
// What the trail needs by itself, on a thread of its own: refusals are written within a second,
// what is too old is forgotten every hour.
#ifndef KEEP_KEEP_TRAIL_H
#define KEEP_KEEP_TRAIL_H

#include "trail/trail.h"

struct keep_trail;

// The trail stays the caller's; it wakes this thread from now on. `keep_ms`: how long mail is
// remembered.
enum err keep_trail_start(struct trail *t, int64_t keep_ms, struct keep_trail **out);
// Another time, looked at at once. Any thread.
void keep_trail_set(struct keep_trail *k, int64_t keep_ms);
// Writes what was collected and ends the thread. NULL is allowed.
void keep_trail_stop(struct keep_trail *k);

#endif
