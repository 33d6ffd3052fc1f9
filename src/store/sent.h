// SPDX-License-Identifier: Apache-2.0
//
// Copies of what a user has sent. The server files one in the mailbox with \Sent; many mail
// programs put one there themselves, before, after, or meanwhile, and then the program's stays
// alone. What the server has filed is told by its first field, Received, which no program's own
// copy has, and by what the account remembers. Threads and blocking: see store.h.
#ifndef STORE_SENT_H
#define STORE_SENT_H

#include "store/append.h"

#define SENT_LOOKED_AT 20 // the newest messages of the mailbox, among which a copy is searched

// Files the finished message, which begins with a Received field, with \Seen, unless one with the
// same Message-ID (`msgid`, may be empty) is there or was filed in the last hour. Without a mailbox
// with \Sent one called "Sent" is made. One commit; another when a program was quicker. ERR_QUOTA
// and others: nothing is filed.
enum err sent_file(struct store *s, account_id account, const struct actor *by, struct incoming *m,
                   struct span msgid);

// The user's own copy has come into the mailbox, which has \Sent: the one that the server filed
// goes (it stays restorable). ERR_OK also when there is none.
enum err sent_give_way(struct store *s, account_id account, const struct actor *by,
                       mailbox_id mailbox, uint32_t uid);

#endif
