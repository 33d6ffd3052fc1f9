// SPDX-License-Identifier: Apache-2.0
//
// NOTIFY (RFC 5465) as the rest of a session sees it: what may be told of the selected mailbox, and
// the telling of everything else, also between commands. What was asked for lives in the folder
// notify/; a session that never says NOTIFY has none of it.
#ifndef KEEP_IMAP_NOTIFY_H
#define KEEP_IMAP_NOTIFY_H

#include "keep/imap/imap_session_internal.h"

// The events (enum imap_event) of the selected mailbox that are wanted; all when NOTIFY was never
// said.
uint32_t imap_notify_selected(const struct imap_session *s);
// What may be told between two commands: RFC 5465 section 6.1. TELL_NOTHING without NOTIFY.
enum imap_telling imap_notify_telling(const struct imap_session *s);
// A message came into the selected mailbox and the client was told of it: what it asked to know of
// new messages is fetched by the next imap_notify_step. ERR_NOMEM.
enum err imap_notify_arrived(struct imap_session *s, const struct placement *p);
// The selected mailbox is no more: nothing of it is to be fetched.
void imap_notify_forget_selected(struct imap_session *s);

// Tells the next batch. STEP_DONE: nothing is left. STEP_CLOSE: the connection cannot go on. May
// block on the disk.
enum imap_step imap_notify_step(struct imap_session *s);
// In the middle of a response: no command may run now.
bool imap_notify_is_inside(const struct imap_session *s);

void imap_notify_destroy(struct imap_notify *n); // NULL is allowed
// Where the session's own changes are noted; NULL without NOTIFY.
struct actor_entries *imap_notify_entries(const struct imap_session *s);
size_t imap_notify_memory(const struct imap_notify *n); // NULL is allowed

#endif
