// SPDX-License-Identifier: Apache-2.0
//
// The embedded engine: a journal of segment files, an index in LMDB behind it, all in one folder.
// docs/format/ has the bytes, docs/decisions/ the reasons.
#ifndef ENGINE_LOCAL_LOCAL_H
#define ENGINE_LOCAL_LOCAL_H

#include "engine/engine.h"

// Where the server keeps the store, below its data directory.
#define ENGINE_LOCAL_FOLDER "mail"

struct engine_local_options {
    const char *path;          // of the folder, for LMDB; NULL: found through /proc/self/fd
    uint64_t segment_bytes;    // the largest segment; a new store starts with a 16th of it
    uint64_t reserve_bytes;    // ballast for deletions on a full disk
    uint64_t map_bytes;        // address space for the index, which bounds its size
    uint64_t memtable_bytes;   // commits wait when twice this is not in the index yet
    uint32_t checkpoint_ms;    // how often the index follows the journal
    uint32_t compact_ms;       // how often to look for segments to rewrite
    uint32_t compact_dead_pct; // rewrite what is dead to more than this share
    uint32_t compress_after_s; // age of a segment when its bodies are compressed; 0: when sealed
    bool compress;             // false: rewritten bodies stay as they are
    uint32_t readers_max;      // snapshots open at the same time
    uint32_t files_max;        // segment files kept open
};

#define ENGINE_LOCAL_DEFAULTS                                                                      \
    ((struct engine_local_options){.segment_bytes = 64u << 20,                                     \
                                   .reserve_bytes = 16u << 20,                                     \
                                   .map_bytes = (uint64_t)1 << 40,                                 \
                                   .memtable_bytes = 64u << 20,                                    \
                                   .checkpoint_ms = 500,                                           \
                                   .compact_ms = 10000,                                            \
                                   .compact_dead_pct = 50,                                         \
                                   .compress_after_s = 86400,                                      \
                                   .compress = true,                                               \
                                   .readers_max = 4096,                                            \
                                   .files_max = 512})

// Opens the store in the folder `dir_fd` (the caller's, who may close it afterwards; created empty
// if it has no store), and replays what the journal has and the index has not. May take a second.
// `why` gets a line for the operator: on success what recovery did, on failure what is wrong and
// where. ERR_UNAVAILABLE: another process has the store open. ERR_CORRUPT: damage; nothing was
// changed. ERR_UNSUPPORTED: written by a newer release.
enum err engine_local_open(int dir_fd, const struct engine_local_options *options,
                           struct engine **out, struct buf *why);

// Returns when all that was committed before is in the index. Any thread.
enum err engine_local_checkpoint(struct engine *e);
// Rewrites what is worth rewriting now, in this thread; the number of files rewritten or removed in
// *out_files. Any thread.
enum err engine_local_compact(struct engine *e, unsigned *out_files);

#endif
