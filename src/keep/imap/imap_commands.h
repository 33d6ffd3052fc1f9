// SPDX-License-Identifier: Apache-2.0
//
// The table of commands (imap_commands.c) and what stands in it. Whoever adds a command adds a row
// there, a function here, its id and grammar in wire/imap, and a line in docs/protocol/imap.md.
#ifndef KEEP_IMAP_COMMANDS_H
#define KEEP_IMAP_COMMANDS_H

#include <stdbool.h>

#include "wire/imap/imap_command.h"
#include "wire/imap/imap_framer.h"

struct imap_session;

enum imap_step {
    STEP_MORE,  // call again when the output has room
    STEP_INPUT, // call again when there is input, or the session was woken
    STEP_DONE,  // s->result is set
    STEP_CLOSE, // the session is over; what is to be said has been written
};

// What may be told about other people's changes when a command ends (RFC 9051 section 7.5.1).
enum imap_telling {
    TELL_NOTHING,  // the mailbox was closed, or nothing is to come between
    TELL_NO_GONE,  // all but EXPUNGE: FETCH, STORE, SEARCH with sequence numbers
    TELL_ALL,      // all, unless a command with sequence numbers follows in the pipeline
    TELL_OWN_GONE, // all, always: the command itself took messages out
};

struct imap_handler {
    enum imap_step (*run)(struct imap_session *s);
    enum imap_telling telling, telling_uid; // without and with the UID prefix
    bool changes; // refused to who may only read; commands on a mailbox find it read-only
};

const struct imap_handler *imap_handler_of(const struct imap_session *s, enum imap_command_id id);

// ---- the commands ----------------------------------------------------------------------------
// One file each, here and in the folders below; RFC sections in the files.
enum imap_step imap_run_append(struct imap_session *s);
enum imap_step imap_run_cancelupdate(struct imap_session *s);
enum imap_step imap_run_capability(struct imap_session *s);
enum imap_step imap_run_close(struct imap_session *s);
enum imap_step imap_run_comparator(struct imap_session *s);
enum imap_step imap_run_compress(struct imap_session *s);
enum imap_step imap_run_copy(struct imap_session *s); // and MOVE
enum imap_step imap_run_create(struct imap_session *s);
enum imap_step imap_run_delete(struct imap_session *s);
enum imap_step imap_run_deleteacl(struct imap_session *s);
enum imap_step imap_run_enable(struct imap_session *s);
enum imap_step imap_run_esearch(struct imap_session *s);
enum imap_step imap_run_expunge(struct imap_session *s);
enum imap_step imap_run_fetch(struct imap_session *s);
enum imap_step imap_run_genurlauth(struct imap_session *s);
enum imap_step imap_run_getacl(struct imap_session *s);
enum imap_step imap_run_getmetadata(struct imap_session *s);
enum imap_step imap_run_getquota(struct imap_session *s);
enum imap_step imap_run_getquotaroot(struct imap_session *s);
enum imap_step imap_run_id(struct imap_session *s);
enum imap_step imap_run_idle(struct imap_session *s);
enum imap_step imap_run_language(struct imap_session *s);
enum imap_step imap_run_list(struct imap_session *s);
enum imap_step imap_run_listrights(struct imap_session *s);
enum imap_step imap_run_logout(struct imap_session *s);
enum imap_step imap_run_lsub(struct imap_session *s);
enum imap_step imap_run_myrights(struct imap_session *s);
enum imap_step imap_run_namespace(struct imap_session *s);
enum imap_step imap_run_noop(struct imap_session *s); // and CHECK
enum imap_step imap_run_notify(struct imap_session *s);
enum imap_step imap_run_rename(struct imap_session *s);
enum imap_step imap_run_resetkey(struct imap_session *s);
enum imap_step imap_run_search(struct imap_session *s);
enum imap_step imap_run_select(struct imap_session *s); // and EXAMINE
enum imap_step imap_run_setacl(struct imap_session *s);
enum imap_step imap_run_setmetadata(struct imap_session *s);
enum imap_step imap_run_setquota(struct imap_session *s);
enum imap_step imap_run_sort(struct imap_session *s);
enum imap_step imap_run_status(struct imap_session *s);
enum imap_step imap_run_store(struct imap_session *s);
enum imap_step imap_run_subscribe(struct imap_session *s); // and UNSUBSCRIBE
enum imap_step imap_run_thread(struct imap_session *s);
enum imap_step imap_run_unselect(struct imap_session *s);
enum imap_step imap_run_urlfetch(struct imap_session *s);

// ---- imap_append.c: APPEND takes its messages off the connection itself ------------------------

// Makes the command's state from the frame that announced the first message. `error` (may be NULL):
// the command was refused by the parser, but its literal comes all the same and is thrown away.
// False without memory.
bool imap_append_begin(struct imap_session *s, const struct imap_frame *frame,
                       const struct imap_parse_error *error);

#endif
