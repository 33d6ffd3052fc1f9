// SPDX-License-Identifier: Apache-2.0
//
// A result in plain words, for people who try a script out. Pure; any thread.
#ifndef SIEVE_SIEVE_WORDS_H
#define SIEVE_SIEVE_WORDS_H

#include "base/buf.h"
#include "sieve/sieve_action.h"

// The action's name as in a script: "fileinto". Static.
const char *sieve_action_name(const struct sieve_action *a);

// Appends one line without its end, in clean UTF-8: "kept in the mailbox "Lists", marked \Seen".
void sieve_action_words(struct buf *out, const struct sieve_action *a);

#endif
