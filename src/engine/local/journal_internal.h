// SPDX-License-Identifier: Apache-2.0
//
// The end of the journal: appending frames, changing segments, syncing. Belongs to one thread, the
// committer (or the one that opens the store).
#ifndef ENGINE_LOCAL_JOURNAL_INTERNAL_H
#define ENGINE_LOCAL_JOURNAL_INTERNAL_H

#include "engine/local/prepare_internal.h"

struct journal {
    struct segments *segments;
    struct prepare *prepare;
    uint32_t epoch;
    int fd;               // of the current segment; the table owns it
    uint64_t size;        // of the current segment
    struct position tail; // where the next frame goes
    struct position durable;
    struct buf stage; // frames not yet written; they end at the tail
    bool dirty;       // something is written and not synced
    enum err failed;  // a write or sync failed: nothing is written any more
    uint64_t syncs, appended;
};

// Goes on at `tail` in a segment of the table.
enum err journal_init(struct journal *j, struct position tail);
void journal_finish(struct journal *j);

// Makes sure that frames of `n` bytes in total fit where the tail is, going to the next segment if
// they do not. ERR_NOSPACE: the journal is as before; ERR_IO and others: it has failed.
enum err journal_room(struct journal *j, uint64_t n);

// A frame to append: head, then up to two spans of tail.
struct journal_frame {
    enum frame_type type;
    struct span head, tail[2];
    uint64_t tail_hash;
};
uint64_t journal_frame_bytes(size_t head_n, size_t tail_n);
// Appends a frame for which there is room; *out_tail (may be NULL) is where its tail lies. Errors
// are kept in j->failed.
void journal_append(struct journal *j, const struct journal_frame *f, struct position *out_tail);
// Writes what is staged, without a sync.
enum err journal_flush(struct journal *j);
// Makes everything appended durable.
enum err journal_sync(struct journal *j);

#endif
