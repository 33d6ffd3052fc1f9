// SPDX-License-Identifier: Apache-2.0
//
// The grammar (RFC 5228 section 8.2). Recursion is as deep as the script nests, which is limited.
#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "sieve/sieve_parse_internal.h"

#include "base/banned.h"

struct parser {
    const struct sieve_limits *limits;
    struct sieve_lexer lexer;
    struct sieve_token token; // the next one
    struct arena *tree, *words;
    struct sieve_problems *problems;
    uint32_t depth, nodes;
    enum err failed;
};

void sieve_problem_add(struct sieve_problems *problems, struct arena *arena,
                       struct sieve_place place, const char *format, ...)
{
    char text[400];
    va_list args;

    if (problems->n >= SIEVE_PROBLEMS_MAX) {
        return;
    }
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);

    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        n = sizeof(text) - 1;
    }
    struct buf clean; // a name may have been cut in a character

    buf_init(&clean, sizeof(text) * 3);
    utf8_sanitize(&clean, span_of(text, (size_t)n));
    struct span copy = arena_dup(arena, buf_span(&clean));

    buf_finish(&clean);
    problems->list[problems->n++] = (struct sieve_problem){
        place.line, place.column, copy.p ? copy : SPAN("no memory for the message")};
}

void sieve_problems_put(struct buf *out, const struct sieve_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        const struct sieve_problem *p = &problems->list[i];

        buf_printf(out, "%u:%u: ", p->line, p->column);
        buf_put(out, p->text);
        buf_put_byte(out, '\n');
    }
}

static void fail(struct parser *p, struct sieve_place place, const char *text)
{
    if (p->failed == ERR_OK) {
        sieve_problem_add(p->problems, p->words, place, "%s", text);
        p->failed = ERR_INVALID;
    }
}

static void advance(struct parser *p)
{
    if (p->failed != ERR_OK) {
        return;
    }
    p->token = sieve_lex_next(&p->lexer);
    if (p->lexer.has_no_memory) {
        p->failed = ERR_NOMEM;
    } else if (p->token.kind == TOKEN_ERROR) {
        struct span text = p->token.text;

        sieve_problem_add(p->problems, p->words, p->token.place, "%.*s", SPAN_ARG(text));
        p->failed = ERR_INVALID;
    }
    if (p->failed != ERR_OK) {
        p->token.kind = TOKEN_END;
    }
}

static bool is_sign(const struct parser *p, char c)
{
    return p->token.kind == TOKEN_SIGN && p->token.text.p[0] == c;
}

static void *make(struct parser *p, size_t size)
{
    void *m = arena_zalloc(p->tree, 1, size);

    if (!m) {
        p->failed = ERR_NOMEM;
    }
    return m;
}

static void expect(struct parser *p, char c, const char *text)
{
    if (is_sign(p, c)) {
        advance(p);
    } else {
        fail(p, p->token.place, text);
    }
}

struct item {
    struct item *next;
    struct sieve_text text;
};

// The strings up to the bracket.
static void read_list(struct parser *p, struct sieve_node_arg *arg)
{
    struct item *first = NULL, **end = &first;

    advance(p);
    if (is_sign(p, ']')) {
        fail(p, p->token.place, "a list in brackets may not be empty");
    }
    while (p->failed == ERR_OK) {
        if (p->token.kind != TOKEN_STRING) {
            fail(p, p->token.place, "a list in brackets may only hold texts in quotes");
            return;
        }
        if (arg->string_n++ >= p->limits->list_max) {
            fail(p, p->token.place, "this list is too long");
            return;
        }
        struct item *item = make(p, sizeof(*item));

        if (!item) {
            return;
        }
        item->text = (struct sieve_text){p->token.place, p->token.text};
        *end = item;
        end = &item->next;
        advance(p);
        if (!is_sign(p, ',')) {
            break;
        }
        advance(p);
    }
    expect(p, ']', "a comma or the closing ] of the list is missing here");
    arg->strings = arena_zalloc(p->tree, arg->string_n, sizeof(*arg->strings));
    if (!arg->strings) {
        p->failed = ERR_NOMEM;
        return;
    }
    size_t i = 0;

    for (struct item *it = first; it; it = it->next) {
        arg->strings[i++] = it->text;
    }
}

static void read_arg(struct parser *p, struct sieve_node_arg *arg)
{
    arg->place = p->token.place;
    if (p->token.kind == TOKEN_TAG) {
        arg->kind = ARG_TAG;
        arg->text = p->token.text;
    } else if (p->token.kind == TOKEN_NUMBER) {
        arg->kind = ARG_NUMBER;
        arg->number = p->token.number;
    } else if (p->token.kind == TOKEN_STRING) {
        arg->kind = ARG_STRING;
        arg->strings = make(p, sizeof(*arg->strings));
        arg->string_n = 1;
        if (arg->strings) {
            *arg->strings = (struct sieve_text){p->token.place, p->token.text};
        }
    } else {
        arg->kind = ARG_LIST;
        read_list(p, arg);
        return;
    }
    advance(p);
}

static bool starts_arg(const struct parser *p)
{
    return p->token.kind == TOKEN_TAG || p->token.kind == TOKEN_NUMBER ||
           p->token.kind == TOKEN_STRING || is_sign(p, '[');
}

static struct sieve_node *read_node(struct parser *p);

static struct sieve_node *begin_node(struct parser *p)
{
    if (p->nodes++ >= p->limits->nodes_max) {
        fail(p, p->token.place, "the script has too many commands and tests");
        return NULL;
    }
    struct sieve_node *node = make(p, sizeof(*node));

    if (node) {
        node->name = p->token.text;
        node->place = p->token.place;
        advance(p);
    }
    return node;
}

static void read_tests(struct parser *p, struct sieve_node *node)
{
    struct sieve_node **end = &node->tests;

    node->is_list = is_sign(p, '(');
    if (!node->is_list && p->token.kind != TOKEN_NAME) {
        return;
    }
    do {
        if (node->is_list) {
            advance(p);
        }
        if (p->token.kind != TOKEN_NAME) {
            fail(p, p->token.place, "a test is missing here");
            return;
        }
        *end = read_node(p);
        if (!*end) {
            return;
        }
        end = &(*end)->next;
        node->test_n++;
    } while (p->failed == ERR_OK && node->is_list && is_sign(p, ','));
    if (node->is_list) {
        expect(p, ')', "a comma or the closing ) of the list of tests is missing here");
    }
}

// A name, its arguments, and the tests that follow.
static struct sieve_node *read_node(struct parser *p)
{
    if (p->depth >= p->limits->depth_max) {
        fail(p, p->token.place, "blocks and tests are nested too deeply here");
        return NULL;
    }
    p->depth++;
    struct sieve_node *node = begin_node(p);

    if (node) {
        struct sieve_node_arg **end = &node->args;

        while (p->failed == ERR_OK && starts_arg(p)) {
            struct sieve_node_arg *arg = make(p, sizeof(*arg));

            if (!arg) {
                break;
            }
            read_arg(p, arg);
            *end = arg;
            end = &arg->next;
        }
        read_tests(p, node);
    }
    p->depth--;
    return p->failed == ERR_OK ? node : NULL;
}

static struct sieve_node *read_block(struct parser *p, bool is_outer);

static struct sieve_node *read_command(struct parser *p)
{
    if (p->token.kind != TOKEN_NAME) {
        fail(p, p->token.place,
             is_sign(p, '}') ? "this } closes nothing" //
                             : "a command is expected here");
        return NULL;
    }
    struct sieve_place place = p->token.place;
    struct sieve_node *node = read_node(p);

    if (!node) {
        return NULL;
    }
    if (is_sign(p, '{')) {
        node->has_block = true;
        if (p->depth >= p->limits->depth_max) {
            fail(p, p->token.place, "blocks and tests are nested too deeply here");
            return NULL;
        }
        p->depth++;
        advance(p);
        node->block = read_block(p, false);
        p->depth--;
        expect(p, '}', "the closing } of a block is missing");
    } else if (is_sign(p, ';')) {
        advance(p);
    } else if (p->failed == ERR_OK) {
        struct span name = node->name;

        sieve_problem_add(p->problems, p->words, p->token.place,
                          "a ; is missing after the command \"%.*s\" of line %u",
                          (int)(name.n < 60 ? name.n : 60), name.p, place.line);
        p->failed = ERR_INVALID;
    }
    return p->failed == ERR_OK ? node : NULL;
}

// Commands up to the end of the script, or of the block.
static struct sieve_node *read_block(struct parser *p, bool is_outer)
{
    struct sieve_node *first = NULL, **end = &first;

    while (p->failed == ERR_OK && p->token.kind != TOKEN_END && (is_outer || !is_sign(p, '}'))) {
        *end = read_command(p);
        if (!*end) {
            break;
        }
        end = &(*end)->next;
    }
    return first;
}

// Where the first byte lies that is NUL or not UTF-8; false when there is none.
static bool find_bad_byte(struct span script, struct sieve_place *out)
{
    struct span rest = script;
    uint32_t c;

    *out = (struct sieve_place){1, 1};
    while (rest.n) {
        if (!utf8_next(&rest, &c) || c == 0) {
            return true;
        }
        out->column++;
        if (c == '\n') {
            *out = (struct sieve_place){out->line + 1, 1};
        }
    }
    return false;
}

enum err sieve_parse(const struct sieve_limits *limits, struct span script, struct arena *tree,
                     struct arena *words, struct sieve_problems *problems,
                     struct sieve_node **out_tree)
{
    struct parser p = {.limits = limits, .tree = tree, .words = words, .problems = problems};
    struct sieve_place place = {1, 1};

    if (script.n > limits->script_bytes_max) {
        sieve_problem_add(problems, words, place, "the script is larger than %u bytes",
                          limits->script_bytes_max);
        return ERR_INVALID;
    }
    if (find_bad_byte(script, &place)) {
        fail(&p, place, "this is no text: a script is written in UTF-8, without NUL");
        return p.failed;
    }
    sieve_lex_begin(&p.lexer, script, tree);
    advance(&p);
    struct sieve_node *first = read_block(&p, true);

    if (p.failed == ERR_OK) {
        *out_tree = first;
    }
    return p.failed;
}
