// SPDX-License-Identifier: Apache-2.0
#include "keep/imap/imap_selected.h"

#include <stdlib.h>

#include "keep/imap/imap_context.h"

#include "base/banned.h"

struct imap_selected *imap_selected_create(void)
{
    struct imap_selected *sel = calloc(1, sizeof(*sel));

    if (sel) {
        uid_map_init(&sel->map);
        uid_map_init(&sel->recent);
    }
    return sel;
}

void imap_selected_destroy(struct imap_selected *sel)
{
    if (!sel) {
        return;
    }
    store_watch_remove(sel->watch);
    store_watch_remove(sel->sharing_watch);
    imap_contexts_destroy(sel->contexts);
    uid_map_finish(&sel->map);
    uid_map_finish(&sel->recent);
    free(sel->saved);
    free(sel);
}

// Ranges of sequence numbers to UIDs. A "*" in an empty mailbox stands for nothing: clients ask for
// 1:* without looking at EXISTS, and an error would only make them try again.
static enum err uids_of_numbers(const struct imap_selected *sel, const struct imap_seqset *set,
                                struct arena *a, struct uid_set_builder *b)
{
    struct imap_seqset all;
    enum err e = imap_seqset_resolve(set, sel->map.exists, a, &all);

    for (size_t i = 0; !e && i < set->n; i++) {
        if (set->ranges[i].last > sel->map.exists) {
            e = ERR_INVALID;
        }
    }
    for (size_t i = 0; !e && i < all.n; i++) {
        e = uid_map_add_seqs(&sel->map, all.ranges[i].first, all.ranges[i].last, b);
    }
    return e;
}

static enum err uids_of_uids(const struct imap_selected *sel, const struct imap_seqset *set,
                             struct arena *a, struct uid_set *out)
{
    struct imap_seqset all;
    struct uid_set_builder b;
    enum err e = imap_seqset_resolve(set, uid_map_last(&sel->map), a, &all);

    uid_set_builder_init(&b, a);
    for (size_t i = 0; !e && i < all.n; i++) {
        e = uid_set_add(&b, all.ranges[i].first, all.ranges[i].last);
    }
    return e ? e : uid_map_known(&sel->map, b.set, a, out);
}

enum err imap_selected_uids(const struct imap_selected *sel, const struct imap_seqset *set,
                            bool by_uid, struct arena *a, struct uid_set *out)
{
    struct uid_set named = {0}, saved = {0};
    enum err e;

    if (by_uid) {
        e = uids_of_uids(sel, set, a, &named);
    } else {
        struct uid_set_builder b;

        uid_set_builder_init(&b, a);
        e = uids_of_numbers(sel, set, a, &b);
        named = b.set;
    }
    if (!e && set->saved) {
        e = uid_map_known(&sel->map, (struct uid_set){sel->saved, sel->saved_n}, a, &saved);
    }
    if (!e && saved.count) {
        e = uid_set_union(named, saved, a, &named);
    }
    if (!e) {
        *out = named;
    }
    return e;
}

enum err imap_selected_save(struct imap_selected *sel, struct uid_set uids)
{
    struct uid_range *copy = NULL;

    if (uids.count) {
        copy = malloc(uids.count * sizeof(*copy));
        if (!copy) {
            return ERR_NOMEM;
        }
        memcpy(copy, uids.ranges, uids.count * sizeof(*copy));
    }
    free(sel->saved);
    sel->saved = copy;
    sel->saved_n = uids.count;
    return ERR_OK;
}

size_t imap_selected_memory(const struct imap_selected *sel)
{
    return sizeof(*sel) + (sel->map.cap + sel->recent.cap) * sizeof(struct uid_run) +
           sel->saved_n * sizeof(*sel->saved) + imap_contexts_memory(sel->contexts);
}
