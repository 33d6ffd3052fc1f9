// SPDX-License-Identifier: Apache-2.0
//
// Sorting messages by one criterion after the other (RFC 5256, "SORT Command"), in 24 bytes a
// message and bounded steps. A criterion is a number, or a text in collated form of which the first
// eight bytes lie in the entry itself; the rest is kept only of longer texts. After a criterion
// messages that are equal in it share a rank, and only they need the next one. The last criterion
// is always the UID, so that no two messages are equal. Pure; one thread at a time; n log n in the
// worst case.
#ifndef ORDER_SORTER_H
#define ORDER_SORTER_H

#include "base/buf.h"

struct sort_entry {
    uint64_t key; // of the criterion now; see sorter_set_number and sorter_set_text
    uint32_t uid;
    uint32_t rank; // place of the first of those equal in all criteria before
    uint32_t text; // where the text lies in `texts`, plus 1; 0: all of it is in the key
    bool is_tied;  // others have the same rank
};

// Part of the entries still to be sorted.
struct sort_part {
    uint32_t from, to, depth;
};
#define SORT_PARTS_MAX 64

struct sorter {
    struct sort_entry *entries; // ascending by UID when they are added
    size_t n, cap;
    struct buf texts; // of the criterion now: u32 length and bytes each
    bool reverse;     // the criterion now is descending
    struct sort_part parts[SORT_PARTS_MAX];
    size_t part_count;
};

// `texts_max`: bytes of texts of one criterion at most.
void sorter_init(struct sorter *s, size_t texts_max);
void sorter_finish(struct sorter *s);
size_t sorter_memory(const struct sorter *s);

// Room for so many entries in all. ERR_NOMEM.
enum err sorter_reserve(struct sorter *s, size_t n);
// Appends an entry without a key; UIDs ascend. Within what was reserved.
struct sort_entry *sorter_add(struct sorter *s, uint32_t uid);

// Begins a criterion: forgets the texts of the one before.
void sorter_criterion(struct sorter *s, bool reverse);
void sorter_set_number(struct sorter *s, struct sort_entry *e, int64_t number);
// `collated` is copied. ERR_LIMIT, ERR_NOMEM.
enum err sorter_set_text(struct sorter *s, struct sort_entry *e, struct span collated);

// Puts the entries in order of rank, key and UID: begin, then step until it says true. A step looks
// at about `budget` entries.
void sorter_begin(struct sorter *s);
bool sorter_step(struct sorter *s, size_t budget);

// Gives equal entries a common rank. True when some are left that a further criterion could part.
bool sorter_rank(struct sorter *s);

// Puts ranked entries in order of UID, so that the next criterion can be read in the order of the
// mailbox: begin, sorter_step as above, end.
void sorter_begin_by_uid(struct sorter *s);
void sorter_end_by_uid(struct sorter *s);

#endif
