// SPDX-License-Identifier: Apache-2.0
//
// An IMAP session on a connection the gate has handed over: binds imap_session.h to
// net/task_conn.h. Any thread.
#ifndef KEEP_IMAP_CONNECTION_H
#define KEEP_IMAP_CONNECTION_H

#include "keep/imap/imap_session.h"
#include "keep/login/session.h"

// What the pool of start->pool needs at least: conn_pool_options.input_max (the largest
// imap_line_max and imap_literal_max together, and some), output_soft and output_hard.
#define IMAP_CONN_INPUT_MAX   (1u << 20)
#define IMAP_CONN_OUTPUT_SOFT (64u << 10)
#define IMAP_CONN_OUTPUT_HARD (8u << 20)

// Starts the session; it lives by itself from then on and calls start->on_end when it is over. On
// an error nothing was taken over. ERR_NOMEM, and what conn_open gives.
enum err imap_connection_open(struct imap_server *server, const struct session_start *start);

#endif
