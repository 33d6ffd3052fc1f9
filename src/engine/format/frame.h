// SPDX-License-Identifier: Apache-2.0
//
// Frames, the pieces a segment is made of (docs/format/journal.md): bytes to struct and back, and
// the walk over a file. Pure but for the walk's reads; any thread.
#ifndef ENGINE_FORMAT_FRAME_H
#define ENGINE_FORMAT_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define FRAME_MAGIC        0x31464b4du // "MKF1"
#define FRAME_FORMAT       1
#define FRAME_HEADER_BYTES 80
// The largest frame: a batch at its limit, with room for its lengths and body records.
#define FRAME_BYTES_MAX (256u << 20)

enum frame_type {
    FRAME_SEGMENT = 1,
    FRAME_BODY,
    FRAME_COMMIT,
    FRAME_SEAL,
    FRAME_SUMMARIES,
};

// A place in the journal. Ids rise along the journal, so places compare.
struct position {
    uint64_t segment, offset;
};

static inline int position_cmp(struct position a, struct position b)
{
    if (a.segment != b.segment) {
        return a.segment < b.segment ? -1 : 1;
    }
    return a.offset < b.offset ? -1 : a.offset > b.offset;
}

struct frame {
    enum frame_type type;
    uint32_t epoch;
    struct position at, durable;
    uint32_t head_n, tail_n;
    uint64_t head_hash, tail_hash;
};

// Bytes the frame takes in the file, padding included.
static inline uint64_t frame_bytes(const struct frame *f)
{
    return (FRAME_HEADER_BYTES + (uint64_t)f->head_n + f->tail_n + 7) & ~(uint64_t)7;
}

uint64_t frame_hash(struct span s);

void frame_header_put(const struct frame *f, char out[FRAME_HEADER_BYTES]);
// ERR_CORRUPT unless it is the header of a frame written for the place `at`. Head and tail are
// still to be checked.
enum err frame_header_get(const char *bytes, struct position at, struct frame *out);
// Whether head and tail are what the header says.
bool frame_payload_ok(const struct frame *f, struct span head, struct span tail);

// ---- payloads -----------------------------------------------------------------------------------

#define FRAME_SEGMENT_HEAD 24
#define FRAME_BODY_HEAD    32
#define FRAME_SEAL_HEAD    8

enum segment_kind { SEGMENT_JOURNAL = 1, SEGMENT_PACK = 2 };

struct frame_segment {
    enum segment_kind kind;
    uint64_t size;
    int64_t created_s;
};

struct frame_body {
    uint64_t id, offset;
    uint32_t data_n, summary_n; // as stored
    uint32_t dictionary;        // 0: not compressed
    uint32_t raw_n;             // bytes of data before compression
};

void frame_segment_put(const struct frame_segment *s, char out[FRAME_SEGMENT_HEAD]);
bool frame_segment_get(struct span head, struct frame_segment *out);
void frame_body_put(const struct frame_body *b, char out[FRAME_BODY_HEAD]);
// False also when the parts do not add up to `tail_n` bytes.
bool frame_body_get(struct span head, uint32_t tail_n, struct frame_body *out);
void frame_seal_put(uint64_t next, char out[FRAME_SEAL_HEAD]);
bool frame_seal_get(struct span head, uint64_t *out_next);

// ---- walking ------------------------------------------------------------------------------------

// Reads frames one after another through a window; the owner of the file closes it.
struct frame_walk {
    int fd;
    uint64_t size;      // of the file
    struct position at; // of the next frame
    bool headers_only;  // do not read (nor check) tails
    struct buf window;  // bytes of the file from window_at on
    uint64_t window_at;
};

// `size` is that of the file. Allocates nothing yet.
void frame_walk_init(struct frame_walk *w, int fd, struct position from, uint64_t size);
void frame_walk_finish(struct frame_walk *w);
// The next frame; its head and tail (empty with headers_only) live until the next call. ERR_CORRUPT
// when there is no good frame at w->at, which stays; ERR_EOF at the end of the file; ERR_IO.
enum err frame_walk_next(struct frame_walk *w, struct frame *out, struct span *out_head,
                         struct span *out_tail);
// The first good frame at or behind w->at at any multiple of 8, with its payload not checked: used
// to tell damage from a torn tail. ERR_NOT_FOUND when there is none.
enum err frame_walk_search(struct frame_walk *w, struct frame *out);

#endif
