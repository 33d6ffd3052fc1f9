// SPDX-License-Identifier: Apache-2.0
//
// What a directory says of one person, taken over: roles by their groups (ldap_roles), their quota
// and their name. The directory says who is in which group; what comes of it is decided here.
// Functions with a store block on the disk; any thread.
#ifndef KEEP_KEEP_DIRECTORY_PERSON_H
#define KEEP_KEEP_DIRECTORY_PERSON_H

#include "auth/vouch.h"
#include "store/directory/role.h"

#define DIRECTORY_RULES_MAX 64

struct directory_rules; // which group gives which role

// Of the items of ldap_roles, which are copied. Those that name a role or a domain that is not here
// are told in the log and give nothing until it is.
enum err directory_rules_create(struct store *s, const struct span *items, size_t count,
                                struct directory_rules **out);
void directory_rules_destroy(struct directory_rules *r); // NULL is allowed
bool directory_rules_are_none(const struct directory_rules *r);

// Of which rules somebody in these groups (one a line) is: bit i is item i.
uint64_t directory_rules_of(const struct directory_rules *r, struct span groups);
// What these rules give, each role once, in the arena.
enum err directory_rules_grants(const struct directory_rules *r, uint64_t which, struct arena *a,
                                struct role_grant **out, size_t *out_count);

// The account has the roles of these rules, and no other of the directory's.
enum err directory_person_set_roles(struct store *s, const struct directory_rules *r,
                                    account_id account, uint64_t which, bool *out_changed);
// Would that take a role away? `*out_had`: there is one to take.
enum err directory_person_loses(struct store *s, const struct directory_rules *r,
                                account_id account, uint64_t which, bool *out_had, bool *out_loses);
// Quota and name, where the answer has them and they are others.
void directory_person_take(struct store *s, account_id account,
                           const struct auth_vouch_answer *answer);

// Of all accounts: what no rule gives any more is taken away, as at a start with other settings.
enum err directory_rules_enforce(struct store *s, const struct directory_rules *r);
// Takes all of the directory's roles from accounts whose password is not the directory's.
enum err directory_rules_release(struct store *s, unsigned *out_changed);

#endif
