// SPDX-License-Identifier: Apache-2.0
//
// A session's view of its mailbox: message sequence numbers and the UIDs they stand for, as runs of
// consecutive UIDs with the sequence number each begins at. Memory goes with the number of gaps,
// not of messages: 100,000 messages without a gap are one run of eight bytes. The map changes only
// when the client has been told of the change. One session owns it; not thread-safe.
#ifndef KEEP_IMAP_UIDMAP_H
#define KEEP_IMAP_UIDMAP_H

#include "base/arena.h"
#include "base/err.h"
#include "store/placement.h"

struct uid_run {
    uint32_t uid, seq; // of the run's first message; its length is the next run's seq minus this
};

struct uid_map {
    struct uid_run *runs; // ascending
    size_t count, cap;
    uint32_t exists; // messages
};

void uid_map_init(struct uid_map *m);
void uid_map_finish(struct uid_map *m);

// Replaces the contents by a set of UIDs. ERR_NOMEM.
enum err uid_map_set(struct uid_map *m, struct uid_set uids);
// Appends UIDs first..last, all above what the map has. ERR_NOMEM.
enum err uid_map_append(struct uid_map *m, uint32_t first, uint32_t last);
// Takes out the UIDs of the set; those not in the map do not matter. ERR_NOMEM, nothing changed.
enum err uid_map_remove(struct uid_map *m, struct uid_set gone);

// The sequence number of a UID, 0 when it is not in the map.
uint32_t uid_map_seq(const struct uid_map *m, uint32_t uid);
// The UID of a sequence number, 0 when there is none.
uint32_t uid_map_uid(const struct uid_map *m, uint32_t seq);
// The highest UID, 0 when empty.
uint32_t uid_map_last(const struct uid_map *m);
// How many UIDs of the map are below `uid`.
uint32_t uid_map_rank(const struct uid_map *m, uint32_t uid);

// The map's UIDs among `set`, in the arena. ERR_NOMEM.
enum err uid_map_known(const struct uid_map *m, struct uid_set set, struct arena *a,
                       struct uid_set *out);
// The UIDs of the messages numbered first..last (clamped), appended to a builder.
struct uid_set_builder;
enum err uid_map_add_seqs(const struct uid_map *m, uint32_t first, uint32_t last,
                          struct uid_set_builder *out);

// Walks with rising UIDs cost one comparison each: a cursor remembers the run.
struct uid_cursor {
    size_t run;
};
uint32_t uid_map_seq_at(const struct uid_map *m, struct uid_cursor *c, uint32_t uid);

// Collects ranges in ascending order, joining neighbours; memory from an arena.
struct uid_set_builder {
    struct arena *arena;
    struct uid_set set;
    size_t cap;
};
void uid_set_builder_init(struct uid_set_builder *b, struct arena *a);
// `first` must not be below what was added last. ERR_NOMEM.
enum err uid_set_add(struct uid_set_builder *b, uint32_t first, uint32_t last);

bool uid_set_has(struct uid_set set, uint32_t uid);
uint64_t uid_set_size(struct uid_set set);
// What is in `a` and not in `b`, in the arena. ERR_NOMEM.
enum err uid_set_without(struct uid_set a, struct uid_set b, struct arena *arena,
                         struct uid_set *out);
// What is in either, in the arena. ERR_NOMEM.
enum err uid_set_union(struct uid_set x, struct uid_set y, struct arena *a, struct uid_set *out);
// The part of the set with UIDs >= first; shares its ranges unless the first one is cut.
enum err uid_set_from(struct uid_set set, uint32_t first, struct arena *arena, struct uid_set *out);

#endif
