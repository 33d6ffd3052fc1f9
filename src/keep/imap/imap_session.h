// SPDX-License-Identifier: Apache-2.0
//
// The IMAP server after login: RFC 3501 and RFC 9051 with the extensions of imap_capability.c. This
// is the door the rest of keep uses: make one imap_server for the store, one imap_session for every
// client that has logged in (imap_session_protocol, which keep/login/session_conn.h runs).
// docs/protocol/imap.md says what each command does; imap_commands.c has the table.
//
// A session does a bounded amount of work in a run and says what it waits for; asked to stop it
// says BYE once the command that runs is finished.
#ifndef KEEP_IMAP_SESSION_H
#define KEEP_IMAP_SESSION_H

#include "conf/settings.h"
#include "keep/imap/imap_without.h"
#include "keep/login/session_conn.h"
#include "store/metadata/metadata.h"

struct imap_server;
struct imap_session;

struct imap_server_options {
    char separator;             // of mailbox levels, as clients see it: '/'
    uint64_t append_bytes_max;  // one message: 50 MiB; not above store_options.message_bytes_max
    uint32_t line_bytes_max;    // a command's text without its literals: 64 KiB
    uint32_t literal_bytes_max; // its literals together, messages not counted: 128 KiB
    uint32_t idle_timeout_s;    // a client that says nothing, also in IDLE: 30 minutes
    uint32_t bad_commands_max;  // refused commands in a row that end the session: 20
    uint32_t search_cpu_ms;     // one SEARCH: 30 seconds, then NO [LIMIT]
    uint32_t progress_ms;       // between two tellings of how far a command is: 10 seconds
    uint32_t messages_max;      // a command works on, MESSAGELIMIT; 0: there is no such limit
    bool compress;              // COMPRESS=DEFLATE is offered
    struct metadata_limits metadata; // 64 KiB, 100, 10 MiB
};
void imap_server_options_default(struct imap_server_options *o);
struct imap_server_options imap_server_options_of(const struct settings *s);

// What all sessions share. The store must outlive it. ERR_NOMEM only.
enum err imap_server_create(struct store *store, const struct imap_server_options *options,
                            struct imap_server **out);
// New options, for the next command of every session; the separator stays what it was. A session
// that waits looks at a new idle_timeout_s when it is woken. Any thread.
void imap_server_set_options(struct imap_server *server, const struct imap_server_options *options);
// What sessions go without by the name of their mail program (imap_without.h), for those that sign
// in or send their ID from now on: rules of imap_client_without. ERR_NOMEM: as before. Any thread.
enum err imap_server_set_clients(struct imap_server *server, const struct span *rules, size_t n);
// Both as the settings have them.
enum err imap_server_apply(struct imap_server *server, const struct settings *s);
// Every session must be gone.
void imap_server_destroy(struct imap_server *server);

// Its server is a struct imap_server. The cap of the output is at least 4 MiB, the input holds a
// line and its literals.
extern const struct session_protocol imap_session_protocol;

// For tests and status pages: bytes the session holds now.
size_t imap_session_memory(const struct imap_session *s);

#endif
