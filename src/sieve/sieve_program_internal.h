// SPDX-License-Identifier: Apache-2.0
//
// A compiled script: an array of instructions with one flag, the result of the last test. Calls
// hold a command's or test's arguments, checked and sorted by the compiler.
#ifndef SIEVE_SIEVE_PROGRAM_INTERNAL_H
#define SIEVE_SIEVE_PROGRAM_INTERNAL_H

#include "sieve/pattern/sieve_regex.h"
#include "sieve/sieve.h"
#include "sieve/sieve_table_internal.h"

#define SIEVE_VARIABLES_MAX 256 // in one script
#define SIEVE_LOOPS_MAX     32

enum sieve_op {
    OP_TEST,       // flag = test `call`
    OP_CONSTANT,   // flag = target
    OP_NOT,        // flag = !flag
    OP_JUMP,       // to target
    OP_JUMP_TRUE,  // to target when the flag is set
    OP_JUMP_FALSE, // to target when it is not
    OP_ACTION,     // do `call`
    OP_LOOP,       // begin foreverypart
    OP_LOOP_NEXT,  // the next part, or end the loop and go to target
    OP_BREAK,      // end `count` loops and go to target
    OP_INCLUDE,    // run the script of `call`
    OP_RETURN,     // end this script
    OP_STOP,       // end all scripts
    OP_FAIL,       // end with the error `text`
};

struct sieve_insn {
    enum sieve_op op;
    uint32_t line;
    uint32_t target, count;
    const struct sieve_call *call;
    struct span text;
};

enum sieve_piece_kind { PIECE_TEXT, PIECE_MATCH, PIECE_VARIABLE };

struct sieve_piece {
    enum sieve_piece_kind kind;
    uint32_t index; // of the group or the variable
    struct span text;
};

// A string of the script. Without pieces it is constant.
struct sieve_string {
    struct span text; // as written (escapes and encoded characters resolved)
    const struct sieve_piece *pieces;
    uint32_t piece_n;
};

struct sieve_arg {
    enum sieve_value kind; // VALUE_NONE for a tag without value, and an argument left out
    uint8_t tag;           // of a tag
    struct sieve_string *strings;
    uint32_t n;
    uint64_t number;
};

enum sieve_comparator { COMPARE_CASEMAP, COMPARE_OCTET, COMPARE_NUMERIC, COMPARE_UNICODE };
enum sieve_match { MATCH_IS, MATCH_CONTAINS, MATCH_MATCHES, MATCH_REGEX, MATCH_COUNT, MATCH_VALUE };
enum sieve_relation { REL_EQ, REL_NE, REL_GT, REL_GE, REL_LT, REL_LE };
enum sieve_part { PART_ALL, PART_LOCALPART, PART_DOMAIN, PART_USER, PART_DETAIL };

struct sieve_call {
    const struct sieve_spec *spec;
    uint32_t line;
    enum sieve_comparator comparator;
    enum sieve_match match;
    enum sieve_relation relation;
    enum sieve_part part;
    bool has_part;     // said in the script
    uint32_t variable; // of set and extracttext
    uint32_t tag_n;
    const struct sieve_arg *tags;
    struct sieve_arg args[SIEVE_ARGS_MAX];
    // For MATCH_REGEX with constant keys: one for each key, else NULL.
    const struct sieve_regex *const *regexes;
};

struct sieve_variable {
    struct span name; // lower case
    bool is_global;
};

struct sieve_program {
    const struct sieve_insn *code;
    uint32_t code_n;
    const struct sieve_variable *variables;
    uint32_t variable_n;
    uint64_t extensions; // enabled by require or ihave
};

// The tag's argument, or NULL when it was not given.
static inline const struct sieve_arg *sieve_call_tag(const struct sieve_call *call,
                                                     enum sieve_tag tag)
{
    for (uint32_t i = 0; i < call->tag_n; i++) {
        if (call->tags[i].tag == tag) {
            return &call->tags[i];
        }
    }
    return NULL;
}

#endif
