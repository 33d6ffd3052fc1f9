// SPDX-License-Identifier: Apache-2.0
//
// One account's mail handed over to another person: its messages are placed in the other account's
// mailboxes, with flags, keywords and dates; the bodies are shared, not copied. What has gone is
// marked in the same commit, so that whoever begins again goes on where it ended. The account that
// it comes from stays as it is. Threads and blocking: see store.h.
#ifndef STORE_PLACEMENT_HAND_OVER_H
#define STORE_PLACEMENT_HAND_OVER_H

#include "store/mailbox.h"

#define HAND_OVER_AT_ONCE 256 // messages of one commit

struct hand_over {
    account_id from, to;
    mailbox_id mailbox; // of `from`
    struct span name;   // of the mailbox in `to`, made when it is not there; mailbox_name_check
    struct span words;  // for the change log of `to`
};

struct hand_over_counts {
    uint64_t messages, bytes;
    uint64_t lost;             // whose body is not there: `mailkeep check` names them
    uint64_t keywords_dropped; // messages whose keywords found no room
};

// What has not gone yet of a mailbox (0: of all). ERR_NOT_FOUND: no such account or mailbox.
enum err hand_over_left(struct store *s, account_id from, account_id to, mailbox_id mailbox,
                        struct hand_over_counts *out);

// The next messages of a mailbox, in one commit; adds to `counts`. `*out_more`: there may be
// others. Where the mailbox in `to` was renamed since the first ones went there, the others do,
// too. ERR_QUOTA, ERR_LIMIT (mailboxes), ERR_NOT_FOUND: nothing of these has gone.
enum err hand_over_some(struct store *s, const struct actor *by, const struct hand_over *h,
                        struct hand_over_counts *counts, bool *out_more);

#endif
