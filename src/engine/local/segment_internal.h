// SPDX-License-Identifier: Apache-2.0
//
// The table of segment and pack files: which there are, how much of each is alive, and their
// descriptors, opened when needed. Any thread.
#ifndef ENGINE_LOCAL_SEGMENT_INTERNAL_H
#define ENGINE_LOCAL_SEGMENT_INTERNAL_H

#include "base/lock.h"
#include "engine/format/frame.h"

struct segment {
    uint64_t id;
    enum segment_kind kind;
    uint64_t size; // of the file
    uint64_t live; // stored bytes of live bodies, as of the last index transaction
    uint64_t base; // of a pack: what was live when it was made
    int64_t created_s;
    int fd;             // -1: not open now
    int picking_fd;     // the same; the table's, see segment_pick
    unsigned users;     // threads that use fd
    unsigned pins;      // bodies in it are not in the index yet: compaction leaves it alone
    bool current;       // the journal is still written to it, or it waits for that
    bool doomed;        // rewritten; goes when nobody can know it any more
    uint64_t doomed_at; // the generation of snapshots that do not know it any more
    bool kept;          // could not be rewritten; not tried again until the next start
};

struct segments {
    struct lock lock;
    int dir_fd;           // journal/
    struct segment **all; // by id
    size_t n, cap;
    uint64_t next_id, id_limit; // the limit is in the index
    unsigned open_files, files_max;
};

void segment_name(uint64_t id, enum segment_kind kind, char out[32]);
// False unless it is such a name; kind is 0 for "<id>.new".
bool segment_name_parse(const char *name, uint64_t *out_id, int *out_kind);

void segments_init(struct segments *t, int dir_fd, unsigned files_max);
void segments_finish(struct segments *t); // closes everything

// Takes the next id; never one twice.
uint64_t segment_next_id(struct segments *t);

// Adds a file; `fd` may be -1, otherwise the table owns it.
enum err segment_add(struct segments *t, const struct segment *s);
// Closes it, forgets it, and removes the file.
enum err segment_remove(struct segments *t, uint64_t id);

// The segment with an open descriptor that stays open until segment_done. ERR_NOT_FOUND, ERR_IO,
// ERR_LIMIT (no descriptor left).
enum err segment_use(struct segments *t, uint64_t id, struct segment **out);
void segment_done(struct segments *t, struct segment *s);

// A second descriptor of a segment in use, open as long: for reads of small pieces here and there.
// The kernel reads nothing ahead for it but what it is asked to. ERR_IO, ERR_LIMIT.
enum err segment_pick(struct segments *t, struct segment *s, int *out_fd);

void segment_pin(struct segments *t, uint64_t id, int change);

// The first segment with an id at or above `from`, as a copy. False when there is none.
bool segment_next(struct segments *t, uint64_t from, struct segment *out);
void segment_set_live(struct segments *t, uint64_t id, uint64_t live);
void segment_set_current(struct segments *t, uint64_t id, bool current);
void segment_set_kept(struct segments *t, uint64_t id);
void segment_doom(struct segments *t, uint64_t id, uint64_t generation);
// Removes the doomed ones that no snapshot of `oldest` or later can know; how many in the result.
unsigned segment_reap(struct segments *t, uint64_t oldest);

#endif
