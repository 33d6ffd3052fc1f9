// SPDX-License-Identifier: Apache-2.0
//
// A queue of addresses in one buffer: recipients on their way to keep, and those it has accepted.
// One owner at a time.
#ifndef GATE_SMTP_SMTP_NAMES_H
#define GATE_SMTP_SMTP_NAMES_H

#include "base/buf.h"

struct smtp_names {
    struct buf text; // u16 length and bytes, each
    size_t at;       // of the first that was not taken
    size_t n;        // that were put
};

void smtp_names_init(struct smtp_names *l, size_t bytes_max);
void smtp_names_finish(struct smtp_names *l);
void smtp_names_clear(struct smtp_names *l); // gives the memory back
// `name` has less than 64 KiB. One that there is no room for is left out.
void smtp_names_put(struct smtp_names *l, struct span name);
// The next one off the front; false when there is none. Lives until the next change.
bool smtp_names_take(struct smtp_names *l, struct span *out);

#endif
