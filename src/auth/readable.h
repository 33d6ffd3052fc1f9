// SPDX-License-Identifier: Apache-2.0
//
// Secrets that people copy by eye and hand: Douglas Crockford's base 32 in lower case, which has no
// look-alikes, shown in groups. Pure but for randomness; any thread.
#ifndef AUTH_READABLE_H
#define AUTH_READABLE_H

#include <stdbool.h>

#include "base/span.h"

// `n` random characters, five bits each.
void readable_make(char *out, size_t n);

// The character for five bits.
char readable_char(unsigned bits);

// Exactly `n` characters as people type them (any case, dashes and blanks or not, O for 0, I or L
// for 1), in their one spelling. False: something else; `out` may have changed.
bool readable_read(struct span typed, char *out, size_t n);

// With a dash between groups of `group`; `out` has room for READABLE_TEXT_BYTES. No NUL.
#define READABLE_TEXT_BYTES(n, group) ((n) + ((n)-1) / (group))
void readable_show(const char *chars, size_t n, size_t group, char *out);

#endif
