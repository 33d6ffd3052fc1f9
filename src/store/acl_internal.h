// SPDX-License-Identifier: Apache-2.0
//
// What the rest of the store asks of store/share/ and store/urlauth/ within an edit: what becomes
// of access control lists and keys when mailboxes come and go, and whether people find what is
// shared with them.
#ifndef STORE_ACL_INTERNAL_H
#define STORE_ACL_INTERNAL_H

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

#endif
