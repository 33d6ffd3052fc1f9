// SPDX-License-Identifier: Apache-2.0
//
// Rows `S` of docs/format/store.md: which messages of a block of UIDs a reader has seen. Only the
// store includes this; threads and blocking: see store.h.
#ifndef STORE_SEEN_INTERNAL_H
#define STORE_SEEN_INTERNAL_H

#include "store/belongings_internal.h"

#define SEEN_BLOCK_UIDS  4096
#define SEEN_BLOCK_BYTES (SEEN_BLOCK_UIDS / 8)

// Whose row it is, besides accounts.
#define SEEN_THERE 0ull // nobody's: the messages that are in the mailbox
#define SEEN_START                                                                                 \
    UINT64_MAX // of whoever has none of their own for the block: what was \Seen before

struct seen_row {
    modseq since; // it counts while that is the mailbox's
    size_t first; // byte of the block that `bits` begins with
    struct span bits;
};

struct key seen_key(mailbox_id mailbox, account_id who, uint32_t block);
bool seen_key_read(struct span key, mailbox_id *out_mailbox, account_id *out_who,
                   uint32_t *out_block);
#define SEEN_ROW_BYTES_MAX (SEEN_BLOCK_BYTES + 3 * VARINT_BYTES_MAX + 1)
// `bits` has SEEN_BLOCK_BYTES, `room` SEEN_ROW_BYTES_MAX.
struct span seen_row_encode(modseq since, const unsigned char *bits, char *room);
enum err seen_row_decode(struct span value, struct seen_row *out); // ERR_CORRUPT, ERR_UNSUPPORTED

// The row that counts for `who`: their own, or that of SEEN_START, or an empty one. One that cannot
// be read, or is of another `since`, counts as not there.
enum err view_seen_row(struct view *v, mailbox_id mailbox, modseq since, account_id who,
                       uint32_t block, struct seen_row *out);

#endif
