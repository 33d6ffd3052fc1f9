// SPDX-License-Identifier: Apache-2.0
//
// Chunks of placements: up to 48 of them in one value (docs/format/store.md, "Chunk of
// placements"). Read straight from the value (chunk_view), changed in memory (chunk), found by UID
// (chunk_walk). Only store/ includes this. One thread at a time.
#ifndef STORE_CHUNK_INTERNAL_H
#define STORE_CHUNK_INTERNAL_H

#include "store/schema_internal.h"

#define CHUNK_RECORDS_MAX  48
#define CHUNK_TAIL_RECORDS 16 // appends start a new chunk here: each rewrites the last one
#define CHUNK_RECORD_BYTES 48
#define CHUNK_HEAD_BYTES   16
#define CHUNK_BYTES_MAX                                                                            \
    (CHUNK_HEAD_BYTES + CHUNK_RECORDS_MAX * (CHUNK_RECORD_BYTES + 2 + 2 * KEYWORDS_PER_MESSAGE_MAX))

#define CHUNK_FLAG_OVERFLOW 0x800
#define CHUNK_FLAGS         0x7ff

// ---- reading ------------------------------------------------------------------------------------

struct chunk_view {
    const char *records;
    unsigned count;
    uint32_t last_uid;
    modseq highest;
    struct span overflow;
};
// Checks sizes, not contents. ERR_CORRUPT, ERR_UNSUPPORTED.
enum err chunk_open(struct span value, struct chunk_view *out);
uint32_t chunk_view_uid(const struct chunk_view *c, unsigned i);
modseq chunk_view_modseq(const struct chunk_view *c, unsigned i);
// `more` has room for KEYWORDS_PER_MESSAGE_MAX numbers and is what out->more_keywords points to.
enum err chunk_view_read(const struct chunk_view *c, unsigned i, uint16_t *more,
                         struct placement *out);

// ---- changing -----------------------------------------------------------------------------------

struct chunk {
    uint32_t key_uid; // in its key
    unsigned count;
    char records[CHUNK_RECORDS_MAX * CHUNK_RECORD_BYTES];
    uint8_t more_count[CHUNK_RECORDS_MAX];
    uint16_t more[CHUNK_RECORDS_MAX][KEYWORDS_PER_MESSAGE_MAX];
};
void chunk_init(struct chunk *c, uint32_t key_uid);
enum err chunk_load(struct chunk *c, uint32_t key_uid, struct span value);
// `room` has CHUNK_BYTES_MAX bytes; the chunk is not empty.
struct span chunk_encode(const struct chunk *c, char *room);
void chunk_append(struct chunk *c, const struct placement *p); // not full, UIDs ascend
// out->more_keywords points into the chunk.
void chunk_get(const struct chunk *c, unsigned i, struct placement *out);
void chunk_set(struct chunk *c, unsigned i, const struct placement *p);
void chunk_truncate(struct chunk *c, unsigned count);
// What changes most, without the rest of the record.
struct chunk_flags {
    uint32_t uid;
    uint16_t flags;
    bool has_more; // keywords beyond the first 64
    uint64_t keywords;
    modseq changed;
};
void chunk_flags_get(const struct chunk *c, unsigned i, struct chunk_flags *out);
void chunk_flags_set(struct chunk *c, unsigned i, const struct chunk_flags *f); // has_more: stays

// ---- finding ------------------------------------------------------------------------------------

struct view;

// Walks the chunks of a mailbox that may hold a UID of the set, in order.
struct chunk_walk {
    struct view *view;
    mailbox_id mailbox;
    const struct uid_set *set;
    size_t at;       // the first range not yet behind us
    uint32_t target; // the next UID looked for
    struct scan *scan;
    unsigned skipped; // chunks passed over since the last seek
    bool is_done;
    bool is_adjacent; // the chunk given last follows the one given before it
};
void chunk_walk_begin(struct chunk_walk *w, struct view *v, mailbox_id mailbox,
                      const struct uid_set *set);
// ERR_NOT_FOUND at the end.
enum err chunk_walk_next(struct chunk_walk *w, uint32_t *out_key_uid, struct span *out_value,
                         struct chunk_view *out);
void chunk_walk_end(struct chunk_walk *w);

// ---- sets of UIDs -------------------------------------------------------------------------------

// A set being built in an arena, from UIDs in ascending order.
struct uid_builder {
    struct arena *arena;
    struct uid_set set;
    size_t cap;
    uint64_t uids; // how many
    bool failed;   // no memory
};
void uid_builder_init(struct uid_builder *b, struct arena *a);
void uid_builder_add(struct uid_builder *b, uint32_t first, uint32_t last);
// ERR_NOMEM once anything was left out.
enum err uid_builder_finish(struct uid_builder *b, struct uid_set *out);

// Asks about UIDs in ascending order.
struct uid_cursor {
    const struct uid_set *set; // NULL: everything
    size_t at;
};
bool uid_cursor_has(struct uid_cursor *c, uint32_t uid);
// Every UID there can be.
extern const struct uid_set uid_set_all;

#endif
