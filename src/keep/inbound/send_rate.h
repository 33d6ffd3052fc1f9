// SPDX-License-Identifier: Apache-2.0
//
// How many recipients an account writes to in an hour, so that a stolen password does not make us a
// sender of spam. What is used comes back evenly over the hour. In memory; any thread.
#ifndef KEEP_INBOUND_SEND_RATE_H
#define KEEP_INBOUND_SEND_RATE_H

#include "store/store.h"

struct send_rate;
enum err send_rate_create(struct send_rate **out);
void send_rate_destroy(struct send_rate *r); // NULL is allowed

// One more recipient; false: `per_hour` are used up. `now_ms`: of clock_monotonic_ms.
bool send_rate_take(struct send_rate *r, account_id account, uint32_t per_hour, int64_t now_ms);
// `n` that were taken came to nothing.
void send_rate_give(struct send_rate *r, account_id account, uint32_t n);

#endif
