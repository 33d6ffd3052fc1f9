// SPDX-License-Identifier: Apache-2.0
//
// ManageSieve after login (RFC 5804): an account's Sieve scripts, for one client. Make one
// managesieve_server for the store; keep/login/session_conn.h runs its sessions.
// docs/protocol/managesieve.md says what each command does.
#ifndef KEEP_MANAGESIEVE_SESSION_H
#define KEEP_MANAGESIEVE_SESSION_H

#include "keep/login/session_conn.h"

struct managesieve_server;

struct managesieve_server_options {
    uint32_t idle_timeout_s;   // 30 minutes
    uint32_t bad_commands_max; // in a row that end the session: 20
};
void managesieve_server_options_default(struct managesieve_server_options *o);

// The store must outlive it. ERR_NOMEM.
enum err managesieve_server_create(struct store *store, const struct managesieve_server_options *o,
                                   struct managesieve_server **out);
void managesieve_server_destroy(struct managesieve_server *server); // NULL is allowed

// Its server is a struct managesieve_server.
extern const struct session_protocol managesieve_session_protocol;

#endif
