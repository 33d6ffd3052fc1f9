// SPDX-License-Identifier: Apache-2.0
//
// What the files of the directory share. Views and edits are of account 0. Only this folder
// includes this.
#ifndef STORE_DIRECTORY_DIRECTORY_INTERNAL_H
#define STORE_DIRECTORY_DIRECTORY_INTERNAL_H

#include "store/directory.h"
#include "store/rules_internal.h"

// Of a folded name: what is behind the @.
struct span directory_name_domain(struct span name);
// Folds and checks; for calls that have no one to tell a reason. ERR_INVALID.
enum err directory_domain_fold(struct arena *a, struct span domain, struct span *out);

enum err directory_domain_get(struct view *v, struct span domain, struct domain_record *out);
// One more or one fewer account. ERR_NOT_FOUND: no such domain.
enum err directory_domain_count(struct edit *ed, struct span domain, bool up);
// The words of a change to the directory.
enum err directory_note(struct edit *ed, const char *what, struct span name);

// The spans point into the view.
enum err directory_entry_get(struct view *v, account_id id, struct entry_record *out);
enum err directory_name_to_id(struct view *v, struct span name, account_id *out);

#endif
