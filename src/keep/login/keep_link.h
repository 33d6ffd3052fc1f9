// SPDX-License-Identifier: Apache-2.0
//
// keep's side of the conversation with the gate: questions about passwords are answered by worker
// threads, sessions that are handed over are passed to their protocol. All functions on the loop's
// thread unless said otherwise.
#ifndef KEEP_KEEP_LINK_H
#define KEEP_KEEP_LINK_H

#include "auth/auth.h"
#include "ipc/message.h"
#include "keep/login/keep_readers.h"
#include "keep/login/keep_sessions.h"
#include "keep/login/keep_tickets.h"
#include "keep/login/keep_tokens.h"
#include "keep/login/session.h"
#include "keep/login/signin_log.h"
#include "net/loop.h"

struct keep_link;

// Who the ticket of a MAIL or API was given to.
struct keep_link_login {
    struct auth_grant grant; // account 0: nobody has logged in
    bool is_void;            // the ticket is not good
};

struct keep_link_options {
    struct loop *loop;
    struct store *store;
    struct auth *auth;
    struct keep_tickets *tickets;
    struct keep_sessions *sessions;
    struct conn_pool *pool;
    struct keep_tokens *tokens;   // NULL: sessions by tokens of others are not looked after
    struct keep_readers *readers; // must be there when auth reads as another
    struct signin_log *signins;   // NULL: nobody wants to know
    unsigned auth_threads;        // each may hold one hash's memory
    unsigned auth_queue_max;
    // Starts a session of the protocol (IPC_IMAP ...). ERR_UNSUPPORTED for one that is not there.
    enum err (*start)(void *arg, unsigned protocol, const struct session_start *start);
    void *start_arg;
    // As in struct session_start; NULL: nobody wants to know.
    void (*read)(void *arg, const struct session_read *r);
    void *read_arg;
    // The mail of one client, and who has logged in; takes over the descriptor unless it fails.
    enum err (*mail)(void *arg, const struct ipc_mail *m, const struct keep_link_login *login,
                     int fd);
    void *mail_arg;
    // A command of an administrator's, or the figures for /metrics; takes over the descriptor
    // unless it fails.
    enum err (*api)(void *arg, const struct ipc_api *m, const struct keep_link_login *login,
                    int fd);
    void *api_arg;
};

enum err keep_link_create(const struct keep_link_options *o, struct keep_link **out);
// Waits for running password checks. NULL is allowed.
void keep_link_destroy(struct keep_link *l);

// The conversation from now on (the gate was started, or started anew); takes over the descriptor.
enum err keep_link_attach(struct keep_link *l, int fd);

// For a reload. Any thread.
void keep_link_set_auth_queue(struct keep_link *l, unsigned auth_queue_max);

struct keep_link_counts {
    uint64_t logins, failures;
};
// Any thread.
void keep_link_count(const struct keep_link *l, struct keep_link_counts *out);

#endif
