// SPDX-License-Identifier: Apache-2.0
//
// The messages of a POP3 session: INBOX at one moment, by UID. What happens to the mailbox later
// changes nothing here: a message that another program removes keeps its number and is found
// missing when it is asked for. 16 bytes a message. Blocks on the disk; one thread at a time.
#ifndef KEEP_POP3_LIST_H
#define KEEP_POP3_LIST_H

#include "store/placement.h"

enum pop3_mark {
    POP3_SIZED = 1, // bytes is exact: what RETR sends, without stuffed dots
    POP3_DELETED = 2,
    POP3_RETRIEVED = 4,
};

struct pop3_item {
    uint64_t bytes;
    uint32_t uid;
    uint32_t marks;
};

struct pop3_list {
    mailbox_id mailbox;
    uint32_t uid_validity;
    struct pop3_item *items; // message number i is items[i - 1]
    uint32_t n;
    uint32_t sized; // the first so many are
};

// ERR_NOMEM and the store's errors.
enum err pop3_list_open(struct store *store, account_id account, struct pop3_list *out);
void pop3_list_finish(struct pop3_list *l);

// Makes some more sizes exact, for about as long as one turn lasts. ERR_AGAIN: there are more.
enum err pop3_list_size_some(struct store *store, account_id account, struct pop3_list *l);
// The size of one, and where its bytes are. ERR_NOT_FOUND: another program has removed it.
enum err pop3_list_find(struct view *v, struct pop3_list *l, uint32_t index, body_id *out);

// Of those that are not deleted; with all sizes exact.
void pop3_list_totals(const struct pop3_list *l, uint32_t *out_n, uint64_t *out_bytes);
// UIDs of those with the mark, ranges in the arena. ERR_NOMEM.
enum err pop3_list_uids(const struct pop3_list *l, enum pop3_mark mark, struct arena *a,
                        struct uid_set *out);

#endif
