// SPDX-License-Identifier: Apache-2.0
//
// Wildcards (RFC 5228 section 2.7.1) and the comparator i;unicode-casemap (RFC 5051). Pure; any
// thread. Time is at most the product of pattern and text.
#ifndef SIEVE_PATTERN_SIEVE_GLOB_H
#define SIEVE_PATTERN_SIEVE_GLOB_H

#include "base/buf.h"
#include "sieve/pattern/sieve_regex.h"

// Whether the whole text fits the pattern: '*' any characters, as few as possible, '?' one, '\'
// takes the meaning off the next. `is_unicode`: characters are those of UTF-8 and case is ignored;
// else bytes, as they are. ERR_NOT_FOUND; ERR_LIMIT when `*steps` runs out; ERR_NOMEM. `out_groups`
// has room for SIEVE_GROUPS_MAX: the whole text, then what each wildcard stands for.
enum err sieve_glob(struct span pattern, struct span text, bool is_unicode, struct arena *arena,
                    uint64_t *steps, struct sieve_group_span *out_groups, size_t *out_n);

// Appends the text as i;unicode-casemap compares it: title case, decomposed.
void sieve_fold_unicode(struct buf *out, struct span text);

#endif
