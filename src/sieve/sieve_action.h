// SPDX-License-Identifier: Apache-2.0
//
// What a script decided: plain data for the delivery to carry out, in the order of the list. All
// spans lie in the arena given to sieve_run, or in the message.
#ifndef SIEVE_SIEVE_ACTION_H
#define SIEVE_SIEVE_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct sieve_strings {
    const struct span *list;
    size_t n;
};

enum sieve_action_kind {
    SIEVE_KEEP,     // into INBOX
    SIEVE_FILEINTO, // into `target`
    SIEVE_REDIRECT,
    SIEVE_REJECT,  // refuse the message: in the SMTP session where that is still possible, else by
                   // a notice to the sender (RFC 5429 section 2.2)
    SIEVE_EREJECT, // the same, but never by a notice when the session can say it (section 2.1)
    SIEVE_DISCARD, // nothing else was decided and the script wants the message gone
    SIEVE_VACATION,
    SIEVE_NOTIFY,
};

// The message after addheader, deleteheader, replace and enclose: header, then body.
struct sieve_version {
    struct span header; // with the empty line
    struct span body;
    uint64_t rest; // bytes at the end of the message as it came that follow (sieve_env.more_bytes)
};

// Where to store, in the order to try: `id`, else `special_use`, else `name`.
struct sieve_target {
    struct span name;        // UTF-8, never empty
    struct span id;          // MAILBOXID (RFC 9042); p NULL: none
    struct span special_use; // "\Junk" (RFC 8579); p NULL: none
    bool is_created;         // make the mailbox `name` when there is none (RFC 5490)
    bool has_flags;          // `flags` is the list, which may be empty; else the mailbox's default
    struct sieve_strings flags; // system flags and keywords, no doubles (RFC 5232)
};

struct sieve_vacation {
    uint64_t seconds;    // between two replies to the same sender
    struct span handle;  // tells replies apart; made from the arguments when the script has none
    struct span subject; // UTF-8; p NULL: "Auto: " and the message's subject
    struct span from;    // an address as the script gave it, checked; p NULL: the owner's
    struct span reason;  // the text, or with is_mime a MIME entity with header
    bool is_mime;
    struct sieve_strings addresses; // that count as the owner's (RFC 5230 section 4.5)
    struct sieve_target fcc;        // name.p NULL: no copy is kept (RFC 8580)
};

struct sieve_notify {
    struct span method;  // the URI; only "mailto:" gets here
    struct span from;    // p NULL: the owner's address
    struct span message; // the subject; p NULL: the URI's, else the message's
    char importance;     // '1' high, '2', '3'
    struct sieve_strings options;
    struct sieve_strings to, cc;                      // from the URI, checked; at least one
    struct span subject, body;                        // from the URI; p NULL: none
    struct sieve_strings header_names, header_values; // other safe fields of the URI, as many each
    struct sieve_target fcc;
};

struct sieve_action {
    enum sieve_action_kind kind;
    uint32_t line;                       // of the command; 0: the implicit keep
    const struct sieve_version *message; // what to store or send; NULL: as it came
    struct sieve_target target;          // KEEP (flags only) and FILEINTO
    struct span address;                 // REDIRECT: local@domain, checked
    struct span dsn_notify, dsn_ret;     // REDIRECT (RFC 6009), in upper case; p NULL: not said
    struct span reason;                  // REJECT, EREJECT: UTF-8, several lines
    const struct sieve_vacation *vacation;
    const struct sieve_notify *notify;
};

// A duplicate test that was made: to be remembered when everything was carried out (RFC 7352).
struct sieve_track {
    struct span key; // 32 hex digits of handle and unique id
    uint64_t seconds;
    bool is_last; // an entry that is there gets the new expiry, too
};

struct sieve_result {
    const struct sieve_action *actions;
    size_t action_n;
    const struct sieve_track *tracks;
    size_t track_n;
    // The script failed: the actions are one keep of the message as it came, and the owner is to be
    // told. Line 0: not a place in the script.
    bool has_error;
    bool is_over_budget; // it failed because it used too much
    uint32_t error_line;
    struct span error_script; // name of the included script; empty: the script itself
    struct span error_text;   // in plain words
};

#endif
