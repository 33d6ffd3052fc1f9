// SPDX-License-Identifier: Apache-2.0
//
// The script's tokens and its tree, as the grammar has them (RFC 5228 section 8): names are not
// looked up yet. Everything lies in an arena that lives as long as the compilation.
#ifndef SIEVE_SIEVE_PARSE_INTERNAL_H
#define SIEVE_SIEVE_PARSE_INTERNAL_H

#include "sieve/sieve.h"

struct sieve_place {
    uint32_t line, column; // from 1
};

enum sieve_token_kind {
    TOKEN_END,
    TOKEN_NAME,   // identifier
    TOKEN_TAG,    // ":identifier"; text without the colon
    TOKEN_NUMBER, // number
    TOKEN_STRING, // text: without quotes, escapes and dot stuffing
    TOKEN_SIGN,   // one of ( ) [ ] { } , ;  in text.p[0]
    TOKEN_ERROR,  // text: what is wrong, in words
};

struct sieve_token {
    enum sieve_token_kind kind;
    struct sieve_place place;
    struct span text;
    uint64_t number;
};

struct sieve_lexer {
    struct span in;
    size_t at;
    size_t column_at; // how far the characters of the line are counted
    uint32_t line, column;
    struct arena *arena; // for strings that are not as written
    bool has_no_memory;
};

void sieve_lex_begin(struct sieve_lexer *x, struct span script, struct arena *arena);
struct sieve_token sieve_lex_next(struct sieve_lexer *x);

struct sieve_text {
    struct sieve_place place;
    struct span text;
};

enum sieve_node_arg_kind { ARG_TAG, ARG_NUMBER, ARG_STRING, ARG_LIST };

struct sieve_node_arg {
    struct sieve_node_arg *next;
    enum sieve_node_arg_kind kind;
    struct sieve_place place;
    struct span text;           // of a tag
    uint64_t number;            // of a number
    struct sieve_text *strings; // of a string (one) and a list
    uint32_t string_n;
};

// A command or a test.
struct sieve_node {
    struct sieve_node *next; // in the block, or in the list of tests
    struct span name;
    struct sieve_place place;
    struct sieve_node_arg *args;
    struct sieve_node *tests;
    uint32_t test_n;
    bool is_list; // tests in parentheses
    bool has_block;
    struct sieve_node *block;
};

// Adds a problem; false when there is no room (it is then dropped). `format` as for printf; text in
// `arena`.
void sieve_problem_add(struct sieve_problems *problems, struct arena *arena,
                       struct sieve_place place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Reads the script. The tree is NULL for an empty script. ERR_INVALID with one problem added,
// ERR_NOMEM.
enum err sieve_parse(const struct sieve_limits *limits, struct span script, struct arena *tree,
                     struct arena *words, struct sieve_problems *problems,
                     struct sieve_node **out_tree);

#endif
