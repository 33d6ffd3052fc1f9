// SPDX-License-Identifier: Apache-2.0
//
// What a mailbox is for, by the names mail programs and providers give it. Pure; any thread.
#ifndef MAILFILE_MAIL_ROLE_H
#define MAILFILE_MAIL_ROLE_H

#include "base/span.h"

// "Sent Items" is "Sent", "[Gmail]/Spam" is "Junk"; one of Archive, Drafts, Junk, Sent, Trash, or
// an empty span. The names are those of our own standard mailboxes.
struct span mail_role_of_name(struct span mailbox);

#endif
