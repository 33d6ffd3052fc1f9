// SPDX-License-Identifier: Apache-2.0
//
// The engine in memory, for tests: everything the commit interface promises except surviving the
// process, and failures on demand. "Durable" here means done.
#ifndef ENGINE_MEMORY_MEMORY_H
#define ENGINE_MEMORY_MEMORY_H

#include "engine/engine.h"

enum err engine_memory_open(struct engine **out);

// What fails, counted from the call that sets it. A count of n lets n - 1 pass and fails the n-th;
// 0 fails none. Batches of engine_commit_many count one each.
struct engine_memory_faults {
    unsigned commit_after;
    enum err commit_error; // nothing of the batch happens
    bool commit_forever;   // all later ones fail as well
    unsigned body_write_after;
    enum err body_write_error;
    unsigned read_after; // snapshot_get, scan_next, body_read and body_summary
    enum err read_error;
    enum engine_state state; // what engine_status shows, and what commits do accordingly
};
// Any thread.
void engine_memory_set_faults(struct engine *e, const struct engine_memory_faults *faults);

#endif
