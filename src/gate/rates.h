// SPDX-License-Identifier: Apache-2.0
//
// How often something happens from each address (the /64 of an IPv6 one): new connections, new
// messages. Counted by the minute, the minute before fading out, so that no burst fits between two
// windows. Memory is bounded: beyond RATES_ADDRESSES_MAX addresses in a minute the rest goes
// uncounted. Any thread; does not block.
#ifndef GATE_RATES_H
#define GATE_RATES_H

#include "base/lock.h"
#include "base/map.h"
#include "net/address.h"

#define RATES_ADDRESSES_MAX 100000

struct rates {
    struct lock lock;
    struct map now, before; // address key -> count, in the pointer itself
    int64_t began_ms;       // of `now`, monotonic
};

void rates_init(struct rates *r);
void rates_finish(struct rates *r);
// Counts one more at this monotonic time, unless that would be more than `per_minute`: false.
bool rates_admit(struct rates *r, const struct address *a, uint64_t per_minute, int64_t now_ms);

#endif
