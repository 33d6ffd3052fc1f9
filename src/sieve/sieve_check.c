// SPDX-License-Identifier: Apache-2.0
//
// Arguments of a command or test: tags are found in the table, values given to them, what is left
// are the positional arguments; then what the table cannot say is checked. Everything is told in
// words an author understands.
#include <stdarg.h>
#include <stdio.h>

#include "sieve/sieve_check_internal.h"
#include "sieve/sieve_compile_internal.h"

#include "base/banned.h"

#define NAME_ARG(s) (int)((s).n < 60 ? (s).n : 60), (s).p

void sieve_soft_problem(struct compiler *c, struct sieve_place place, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);

    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        n = sizeof(text) - 1;
    }
    if (!(c->enabled & EXT_BIT(EXT_IHAVE))) {
        sieve_problem_add(c->problems, c->out, place, "%s", text);
        return;
    }
    c->is_soft = true;
    c->soft_text = arena_dup(c->out, span_of(text, (size_t)n));
    c->failed = c->soft_text.p ? c->failed : ERR_NOMEM;
}

bool sieve_needs(struct compiler *c, struct sieve_place place, uint64_t needs, const char *kind,
                 struct span name)
{
    if (needs == 0 || (c->enabled & needs)) {
        return true;
    }
    sieve_soft_problem(c, place, "%s \"%.*s\" needs: require \"%s\"; at the start of the script",
                       kind, NAME_ARG(name), sieve_extensions[__builtin_ctzll(needs)]);
    return false;
}

struct span sieve_arg_constant(const struct sieve_arg *arg)
{
    if (!arg || arg->n == 0 || arg->strings[0].piece_n) {
        return (struct span){NULL, 0};
    }
    return arg->strings[0].text;
}

// Fills `out` from an argument that is wanted as `want`.
static bool take_value(struct compiler *c, const struct sieve_node_arg *arg, enum sieve_value want,
                       bool is_constant, const char *what, struct sieve_arg *out)
{
    bool is_right = want == VALUE_NUMBER   ? arg->kind == ARG_NUMBER
                    : want == VALUE_STRING ? arg->kind == ARG_STRING
                                           : arg->kind == ARG_STRING || arg->kind == ARG_LIST;

    if (!is_right) {
        sieve_problem_add(c->problems, c->out, arg->place, "%s must be %s", what,
                          want == VALUE_NUMBER ? "a number"
                          : want == VALUE_STRING
                              ? "one text in quotes"
                              : "a text in quotes or a list of them in brackets");
        return false;
    }
    out->kind = want;
    out->number = arg->number;
    out->n = arg->string_n;
    if (want == VALUE_NUMBER) {
        return true;
    }
    out->strings = arena_zalloc(c->out, arg->string_n, sizeof(*out->strings));
    if (!out->strings) {
        c->failed = ERR_NOMEM;
        return false;
    }
    for (uint32_t i = 0; i < arg->string_n; i++) {
        out->strings[i] = sieve_string_compile(c, &arg->strings[i], is_constant);
    }
    return true;
}

static enum sieve_tag find_tag(const struct sieve_spec *spec, struct span name)
{
    for (size_t i = 0; i < SIEVE_TAGS_MAX && spec->tags[i]; i++) {
        if (span_eq_nocase(name, span_from_str(sieve_tags[spec->tags[i]].name))) {
            return (enum sieve_tag)spec->tags[i];
        }
    }
    return TAG_NONE;
}

static bool is_doubled(struct compiler *c, const struct sieve_arg *tags, uint32_t n,
                       enum sieve_tag tag, struct sieve_place place)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct sieve_tag_row *row = &sieve_tags[tags[i].tag];

        if (tags[i].tag == tag) {
            sieve_problem_add(c->problems, c->out, place, "\":%s\" is given twice", row->name);
            return true;
        }
        if (row->group != GROUP_NONE && row->group == sieve_tags[tag].group) {
            sieve_problem_add(c->problems, c->out, place, "\":%s\" and \":%s\" exclude each other",
                              row->name, sieve_tags[tag].name);
            return true;
        }
    }
    return false;
}

// Takes the tag at `*arg` and its value; `*arg` is moved behind them.
static bool take_tag(struct compiler *c, const struct sieve_spec *spec,
                     const struct sieve_node_arg **arg, struct sieve_arg *tags, uint32_t *n)
{
    const struct sieve_node_arg *a = *arg;
    enum sieve_tag tag = find_tag(spec, a->text);

    if (tag == TAG_NONE) {
        sieve_soft_problem(c, a->place, "\"%s\" has no argument \":%.*s\"", spec->name,
                           NAME_ARG(a->text));
        return false;
    }
    const struct sieve_tag_row *row = &sieve_tags[tag];

    if (!sieve_needs(c, a->place, row->needs, "the argument", a->text) ||
        is_doubled(c, tags, *n, tag, a->place)) {
        return false;
    }
    struct sieve_arg *out = &tags[*n];

    *out = (struct sieve_arg){.tag = (uint8_t)tag};
    if (row->value != VALUE_NONE) {
        char what[64];

        snprintf(what, sizeof(what), "what follows \":%s\"", row->name);
        a = a->next;
        if (!a) {
            sieve_problem_add(c->problems, c->out, (*arg)->place,
                              "after \":%s\" its value is missing", row->name);
            return false;
        }
        if (!take_value(c, a, row->value, false, what, out)) {
            return false;
        }
    }
    ++*n;
    *arg = a->next;
    return true;
}

static size_t count_args(const char *args, bool with_optional)
{
    size_t n = 0;

    for (; *args; args++) {
        if (*args == '?') {
            args += !with_optional;
        } else {
            n++;
        }
    }
    return n;
}

static bool take_args(struct compiler *c, const struct sieve_node *node,
                      const struct sieve_spec *spec, const struct sieve_node_arg **list, size_t n,
                      struct sieve_call *call)
{
    static const char *const ordinals[] = {"first", "second", "third", "fourth"};
    size_t all = count_args(spec->args, true), some = count_args(spec->args, false);
    size_t at = 0, slot = 0;

    if (all == 0 && n > 0) {
        sieve_problem_add(c->problems, c->out, list[0]->place, "\"%s\" takes no values",
                          spec->name);
        return false;
    }
    if (n > all || n < some) {
        sieve_problem_add(c->problems, c->out, n > all ? list[all]->place : node->place,
                          n > all ? "\"%s\" takes no more than %zu value%s here"
                                  : "\"%s\" needs %zu value%s here",
                          spec->name, n > all ? all : some, (n > all ? all : some) == 1 ? "" : "s");
        return false;
    }
    for (const char *p = spec->args; *p; p++) {
        if (*p == '?') {
            p++;
            if (n == some) {
                slot++;
                continue;
            }
        }
        enum sieve_value want = *p == 'n'                ? VALUE_NUMBER
                                : *p == 'S' || *p == 'C' ? VALUE_LIST
                                                         : VALUE_STRING;
        char what[64];

        snprintf(what, sizeof(what), "the %s value of \"%s\"", ordinals[at], spec->name);
        if (!take_value(c, list[at], want, *p == 'c' || *p == 'C' || *p == 'v', what,
                        &call->args[slot])) {
            return false;
        }
        if (*p == 'v' && !sieve_variable_find(c, list[at]->place,
                                              sieve_arg_constant(&call->args[slot]).p
                                                  ? sieve_arg_constant(&call->args[slot])
                                                  : SPAN(""),
                                              &call->variable)) {
            return false;
        }
        at++;
        slot++;
    }
    return true;
}

// Tags first, then positional arguments (RFC 5228 section 2.6.2); they are also taken mixed.
static bool bind(struct compiler *c, const struct sieve_node *node, const struct sieve_spec *spec,
                 struct sieve_call *call)
{
    struct sieve_arg tags[SIEVE_TAGS_MAX];
    const struct sieve_node_arg *rest[SIEVE_ARGS_MAX + 1];
    uint32_t tag_n = 0;
    size_t rest_n = 0;
    const struct sieve_node_arg *arg = node->args;

    while (arg) {
        if (arg->kind == ARG_TAG) {
            if (!take_tag(c, spec, &arg, tags, &tag_n)) {
                return false;
            }
            continue;
        }
        if (rest_n <= SIEVE_ARGS_MAX) {
            rest[rest_n++] = arg;
        }
        arg = arg->next;
    }
    struct sieve_arg *copy = arena_zalloc(c->out, tag_n, sizeof(*copy));

    if (!copy) {
        c->failed = ERR_NOMEM;
        return false;
    }
    memcpy(copy, tags, tag_n * sizeof(*copy));
    call->tags = copy;
    call->tag_n = tag_n;
    return take_args(c, node, spec, rest, rest_n, call);
}

const struct sieve_call *sieve_check(struct compiler *c, const struct sieve_node *node,
                                     const struct sieve_spec *spec)
{
    struct sieve_call *call = arena_zalloc(c->out, 1, sizeof(*call));

    if (!call) {
        c->failed = ERR_NOMEM;
        return NULL;
    }
    call->spec = spec;
    call->line = node->place.line;
    if (!bind(c, node, spec, call) || c->failed != ERR_OK) {
        return NULL;
    }
    return sieve_check_match(c, node->place, call) && sieve_check_rules(c, node->place, call)
               ? call
               : NULL;
}
