// SPDX-License-Identifier: Apache-2.0
//
// The selected mailbox as one client knows it: which messages it was told of (the UID map), up to
// which MODSEQ it was told of flags and of expunges, and what is \Recent to it. imap_select.c makes
// it, imap_updates.c keeps it in step, commands read it.
#ifndef KEEP_IMAP_SELECTED_H
#define KEEP_IMAP_SELECTED_H

#include "keep/imap/imap_uidmap.h"
#include "store/placement.h"
#include "wire/imap/imap_seqset.h"

struct imap_session;
struct imap_contexts;

struct imap_selected {
    account_id account; // whose mailbox it is
    uint32_t rights;    // enum acl_right: what this user may do there
    bool is_same_domain;
    mailbox_id mailbox;
    uint32_t uid_validity;
    bool is_read_only; // EXAMINE
    bool condstore;    // FETCH responses carry MODSEQ
    bool is_gone;      // the mailbox was deleted, or this user may not read it any more

    struct uid_map map;
    struct uid_map recent;  // UIDs that are \Recent here; rev1 only
    uint32_t keywords_told; // how many keywords FLAGS has named

    modseq highest;   // HIGHESTMODSEQ of when everything was told last
    modseq told;      // flag changes up to here were told
    modseq told_gone; // expunges up to here were told
    // A telling of flags that did not fit into one batch: told up to `pass_uid` of version
    // `pass_goal`. 0: none is going on.
    modseq pass_goal;
    uint32_t pass_uid;

    struct store_watch *watch;
    struct store_watch *sharing_watch; // of who is a member of which group; NULL: one's own mailbox

    struct imap_contexts *contexts; // results kept up to date; NULL: none

    // The result of SEARCH RETURN (SAVE), as UIDs (RFC 5182); owned.
    struct uid_range *saved;
    size_t saved_n;
};

struct imap_selected *imap_selected_create(void);
void imap_selected_destroy(struct imap_selected *sel); // NULL is allowed

// The UIDs a client's set stands for, of those in the map; in the arena. `by_uid`: the set has
// UIDs. ERR_INVALID: a sequence number that does not exist. ERR_NOMEM.
enum err imap_selected_uids(const struct imap_selected *sel, const struct imap_seqset *set,
                            bool by_uid, struct arena *a, struct uid_set *out);

// Replaces what "$" stands for by a copy. ERR_NOMEM.
enum err imap_selected_save(struct imap_selected *sel, struct uid_set uids);

size_t imap_selected_memory(const struct imap_selected *sel);

#endif
