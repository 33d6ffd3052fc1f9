// SPDX-License-Identifier: Apache-2.0
//
// What route.c, rules.c and the directory tell each other and the check. Only store/ and
// store/check/ include this.
#ifndef STORE_RULES_INTERNAL_H
#define STORE_RULES_INTERNAL_H

#include "store/rules.h"
#include "store/store_internal.h"

// What route.c knows and the directory must respect.
enum err route_name_taken(struct view *v, struct span address, bool *out); // by an alias
enum err route_domain_used(struct view *v, struct span domain, bool *out); // by an alias
enum err route_is_domain_alias(struct view *v, struct span domain, bool *out);
enum err route_alias_decode(struct span value, struct arena *a, struct span **out,
                            size_t *out_count);

// ERR_CORRUPT: not what relay_route.h stores.
enum err relay_route_decode(struct span key, struct span value);

// Roles (directory/role.h). Of a row `e`; the spans point into key and value.
struct role;
struct role_holder;
enum err role_decode(struct span key, struct span value, struct role *out);
// Of a row `B`, in the arena; rights are not looked up (0).
enum err role_holder_decode(struct span key, struct span value, struct arena *a,
                            struct role_holder *out);
// ERR_NOT_FOUND. The spans live as long as the view and `name`.
enum err role_get(struct view *v, struct span name, struct role *out);
// Steps of an edit of the directory. An account that goes loses its roles; roles over a domain that
// goes go with it: one added later under the same name is another's.
enum err role_edit_account_gone(struct edit *ed, account_id account);
enum err role_edit_domain_gone(struct edit *ed, struct span domain);

// The row `F` (access/factor_policy.h) of a domain (`before` is "@") or a role ("") that goes.
enum err factor_policy_edit_gone(struct edit *ed, const char *before, struct span name);

// A row `l` of the sign-in history (access/signin.h). The spans point into the key. ERR_CORRUPT.
struct signin;
enum err signin_decode(struct span key, struct span value, struct signin *out);

// A row `h` (hand_over.h). ERR_CORRUPT.
enum err hand_over_mark_check(struct span key, struct span value);

// Values of rules.c; the spans point into the value (forwarding: into the arena).
enum err rules_script_decode(struct span value, struct script *out);
enum err rules_forwarding_decode(struct span value, struct arena *a, struct forwarding *out);
enum err rules_active_name(struct view *v, struct span *out); // empty: none

// What was before a change of the rules (a row `r`): a script, which of them is active, forwarding.
enum rules_part { RULES_SCRIPT = 1, RULES_ACTIVE, RULES_FORWARD };
#define RULES_PAST_MAX 32 // changes of an account whose past is kept, and those of one more
struct rules_past {
    modseq number; // of the change
    enum rules_part part;
    struct span name; // of a script
    bool has;         // it was there
    struct span value;
};
struct key rules_part_key(enum rules_part part, struct span name);
// The spans point into the value. ERR_CORRUPT.
enum err rules_past_decode(struct span key, struct span value, struct rules_past *out);
// Makes it so again; nothing changes when it is so. ERR_NOT_FOUND: the script that was active is
// not there; ERR_DENIED: the script that was not there is the active one.
enum err rules_put_back(struct store *s, account_id account, const struct actor *by,
                        const struct rules_past *past);

// Within an edit. Until when `what` is remembered counts from the edit's time.
enum err rules_edit_is_remembered(struct edit *ed, struct span what, bool *out);
// Does not enter the change log: something else of the edit must.
enum err rules_edit_remember(struct edit *ed, struct span what, int64_t until_s);
// An entry of the change log about the rules, in words.
enum err rules_edit_note(struct edit *ed, struct span words);

#endif
