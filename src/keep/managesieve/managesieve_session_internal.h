// SPDX-License-Identifier: Apache-2.0
//
// Inside of a ManageSieve session: managesieve_session.c is the machine, managesieve_commands.c
// the table and the commands.
#ifndef KEEP_MANAGESIEVE_SESSION_INTERNAL_H
#define KEEP_MANAGESIEVE_SESSION_INTERNAL_H

#include "keep/managesieve/managesieve_session.h"
#include "wire/managesieve/managesieve.h"

struct managesieve_server {
    struct store *store;
    struct managesieve_server_options options;
};

enum managesieve_step {
    MANAGESIEVE_STEP_DONE,
    MANAGESIEVE_STEP_BAD,   // it made no sense
    MANAGESIEVE_STEP_CLOSE, // the session is over
};

struct managesieve_session {
    struct managesieve_server *server;
    const struct session_io *io;
    void *io_arg;
    struct buf *out; // during a run
    account_id account;
    char user[256], origin[64];
    struct session_device device;
    struct managesieve_framer framer;
    struct arena arena; // of the command that runs
    char last[128];     // of the mechanism that signed in: what goes with the first OK
    bool is_greeted, is_over;
    unsigned bad_commands;
    int64_t heard_ms;
};

void managesieve_say(struct managesieve_session *s, enum managesieve_result result,
                     const char *code, const char *text);
enum managesieve_step managesieve_run(struct managesieve_session *s, struct span text);

#endif
