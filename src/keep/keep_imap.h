// SPDX-License-Identifier: Apache-2.0
//
// Joins an IMAP session to a connection: imap_session knows no sockets, task_conn knows no IMAP.
#ifndef KEEP_KEEP_IMAP_H
#define KEEP_KEEP_IMAP_H

#include "keep/imap/imap_session.h"
#include "keep/session.h"

// Starts an IMAP session on the connection. Any thread; does not block.
enum err keep_imap_start(struct imap_server *server, const struct session_start *start);

#endif
