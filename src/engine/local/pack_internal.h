// SPDX-License-Identifier: Apache-2.0
//
// Writes one pack: bodies in the order they are given, their summaries behind them, and the new
// records. Belongs to the thread that compacts.
#ifndef ENGINE_LOCAL_PACK_INTERNAL_H
#define ENGINE_LOCAL_PACK_INTERNAL_H

#include "engine/local/compress_internal.h"
#include "engine/local/snapshot_internal.h"

struct pack_body {
    body_id id;
    uint64_t old_hash; // of the record it was copied by
    struct record record;
    size_t pieces_at, pieces_n; // in pack.pieces
};

struct pack {
    struct local_engine *engine;
    uint64_t id;
    int fd;
    uint64_t at; // where the next frame goes
    bool compress;
    enum err failed;
    struct buf stage;     // frames not yet written
    struct buf pieces;    // encoded, of all bodies
    struct buf summaries; // of those from summaries_from on
    size_t summaries_from;
    struct pack_body *bodies;
    size_t n, cap;
    uint64_t stored; // data and summaries
    bool in_table;
};

// Nothing is on disk before the first body.
void pack_init(struct pack *p, struct local_engine *e, bool compress);
// Copies a body as the snapshot shows it. ERR_NOT_FOUND: it is gone; ERR_CORRUPT: it cannot be
// read; both leave the pack usable. Others are final.
enum err pack_add(struct pack *p, struct local_snapshot *s, body_id id);
// Completes the file and makes it durable under its name, and adds it to the table of segments.
enum err pack_close(struct pack *p);
// The record of the i-th body, once closed.
void pack_record(const struct pack *p, size_t i, struct buf *out);
// Frees memory; removes the file unless it was closed.
void pack_finish(struct pack *p, bool keep);

#endif
