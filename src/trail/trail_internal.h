// SPDX-License-Identifier: Apache-2.0
//
// What the files of trail/ share. Only trail/ includes this.
#ifndef TRAIL_TRAIL_INTERNAL_H
#define TRAIL_TRAIL_INTERNAL_H

#include "base/lock.h"
#include "trail/trail_schema_internal.h"

#define TRAIL_NETWORKS 4096

// How many refusals are written; in memory, from the start of the process on.
struct trail_limits {
    int64_t day, hour; // that are counted
    uint32_t of_day;
    uint16_t of_hour[TRAIL_NETWORKS]; // by network, some of which share a place
};
// One more, of a client with this address. False: above the limit.
bool trail_limits_take(struct trail_limits *l, struct span client, int64_t now_ms);

struct trail {
    struct engine *engine;
    _Atomic uint64_t last; // number given
    void (*wake)(void *arg);
    void *wake_arg;
    struct lock lock;      // LOCK_LEAF: what follows
    struct batch *refused; // not written yet; or NULL
    unsigned refused_count;
    uint64_t left_out; // above the limits, since the last that was collected
    struct trail_limits limits;
};

#endif
