// SPDX-License-Identifier: Apache-2.0
//
// UIDs in an order of their own, with positions: what a SORT found, as its client knows it. Kept in
// pieces, so that putting one in or taking some out moves little. One session owns it.
#ifndef KEEP_IMAP_SEARCH_IMAP_CONTEXT_LIST_H
#define KEEP_IMAP_SEARCH_IMAP_CONTEXT_LIST_H

#include "keep/imap/imap_uidmap.h"

#define CONTEXT_PIECE 512

struct context_piece {
    uint32_t n;
    uint32_t uids[CONTEXT_PIECE];
};

struct context_list {
    struct context_piece **pieces; // none is empty
    size_t count, cap;
    size_t n; // UIDs
};

void context_list_init(struct context_list *l);
void context_list_finish(struct context_list *l);
size_t context_list_memory(const struct context_list *l);

uint32_t context_list_at(const struct context_list *l, size_t i); // i < l->n
// Puts a UID before the i-th (i == l->n: at the end). ERR_NOMEM, nothing changed.
enum err context_list_insert(struct context_list *l, size_t i, uint32_t uid);

// Takes out those in the set and tells of each run of neighbours, from the last to the first, with
// the position (from 0) of its first as it is then.
typedef void context_run_fn(void *arg, size_t position, const uint32_t *uids, size_t n);
void context_list_remove(struct context_list *l, struct uid_set gone, context_run_fn *tell,
                         void *arg);

// Where something new goes: `compare` says whether the UID given comes before it (below 0), behind
// (above 0), or that it cannot be told any more (0). Errors of `compare` are passed on.
typedef enum err context_compare_fn(void *arg, uint32_t uid, int *out);
enum err context_list_find(const struct context_list *l, context_compare_fn *compare, void *arg,
                           size_t *out);

#endif
