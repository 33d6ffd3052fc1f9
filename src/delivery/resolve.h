// SPDX-License-Identifier: Apache-2.0
//
// From the addresses on an envelope to where the message really goes: aliases and groups expanded,
// forwardings followed, each account and each remote address once. Any thread; reads the store,
// never the network.
#ifndef DELIVERY_RESOLVE_H
#define DELIVERY_RESOLVE_H

#include "store/route.h"

#define RESOLVE_TARGETS_MAX 10000 // after expansion
#define RESOLVE_DEPTH_MAX   20    // alias within alias

enum resolve_verdict {
    RESOLVE_OK,
    RESOLVE_UNKNOWN,   // nobody has this address here
    RESOLVE_SUSPENDED, // its account takes no mail now
    RESOLVE_OVER_QUOTA,
    RESOLVE_REMOTE, // not ours, and relaying was not allowed
    RESOLVE_TOO_MANY,
    RESOLVE_LOOP, // aliases that only lead back to themselves
};

struct resolve_options {
    struct span separators; // that may start a detail: "+"
    bool allow_remote;      // the sender may send to other servers
    const bool *allowed;    // the same for single recipients, by index; NULL: none
    bool ignores_quota;     // the store will say it, and the message waits
    uint64_t bytes;         // of the message; 0: not known yet
};

struct resolve_target {
    account_id account;  // 0: remote
    struct span address; // the account's, or the remote one
    struct span detail;  // of the account: "bills" of anna+bills@example.org
    struct span wanted;  // the envelope's address that led here first
    uint32_t recipient;  // its index
    // The message leaves on behalf of somebody who is not its sender: whose alias or forwarding.
    // Empty: it goes where the sender addressed it.
    struct span forwarded_by;
};

struct resolution {
    enum resolve_verdict *verdicts; // of each recipient
    struct resolve_target *targets;
    size_t count;
};

// In the arena. A recipient is OK when at least one target came of it, or all that came of it was
// there already by another. With a group, targets that are unknown here are left out.
enum err delivery_resolve(struct store *s, const struct resolve_options *o,
                          const struct span *recipients, size_t count, struct arena *a,
                          struct resolution *out);

#endif
