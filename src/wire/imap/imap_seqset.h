// SPDX-License-Identifier: Apache-2.0
//
// Sequence sets (RFC 9051 section 9 "sequence-set", RFC 5182 for "$"): message numbers or UIDs as
// sorted ranges. Parsing costs n log n in the elements and memory of 8 bytes an element, whatever
// the client writes. Pure; any thread.
//
// "*" is the largest number in use, which only the reader knows: a set keeps one lowest start of
// all its ranges with a "*" (the union of a:* and b:* is min(a,b):*), and resolving puts it in.
#ifndef WIRE_IMAP_IMAP_SEQSET_H
#define WIRE_IMAP_IMAP_SEQSET_H

#include "base/arena.h"
#include "base/buf.h"

#define IMAP_SEQSET_RANGES_MAX 131072 // elements a set may be written with: 1 MiB of ranges

struct imap_range {
    uint32_t first, last; // 1 <= first <= last
};

struct imap_seqset {
    const struct imap_range *ranges; // ascending, not touching
    size_t n;
    uint32_t star_from; // 0: no "*". Else the set has star_from:* ("*" alone: UINT32_MAX)
    bool saved;         // "$" was named: the result of the last SEARCH ... SAVE is part of it
};

// Reads a whole span. ERR_INVALID: `*out_position` says where. ERR_LIMIT: more elements than
// IMAP_SEQSET_RANGES_MAX. ERR_NOMEM: the arena is full. The ranges live in the arena.
enum err imap_seqset_parse(struct span text, struct arena *arena, struct imap_seqset *out,
                           size_t *out_position);

// How many bytes at the front of `text` look like a sequence set (digits , : * $); may be 0.
size_t imap_seqset_length(struct span text);

// Replaces the "*" by `max`, the largest number in use (0: none, the "*" part is then empty) and
// cuts nothing else. The new ranges live in the arena; `saved` is kept. ERR_NOMEM only.
enum err imap_seqset_resolve(const struct imap_seqset *set, uint32_t max, struct arena *arena,
                             struct imap_seqset *out);

// Sorts and merges ranges in place (first > last is turned round) and returns how many remain.
size_t imap_ranges_normalise(struct imap_range *ranges, size_t n);

// In one of the ranges; a "*" counts with `max` as above; `saved` is not looked at. O(log n).
bool imap_seqset_contains(const struct imap_seqset *set, uint32_t max, uint32_t id);

// How many ids there are in the ranges; "*" and "$" not counted.
uint64_t imap_seqset_count(const struct imap_seqset *set);

// Goes through the ids of a set without "*": the smallest id above `after` (start with 0), or 0 at
// the end. `*cursor` starts at 0 and makes the walk linear.
uint32_t imap_seqset_next(const struct imap_seqset *set, size_t *cursor, uint32_t after);

// Appends the set as text ("1:3,7,10:*", "$"); nothing for an empty set.
void imap_seqset_write(struct buf *out, const struct imap_seqset *set);

// Appends ascending ids (duplicates allowed) as the shortest set: 1,2,3,7 as "1:3,7".
void imap_seqset_write_ids(struct buf *out, const uint32_t *ids, size_t n);

// The same one id at a time, for readers that have no array: init, put ascending ids, end.
struct imap_seqset_writer {
    struct buf *out;
    uint32_t first, last; // the range not written yet; first 0: none
    bool any;
};

void imap_seqset_writer_init(struct imap_seqset_writer *w, struct buf *out);
void imap_seqset_writer_put(struct imap_seqset_writer *w, uint32_t id);
void imap_seqset_writer_end(struct imap_seqset_writer *w);

#endif
