// SPDX-License-Identifier: Apache-2.0
//
// Where a body is (the `b` rows of docs/format/index.md) and what a COMMIT frame says. Bytes to
// struct and back; pure, any thread. Decoding takes any bytes and refuses what is not exact.
#ifndef ENGINE_FORMAT_RECORD_H
#define ENGINE_FORMAT_RECORD_H

#include "base/arena.h"
#include "base/buf.h"
#include "engine/engine_internal.h"
#include "engine/format/frame.h"

#define PIECE_BYTES_MAX  (1u << 20)   // of a body, in one frame
#define BLOCK_BYTES      (64u << 10)  // of an uncompressed piece, with a hash of its own
#define PACKED_BYTES_MAX (256u << 10) // of a compressed piece, before compression
#define RECORD_BYTES_MAX (512u << 10) // of a body at ENGINE_BODY_BYTES_MAX
#define DICTIONARY_NONE  1u           // compressed without a dictionary

struct piece {
    struct position at; // of the stored bytes
    uint32_t stored_n, raw_n;
    uint32_t dictionary; // 0: not compressed
    uint32_t hash_count;
    const char *hashes; // hash_count times 8 bytes, little-endian
};

struct record {
    uint64_t bytes;
    uint32_t summary_n;
    struct position summary_at;
    uint64_t summary_hash;
    uint32_t piece_count;
    struct span pieces; // still encoded, see record_piece_next
};

// A piece's count of hashes follows from its sizes.
static inline uint32_t piece_hash_count(uint32_t dictionary, uint32_t raw_n)
{
    return dictionary ? 1 : (raw_n + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

// Starts a record: everything but the pieces.
void record_put(struct buf *out, const struct record *r);
void record_piece_put(struct buf *out, const struct piece *p);
// Checks the whole record, so that record_piece_next cannot fail afterwards. Points into `bytes`.
enum err record_get(struct span bytes, struct record *out);
// Takes the next piece off r->pieces; false at the end.
bool record_piece_next(struct record *r, struct piece *out);
// Bytes of data and summary stored for it.
uint64_t record_stored_bytes(struct span bytes);

// ---- commits ------------------------------------------------------------------------------------

struct commit_body {
    body_id id;
    int32_t uses;
    struct span record; // empty unless the count rises from zero
};

// The tail of a COMMIT frame for a sealed batch.
size_t commit_tail_bytes(const struct batch *b); // not less than commit_tail_put takes
void commit_tail_put(struct buf *out, const struct batch *b);
// The start of its head, then commit_body_put for each body.
void commit_head_put(struct buf *out, account_id account, uint64_t version, size_t body_count);
void commit_body_put(struct buf *out, const struct commit_body *b);

// Reads a COMMIT frame piece by piece; false when something is left over or does not fit, and then
// `bad` is set.
struct commit_reader {
    struct span head, tail;
    account_id account;
    uint64_t version, bodies_left;
    bool bad;
};
bool commit_reader_init(struct commit_reader *r, struct span head, struct span tail);
bool commit_body_next(struct commit_reader *r, struct commit_body *out);
bool commit_op_next(struct commit_reader *r, struct batch_op *out);

#endif
