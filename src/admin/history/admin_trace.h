// SPDX-License-Identifier: Apache-2.0
//
// An event of the trail in plain words and as JSON. Private to admin/.
#ifndef ADMIN_HISTORY_ADMIN_TRACE_H
#define ADMIN_HISTORY_ADMIN_TRACE_H

#include "admin/admin_internal.h"

// A mail's number as text, as it stands in JSON.
json_t *trace_number_json(trail_id mail);
// The event; NULL: no memory.
json_t *trace_event_json(const struct trail_found *f);
// What happened in the queue to a message: its events, appended to the array `into`; with `address`
// those that concern it. Reads the trail.
enum err trace_queue_history(struct admin_call *c, trail_id mail, queue_id id, struct span address,
                             json_t *into);

#endif
