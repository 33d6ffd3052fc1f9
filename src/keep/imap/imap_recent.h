// SPDX-License-Identifier: Apache-2.0
//
// \Recent (RFC 3501 section 2.3.2): a message is recent to the first session that is told of it.
// Who was first is kept in memory only, as one UID for each mailbox; a mailbox not looked at since
// the start begins with the messages that came after the start. IMAP4rev2 has done away with it.
// Any thread.
#ifndef KEEP_IMAP_RECENT_H
#define KEEP_IMAP_RECENT_H

#include "store/placement.h"

struct imap_recent;

enum err imap_recent_create(struct imap_recent **out);
void imap_recent_destroy(struct imap_recent *r); // NULL is allowed

// The first UID that nobody was told of, at most `uid_next`. With `take` the caller tells its
// client of all below `uid_next`.
uint32_t imap_recent_first(struct imap_recent *r, struct view *v, mailbox_id mailbox,
                           uint32_t uid_next, bool take);

#endif
