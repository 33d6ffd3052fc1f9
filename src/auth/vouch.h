// SPDX-License-Identifier: Apache-2.0
//
// Whoever else can say who somebody is: a directory for passwords, an issuer for tokens. auth asks
// by a function it is handed, since the answer comes over the network and keep has none. A yes says
// who they are; whether they have an account here, and may come in, is decided here.
#ifndef AUTH_VOUCH_H
#define AUTH_VOUCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

enum auth_vouch_kind {
    AUTH_VOUCH_TOKEN = 1,       // whose token is this, and is it good?
    AUTH_VOUCH_PASSWORD = 2,    // is this their password?
    AUTH_VOUCH_STILL_THERE = 3, // is there such a person, and may they come in?
};

struct auth_vouch_question {
    enum auth_vouch_kind kind;
    struct span name;   // the account's address; with a token what the client says, or empty
    struct span secret; // empty with STILL_THERE
    struct span remote; // the client's address as text; may be empty
};

// Spans live in the asker's arena; they are set in every case.
struct auth_vouch_answer {
    struct span name;         // the address the authority knows them by; empty: the one asked about
    struct span display_name; // empty: not known
    int64_t valid_until_ms;   // since 1970; 0: not said
    uint64_t quota;           // bytes; 0: not said; UINT64_MAX: no limit
    struct span groups;       // one a line, as the authority calls them
    bool knows_groups;        // these are all of them
    struct span words;        // for the log and the administrator, never for the client
};

// ERR_OK: yes. ERR_DENIED: no. ERR_UNAVAILABLE: nobody can say now (also when too many ask at
// once), which is never to be taken for a no. Blocks, for a bounded time; any thread but a loop's.
struct auth_vouch {
    enum err (*ask)(void *arg, const struct auth_vouch_question *q, struct arena *a,
                    struct auth_vouch_answer *out); // NULL: there is nobody to ask
    // Makes an account of that name, an address in one of our domains, whose password is the
    // directory's. ERR_NOT_FOUND: the domain is not ours; ERR_EXISTS: the name is something else's.
    // NULL: whoever has no account here gets none. Blocks on the disk.
    enum err (*make)(void *arg, struct span name);
    // What the directory has said of somebody whose password was right, and who has an account of
    // that name. NULL: nobody wants to know. Blocks on the disk.
    void (*said)(void *arg, struct span name, const struct auth_vouch_answer *answer);
    void *arg;
};

#endif
