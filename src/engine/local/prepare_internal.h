// SPDX-License-Identifier: Apache-2.0
//
// Makes segments ahead of need in a thread of its own, so that the commit path neither allocates
// nor syncs folders. Keeps the ballast file.
#ifndef ENGINE_LOCAL_PREPARE_INTERNAL_H
#define ENGINE_LOCAL_PREPARE_INTERNAL_H

#include "engine/local/segment_internal.h"

struct prepare {
    struct segments *segments;
    int top_fd; // the store's folder
    uint32_t epoch;
    uint64_t segment_bytes, reserve_bytes;

    struct lock lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool running, stopping;
    uint64_t wanted; // size to make next; 0: nothing to do
    bool ready;      // `spare` may be taken
    bool zeroing;    // the thread still writes zeros into it
    enum err failed; // how the last attempt ended
    struct segment spare;
    bool has_ballast;
};

enum err prepare_start(struct prepare *p);
// Stops the thread; an unused spare is removed.
void prepare_stop(struct prepare *p);

// Asks for a segment of `size`; returns at once.
void prepare_ask(struct prepare *p, uint64_t size);
// A segment of at least `size` bytes, already in the table; waits for it to be made if none is
// ready. ERR_NOSPACE; others are final.
enum err prepare_take(struct prepare *p, uint64_t size, struct segment *out);
// Gives the ballast up; false when it is gone already.
bool prepare_drop_ballast(struct prepare *p);

#endif
