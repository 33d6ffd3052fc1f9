// SPDX-License-Identifier: Apache-2.0
//
// Inside of a POP3 session: pop3_session.c is the machine, pop3_commands.c the table with the small
// commands, pop3_retrieve.c RETR and TOP, pop3_update.c what QUIT does.
#ifndef KEEP_POP3_SESSION_INTERNAL_H
#define KEEP_POP3_SESSION_INTERNAL_H

#include "base/lock.h"
#include "keep/login/session_meter.h"
#include "keep/pop3/pop3_list.h"
#include "keep/pop3/pop3_session.h"
#include "wire/dot.h"
#include "wire/line.h"
#include "wire/pop3/pop3_command.h"

#define POP3_BATCH_BYTES (64u << 10) // written in one step

struct pop3_server {
    struct store *store;
    struct lock lock; // of options
    struct pop3_server_options options;
};

enum pop3_phase { POP3_PHASE_OPEN, POP3_PHASE_COMMAND, POP3_PHASE_RUN, POP3_PHASE_OVER };

enum pop3_step {
    POP3_STEP_MORE, // call it again
    POP3_STEP_DONE,
    POP3_STEP_BAD,   // done, and it made no sense
    POP3_STEP_CLOSE, // the session is over
};

struct pop3_session {
    struct pop3_server *server;
    const struct session_io *io;
    void *io_arg;
    struct buf *out; // during a run
    account_id account;
    char user[256], origin[64]; // for the log and the change log
    struct session_device device;
    struct session_meter meter;
    enum pop3_phase phase;
    struct line_reader reader;
    struct pop3_list list;
    struct pop3_command command; // without its texts
    enum pop3_step (*step)(struct pop3_session *s);
    bool is_begun; // the command's first line was said
    uint32_t at;   // LIST, UIDL: how far it is
    body_id body;  // RETR, TOP: what is sent, from where, and how
    uint64_t offset;
    struct dot_writer writer;
    struct pop3_top top;
    unsigned bad_commands;
    int64_t heard_ms;
};

struct pop3_server_options pop3_options_of(const struct pop3_session *s);
struct actor pop3_actor(const struct pop3_session *s);
// Tells what was read since it last was told.
void pop3_meter_tell(struct pop3_session *s);

void pop3_say_ok(struct pop3_session *s, const char *text);
void pop3_say_err(struct pop3_session *s, const char *code, const char *text);
// -ERR for what the store says.
enum pop3_step pop3_say_failure(struct pop3_session *s, enum err e);

// Runs it as far as it is a small one, or sets s->step. `why` of a line that is no command.
enum pop3_step pop3_command_begin(struct pop3_session *s, struct span line);
// The message that the command names, or NULL when it was refused.
struct pop3_item *pop3_message_of(struct pop3_session *s);

enum pop3_step pop3_retrieve_begin(struct pop3_session *s);

// QUIT: what was retrieved is read, what was deleted goes. ERR_OK when all is done.
enum err pop3_update(struct pop3_session *s);
// Without QUIT nothing is deleted, but what was retrieved is read all the same.
void pop3_update_seen(struct pop3_session *s);

#endif
