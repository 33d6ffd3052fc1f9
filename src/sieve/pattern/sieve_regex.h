// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions: the POSIX extended syntax without back references (draft-ietf-sieve-regex).
// Matching simulates the automaton, all alternatives side by side, so time is the product of
// pattern and text, never more. The longest of the leftmost matches wins; which alternative gave
// its groups is decided from left to right, greedy first.
#ifndef SIEVE_PATTERN_SIEVE_REGEX_H
#define SIEVE_PATTERN_SIEVE_REGEX_H

#include "base/arena.h"
#include "base/err.h"

#define SIEVE_GROUPS_MAX 16 // the whole match is group 0; further groups match but are not told

struct sieve_regex;

// ERR_INVALID sets `out_problem` to words for the author; ERR_NOMEM. Characters are those of
// UTF-8; a byte that is none is a character of its own. `is_octet`: characters are bytes.
enum err sieve_regex_compile(struct arena *arena, struct span pattern, bool is_nocase,
                             bool is_octet, const struct sieve_regex **out,
                             const char **out_problem);

struct sieve_group_span {
    size_t from, to; // bytes of the text; from SIZE_MAX: the group took no part
};

// ERR_NOT_FOUND; ERR_LIMIT when `*steps` runs out; ERR_NOMEM. `out_groups` has room for
// SIEVE_GROUPS_MAX. Scratch memory comes from `arena`.
enum err sieve_regex_match(const struct sieve_regex *regex, struct span text, struct arena *arena,
                           uint64_t *steps, struct sieve_group_span *out_groups, size_t *out_n);

#endif
