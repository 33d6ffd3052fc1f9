// SPDX-License-Identifier: Apache-2.0
//
// What belongs to a mailbox besides its mail, asked for by the rest of the store within an edit:
// its access control list (store/share/) with whether people find what is shared with them, its
// metadata (store/metadata/), the key for URLs of it (store/urlauth/), and which messages each
// reader has seen (store/seen/). And what belongs to an alias: who is a member of the group that it
// is.
#ifndef STORE_BELONGINGS_INTERNAL_H
#define STORE_BELONGINGS_INTERNAL_H

#include "store/store_internal.h"

struct acl_who;

// A mailbox was made: it has the list of the nearest mailbox above it.
enum err acl_edit_inherit(struct edit *ed, mailbox_id mailbox, struct span name);
// A mailbox goes, or stays as a level only: so does its list.
enum err acl_edit_forget(struct edit *ed, mailbox_id mailbox);

// A mailbox goes: so does its owner's key for URLs of it (urlauth/url_key.c).
enum err edit_drop_url_key(struct edit *ed, mailbox_id mailbox);

// For the check: do they find the account? And the rider that lets them.
enum err acl_is_found(struct view *v, const struct acl_who *who, bool *out);
enum err acl_edit_found(struct edit *ed, const struct acl_who *who);

// An alias has other targets than before, none: it goes. Of account 0, in the alias's own commit.
enum err group_edit_members(struct edit *ed, struct span alias, const struct span *before,
                            size_t before_n, const struct span *after, size_t after_n);
// A domain has another name, or has it no more: so may members of groups.
enum err group_edit_names_changed(struct edit *ed);
// An account is removed, or with `to` has another address: it leaves the first aliases that name
// it. `*out_more`: it is to be called again, in another edit.
enum err group_edit_leave(struct edit *ed, struct span address, struct span to, bool *out_more);
// Writes down the members of all aliases, where an older program has written the store.
enum err group_resume(struct store *s);
// One alias has these targets from now on (route.c).
enum err route_edit_alias(struct edit *ed, struct span address, const struct span *targets,
                          size_t count);
// In account 0: `M` hash u64 of an address, alias: `str` the address, which the alias names.
struct key group_member_key(struct span address, struct span alias);
// `N` alias: group u64. ERR_NOT_FOUND.
enum err group_id_of(struct snapshot *snapshot, struct span alias, uint64_t *out);
// A new store has all members of its aliases written down.
enum err group_edit_begin(struct edit *ed);

// A mailbox goes, or stays as a level only: so do its entries.
enum err metadata_edit_forget(struct edit *ed, mailbox_id mailbox);
// INBOX is renamed: the new mailbox has its entries, too (RFC 5464 section 4.1). ERR_LIMIT: that
// would be more than any account may have.
enum err metadata_edit_copy(struct edit *ed, mailbox_id from, mailbox_id to);
// The entry says `value` (empty: it goes), whatever the limits: METADATA_SEEN of a mailbox that is
// made, or that the check mends.
enum err metadata_edit_seen(struct edit *ed, mailbox_id mailbox, struct span value);

// ---- a \Seen of one's own -----------------------------------------------------------------------

// The \Seen of the view's reader, while messages of one mailbox are read.
struct seen_view {
    struct view *view;
    mailbox_id mailbox;
    modseq since; // 0: it is the one that the placements have
    bool has_block;
    uint32_t block;
    size_t first; // byte of the block that `bits` begins with
    struct span bits;
};
enum err seen_view_begin(struct seen_view *s, struct view *v, mailbox_id mailbox);
// Puts it into the placement's flags. Asked in any order; in that of UIDs a row is read once.
enum err seen_view_put(struct seen_view *s, struct placement *p);

// Readers have a \Seen of their own from now on, beginning with what is \Seen now; or, `on` false,
// the owner's is everybody's: then all messages get this commit's MODSEQ.
enum err seen_edit_switch(struct edit *ed, struct edit_mailbox *m, bool on);
// A mailbox was made: it is as the nearest one above it.
enum err seen_edit_inherit(struct edit *ed, struct edit_mailbox *m);
// A mailbox goes, or stays as a level only.
enum err seen_edit_forget(struct edit *ed, struct edit_mailbox *m);
// A message came or went. What fails is told by seen_edit_seal.
void seen_edit_there(struct edit *ed, struct edit_mailbox *m, uint32_t uid, bool is_there);
// Has who makes this change (actor.reader) a \Seen of their own there?
static inline bool seen_edit_is_own(const struct edit *ed, const struct edit_mailbox *m)
{
    return ed->by->reader && m->record.is.seen_since;
}
// ... and if so, has that reader seen the message?
bool seen_edit_has(struct edit *ed, struct edit_mailbox *m, uint32_t uid);
// True when that changed something. UIDs in no order, but quickest when they ascend.
bool seen_edit_put(struct edit *ed, struct edit_mailbox *m, uint32_t uid, bool seen);
// Writes the rows that were changed.
enum err seen_edit_seal(struct edit *ed, struct edit_mailbox *m);

// placer_add of a new message: its \Seen is only for who brings it, if they have one of their own.
enum err placer_add_new(struct placer *p, struct placement *placement);

#endif
