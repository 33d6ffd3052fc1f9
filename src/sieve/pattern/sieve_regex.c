// SPDX-License-Identifier: Apache-2.0
//
// Pattern to tree to instructions. The tree is needed because {m,n} writes its part out several
// times. Recursion is as deep as parentheses nest, which is limited.
#include "sieve/pattern/sieve_regex.h"

#include <utf8proc.h>

#include "base/utf8.h"
#include "sieve/pattern/sieve_regex_internal.h"

#include "base/banned.h"

#define DEPTH_MAX  20
#define WRITES_MAX 100000
#define REPEAT_MAX 255
#define ENDLESS    UINT32_MAX

enum node_kind {
    NODE_CHAR,
    NODE_ANY,
    NODE_SET,
    NODE_START,
    NODE_END,
    NODE_CAT,
    NODE_ALT,
    NODE_REPEAT,
    NODE_GROUP
};

struct node {
    struct node *next;  // in the list of a CAT or ALT
    struct node *child; // first of the list, or the only one
    enum node_kind kind;
    uint32_t code;     // character, or number of the group
    uint32_t min, max; // of REPEAT
    const struct regex_set *set;
};

struct reader {
    struct arena *arena;
    struct span in;
    bool is_nocase, is_octet;
    uint32_t depth, groups, writes;
    const char *problem;
    bool has_no_memory;
    struct sieve_regex *out;
    struct regex_insn *code;
};

uint32_t regex_fold(uint32_t code)
{
    if (code < 128) {
        return (uint32_t)(unsigned char)byte_lower((char)code);
    }
    return code <= 0x10ffff ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)code) : code;
}

uint32_t regex_next(struct span *in, bool is_octet)
{
    unsigned char first = (unsigned char)in->p[0];
    uint32_t code;

    if (is_octet || first < 128) {
        *in = span_skip(*in, 1);
        return first;
    }
    return utf8_next(in, &code) ? code : 0x110000u + first;
}

static struct node *make(struct reader *r, enum node_kind kind)
{
    struct node *n = arena_zalloc(r->arena, 1, sizeof(*n));

    if (!n) {
        r->has_no_memory = true;
        r->problem = "no memory";
        return NULL;
    }
    n->kind = kind;
    return n;
}

static struct node *complain(struct reader *r, const char *problem)
{
    r->problem = r->problem ? r->problem : problem;
    return NULL;
}

static char peek(const struct reader *r)
{
    return r->in.n ? r->in.p[0] : '\0';
}

static bool take(struct reader *r, char c)
{
    if (r->in.n && r->in.p[0] == c) {
        r->in = span_skip(r->in, 1);
        return true;
    }
    return false;
}

static void add_range(struct reader *r, struct regex_set *set, uint32_t low, uint32_t high)
{
    if (set->n == REGEX_RANGES_MAX) {
        complain(r, "too much stands in the brackets");
        return;
    }
    set->ranges[set->n++] = (struct regex_range){low, high};
}

static bool add_class(struct reader *r, struct regex_set *set, struct span name)
{
    static const struct {
        const char *name;
        const char *ranges; // pairs
    } classes[] = {
        {"alpha", "AZaz"}, {"digit", "09"},     {"alnum", "AZaz09"},         {"upper", "AZ"},
        {"lower", "az"},   {"space", "\t\r  "}, {"blank", "\t\t  "},         {"punct", "!/:@[`{~"},
        {"print", " ~"},   {"graph", "!~"},     {"cntrl", "\1\x1f\x7f\x7f"}, {"xdigit", "09AFaf"},
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (span_eq(name, span_from_str(classes[i].name))) {
            for (const char *p = classes[i].ranges; *p; p += 2) {
                add_range(r, set, (unsigned char)p[0], (unsigned char)p[1]);
            }
            if (span_eq(name, SPAN("alpha")) || span_eq(name, SPAN("alnum"))) {
                set->has_letters = true; // of other alphabets
            }
            return true;
        }
    }
    return false;
}

// One element of a bracket expression that is a character; `[.x.]` and `[=x=]` are x.
static uint32_t take_element(struct reader *r)
{
    if (r->in.n >= 5 && r->in.p[0] == '[' && (r->in.p[1] == '.' || r->in.p[1] == '=')) {
        char mark = r->in.p[1];

        r->in = span_skip(r->in, 2);
        uint32_t code = regex_next(&r->in, r->is_octet);

        if (!(take(r, mark) && take(r, ']'))) {
            complain(r, "a name in [. .] or [= =] is one character");
        }
        return code;
    }
    return regex_next(&r->in, r->is_octet);
}

static bool take_class(struct reader *r, struct regex_set *set)
{
    if (!span_starts(r->in, SPAN("[:"))) {
        return false;
    }
    size_t end = span_find(r->in, SPAN(":]"));

    if (end == r->in.n || end > 10 ||
        !add_class(r, set, span_first(span_skip(r->in, 2), end - 2))) {
        complain(r, "there is no such class of characters as the [: :] names");
        return true;
    }
    r->in = span_skip(r->in, end + 2);
    return true;
}

static struct node *read_set(struct reader *r)
{
    struct regex_set *set = arena_zalloc(r->arena, 1, sizeof(*set));
    struct node *n = make(r, NODE_SET);

    if (!n || !set) {
        r->has_no_memory = true;
        return complain(r, "no memory");
    }
    n->set = set;
    set->is_not = take(r, '^');
    for (bool is_first = true; !r->problem && (is_first || peek(r) != ']'); is_first = false) {
        if (r->in.n == 0) {
            return complain(r, "a ] is missing");
        }
        if (take_class(r, set)) {
            continue;
        }
        uint32_t low = take_element(r), high = low;

        if (r->in.n > 1 && r->in.p[0] == '-' && r->in.p[1] != ']') {
            r->in = span_skip(r->in, 1);
            high = take_element(r);
        }
        if (high < low) {
            return complain(r, "a range in brackets runs backwards");
        }
        add_range(r, set, low, high);
    }
    take(r, ']');
    return r->problem ? NULL : n;
}

static struct node *read_escape(struct reader *r)
{
    char c = peek(r);

    if (r->in.n == 0) {
        return complain(r, "it ends with a backslash");
    }
    if (c >= '1' && c <= '9') {
        return complain(r, "references to earlier groups (\\1) are not supported");
    }
    if (c == 'w' || c == 'W' || c == 's' || c == 'S') {
        struct regex_set *set = arena_zalloc(r->arena, 1, sizeof(*set));
        struct node *n = make(r, NODE_SET);

        if (!set || !n) {
            r->has_no_memory = true;
            return complain(r, "no memory");
        }
        r->in = span_skip(r->in, 1);
        set->is_not = c == 'W' || c == 'S';
        if (byte_lower(c) == 's') {
            add_class(r, set, SPAN("space"));
        } else {
            add_class(r, set, SPAN("alnum"));
            add_range(r, set, '_', '_');
        }
        n->set = set;
        return n;
    }
    struct node *n = make(r, NODE_CHAR);

    if (n) {
        n->code = regex_next(&r->in, r->is_octet);
    }
    return n;
}

static struct node *read_alternatives(struct reader *r);

static struct node *read_group(struct reader *r)
{
    if (++r->depth > DEPTH_MAX) {
        return complain(r, "parentheses are nested too deeply");
    }
    struct node *n = make(r, NODE_GROUP);

    if (!n) {
        return NULL;
    }
    n->code = ++r->groups;
    n->child = read_alternatives(r);
    r->depth--;
    if (!r->problem && !take(r, ')')) {
        return complain(r, "a ) is missing");
    }
    return r->problem ? NULL : n;
}

static struct node *read_atom(struct reader *r)
{
    switch (peek(r)) {
    case '(':
        take(r, '(');
        return read_group(r);
    case '[':
        take(r, '[');
        return read_set(r);
    case '.':
        take(r, '.');
        return make(r, NODE_ANY);
    case '^':
        take(r, '^');
        return make(r, NODE_START);
    case '$':
        take(r, '$');
        return make(r, NODE_END);
    case '\\':
        take(r, '\\');
        return read_escape(r);
    case '*':
    case '+':
    case '?':
    case '{':
        return complain(r, "there is nothing before a *, +, ? or { to repeat");
    default:
        break;
    }
    struct node *n = make(r, NODE_CHAR);

    if (n) {
        n->code = regex_next(&r->in, r->is_octet);
    }
    return n;
}

static bool take_number(struct reader *r, uint32_t *out)
{
    uint32_t v = 0;

    if (!byte_is_digit(peek(r))) {
        return false;
    }
    while (byte_is_digit(peek(r))) {
        v = v * 10 + (uint32_t)(peek(r) - '0');
        v = v > REPEAT_MAX ? REPEAT_MAX + 1 : v;
        r->in = span_skip(r->in, 1);
    }
    *out = v;
    return true;
}

// What follows the brace: "m}", "m,}", "m,n}" or ",n}".
static bool take_count(struct reader *r, uint32_t *min, uint32_t *max)
{
    bool has_min = take_number(r, min);

    *min = has_min ? *min : 0;
    *max = *min;
    if (take(r, ',')) {
        bool has_max = take_number(r, max);

        *max = has_max ? *max : ENDLESS;
        has_min |= has_max;
    }
    if (!has_min || !take(r, '}')) {
        complain(r, "braces { } hold how often, as in {2} or {2,5}");
        return false;
    }
    if (*min > REPEAT_MAX || (*max != ENDLESS && (*max > REPEAT_MAX || *max < *min))) {
        complain(r, "the numbers in braces must rise and be at most 255");
        return false;
    }
    return true;
}

static struct node *read_repeats(struct reader *r, struct node *n)
{
    uint32_t levels = 0;

    while (n && !r->problem) {
        uint32_t min = 0, max = ENDLESS;

        if (take(r, '+')) {
            min = 1;
        } else if (take(r, '?')) {
            max = 1;
        } else if (take(r, '{')) {
            take_count(r, &min, &max);
        } else if (!take(r, '*')) {
            break;
        }
        if (++levels > 4) {
            return complain(r, "too many *, +, ? and { follow each other");
        }
        struct node *repeat = make(r, NODE_REPEAT);

        if (!repeat) {
            return NULL;
        }
        repeat->child = n;
        repeat->min = min;
        repeat->max = max;
        n = repeat;
    }
    return r->problem ? NULL : n;
}

static struct node *read_sequence(struct reader *r)
{
    struct node *cat = make(r, NODE_CAT), **end = cat ? &cat->child : NULL;

    while (cat && !r->problem && r->in.n && peek(r) != '|' && peek(r) != ')') {
        *end = read_repeats(r, read_atom(r));
        end = *end ? &(*end)->next : end;
    }
    return r->problem ? NULL : cat;
}

static struct node *read_alternatives(struct reader *r)
{
    struct node *alt = make(r, NODE_ALT), **end = alt ? &alt->child : NULL;

    while (alt && !r->problem) {
        *end = read_sequence(r);
        if (!*end || !take(r, '|')) {
            break;
        }
        end = &(*end)->next;
    }
    return r->problem ? NULL : alt;
}

static uint32_t emit(struct reader *r, struct regex_insn insn)
{
    if (r->out->n >= REGEX_INSNS_MAX) {
        complain(r, "it is too large");
        return 0;
    }
    r->code[r->out->n] = insn;
    return r->out->n++;
}

static void write_node(struct reader *r, const struct node *n);

// a|b|c: SPLIT to each, all but the last jump to the end.
static void write_alternatives(struct reader *r, const struct node *n)
{
    uint32_t jumps = UINT32_MAX; // chained through x

    for (const struct node *a = n->child; a && !r->problem; a = a->next) {
        uint32_t split = 0;

        if (a->next) {
            split = emit(r, (struct regex_insn){.op = REGEX_SPLIT, .x = r->out->n + 1});
        }
        write_node(r, a);
        if (a->next && !r->problem) {
            jumps = emit(r, (struct regex_insn){.op = REGEX_JUMP, .x = jumps});
            r->code[split].y = r->out->n;
        }
    }
    while (!r->problem && jumps != UINT32_MAX) {
        uint32_t next = r->code[jumps].x;

        r->code[jumps].x = r->out->n;
        jumps = next;
    }
}

static void write_repeat(struct reader *r, const struct node *n)
{
    for (uint32_t i = 0; i < n->min && !r->problem; i++) {
        write_node(r, n->child);
    }
    if (n->max == ENDLESS) {
        uint32_t split = emit(r, (struct regex_insn){.op = REGEX_SPLIT, .x = r->out->n + 1});

        write_node(r, n->child);
        emit(r, (struct regex_insn){.op = REGEX_JUMP, .x = split});
        if (!r->problem) {
            r->code[split].y = r->out->n;
        }
        return;
    }
    uint32_t splits = UINT32_MAX; // chained through y

    for (uint32_t i = n->min; i < n->max && !r->problem; i++) {
        splits = emit(r, (struct regex_insn){.op = REGEX_SPLIT, .x = r->out->n + 1, .y = splits});
        write_node(r, n->child);
    }
    while (!r->problem && splits != UINT32_MAX) {
        uint32_t next = r->code[splits].y;

        r->code[splits].y = r->out->n;
        splits = next;
    }
}

static void write_group(struct reader *r, const struct node *n)
{
    bool is_kept = n->code < SIEVE_GROUPS_MAX;

    if (is_kept) {
        emit(r, (struct regex_insn){.op = REGEX_SAVE, .x = n->code * 2});
    }
    write_node(r, n->child);
    if (is_kept) {
        emit(r, (struct regex_insn){.op = REGEX_SAVE, .x = n->code * 2 + 1});
    }
}

static void write_node(struct reader *r, const struct node *n)
{
    if (!n || r->problem) {
        return;
    }
    if (++r->writes > WRITES_MAX) { // repeats of what writes nothing
        complain(r, "it is too large");
        return;
    }
    switch (n->kind) {
    case NODE_CHAR:
        emit(r, (struct regex_insn){.op = REGEX_CHAR,
                                    .x = r->is_nocase ? regex_fold(n->code) : n->code});
        break;
    case NODE_ANY:
        emit(r, (struct regex_insn){.op = REGEX_ANY});
        break;
    case NODE_SET:
        emit(r, (struct regex_insn){.op = REGEX_SET, .set = n->set});
        break;
    case NODE_START:
        emit(r, (struct regex_insn){.op = REGEX_START});
        break;
    case NODE_END:
        emit(r, (struct regex_insn){.op = REGEX_END});
        break;
    case NODE_CAT:
        for (const struct node *c = n->child; c; c = c->next) {
            write_node(r, c);
        }
        break;
    case NODE_ALT:
        write_alternatives(r, n);
        break;
    case NODE_REPEAT:
        write_repeat(r, n);
        break;
    case NODE_GROUP:
        write_group(r, n);
        break;
    }
}

static enum err finish(struct reader *r, const struct node *tree, const struct sieve_regex **out)
{
    struct regex_insn *code;

    r->code = arena_zalloc(r->arena, REGEX_INSNS_MAX, sizeof(*r->code));
    if (!r->code) {
        return ERR_NOMEM;
    }
    write_node(r, tree);
    emit(r, (struct regex_insn){.op = REGEX_MATCH});
    if (r->problem) {
        return ERR_INVALID;
    }
    code = arena_zalloc(r->out->arena, r->out->n, sizeof(*code));
    if (!code) {
        return ERR_NOMEM;
    }
    memcpy(code, r->code, r->out->n * sizeof(*code));
    for (uint32_t i = 0; i < r->out->n; i++) {
        if (code[i].op == REGEX_SET) {
            struct span set = arena_dup(r->out->arena, span_of(code[i].set, sizeof(*code[i].set)));

            if (!set.p) {
                return ERR_NOMEM;
            }
            code[i].set = (const struct regex_set *)(const void *)set.p;
        }
    }
    r->out->code = code;
    r->out->groups = r->groups < SIEVE_GROUPS_MAX ? r->groups + 1 : SIEVE_GROUPS_MAX;
    *out = r->out;
    return ERR_OK;
}

enum err sieve_regex_compile(struct arena *arena, struct span pattern, bool is_nocase,
                             bool is_octet, const struct sieve_regex **out,
                             const char **out_problem)
{
    struct arena scratch;
    struct reader r = {
        .arena = &scratch, .in = pattern, .is_nocase = is_nocase, .is_octet = is_octet};
    enum err e = ERR_NOMEM;

    arena_init(&scratch, 64u << 20);
    r.out = arena_zalloc(arena, 1, sizeof(*r.out));
    if (r.out) {
        r.out->arena = arena;
        r.out->is_nocase = is_nocase;
        r.out->is_octet = is_octet;
        struct node *tree = read_alternatives(&r);

        if (!r.problem && r.in.n) {
            complain(&r, "a ( is missing");
        }
        e = r.problem ? ERR_INVALID : finish(&r, tree, out);
        e = r.has_no_memory ? ERR_NOMEM : e;
        r.out->arena = NULL;
    }
    if (e == ERR_INVALID) {
        *out_problem = r.problem;
    }
    arena_finish(&scratch);
    return e;
}
