// SPDX-License-Identifier: Apache-2.0
//
// Runs a program on a message. What the script wants to know of the world it asks of an
// environment handed in; what it decides comes back as a list of actions. Nothing is carried out
// here. One run belongs to one thread; it blocks only where the callbacks do.
#ifndef SIEVE_SIEVE_RUN_H
#define SIEVE_SIEVE_RUN_H

#include "mime/mime_part.h"
#include "sieve/sieve.h"
#include "sieve/sieve_action.h"

// One for a delivery: all scripts and includes it runs share it. A step is about 5 ns.
struct sieve_budget {
    uint64_t steps_left;
};

#define SIEVE_STEPS_DEFAULT     200000000u   // about a second
#define SIEVE_RESULT_BYTES_MAX  (256u << 20) // cap to give the arena of a run
#define SIEVE_VALUE_BYTES_MAX   16384u       // of a variable; longer values are cut
#define SIEVE_INCLUDES_MAX      32u          // scripts in one run
#define SIEVE_INCLUDE_DEPTH_MAX 10u
#define SIEVE_BODY_BYTES_MAX    (8u << 20) // of each part's text, how much `body` looks at

enum sieve_trace_kind {
    SIEVE_TRACE_TEST,   // a test and its result
    SIEVE_TRACE_ACTION, // an action and what it will do
    SIEVE_TRACE_NOTE,   // what was compared, or why something was left out
};

struct sieve_trace {
    enum sieve_trace_kind kind;
    struct span script; // name of the included script; empty: the script itself
    uint32_t line;
    bool result;      // of a test
    struct span text; // one line in plain words; valid during the call
};

// What a filter program said of the message (RFC 5235); `level` of spam 0 to 100, of virus 1 to 5.
struct sieve_verdict {
    bool is_tested;
    unsigned level;
};

// Callbacks may be NULL: then nothing of the sort exists. Answers go into `arena` where one is
// given. ERR_NOT_FOUND means there is none; another error ends the run (ERR_UNAVAILABLE and so on
// are returned by sieve_run: the delivery is to be tried again).
struct sieve_env {
    void *context;
    struct span message;             // the whole message; lines end in CRLF or LF
    uint64_t more_bytes;             // of its body that come after what is shown; counted by `size`
    const struct mime_message *mime; // what mime_read found in it, or NULL: it is read when needed
    struct span envelope_from;       // without angle brackets, empty for "<>"; p NULL: not known
    struct span envelope_to;         // final recipient; p NULL: not known
    struct span dsn_notify, dsn_orcpt, dsn_ret, dsn_envid; // RFC 3461, decoded; p NULL: not said
    int64_t now;                                   // seconds since 1970, the same for the whole run
    int zone_minutes;                              // the owner's time zone, east of UTC
    struct sieve_strings addresses;                // of the owner; the first is used for "From"
    char address_separator;                        // of user and detail (RFC 5233); '\0': '+'
    uint64_t vacation_days_min, vacation_days_max; // 0: 1 and 30
    struct sieve_verdict spam, virus;
    struct sieve_limits limits; // all 0: the defaults

    // The mailbox exists and the owner may deliver into it (RFC 5490 section 3.1).
    enum err (*mailbox_exists)(void *context, struct span name);
    enum err (*mailbox_id_exists)(void *context, struct span id);
    // A mailbox with this special use; `name` p NULL: any, else this one (RFC 8579 section 3).
    enum err (*special_use_exists)(void *context, struct span name, struct span use);
    // An annotation's value; `name` p NULL: of the server (RFC 5490 section 3.3 and 4).
    enum err (*metadata)(void *context, struct span name, struct span entry, struct arena *arena,
                         struct span *out);
    // ERR_OK: the key was seen before and has not expired (RFC 7352).
    enum err (*duplicate)(void *context, struct span key);
    // The text of a script by name (RFC 6609); names were checked by sieve_script_name_is_valid.
    enum err (*script)(void *context, bool is_global, struct span name, struct arena *arena,
                       struct span *out);
    // Environment items (RFC 5183, RFC 6785 section 4.3), names in lower case.
    enum err (*item)(void *context, struct span name, struct arena *arena, struct span *out);
    void (*trace)(void *context, const struct sieve_trace *trace);
};

// Runs. ERR_OK also when the script failed: then `out->has_error` is set and the actions are one
// keep. ERR_NOMEM and what callbacks report: nothing was decided, try the delivery again.
// `budget` is charged. The result lives in `arena` and refers to the message.
enum err sieve_run(const struct sieve_program *program, const struct sieve_env *env,
                   struct sieve_budget *budget, struct arena *arena, struct sieve_result *out);

#endif
