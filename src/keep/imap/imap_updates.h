// SPDX-License-Identifier: Apache-2.0
//
// Telling a client what changed in its selected mailbox: EXISTS, EXPUNGE or VANISHED, FETCH FLAGS.
// The only place where a session's sequence numbers change. Only files of this folder.
#ifndef KEEP_IMAP_UPDATES_H
#define KEEP_IMAP_UPDATES_H

#include "keep/imap/imap_session_internal.h"

// Tells the next batch of what `telling` allows. STEP_MORE: there is more, call again when the
// output has room; STEP_DONE: nothing is left.
enum imap_step imap_updates_step(struct imap_session *s, enum imap_telling telling);

// The session's own change made version `version`, and the client was or will be told of it: not
// again. Others' changes to the mailbox before it are told all the same, and then ours with them.
void imap_updates_own(struct imap_session *s, modseq version);

// HIGHESTMODSEQ as far as this client was told everything.
modseq imap_updates_modseq(const struct imap_session *s);

// "* FLAGS (...)" and PERMANENTFLAGS with the mailbox's keywords.
void imap_updates_flags_line(struct imap_session *s, const struct span *keywords, size_t n);

#endif
