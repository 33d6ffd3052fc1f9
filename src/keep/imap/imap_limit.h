// SPDX-License-Identifier: Apache-2.0
//
// MESSAGELIMIT (RFC 9738): at most so many messages for a command, the newest of those it names;
// the client is told where to go on. Off unless the operator wants it. Only files of this folder.
#ifndef KEEP_IMAP_LIMIT_H
#define KEEP_IMAP_LIMIT_H

#include "keep/imap/imap_session_internal.h"

// Cuts a set to its highest UIDs, as many as one command may have, and notes where: the answer will
// say so. The ranges are in the arena. ERR_NOMEM.
enum err imap_limit_cut(struct imap_session *s, struct uid_set *uids);

// For what is done for all messages or for none: false when there are too many, with the answer.
bool imap_limit_allows(struct imap_session *s, struct uid_set uids);

// "NO [MESSAGELIMIT n]", where there is no message to go on at. Returns STEP_DONE.
enum imap_step imap_limit_refuse(struct imap_session *s);

// Before the tagged answer: puts the code into it, or into an untagged NO when it has another.
void imap_limit_tell(struct imap_session *s);

#endif
