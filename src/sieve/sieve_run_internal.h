// SPDX-License-Identifier: Apache-2.0
//
// The interpreter's state, for its files: sieve_run.c (instructions), sieve_value.c (strings and
// variables), sieve_match.c (comparing), sieve_message.c (the message and its edits),
// sieve_test_*.c and sieve_act_*.c (one function for each test and action).
#ifndef SIEVE_SIEVE_RUN_INTERNAL_H
#define SIEVE_SIEVE_RUN_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "mime/mime_header.h"
#include "sieve/pattern/sieve_glob.h"
#include "sieve/sieve_check_internal.h"
#include "sieve/sieve_program_internal.h"
#include "sieve/sieve_run.h"

#define SIEVE_TEXT_BYTES_MAX (64u * 1024) // of a string after variables were put in
#define SIEVE_SCRATCH_BYTES  (96u << 20)  // for the work of one instruction
#define SIEVE_EDITS_MAX      256          // changes of the message
#define SIEVE_ACTIONS_MAX    1024
#define SIEVE_FLAGS_MAX      128 // in one list
#define SIEVE_GLOBALS_MAX    256

// One state of the message. Immutable: an edit makes a new one, so that earlier actions and loops
// keep theirs.
struct mail {
    struct sieve_version version;
    const struct mime_message *mime; // NULL until someone needs the parts
    bool is_original;
};

struct loop {
    struct mail *mail;
    const struct mime_part *top, *part; // part NULL: before the first
    bool is_over, skips_children;
    unsigned generation; // of the message's structure when the loop began
};

struct match_groups {
    struct buf text; // the groups one after the other
    struct sieve_group_span at[SIEVE_GROUPS_MAX];
    size_t n;
};

// A script that is being run.
struct frame {
    struct frame *parent;
    const struct sieve_program *program;
    struct span name; // empty: the first script
    bool is_global;   // from the global scripts (RFC 6609)
    struct buf *locals;
    struct buf **variables; // one for each of the program's: a local, or a global
    struct match_groups groups;
    struct loop loops[SIEVE_LOOPS_MAX];
    uint32_t loop_n;
    uint32_t line; // of the instruction that runs
    unsigned depth;
};

struct global {
    struct span name;
    struct buf value;
};

struct script { // that was included
    struct span name;
    bool is_global;
    const struct sieve_program *program; // NULL: it does not compile
    struct span problem;
};

enum run_state { RUN_ON, RUN_STOPPED, RUN_FAILED };

struct pending {          // a part to be replaced
    const uint32_t *path; // child indexes from the message down
    uint32_t path_n;
    struct span text; // header and body
};

struct run {
    const struct sieve_env *env;
    const struct sieve_limits *limits;
    struct sieve_budget *budget;
    struct arena *out;     // results
    struct arena scratch;  // of one instruction
    struct arena programs; // included scripts and parsed messages
    struct frame *frame;
    enum run_state state;
    enum err error; // that ends the delivery, too
    struct sieve_result *result;

    struct mail original, *mail;
    struct mail *unenclosed; // what redirect sends after an enclose; NULL: mail
    unsigned edits, generation;
    struct pending *pending;
    uint32_t pending_n, pending_cap;

    struct buf flags; // the internal variable (RFC 5232), one flag a line
    struct global *globals;
    uint32_t global_n;
    struct script scripts[SIEVE_INCLUDES_MAX];
    uint32_t script_n;

    struct sieve_action *actions;
    uint32_t action_n, action_cap, redirect_n;
    struct sieve_track *tracks;
    uint32_t track_n, track_cap;
    bool is_kept; // the implicit keep stands
    struct buf trace;
};

// Takes steps; false when there are none left (the run has failed then).
bool sieve_spend(struct run *r, uint64_t steps);

// Ends the run: the owner is told. Always false.
bool sieve_fail(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Ends the run for using too much. Always false.
bool sieve_fail_budget(struct run *r, const char *what);
// Memory could not be had: from `r->out` or scratch at its cap that is the script's fault.
bool sieve_fail_memory(struct run *r);

static inline bool sieve_is_on(const struct run *r)
{
    return r->state == RUN_ON && r->error == ERR_OK;
}

// Says something of the running instruction, when somebody listens.
void sieve_note(struct run *r, enum sieve_trace_kind kind, bool result, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define NOTE(r, ...)                                                                               \
    do {                                                                                           \
        if ((r)->env->trace) {                                                                     \
            sieve_note(r, SIEVE_TRACE_NOTE, false, __VA_ARGS__);                                   \
        }                                                                                          \
    } while (0)
#define TOLD_ACTION(r, ...)                                                                        \
    do {                                                                                           \
        if ((r)->env->trace) {                                                                     \
            sieve_note(r, SIEVE_TRACE_ACTION, false, __VA_ARGS__);                                 \
        }                                                                                          \
    } while (0)
// For "%.*s" in notes: no more of a value than fits a line.
#define SHOWN(s) (int)((s).n < 200 ? (s).n : 200), (s).p ? (s).p : ""

// sieve_value.c

// The string with its variables; in scratch or the program. Never NULL; empty when the run failed.
struct span sieve_expand(struct run *r, const struct sieve_string *s);
// The first string of an argument; p NULL when `arg` is NULL or was left out.
struct span sieve_expand_arg(struct run *r, const struct sieve_arg *arg);
// All of them, in scratch.
struct sieve_strings sieve_expand_list(struct run *r, const struct sieve_arg *arg);
// Copies into the results. p NULL stays NULL.
struct span sieve_keep_span(struct run *r, struct span s);
void sieve_variable_set(struct run *r, uint32_t index, struct span value);
void sieve_set(struct run *r, const struct sieve_call *call);
// The value with the call's modifiers (RFC 5229 section 4.1), cut to the limit; in scratch.
struct span sieve_modify(struct run *r, const struct sieve_call *call, struct span value);

// sieve_flags.c

void sieve_flags_change(struct run *r, const struct sieve_call *call);
// The flags of one list, normalised, in the results.
struct sieve_strings sieve_flags_list(struct run *r, struct sieve_strings words);
// The internal variable's.
struct sieve_strings sieve_flags_current(struct run *r);
bool sieve_test_hasflag(struct run *r, const struct sieve_call *call);

// sieve_match.c

struct matcher {
    struct run *r;
    const struct sieve_call *call;
    struct sieve_strings keys;   // as written
    struct sieve_strings folded; // for the comparator
    const struct sieve_regex **regexes;
    struct buf fold; // of the value
    uint64_t count;
    unsigned shown;
    bool hit;
};

// Starts a test against the keys of an argument.
void sieve_match_begin(struct matcher *m, struct run *r, const struct sieve_call *call,
                       const struct sieve_arg *keys);
// Tries one value: true when no more are needed.
bool sieve_match_value(struct matcher *m, struct span value);
// The result. Must be called.
bool sieve_match_end(struct matcher *m);

// sieve_message.c

bool sieve_mail_begin(struct run *r);
// The parts; NULL when the run failed.
const struct mime_message *sieve_mail_mime(struct run *r, struct mail *m);
struct span sieve_mail_bytes(const struct mail *m, uint64_t offset, uint64_t size);
struct span sieve_mail_part_header(const struct mail *m, const struct mime_part *part);
struct span sieve_mail_part_body(const struct mail *m, const struct mime_part *part);
// The part after `part` in the tree under `top`, depth first; NULL at the end.
const struct mime_part *sieve_mail_next_part(const struct mime_part *top,
                                             const struct mime_part *part, bool skips_children);
// A new state of the message, spans in `r->out`. Counts as an edit.
struct mail *sieve_mail_edit(struct run *r, struct span header, struct span body, uint64_t rest);
// False, and the run has failed, when some of the body is not shown.
bool sieve_mail_is_whole(struct run *r);
// Carries out pending replacements.
void sieve_mail_settle(struct run *r);
// What an action stores or sends; NULL for the message as it came.
const struct sieve_version *sieve_mail_version(struct run *r, struct mail *m);
uint64_t sieve_mail_size(const struct mail *m);
// "\r\n" or "\n", as the message has it.
struct span sieve_mail_break(const struct run *r);
// The innermost loop with a part; NULL outside of loops.
struct loop *sieve_loop(struct run *r);

// Tests: the result. Actions: what goes wrong ends the run.
bool sieve_test_header(struct run *r, const struct sieve_call *call);
bool sieve_test_address(struct run *r, const struct sieve_call *call);
bool sieve_test_exists(struct run *r, const struct sieve_call *call);
bool sieve_test_envelope(struct run *r, const struct sieve_call *call);
bool sieve_test_size(struct run *r, const struct sieve_call *call);
bool sieve_test_body(struct run *r, const struct sieve_call *call);
bool sieve_test_date(struct run *r, const struct sieve_call *call);
bool sieve_test_currentdate(struct run *r, const struct sieve_call *call);
bool sieve_test_string(struct run *r, const struct sieve_call *call);
bool sieve_test_mailbox(struct run *r, const struct sieve_call *call);
bool sieve_test_special_use(struct run *r, const struct sieve_call *call);
bool sieve_test_metadata(struct run *r, const struct sieve_call *call);
bool sieve_test_duplicate(struct run *r, const struct sieve_call *call);
bool sieve_test_environment(struct run *r, const struct sieve_call *call);
bool sieve_test_verdict(struct run *r, const struct sieve_call *call);
bool sieve_test_notify(struct run *r, const struct sieve_call *call);

void sieve_act_keep(struct run *r, const struct sieve_call *call);
void sieve_act_discard(struct run *r, const struct sieve_call *call);
void sieve_act_fileinto(struct run *r, const struct sieve_call *call);
void sieve_act_redirect(struct run *r, const struct sieve_call *call);
void sieve_act_reject(struct run *r, const struct sieve_call *call);
void sieve_act_vacation(struct run *r, const struct sieve_call *call);
void sieve_act_notify(struct run *r, const struct sieve_call *call);
void sieve_act_addheader(struct run *r, const struct sieve_call *call);
void sieve_act_deleteheader(struct run *r, const struct sieve_call *call);
void sieve_act_extracttext(struct run *r, const struct sieve_call *call);
void sieve_act_replace(struct run *r, const struct sieve_call *call);
void sieve_act_enclose(struct run *r, const struct sieve_call *call);
// The keep at the end, when nothing cancelled it; or alone after an error.
void sieve_act_implicit_keep(struct run *r);
void sieve_act_failed_keep(struct run *r);
// Words of the action for the trace are up to each; 32 hex digits of the spans' hash, in the
// results.
struct span sieve_hash(struct run *r, const struct span *list, size_t n);

// sieve_headers.c: the fields a header test looks at, in the order of the names: of the message, or
// with :mime of the part the loop is at and with :anychild those in it.

// Calls `take` for each field until it returns true.
void sieve_fields(struct run *r, const struct sieve_call *call, struct sieve_strings names,
                  bool (*take)(void *context, const struct mime_field *field), void *context);

// What the files with actions share.

// A new action at the end of the list; NULL when the run failed.
struct sieve_action *sieve_act_add(struct run *r, enum sieve_action_kind kind);

// True, and the run failed, when such an action does not go with those decided before.
bool sieve_act_conflicts(struct run *r, enum sieve_action_kind kind);

// Where to store, without flags: the mailbox `name`, and what :create, :specialuse and :mailboxid
// say. False when the run failed.
bool sieve_act_target(struct run *r, const struct sieve_call *call, struct span name,
                      struct sieve_target *out);

// Appends a line of a header, with a line break when it has none.
void sieve_line_put(struct buf *out, struct span line, struct span line_break);

// Appends "Name: value" folded and with its line break; the value becomes printable ASCII.
void sieve_field_put(struct buf *out, struct span name, struct span value, struct span line_break);

#endif
