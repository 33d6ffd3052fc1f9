// SPDX-License-Identifier: Apache-2.0
//
// What keep hands to a protocol when the gate has handed over a session: who it is, the connection,
// and what the client has said already. Each protocol has one function that takes it
// (imap_session_create in keep/imap/).
#ifndef KEEP_SESSION_H
#define KEEP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "net/task_conn.h"
#include "store/store.h"

struct session_start {
    struct conn_pool *pool;
    int fd; // taken over on success only
    account_id account;
    struct span user;      // the account's address
    struct span remote;    // the client's address, without port
    struct span tls_text;  // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty in the clear
    struct span client_id; // the list of the client's ID command as sent before login, or empty
    struct span tag;       // of the command that logged in; its OK is still to be written
    struct span input;     // bytes after that command, not yet looked at
    uint16_t local_port;
    // Called once when the session has ended, on a worker. Never when creating it failed.
    void (*on_end)(void *arg);
    void *on_end_arg;
};

#endif
