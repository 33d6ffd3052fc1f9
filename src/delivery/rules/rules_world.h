// SPDX-License-Identifier: Apache-2.0
//
// What a script can ask of its account: mailboxes, other scripts, what was seen before. Only
// delivery/rules/ includes this.
#ifndef DELIVERY_RULES_RULES_WORLD_H
#define DELIVERY_RULES_RULES_WORLD_H

#include "delivery/rules/rules.h"

struct rules_world {
    const struct rules_case *about;
    struct view *view;
    struct arena *arena; // of the decision
    struct span addresses[2];
};

// Fills the environment; `w`, its view and the case must outlive it.
void rules_world_env(struct rules_world *w, struct span text, uint64_t more_bytes,
                     struct sieve_env *out);

// INBOX, or Junk for a suspect message.
enum err rules_world_inbox(struct rules_world *w, const struct sieve_target *t,
                           struct rules_place *out);
// Where a target is in this account. ERR_NOMEM and the store's errors; a name that can be no
// mailbox's is INBOX.
enum err rules_world_place(struct rules_world *w, const struct sieve_target *t,
                           struct rules_place *out);

#endif
