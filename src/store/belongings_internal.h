// SPDX-License-Identifier: Apache-2.0
//
// What belongs to a mailbox besides its mail, asked for by the rest of the store within an edit:
// its access control list (store/share/) with whether people find what is shared with them, its
// metadata (store/metadata/), and the key for URLs of it (store/urlauth/).
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

// A mailbox goes, or stays as a level only: so do its entries.
enum err metadata_edit_forget(struct edit *ed, mailbox_id mailbox);
// INBOX is renamed: the new mailbox has its entries, too (RFC 5464 section 4.1). ERR_LIMIT: that
// would be more than any account may have.
enum err metadata_edit_copy(struct edit *ed, mailbox_id from, mailbox_id to);

#endif
