// SPDX-License-Identifier: Apache-2.0
//
// APPEND takes its messages off the connection itself; imap_session.c starts it. Only files of this
// folder.
#ifndef KEEP_IMAP_APPEND_H
#define KEEP_IMAP_APPEND_H

#include "keep/imap/imap_session_internal.h"

// Makes the command's state from the frame that announced the first message. `error` (may be NULL):
// the command was refused by the parser, but its literal comes all the same and is thrown away.
// False without memory.
bool imap_append_begin(struct imap_session *s, const struct imap_frame *frame,
                       const struct imap_parse_error *error);

#endif
