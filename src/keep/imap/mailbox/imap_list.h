// SPDX-License-Identifier: Apache-2.0
//
// What LIST, STATUS and SELECT share. Only files of this folder.
#ifndef KEEP_IMAP_LIST_H
#define KEEP_IMAP_LIST_H

#include "keep/imap/imap_session_internal.h"

// "* LIST (...) "/" name", as IMAP4rev2 wants it within SELECT.
void imap_list_one(struct imap_session *s, const struct mailbox *mailbox, struct span name);

// "* STATUS name (...)" for the items (enum imap_status_item).
void imap_status_write(struct imap_session *s, struct view *v, const struct mailbox *mailbox,
                       struct span name, uint32_t items);

#endif
