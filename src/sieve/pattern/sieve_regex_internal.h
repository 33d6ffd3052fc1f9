// SPDX-License-Identifier: Apache-2.0
//
// A regular expression as instructions of an automaton: written by sieve_regex.c, run by
// sieve_regex_match.c.
#ifndef SIEVE_PATTERN_SIEVE_REGEX_INTERNAL_H
#define SIEVE_PATTERN_SIEVE_REGEX_INTERNAL_H

#include "sieve/pattern/sieve_regex.h"

#define REGEX_INSNS_MAX  4096
#define REGEX_RANGES_MAX 64

struct regex_range {
    uint32_t low, high;
};

struct regex_set {
    bool is_not;
    bool has_letters; // letters outside ASCII belong to it
    uint32_t n;
    struct regex_range ranges[REGEX_RANGES_MAX];
};

enum regex_op {
    REGEX_CHAR, // x, folded when the case is ignored
    REGEX_ANY,
    REGEX_SET,
    REGEX_START,
    REGEX_END,
    REGEX_SPLIT, // x first, then y
    REGEX_JUMP,  // x
    REGEX_SAVE,  // the place into slot x
    REGEX_MATCH,
};

struct regex_insn {
    enum regex_op op;
    uint32_t x, y;
    const struct regex_set *set;
};

struct sieve_regex {
    const struct regex_insn *code;
    uint32_t n;
    uint32_t groups; // that are told, group 0 included
    bool is_nocase, is_octet;
    struct arena *arena; // while compiling
};

// The character for comparing without case.
uint32_t regex_fold(uint32_t code);

// Takes a character off the front of `*in`, which is not empty.
uint32_t regex_next(struct span *in, bool is_octet);

#endif
