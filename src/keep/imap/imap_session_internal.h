// SPDX-License-Identifier: Apache-2.0
//
// A session from the inside: what the command files of this folder share. imap_session.c owns the
// struct and drives it; a command is a function that is called, perhaps many times, until it says
// it is done. Between two calls it holds no view: whatever it needs later is in its state.
//
// The life of a command: imap_session.c takes it off the input, parses it, finds its row in
// imap_commands.c and calls `run` until it gives STEP_DONE; then imap_updates.c tells the client
// what changed meanwhile, as far as the command's row allows; then the tagged answer is written.
#ifndef KEEP_IMAP_SESSION_INTERNAL_H
#define KEEP_IMAP_SESSION_INTERNAL_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/lock.h"
#include "keep/imap/imap_commands.h"
#include "keep/imap/imap_orders.h"
#include "keep/imap/imap_selected.h"
#include "keep/imap/imap_session.h"
#include "keep/login/session_meter.h"
#include "order/collate.h"
#include "store/placement.h"
#include "wire/imap/imap_command.h"
#include "wire/imap/imap_framer.h"
#include "wire/imap/imap_write.h"

// A step stops adding to the output here; what is larger goes out in several steps.
#define IMAP_BATCH_BYTES (128u << 10)
// Memory of one command beside the output: its parsed form, its state, sets of UIDs.
#define IMAP_COMMAND_BYTES (48u << 20)
#define IMAP_CLIENT_BYTES  64
#define IMAP_ORIGIN_BYTES  128

// What the tagged answer says. The spans are static text or in the command's arena.
struct imap_result {
    enum imap_condition condition;
    struct span code, text;
};

enum imap_phase {
    PHASE_GREETING, // the login is still to be answered
    PHASE_COMMAND,  // between commands: looking for the next
    PHASE_RUN,
    PHASE_UPDATES,
    PHASE_OVER,
};

enum imap_compression {
    COMPRESSION_NONE,
    COMPRESSION_BEGINS, // with the tagged answer of the command that runs
    COMPRESSION_ACTIVE,
};

struct imap_notify;
struct imap_recent;

struct imap_session {
    struct imap_server *server;
    struct imap_server_options options; // as they were when the command began
    struct imap_framer_limits limits;   // made of them
    unsigned options_version;           // which of imap_server's they are
    const struct session_io *io;
    void *io_arg;
    account_id account;
    char *user; // for the log

    enum imap_phase phase;
    uint32_t enabled;         // enum imap_enable
    enum collation collation; // of SEARCH, SORT and THREAD
    uint32_t bad_commands;
    int64_t heard_ms; // when the client last sent something
    char *login_tag;  // until it is answered
    struct session_device device;
    struct session_meter meter;
    char client[IMAP_CLIENT_BYTES], origin[IMAP_ORIGIN_BYTES]; // what the client calls itself
    uint8_t client_n, origin_n;

    enum imap_compression compression;
    struct imap_without account_without, without; // the account says so; and in all
    bool is_without;                              // there is anything in `without`

    struct imap_framer framer;
    bool input_ended;
    size_t held;      // bytes of the input that the running command's text lies in
    struct span text; // that text, while it is held

    // The running command.
    struct arena arena;
    struct imap_command command;
    const struct imap_handler *handler;
    void *state;                  // the handler's, in the arena
    void (*cleanup)(void *state); // frees what the state holds outside the arena; may be NULL
    struct imap_result result;
    int64_t progress_due_ms; // when to say next how far the command is
    uint32_t limited_at;     // MESSAGELIMIT left out what is below this UID; 0: nothing
    struct buf *out;         // during a run
    size_t batch_end;        // a step stops adding when out->n is here

    bool is_fresh; // the mailbox was opened, and what it holds not yet fetched ahead
    struct imap_selected *selected; // NULL: none
    struct imap_notify *notify;     // NULL: NOTIFY was never said
    struct arena tell_arena;        // of one step of telling

    enum session_stop stop;  // of this run
    atomic_bool is_watching; // IDLE, NOTIFY: a change is to wake the session
    atomic_bool was_woken;
};

struct imap_server {
    struct store *store;
    struct imap_recent *recent;
    struct imap_orders *orders;
    struct lock lock; // of the options and the clients
    struct imap_clients *clients;
    struct imap_server_options options;
    atomic_uint options_version;
    atomic_size_t context_bytes;     // that contexts of all sessions may come to need
    _Atomic uint32_t idle_timeout_s; // that of the options, also for a command that waits (IDLE)
};

// ---- telling (imap_session.c) -------------------------------------------------------------------

// A watched account changed: wakes the session if it wants that. Any thread.
void imap_session_changed(struct imap_session *s);
// Tells the next batch of everything that is to be told now: of the selected mailbox what `telling`
// allows, and what NOTIFY asked for. Ends as a command's function does.
enum imap_step imap_tell(struct imap_session *s, enum imap_telling telling);

// ---- input (imap_session.c) ---------------------------------------------------------------------

// The next frame of the input, reading when needed. ERR_OK; ERR_AGAIN: wait for input; ERR_EOF:
// nothing more will come. `line_max` 0: a command, else one raw line of at most that many bytes.
enum err imap_input_frame(struct imap_session *s, size_t line_max, struct imap_frame *out);
// Bytes of the connection as they come, at most `max`: valid until consumed. Errors as above.
enum err imap_input_bytes(struct imap_session *s, uint64_t max, struct span *out);
void imap_input_consume(struct imap_session *s, size_t n);
// A command with sequence numbers waits in the input: no EXPUNGE may come before it.
bool imap_input_uses_numbers(struct imap_session *s);
// Copies the running command's text, so that input may be read while it runs. ERR_NOMEM.
enum err imap_input_release(struct imap_session *s);
// Before a session waits that may be told of any number of changes meanwhile: gives back what
// telling has taken from the arena. Whatever of the running command is in it but its tag is gone
// then.
void imap_wait_lightly(struct imap_session *s);

// ---- answers (imap_answer.c) --------------------------------------------------------------------

// Sets the result; `code` and `text` are static or in the arena. Returns STEP_DONE.
enum imap_step imap_answer(struct imap_session *s, enum imap_condition condition, struct span code,
                           struct span text);
enum imap_step imap_answer_ok(struct imap_session *s, const char *text);
enum imap_step imap_answer_no(struct imap_session *s, const char *code, const char *text);
enum imap_step imap_answer_bad(struct imap_session *s, const char *text);
// The store's or engine's error as NO with the code of RFC 5530 that fits.
enum imap_step imap_answer_err(struct imap_session *s, enum err e);
// "[NONEXISTENT]", or with TRYCREATE as COPY and APPEND want it.
enum imap_step imap_answer_no_mailbox(struct imap_session *s, bool try_create);

// Says how far the running command is, when it has said nothing of it for some seconds:
// "* OK [INPROGRESS ("tag" done goal)]" (RFC 9585). Only between two whole lines of output. `done`
// does not fall; nothing is said at the goal.
void imap_progress(struct imap_session *s, uint64_t done, uint64_t goal);

// Tells what was read since it last was told.
void imap_meter_tell(struct imap_session *s);

// Text in the command's arena; empty without memory.
struct span imap_text(struct imap_session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

// ---- small things -------------------------------------------------------------------------------

static inline bool imap_is_enabled(const struct imap_session *s, uint32_t what)
{
    return (s->enabled & what) != 0;
}

static inline bool imap_is_rev2(const struct imap_session *s)
{
    return imap_is_enabled(s, IMAP_ENABLE_IMAP4REV2);
}

// No message numbers in either direction (RFC 9586).
static inline bool imap_is_uid_only(const struct imap_session *s)
{
    return imap_is_enabled(s, IMAP_ENABLE_UIDONLY);
}

// Names and quoted strings may be UTF-8.
static inline bool imap_is_utf8(const struct imap_session *s)
{
    return imap_is_enabled(s, IMAP_ENABLE_IMAP4REV2 | IMAP_ENABLE_UTF8_ACCEPT);
}

static inline bool imap_batch_is_full(const struct imap_session *s)
{
    return s->out->n >= s->batch_end;
}

#define OUT(s, literal) buf_put((s)->out, SPAN(literal))

struct actor imap_actor(const struct imap_session *s);
// The handler's state, cleared; NULL without memory.
void *imap_state(struct imap_session *s, size_t bytes);
// The client's name of an ID command: what changes are put down to when no device is known.
void imap_client_set(struct imap_session *s, const struct imap_id *id);
// The same from the text of the list: ("name" "Thunderbird" ...).
void imap_client_from_list(struct imap_session *s, struct span list);
void imap_parse_options_of(const struct imap_session *s, struct imap_parse_options *out);

// A mailbox name of the wire (canonical, with the server's separator) as the store knows it, in the
// arena, and back. The names of IMAP_SESSION are already checked by the parser. ERR_INVALID with
// the reason.
enum err imap_name_in(struct imap_session *s, struct span wire, struct span *out,
                      const char **out_why);
struct span imap_name_shown(struct imap_session *s, struct span name); // p NULL without memory
void imap_name_out(struct imap_session *s, struct span name);          // written as an astring

// imap_without.c: what the session goes without. Anew from the account; then, or when the mail
// program has said who it is, by its name: true when that changed something.
void imap_without_load(struct imap_session *s);
bool imap_without_refresh(struct imap_session *s);
// The capability that the running command is of and that the session goes without; NULL: none.
const char *imap_without_refusal(struct imap_session *s);
// Does it go without the capability of this name (as announced, exactly)?
bool imap_is_without(const struct imap_session *s, const char *name);

void imap_condstore_enable(struct imap_session *s);
// Back to the state without a mailbox; `say_closed`: with [CLOSED] where the client knows it.
void imap_forget_selected(struct imap_session *s, bool say_closed);
void imap_write_capabilities(struct imap_session *s);
// May the client ask for COMPRESS now? (imap_compress.c)
bool imap_compress_is_offered(const struct imap_session *s);
// What is said from here on holds somebody's words: it is not to be compressed with others'.
static inline void imap_part(const struct imap_session *s)
{
    if (s->compression == COMPRESSION_ACTIVE) {
        s->io->part(s->io_arg);
    }
}

// Bits of wire/imap/imap_flag.h as those of store/placement.h.
uint16_t imap_flags_to_store(uint32_t bits);

// A view of an account as this session's user sees it. All of keep/imap opens views by it (or by
// imap_place_find): where those with whom a mailbox is shared have a \Seen of their own, messages
// come with this user's.
enum err imap_view_open(const struct imap_session *s, account_id account, struct view **out);

#endif
