// SPDX-License-Identifier: Apache-2.0
//
// Recounts everything and names each difference (`mailkeep check`): counts, sizes, unseen, quota,
// UIDs below UIDNEXT and ascending, MODSEQs not above the version, placements and messages that
// point to each other, bodies and their use counts, threads, names, subscriptions, the change log's
// numbers, and what the engine keeps below the accounts. Runs beside a serving store; each account
// is looked at in one view.
#ifndef STORE_CHECK_STORE_CHECK_H
#define STORE_CHECK_STORE_CHECK_H

#include "store/store.h"

struct check_options {
    account_id only; // 0 with only_set false: all accounts
    bool only_set;
    bool read_bodies; // read every body and every file, and verify their checksums
    bool repair;      // mend what can be derived from what is left; each repair is a change
    // Names each body that others than accounts use, once a use (queue_bodies); NULL: nobody.
    enum err (*other_bodies)(struct snapshot *s, void (*add)(void *to, body_id id), void *to);
};
struct check_totals {
    uint64_t accounts, mailboxes, placements, messages, bodies, changes;
    uint64_t differences, repaired;
};
// One call for each difference, in plain words; and, with problem NULL, for progress.
typedef void check_fn(void *arg, account_id account, const char *problem, bool repaired);
enum err store_check(struct store *s, const struct check_options *o, check_fn *fn, void *arg,
                     struct check_totals *out);

#endif
