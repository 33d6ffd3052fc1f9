// SPDX-License-Identifier: Apache-2.0
//
// Tokens of a script (RFC 5228 section 8.1). One pass; strings without escapes are not copied.
#include "base/utf8.h"
#include "sieve/sieve_parse_internal.h"

#include "base/banned.h"

void sieve_lex_begin(struct sieve_lexer *x, struct span script, struct arena *arena)
{
    *x = (struct sieve_lexer){.in = script, .line = 1, .column = 1, .arena = arena};
    if (span_starts(script, SPAN("\xef\xbb\xbf"))) { // written by an editor on Windows
        x->at = x->column_at = 3;
    }
}

static char peek(const struct sieve_lexer *x, size_t ahead)
{
    return x->at + ahead < x->in.n ? x->in.p[x->at + ahead] : '\0';
}

static struct sieve_place place_of(struct sieve_lexer *x)
{
    for (; x->column_at < x->at; x->column_at++) {
        x->column += ((unsigned char)x->in.p[x->column_at] & 0xc0) != 0x80; // not bytes
    }
    return (struct sieve_place){x->line, x->column};
}

static void begin_line(struct sieve_lexer *x)
{
    x->line++;
    x->column = 1;
    x->column_at = x->at;
}

static void step(struct sieve_lexer *x)
{
    if (x->in.p[x->at++] == '\n') {
        begin_line(x);
    }
}

static struct sieve_token failure(struct sieve_place place, const char *text)
{
    return (struct sieve_token){.kind = TOKEN_ERROR, .place = place, .text = span_from_str(text)};
}

static bool is_name_start(char c)
{
    return byte_is_alpha(c) || c == '_';
}

static bool is_name(char c)
{
    return byte_is_alnum(c) || c == '_';
}

static struct span take_name(struct sieve_lexer *x)
{
    size_t from = x->at;

    while (is_name(peek(x, 0))) {
        x->at++;
    }
    return span_of(x->in.p + from, x->at - from);
}

static void skip_line(struct sieve_lexer *x)
{
    x->at += span_find_byte(span_skip(x->in, x->at), '\n');
}

// False: a comment that does not end.
static bool skip_blank(struct sieve_lexer *x)
{
    while (x->at < x->in.n) {
        if (byte_is_space(peek(x, 0))) {
            step(x);
        } else if (peek(x, 0) == '#') {
            skip_line(x);
        } else if (peek(x, 0) == '/' && peek(x, 1) == '*') {
            struct sieve_lexer start = *x;

            x->at += 2;
            while (x->at < x->in.n && !(peek(x, 0) == '*' && peek(x, 1) == '/')) {
                step(x);
            }
            if (x->at >= x->in.n) {
                *x = start;
                return false;
            }
            x->at += 2;
        } else {
            break;
        }
    }
    return true;
}

static struct sieve_token take_number(struct sieve_lexer *x, struct sieve_place place)
{
    uint64_t v = 0;
    bool is_large = false;

    while (byte_is_digit(peek(x, 0))) {
        v = v * 10 + (uint64_t)(peek(x, 0) - '0');
        is_large |= v > UINT32_MAX;
        v = is_large ? 0 : v;
        x->at++;
    }
    char unit = byte_upper(peek(x, 0));
    unsigned shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;

    x->at += shift != 0;
    if (is_name(peek(x, 0))) {
        return failure(place, "a number may only be followed by K, M or G");
    }
    if (is_large) {
        return failure(place, "this number is too large (4294967295 is the largest)");
    }
    return (struct sieve_token){TOKEN_NUMBER, place, {NULL, 0}, v << shift};
}

// Takes the escapes off; `raw` is what stands between the quotes.
static struct span unescape(struct sieve_lexer *x, struct span raw)
{
    char *p = arena_alloc(x->arena, raw.n);
    size_t n = 0;

    if (!p) {
        x->has_no_memory = true;
        return (struct span){"", 0};
    }
    for (size_t i = 0; i < raw.n; i++) {
        i += raw.p[i] == '\\' && i + 1 < raw.n;
        p[n++] = raw.p[i];
    }
    return span_of(p, n);
}

static struct sieve_token take_quoted(struct sieve_lexer *x, struct sieve_place place)
{
    size_t from = ++x->at;
    bool has_escape = false;

    while (x->at < x->in.n && peek(x, 0) != '"') {
        if (peek(x, 0) == '\\' && x->at + 1 < x->in.n) {
            has_escape = true;
            x->at++;
        }
        step(x);
    }
    if (x->at >= x->in.n) {
        return failure(place, "this text is not closed: a \" is missing at its end");
    }
    struct span raw = span_of(x->in.p + from, x->at - from);

    x->at++;
    return (struct sieve_token){TOKEN_STRING, place, has_escape ? unescape(x, raw) : raw, 0};
}

// The length of the line at the front, its break included.
static size_t line_size(struct span s)
{
    size_t n = span_find_byte(s, '\n');

    return n < s.n ? n + 1 : s.n;
}

static bool is_dot_line(struct span line)
{
    return span_eq(line, SPAN(".\r\n")) || span_eq(line, SPAN(".\n")) || span_eq(line, SPAN("."));
}

// After "text:": the rest of the line is blank or a comment, then lines up to one that is a dot.
static struct sieve_token take_multiline(struct sieve_lexer *x, struct sieve_place place)
{
    while (peek(x, 0) == ' ' || peek(x, 0) == '\t') {
        x->at++;
    }
    if (peek(x, 0) == '#') {
        skip_line(x);
    }
    x->at += peek(x, 0) == '\r';
    if (peek(x, 0) != '\n') {
        return failure(place, "after \"text:\" the line must end");
    }
    step(x);
    struct span rest = span_skip(x->in, x->at), line = {NULL, 0};
    size_t n = 0, out = 0;

    while (n < rest.n) {
        line = span_first(span_skip(rest, n), line_size(span_skip(rest, n)));
        n += line.n;
        if (is_dot_line(line)) {
            break;
        }
    }
    if (!is_dot_line(line)) {
        return failure(place, "this text is not closed: a line with a single dot is missing");
    }
    char *p = arena_alloc(x->arena, n);

    if (!p) {
        x->has_no_memory = true;
        return failure(place, "no memory");
    }
    for (size_t i = 0; i < n - line.n;) {
        struct span one = span_first(span_skip(rest, i), line_size(span_skip(rest, i)));

        i += one.n;
        x->line++;
        one = span_skip(one, one.p[0] == '.'); // dot stuffing
        memcpy(p + out, one.p, one.n);
        out += one.n;
    }
    x->at += n;
    if (line.p[line.n - 1] == '\n') {
        begin_line(x);
    }
    return (struct sieve_token){TOKEN_STRING, place, {p, out}, 0};
}

struct sieve_token sieve_lex_next(struct sieve_lexer *x)
{
    if (!skip_blank(x)) {
        return failure(place_of(x), "this comment is not closed: a */ is missing at its end");
    }
    struct sieve_place place = place_of(x);

    if (x->at >= x->in.n) {
        return (struct sieve_token){.kind = TOKEN_END, .place = place};
    }
    char c = peek(x, 0);

    if (c == '"') {
        return take_quoted(x, place);
    }
    if (byte_is_digit(c)) {
        return take_number(x, place);
    }
    if (is_name_start(c)) {
        struct span name = take_name(x);

        if (peek(x, 0) == ':' && span_eq_nocase(name, SPAN("text"))) {
            x->at++;
            return take_multiline(x, place);
        }
        return (struct sieve_token){TOKEN_NAME, place, name, 0};
    }
    if (c == ':' && is_name_start(peek(x, 1))) {
        x->at++;
        return (struct sieve_token){TOKEN_TAG, place, take_name(x), 0};
    }
    if (c && strchr("()[]{},;", c)) {
        return (struct sieve_token){TOKEN_SIGN, place, {x->in.p + x->at++, 1}, 0};
    }
    return failure(place, c == '\'' ? "texts are written in double quotes (\")"
                                    : "this character means nothing here");
}
