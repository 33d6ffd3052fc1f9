// SPDX-License-Identifier: Apache-2.0
//
// A record of the change log in plain words and as JSON. Private to admin/.
#ifndef ADMIN_HISTORY_ADMIN_LOG_INTERNAL_H
#define ADMIN_HISTORY_ADMIN_LOG_INTERNAL_H

#include <jansson.h>

#include "base/map.h"
#include "store/undo/undo.h"

struct admin_call;

// The names of mailboxes: those there are, and those deleted since.
struct log_names {
    struct view *view;
    struct map gone;     // id (4 bytes) to struct log_name
    struct arena *arena; // for what is remembered
};
// Remembers the name of a mailbox from the record of its deletion.
void log_names_learn(struct log_names *n, const struct change *c);

// NULL: nothing to say (the second record of a move), or no memory.
json_t *log_record_json(struct log_names *n, const struct change *c);

// Whose changes are meant: the arguments "device", "since_ms" and "until_ms". A device by its name
// or
// "#" and its number; one that was removed by the name it had; otherwise whoever the log calls so
// ("undo 1203"). On an error the sentence is set.
enum err log_whose(struct admin_call *c, account_id account, struct undo_what *out);

#endif
