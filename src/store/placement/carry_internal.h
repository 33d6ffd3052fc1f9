// SPDX-License-Identifier: Apache-2.0
//
// Carrying a message from one account into another (placement/carry.c): what is needed of it is
// taken from a view of the one, and put into an edit of the other, where it is a new message with
// the same body.
#ifndef STORE_CARRY_INTERNAL_H
#define STORE_CARRY_INTERNAL_H

#include "store/store_internal.h"

struct carried {
    struct placement placement; // without keywords: their numbers mean nothing elsewhere
    struct message_record message;
    const struct span *keywords; // names
    size_t keyword_count;
};

// `names`, `count`: the mailbox's keywords; `with_keywords` false: none are taken. Everything lives
// in the arena. ERR_CORRUPT: the message has no record.
enum err carry_take(struct view *v, const struct placement *p, const struct span *names,
                    size_t count, bool with_keywords, struct arena *a, struct carried *out);
// The record of the new message, with one placement; joins its thread there.
enum err carry_put(struct edit *ed, const struct carried *c, message_id *out);

#endif
