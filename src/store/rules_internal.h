// SPDX-License-Identifier: Apache-2.0
//
// What route.c and rules.c tell the directory and the check. Only store/ and store/check/ include
// this.
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

// Values of rules.c; the spans point into the value (forwarding: into the arena).
enum err rules_script_decode(struct span value, struct script *out);
enum err rules_forwarding_decode(struct span value, struct arena *a, struct forwarding *out);
enum err rules_active_name(struct view *v, struct span *out); // empty: none

// Within an edit. Until when `what` is remembered counts from the edit's time.
enum err rules_edit_is_remembered(struct edit *ed, struct span what, bool *out);
// Does not enter the change log: something else of the edit must.
enum err rules_edit_remember(struct edit *ed, struct span what, int64_t until_s);
// An entry of the change log about the rules, in words.
enum err rules_edit_note(struct edit *ed, struct span words);

#endif
