// SPDX-License-Identifier: Apache-2.0
//
// Whether a script may be stored. Pure, but not quick for a large one; any thread.
#ifndef KEEP_MANAGESIEVE_CHECK_H
#define KEEP_MANAGESIEVE_CHECK_H

#include "base/buf.h"
#include "base/err.h"

// ERR_INVALID with what is wrong, a line each, appended to `problem`; ERR_NOMEM.
enum err managesieve_check(struct span text, struct buf *problem);

#endif
