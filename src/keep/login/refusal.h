// SPDX-License-Identifier: Apache-2.0
//
// What a client is told that has the right password and cannot be let in all the same, in its
// protocol's words: the answer to its login and the end. Pure.
#ifndef KEEP_REFUSAL_H
#define KEEP_REFUSAL_H

#include "base/buf.h"

enum refusal { REFUSAL_LIMIT, REFUSAL_UNAVAILABLE };

// `protocol`: IPC_IMAP and so on. `tag`: of the command that logged in.
void refusal_put(struct buf *out, unsigned protocol, struct span tag, enum refusal why,
                 const char *text);

#endif
