// SPDX-License-Identifier: Apache-2.0
//
// Results of SEARCH and SORT that are kept up to date for a client (RFC 5267 section 4.3), as
// imap_updates.c sees them; keep/imap/search/imap_context.c makes them. They belong to the selected
// mailbox and end with it. Each has marks of its own, up to where it has looked at what changed, so
// that whatever a session was told of otherwise, and whatever it did itself, comes to the same.
#ifndef KEEP_IMAP_CONTEXT_H
#define KEEP_IMAP_CONTEXT_H

#include "keep/imap/imap_session_internal.h"

struct imap_contexts;

void imap_contexts_destroy(struct imap_contexts *c); // NULL is allowed
size_t imap_contexts_memory(const struct imap_contexts *c);

// Nothing in the mailbox up to `version` is still to be looked at.
bool imap_contexts_are_told(const struct imap_selected *sel, modseq version);
// Nothing changed in the mailbox up to `version`.
void imap_contexts_pass(struct imap_selected *sel, modseq version);

// REMOVEFROM for messages whose EXPUNGE or VANISHED comes next, while their numbers still hold.
void imap_contexts_gone(struct imap_session *s, struct uid_set gone);

// ADDTO and REMOVEFROM for what changed and what came, after EXISTS: for some milliseconds, then
// *out_more. What fails ends with a NOUPDATE.
void imap_contexts_step(struct imap_session *s, struct view *v, bool *out_more);

// What was asked for of messages that came is being written (RFC 5465 section 7): nothing else may
// be, before imap_contexts_fetch has given STEP_MORE for the last time. It also gives STEP_CLOSE.
bool imap_contexts_are_inside(const struct imap_selected *sel); // NULL is allowed
enum imap_step imap_contexts_fetch(struct imap_session *s);

// Ends those that are in message numbers: ENABLE UIDONLY.
void imap_contexts_end_numbers(struct imap_session *s);

#endif
