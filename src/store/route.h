// SPDX-License-Identifier: Apache-2.0
//
// Where mail for an address goes, as far as the administrator says: aliases and groups, catch-alls,
// other names of a domain, and hosts that take a domain's outgoing mail. Kept in account 0 beside
// the directory. Names are folded as in directory.h. Threads and blocking: see store.h.
#ifndef STORE_ROUTE_H
#define STORE_ROUTE_H

#include "store/directory.h"

#define ALIAS_TARGETS_MAX 2000

// Sets what an address stands for; "@example.org" is the catch-all of a domain. With `count` 0 the
// alias goes. Targets may be anywhere. ERR_NOT_FOUND: the domain is not ours (or no such alias to
// remove); ERR_EXISTS: an account has that name; ERR_LIMIT; ERR_INVALID: no address.
enum err route_alias_set(struct store *s, const struct actor *by, struct span address,
                         const struct span *targets, size_t count);
// In the arena. ERR_NOT_FOUND.
enum err route_alias_get(struct store *s, struct span address, struct arena *a, struct span **out,
                         size_t *out_count);
// False: stop.
typedef bool route_alias_fn(void *arg, struct span address, const struct span *targets,
                            size_t count);
// In order of the address; `domain` empty: all.
enum err route_alias_list(struct store *s, struct span domain, route_alias_fn *fn, void *arg);

// Makes `domain` another name of `target`, which must be ours; an empty `target` undoes it.
// ERR_NOT_FOUND, ERR_EXISTS (the name is a domain of its own).
enum err route_domain_alias_set(struct store *s, const struct actor *by, struct span domain,
                                struct span target);
typedef bool route_domain_alias_fn(void *arg, struct span domain, struct span target);
enum err route_domain_alias_list(struct store *s, route_domain_alias_fn *fn, void *arg);

// ---- lookup -------------------------------------------------------------------------------------

enum route_kind {
    ROUTE_ACCOUNT,   // account
    ROUTE_SUSPENDED, // an account that takes no mail now
    ROUTE_ALIAS,     // targets
    ROUTE_UNKNOWN,   // our domain, and nobody has this address
    ROUTE_REMOTE,    // not our domain
};
struct route {
    enum route_kind kind;
    account_id account;
    struct span address; // the address that was found: of the account or the alias
    struct span detail;  // what stood behind the separator: "bills" of anna+bills@example.org
    const struct span *targets;
    size_t target_count;
    bool is_catch_all;
    uint64_t bytes_left, messages_left; // ROUTE_ACCOUNT: of the quota; UINT64_MAX: no limit
};
// One step: a domain's other name is replaced, then account, alias, the same without the detail,
// catch-all. `separators` are the characters that may start a detail ("+"), or empty. An address
// that is none is ROUTE_UNKNOWN when its domain is ours. Spans live in the arena. ERR_INVALID: no
// @.
enum err route_lookup(struct store *s, struct span address, struct span separators, struct arena *a,
                      struct route *out);
// True for a domain of ours and for another name of one. *out (NULL: not wanted) is its own name.
enum err route_domain_is_ours(struct store *s, struct span domain, struct arena *a, bool *out_ours,
                              struct span *out);

#endif
