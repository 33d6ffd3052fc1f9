// SPDX-License-Identifier: Apache-2.0
//
// POP3 after login (RFC 1939, 2449, 3206, 6856): INBOX as it was at one moment, for one client.
// Make one pop3_server for the store; keep/login/session_conn.h runs its sessions.
// docs/protocol/pop3.md says what each command does.
#ifndef KEEP_POP3_SESSION_H
#define KEEP_POP3_SESSION_H

#include "conf/settings.h"
#include "keep/login/session_conn.h"

struct pop3_server;

struct pop3_server_options {
    bool delete_to_trash;      // DELE moves to Trash; else the message is expunged
    bool mark_seen;            // what was retrieved is read
    uint32_t idle_timeout_s;   // 10 minutes (RFC 1939 section 3: not less)
    uint32_t bad_commands_max; // in a row that end the session: 20
};
void pop3_server_options_default(struct pop3_server_options *o);
struct pop3_server_options pop3_server_options_of(const struct settings *s);

// The store must outlive it. ERR_NOMEM.
enum err pop3_server_create(struct store *store, const struct pop3_server_options *o,
                            struct pop3_server **out);
// For what sessions do from now on. Any thread.
void pop3_server_set_options(struct pop3_server *server, const struct pop3_server_options *o);
void pop3_server_destroy(struct pop3_server *server); // when its sessions are gone; NULL is allowed

// Its server is a struct pop3_server.
extern const struct session_protocol pop3_session_protocol;

#endif
