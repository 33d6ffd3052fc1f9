// SPDX-License-Identifier: Apache-2.0
//
// The sort keys (order/sort_keys.h) of many messages. Threads and blocking: see store.h.
#ifndef STORE_PLACEMENT_SORT_SCAN_H
#define STORE_PLACEMENT_SORT_SCAN_H

#include "order/sort_keys.h"
#include "store/placement.h"

// The packed keys of a message, from its summary or, where that lacks lines, from its header.
// `lines` is room for these. Errors of body_summary and body_read.
enum err sort_keys_of_body(struct view *v, body_id body, struct buf *lines, struct buf *out);

// Reads the keys of many messages, cheapest in ascending order of their ids. Messages that came
// before there were sort keys are asked anew for their header. Close before the view.
struct sort_scan;
enum err sort_scan_open(struct view *v, struct sort_scan **out);
// The spans live until the next call. ERR_NOT_FOUND: there is no such message.
enum err sort_scan_get(struct sort_scan *c, message_id message, struct sort_keys *out);
void sort_scan_close(struct sort_scan *c); // NULL is allowed

#endif
