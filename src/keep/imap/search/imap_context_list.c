// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/search/imap_context_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

void context_list_init(struct context_list *l)
{
    *l = (struct context_list){0};
}

void context_list_finish(struct context_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->pieces[i]);
    }
    free(l->pieces);
    *l = (struct context_list){0};
}

size_t context_list_memory(const struct context_list *l)
{
    return l->cap * sizeof(struct context_piece *) + l->count * sizeof(struct context_piece);
}

// The piece with the i-th UID, which becomes its place in it; the last piece when i is the end.
static size_t piece_of(const struct context_list *l, size_t *i)
{
    size_t k = 0;

    while (k + 1 < l->count && *i >= l->pieces[k]->n) {
        *i -= l->pieces[k++]->n;
    }
    return k;
}

uint32_t context_list_at(const struct context_list *l, size_t i)
{
    size_t k = piece_of(l, &i);

    return l->pieces[k]->uids[i];
}

// An empty piece before the k-th.
static enum err add_piece(struct context_list *l, size_t k)
{
    struct context_piece *piece = malloc(sizeof(*piece));

    if (piece && l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct context_piece **pieces =
            reallocarray(l->pieces, cap, sizeof(struct context_piece *));

        if (!pieces) {
            free(piece);
            return ERR_NOMEM;
        }
        l->pieces = pieces;
        l->cap = cap;
    }
    if (!piece) {
        return ERR_NOMEM;
    }
    piece->n = 0;
    memmove(l->pieces + k + 1, l->pieces + k, (l->count - k) * sizeof(struct context_piece *));
    l->pieces[k] = piece;
    l->count++;
    return ERR_OK;
}

// Half of the k-th piece into one behind it; of the last, filled from the front, nothing.
static enum err split(struct context_list *l, size_t k, bool at_end)
{
    enum err e = add_piece(l, k + 1);

    if (!e && !at_end) {
        struct context_piece *full = l->pieces[k], *next = l->pieces[k + 1];

        next->n = CONTEXT_PIECE / 2;
        full->n = CONTEXT_PIECE - next->n;
        memcpy(next->uids, full->uids + full->n, next->n * sizeof(*next->uids));
    }
    return e;
}

enum err context_list_insert(struct context_list *l, size_t i, uint32_t uid)
{
    size_t at = i, k = piece_of(l, &at);
    enum err e = l->count ? ERR_OK : add_piece(l, 0);

    if (!e && l->pieces[k]->n == CONTEXT_PIECE) {
        e = split(l, k, i == l->n);
        if (!e && at > l->pieces[k]->n) {
            at -= l->pieces[k++]->n;
        } else if (!e && i == l->n) {
            at = 0;
            k++;
        }
    }
    if (e) {
        return e;
    }
    struct context_piece *piece = l->pieces[k];

    memmove(piece->uids + at + 1, piece->uids + at, (piece->n - at) * sizeof(*piece->uids));
    piece->uids[at] = uid;
    piece->n++;
    l->n++;
    return ERR_OK;
}

// One piece, whose first is at position `base`: the runs are told backwards, the rest moves up.
static void remove_of(struct context_piece *piece, size_t base, struct uid_set gone,
                      context_run_fn *tell, void *arg)
{
    uint32_t kept[CONTEXT_PIECE], end = piece->n, i = piece->n, at = CONTEXT_PIECE;

    while (i) {
        for (end = i; i && uid_set_has(gone, piece->uids[i - 1]); i--) {
        }
        if (end > i) {
            tell(arg, base + i, piece->uids + i, end - i);
        }
        if (i) {
            kept[--at] = piece->uids[--i];
        }
    }
    piece->n = CONTEXT_PIECE - at;
    memcpy(piece->uids, kept + at, piece->n * sizeof(*kept));
}

void context_list_remove(struct context_list *l, struct uid_set gone, context_run_fn *tell,
                         void *arg)
{
    size_t base = l->n, left = 0;

    for (size_t k = l->count; k--;) {
        base -= l->pieces[k]->n;
        remove_of(l->pieces[k], base, gone, tell, arg);
    }
    l->n = 0;
    for (size_t k = 0; k < l->count; k++) {
        l->n += l->pieces[k]->n;
        if (l->pieces[k]->n) {
            l->pieces[left++] = l->pieces[k];
        } else {
            free(l->pieces[k]);
        }
    }
    l->count = left;
}

enum err context_list_find(const struct context_list *l, context_compare_fn *compare, void *arg,
                           size_t *out)
{
    size_t low = 0, high = l->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2, i = middle;
        int order = 0;

        for (; i < high && !order; i++) {
            enum err e = compare(arg, context_list_at(l, i), &order);

            if (e) {
                return e;
            }
        }
        // i is behind the one that was asked last; of those before it nothing is known.
        if (order < 0) {
            low = i;
        } else {
            high = middle;
        }
    }
    *out = low;
    return ERR_OK;
}
