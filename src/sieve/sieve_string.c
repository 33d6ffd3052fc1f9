// SPDX-License-Identifier: Apache-2.0
//
// Strings of a script: encoded characters (RFC 5228 section 2.4.2.4), then references to variables
// (RFC 5229 section 3).
#include "base/utf8.h"
#include "sieve/sieve_compile_internal.h"

#include "base/banned.h"

static size_t hex_digits(struct span s)
{
    size_t n = 0;

    while (n < s.n && byte_hex(s.p[n]) >= 0) {
        n++;
    }
    return n;
}

static struct span skip_space(struct span s)
{
    while (s.n && byte_is_space(s.p[0])) {
        s = span_skip(s, 1);
    }
    return s;
}

enum encoded { ENCODED_NONE, ENCODED_DONE, ENCODED_WRONG };

// What stands between "${hex:" or "${unicode:" and "}"; `*rest` is moved behind the brace.
static enum encoded take_encoded(struct span *rest, struct buf *out, bool is_unicode)
{
    size_t close = 0, count = 0, start = out->n;

    while (close < rest->n && (byte_is_space(rest->p[close]) || byte_hex(rest->p[close]) >= 0)) {
        close++; // no further: an open brace must not cost the rest of the text
    }
    struct span in = span_first(*rest, close);

    if (close == rest->n || rest->p[close] != '}') {
        return ENCODED_NONE;
    }
    for (in = skip_space(in); in.n; in = skip_space(in)) {
        size_t n = hex_digits(in);
        uint32_t v = 0;

        if (n == 0 || n > (is_unicode ? 6u : 2u)) {
            out->n = start;
            return ENCODED_NONE;
        }
        for (size_t i = 0; i < n; i++) {
            v = v * 16 + (uint32_t)byte_hex(in.p[i]);
        }
        if (is_unicode && (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))) {
            return ENCODED_WRONG;
        }
        if (is_unicode) {
            utf8_put(out, v);
        } else {
            buf_put_byte(out, (char)v);
        }
        in = span_skip(in, n);
        if (in.n && !byte_is_space(in.p[0])) {
            out->n = start;
            return ENCODED_NONE;
        }
        count++;
    }
    if (count == 0) {
        return ENCODED_NONE;
    }
    *rest = span_skip(*rest, close + 1);
    return ENCODED_DONE;
}

static struct span decode(struct compiler *c, const struct sieve_text *text)
{
    struct span rest = text->text;
    struct buf out;

    if (span_find(rest, SPAN("${")) == rest.n) {
        return rest;
    }
    buf_init(&out, rest.n * 2 + 16);
    while (rest.n) {
        size_t at = span_find(rest, SPAN("${"));
        struct span in = span_skip(rest, at);
        enum encoded got = ENCODED_NONE;

        buf_put(&out, span_first(rest, at));
        if (span_starts_nocase(in, SPAN("${hex:"))) {
            in = span_skip(in, 6);
            got = take_encoded(&in, &out, false);
        } else if (span_starts_nocase(in, SPAN("${unicode:"))) {
            in = span_skip(in, 10);
            got = take_encoded(&in, &out, true);
        }
        if (got == ENCODED_WRONG) {
            sieve_problem_add(c->problems, c->out, text->place,
                              "\"${unicode:...}\" names a character that does not exist");
        }
        if (got == ENCODED_DONE) {
            rest = in;
        } else {
            buf_put(&out, span_first(span_skip(rest, at), 2));
            rest = span_skip(rest, at + 2);
        }
    }
    struct span copy = arena_dup(c->out, buf_span(&out));

    c->failed = !copy.p || out.failed ? ERR_NOMEM : c->failed;
    buf_finish(&out);
    return copy.p ? copy : SPAN("");
}

static bool is_name_byte(char c)
{
    return byte_is_alnum(c) || c == '_';
}

// Whether it has the form of a name: words joined by dots; or of a number.
static bool is_reference(struct span s)
{
    size_t digits = 0;
    bool is_start = true;

    while (digits < s.n && byte_is_digit(s.p[digits])) {
        digits++;
    }
    if (digits) {
        return digits == s.n;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? is_start
                          : !is_name_byte(s.p[i]) || (is_start && byte_is_digit(s.p[i]))) {
            return false;
        }
        is_start = s.p[i] == '.';
    }
    return s.n && !is_start;
}

static struct span lower(struct compiler *c, struct span name)
{
    struct span copy = arena_dup(c->out, name);
    char *p = arena_alloc(c->out, name.n);

    for (size_t i = 0; p && i < name.n; i++) {
        p[i] = byte_lower(name.p[i]);
    }
    c->failed = !p || !copy.p ? ERR_NOMEM : c->failed;
    return p ? span_of(p, name.n) : SPAN("");
}

static bool add_variable(struct compiler *c, struct sieve_place place, struct span key,
                         struct span name, bool is_global, uint32_t *out)
{
    void *found = map_get(&c->names, key);

    if (found) {
        *out = (uint32_t)((uintptr_t)found - 1);
        return true;
    }
    if (c->variable_n >= SIEVE_VARIABLES_MAX) {
        sieve_problem_add(c->problems, c->out, place, "the script uses more than %d variables",
                          SIEVE_VARIABLES_MAX);
        return false;
    }
    c->variables[c->variable_n] = (struct sieve_variable){name, is_global};
    if (map_put(&c->names, key, (void *)(uintptr_t)(c->variable_n + 1), NULL) != ERR_OK) {
        c->failed = ERR_NOMEM;
        return false;
    }
    *out = c->variable_n++;
    return true;
}

bool sieve_variable_find(struct compiler *c, struct sieve_place place, struct span name,
                         uint32_t *out)
{
    if (!is_reference(name) || byte_is_digit(name.p[0])) {
        sieve_problem_add(c->problems, c->out, place,
                          "\"%.*s\" is no name for a variable: letters, digits and _ only",
                          (int)(name.n < 60 ? name.n : 60), name.p);
        return false;
    }
    if (name.n > 64) {
        sieve_problem_add(c->problems, c->out, place, "this name of a variable is too long");
        return false;
    }
    struct span key = lower(c, name);
    bool is_global = span_starts(key, SPAN("global."));

    if (is_global && !(c->enabled & EXT_BIT(EXT_INCLUDE))) {
        sieve_soft_problem(c, place, "global variables need: require \"include\";");
        return false;
    }
    if (span_find_byte(key, '.') < key.n &&
        (!is_global || span_find_byte(span_skip(key, 7), '.') < key.n - 7)) {
        sieve_problem_add(c->problems, c->out, place, "there are no variables named \"%.*s\"",
                          (int)name.n, name.p);
        return false;
    }
    return add_variable(c, place, key, is_global ? span_skip(key, 7) : key, is_global, out);
}

bool sieve_variable_global(struct compiler *c, struct sieve_place place, struct span name)
{
    struct span key = lower(c, name);
    uint32_t index;

    if (!is_reference(name) || byte_is_digit(name.p[0]) || span_find_byte(name, '.') < name.n ||
        name.n > 57) {
        sieve_problem_add(c->problems, c->out, place, "\"%.*s\" is no name for a global variable",
                          (int)(name.n < 60 ? name.n : 60), name.p);
        return false;
    }
    void *found = map_get(&c->names, key);

    if (found && !c->variables[(uintptr_t)found - 1].is_global) {
        sieve_problem_add(c->problems, c->out, place,
                          "the variable \"%.*s\" is used before it is declared global", (int)name.n,
                          name.p);
        return false;
    }
    return add_variable(c, place, key, key, true, &index);
}

struct pieces {
    struct sieve_piece *list;
    uint32_t n, cap;
};

static void add_piece(struct compiler *c, struct pieces *p, struct sieve_piece piece)
{
    if (p->n == p->cap) {
        uint32_t cap = p->cap ? p->cap * 2 : 4;
        struct sieve_piece *more = arena_zalloc(c->out, cap, sizeof(*more));

        if (!more) {
            c->failed = ERR_NOMEM;
            return;
        }
        if (p->n) {
            memcpy(more, p->list, p->n * sizeof(*more));
        }
        p->list = more;
        p->cap = cap;
    }
    p->list[p->n++] = piece;
}

// The reference at the front of `in`, which starts with "${": true when it is one.
static bool take_reference(struct compiler *c, struct sieve_place place, struct span *in,
                           struct sieve_piece *out)
{
    size_t close = 2;

    while (close < in->n && (is_name_byte(in->p[close]) || in->p[close] == '.')) {
        close++; // no further: an open brace must not cost the rest of the text
    }
    struct span name = span_skip(span_first(*in, close), 2);

    if (close >= in->n || in->p[close] != '}' || !is_reference(name)) {
        return false;
    }
    *in = span_skip(*in, close + 1);
    if (byte_is_digit(name.p[0])) {
        uint64_t index = SIEVE_GROUPS_MAX;

        span_to_u64(name, UINT32_MAX, &index);
        *out = (struct sieve_piece){.kind = PIECE_MATCH, .index = (uint32_t)index};
        return true;
    }
    *out = (struct sieve_piece){.kind = PIECE_VARIABLE};
    return sieve_variable_find(c, place, name, &out->index);
}

struct sieve_string sieve_string_compile(struct compiler *c, const struct sieve_text *text,
                                         bool is_constant)
{
    struct sieve_string s = {.text = text->text};
    struct pieces pieces = {NULL, 0, 0};

    if (c->enabled & EXT_BIT(EXT_ENCODED_CHARACTER)) {
        s.text = decode(c, text);
    }
    s.text = arena_dup(c->out, s.text);
    if (!s.text.p) {
        c->failed = ERR_NOMEM;
        return s;
    }
    if (!(c->enabled & EXT_BIT(EXT_VARIABLES))) {
        return s;
    }
    struct span rest = s.text;
    size_t at = 0;

    while (c->failed == ERR_OK && (at += span_find(span_skip(rest, at), SPAN("${"))) < rest.n) {
        struct span after = span_skip(rest, at);
        struct sieve_piece piece;

        if (!take_reference(c, text->place, &after, &piece)) {
            at += 2;
            continue;
        }
        if (at) {
            add_piece(c, &pieces, (struct sieve_piece){PIECE_TEXT, 0, span_first(rest, at)});
        }
        add_piece(c, &pieces, piece);
        rest = after;
        at = 0;
    }
    if (pieces.n && is_constant) {
        sieve_problem_add(c->problems, c->out, text->place, "no variables may be used here");
    }
    if (pieces.n && rest.n) {
        add_piece(c, &pieces, (struct sieve_piece){PIECE_TEXT, 0, rest});
    }
    s.pieces = pieces.list;
    s.piece_n = pieces.n;
    return s;
}
