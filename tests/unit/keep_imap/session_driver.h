// SPDX-License-Identifier: Apache-2.0
//
// One IMAP session in this process, on the engine in memory: what a client sends goes in, what it
// would read comes out. For unit tests and the fuzz target.
#ifndef TESTS_UNIT_KEEP_IMAP_SESSION_DRIVER_H
#define TESTS_UNIT_KEEP_IMAP_SESSION_DRIVER_H

#include "engine/engine.h"
#include "keep/imap/imap_session.h"

struct driver_world {
    struct engine *engine;
    struct store *store;
    struct imap_server *server;
    account_id account;
    uint32_t changes_keep; // set before it is opened; 0: the store's default
};

struct driver {
    struct driver_world *world;
    void *session;    // struct imap_session
    struct buf in;    // sent by the client, not yet read by the session
    size_t shown;     // of in: how much the session may see
    struct buf out;   // written by the session, not yet taken off
    struct buf heard; // taken off: what the client has read
    bool is_stuck;    // the client reads nothing
    bool is_gone;     // the client has closed
    size_t out_most;  // the most that ever waited in out
    _Atomic unsigned wakes;
    struct session_wait wait;
    enum session_stop stop; // what its runs are asked
};

// A store with one account and `messages` small messages in INBOX. Stops the program on failure.
void driver_world_open(struct driver_world *w, unsigned messages);
void driver_world_close(struct driver_world *w);

void driver_open(struct driver *d, struct driver_world *w);
void driver_close(struct driver *d);

// Runs the session until it waits or is over; the output is taken off unless the client is stuck.
void driver_run(struct driver *d);
// The client sends; then as driver_run.
void driver_send(struct driver *d, struct span bytes);
// What was heard since the last call; lives until the next send.
struct span driver_heard(struct driver *d, struct buf *copy);

// All of the text is well-formed responses: whole lines, whole literals, closed quotes and
// parentheses. `*out_at`: where it is not.
bool driver_is_well_formed(struct span text, size_t *out_at);

#endif
