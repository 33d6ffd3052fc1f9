// SPDX-License-Identifier: Apache-2.0
//
// Work that keep does by itself from time to time, each on a thread of its own.
#ifndef KEEP_KEEP_CHORE_H
#define KEEP_KEEP_CHORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct keep_chore;

// On the chore's thread. What takes long asks keep_chore_is_stopping now and then.
typedef void keep_chore_fn(void *arg);

struct keep_chore_options {
    const char *name; // of the thread, at most 15 bytes
    keep_chore_fn *run;
    void *arg;
    int64_t interval_ms; // between the end of the wait and the next turn; 0: only when woken
    bool at_once;        // the first turn, without waiting
};

// ERR_NOMEM: also no thread to be had.
enum err keep_chore_start(const struct keep_chore_options *o, struct keep_chore **out);
// Another interval, from now. Any thread.
void keep_chore_set_interval(struct keep_chore *c, int64_t interval_ms);
// A turn no later than in `delay_ms`. Any thread.
void keep_chore_wake(struct keep_chore *c, int64_t delay_ms);
bool keep_chore_is_stopping(struct keep_chore *c);
// Ends the thread after the turn it is at, and frees. NULL is allowed.
void keep_chore_stop(struct keep_chore *c);

#endif
