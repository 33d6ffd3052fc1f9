// SPDX-License-Identifier: Apache-2.0
//
// The checks on a message while it goes through a dialogue, as the dialogue knows them: a row of
// functions of the owner's (gate/client_check.c plugs gate/verdict in; a test what it likes).
#ifndef GATE_DIALOGUE_DIALOGUE_CHECK_H
#define GATE_DIALOGUE_DIALOGUE_CHECK_H

#include "base/buf.h"
#include "base/err.h"

struct dialogue;

struct dialogue_check_facts {
    struct span helo, sender;      // sender empty: the null path
    const struct span *recipients; // accepted
    size_t recipient_n;
    bool is_checked; // by a stranger; otherwise only forged results are taken out
    bool is_utf8;
};

struct dialogue_check_result {
    bool is_refused, is_suspect;
    unsigned code;              // when refused
    struct span enhanced, text; // the same
    struct span lines;          // header fields to go in front of the message
    struct span words;          // what was found
    struct span report;         // a frame for keep to go before the end; may be empty
};

// What feeding may add to what is fed: fields that were held back.
#define DIALOGUE_CHECK_HELD_MAX (128u << 10)

struct dialogue_checker {
    // A message begins. NULL: no memory.
    void *(*begin)(struct dialogue *d, const struct dialogue_check_facts *facts);
    // Appends to `out` what is to go on. ERR_LIMIT: the header is too large; ERR_NOMEM.
    enum err (*feed)(void *check, struct span bytes, struct buf *out);
    // No more now; dialogue_resume when there may be.
    bool (*is_full)(const void *check);
    // All was fed; dialogue_checked comes later, never from within.
    enum err (*finish)(void *check, struct buf *out);
    void (*destroy)(void *check);
};

#endif
