// SPDX-License-Identifier: Apache-2.0
//
// The compiler's state, shared by its three files: sieve_compile.c (commands to instructions),
// sieve_check.c (arguments to calls) and sieve_string.c (strings to pieces).
#ifndef SIEVE_SIEVE_COMPILE_INTERNAL_H
#define SIEVE_SIEVE_COMPILE_INTERNAL_H

#include "base/map.h"
#include "sieve/sieve_parse_internal.h"
#include "sieve/sieve_program_internal.h"

struct loop_names {
    struct span name;     // p NULL: none
    uint32_t break_chain; // instruction of the last `break` out of it, chained by target
};

struct compiler {
    const struct sieve_limits *limits;
    struct arena *out;  // the program and words
    struct arena *tree; // gone when done
    struct sieve_problems *problems;
    uint64_t enabled; // extensions
    bool is_soft;     // inside a construct that may be missing here (RFC 5463): errors wait
    struct span soft_text;

    struct sieve_insn *code; // malloc
    size_t code_n, code_cap;
    struct map names; // of variables, to index + 1
    struct sieve_variable *variables;
    uint32_t variable_n;
    struct loop_names loops[SIEVE_LOOPS_MAX];
    uint32_t loop_n;
    bool has_commands; // other than require
    enum err failed;   // ERR_NOMEM
};

// sieve_string.c: the text with encoded characters and variables found. `is_constant`: no
// variables are allowed in it. Problems are added at `text->place`.
struct sieve_string sieve_string_compile(struct compiler *c, const struct sieve_text *text,
                                         bool is_constant);

// A variable's index by name ("global." allowed); false with a problem added.
bool sieve_variable_find(struct compiler *c, struct sieve_place place, struct span name,
                         uint32_t *out);

// Declares a global variable; false with a problem added.
bool sieve_variable_global(struct compiler *c, struct sieve_place place, struct span name);

// sieve_check.c: the arguments of `node`, checked against `spec`. NULL with problems added.
const struct sieve_call *sieve_check(struct compiler *c, const struct sieve_node *node,
                                     const struct sieve_spec *spec);

// The constant value of the first string, or p NULL.
struct span sieve_arg_constant(const struct sieve_arg *arg);

// An extension's words in a problem: one of `needs` was not required.
bool sieve_needs(struct compiler *c, struct sieve_place place, uint64_t needs, const char *kind,
                 struct span name);

// Adds a problem that `ihave` may excuse: it becomes an error when the command is run.
void sieve_soft_problem(struct compiler *c, struct sieve_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
