// SPDX-License-Identifier: Apache-2.0
//
// One POP3 or ManageSieve session in this process, on the engine in memory: what a client sends
// goes in, what it would read comes out. For unit tests and the fuzz targets.
#ifndef TESTS_UNIT_KEEP_TALK_DRIVER_H
#define TESTS_UNIT_KEEP_TALK_DRIVER_H

#include "engine/engine.h"
#include "keep/login/session_conn.h"
#include "store/append.h"

struct talk_world {
    struct engine *engine;
    struct store *store;
    account_id account;
    mailbox_id inbox;
};

struct talk {
    const struct session_protocol *protocol;
    void *session;
    struct buf in;    // sent by the client, not yet read by the session
    size_t shown;     // of in: how much the session may see
    struct buf out;   // written by the session, not yet taken off
    struct buf heard; // taken off: what the client has read
    size_t out_most;  // the most that ever waited in out
    bool is_stuck;    // the client reads nothing
    bool is_gone;     // the client has closed
    enum session_stop stop;
    struct session_wait wait;
};

// A store with one account and nothing in it. Stops the program on failure.
void talk_world_open(struct talk_world *w);
void talk_world_close(struct talk_world *w);
void talk_add(struct talk_world *w, struct span message);
uint32_t talk_exists(struct talk_world *w, const char *mailbox); // UINT32_MAX: no such mailbox
void talk_expunge(struct talk_world *w, uint32_t uid);           // by another program

void talk_open(struct talk *t, struct talk_world *w, const struct session_protocol *p,
               void *server);
void talk_close(struct talk *t);
// Runs the session until it waits or is over.
void talk_run(struct talk *t);
// The client sends; gives what it heard since the last call, with a NUL behind it.
const char *talk_say(struct talk *t, struct span bytes);
const char *talk_heard(struct talk *t);

#endif
