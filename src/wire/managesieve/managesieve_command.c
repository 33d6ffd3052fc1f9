// SPDX-License-Identifier: Apache-2.0
//
// Commands and responses.
#include "base/utf8.h"
#include "wire/managesieve/managesieve.h"

#include "base/banned.h"

#define QUOTED_BYTES_MAX 1024 // RFC 5804 section 4

struct cursor {
    struct span rest;
    struct arena *arena;
    const char *why;
};

static enum err refuse(struct cursor *c, const char *why)
{
    c->why = why;
    return ERR_INVALID;
}

static enum err take_space(struct cursor *c)
{
    if (c->rest.n == 0 || c->rest.p[0] != ' ') {
        return refuse(c, "expected a space and an argument");
    }
    c->rest = span_skip(c->rest, 1);
    return ERR_OK;
}

// After the opening quote.
static enum err take_quoted(struct cursor *c, struct span *out)
{
    char *p = arena_alloc(c->arena, c->rest.n + 1);
    size_t n = 0, i = 0;

    if (!p) {
        return ERR_NOMEM;
    }
    for (; i < c->rest.n && c->rest.p[i] != '"'; i++) {
        i += c->rest.p[i] == '\\' && i + 1 < c->rest.n;
        if (c->rest.p[i] == '\r' || c->rest.p[i] == '\n' || n >= QUOTED_BYTES_MAX) {
            return refuse(c, "a quoted string is too long or broken; use a literal");
        }
        p[n++] = c->rest.p[i];
    }
    if (i == c->rest.n) {
        return refuse(c, "a quoted string is not closed");
    }
    c->rest = span_skip(c->rest, i + 1);
    *out = span_of(p, n);
    return ERR_OK;
}

static enum err take_literal(struct cursor *c, struct span *out)
{
    struct span rest = span_skip(c->rest, 1);
    size_t n = span_find(rest, SPAN("+}\r\n"));
    uint64_t bytes;

    if (n == rest.n || !span_to_u64(span_first(rest, n), rest.n - n - 4, &bytes)) {
        return refuse(c, "a literal is broken");
    }
    rest = span_skip(rest, n + 4);
    *out = span_first(rest, (size_t)bytes);
    c->rest = span_skip(rest, (size_t)bytes);
    return ERR_OK;
}

static enum err take_string(struct cursor *c, struct span *out)
{
    char first = c->rest.n ? c->rest.p[0] : ' ';

    if (first == '{') {
        return take_literal(c, out);
    }
    if (first != '"') {
        return refuse(c, "expected a string");
    }
    c->rest = span_skip(c->rest, 1);
    return take_quoted(c, out);
}

static enum err take_string_argument(struct cursor *c, struct span *out)
{
    enum err e = take_space(c);

    return e ? e : take_string(c, out);
}

// RFC 5804 section 1.6: no controls, no line or paragraph separators.
static bool is_name(struct span name)
{
    uint32_t c;

    while (name.n) {
        if (!utf8_next(&name, &c) || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
            c == 0x2029) {
            return false;
        }
    }
    return true;
}

static enum err take_name(struct cursor *c, bool may_be_empty, struct span *out)
{
    enum err e = take_string_argument(c, out);

    if (!e &&
        (out->n > MANAGESIEVE_NAME_BYTES_MAX || !is_name(*out) || (out->n == 0 && !may_be_empty))) {
        return refuse(c, "that cannot be the name of a script");
    }
    return e;
}

// ---- arguments ----------------------------------------------------------------------------------

typedef enum err arguments_fn(struct cursor *c, struct managesieve_command *out);

static enum err parse_none(struct cursor *c, struct managesieve_command *out)
{
    (void)c;
    (void)out;
    return ERR_OK;
}

static enum err parse_authenticate(struct cursor *c, struct managesieve_command *out)
{
    enum err e = take_string_argument(c, &out->name);

    return e || c->rest.n == 0 ? e : take_string_argument(c, &out->content);
}

static enum err parse_havespace(struct cursor *c, struct managesieve_command *out)
{
    uint64_t v;
    enum err e = take_name(c, false, &out->name);

    e = e ? e : take_space(c);
    if (!e && !span_to_u64(c->rest, UINT32_MAX, &v)) {
        return refuse(c, "expected a number of bytes");
    }
    if (!e) {
        out->bytes = (uint32_t)v;
        c->rest = SPAN("");
    }
    return e;
}

static enum err parse_putscript(struct cursor *c, struct managesieve_command *out)
{
    enum err e = take_name(c, false, &out->name);

    return e ? e : take_string_argument(c, &out->content);
}

static enum err parse_setactive(struct cursor *c, struct managesieve_command *out)
{
    return take_name(c, true, &out->name);
}

static enum err parse_name(struct cursor *c, struct managesieve_command *out)
{
    return take_name(c, false, &out->name);
}

static enum err parse_rename(struct cursor *c, struct managesieve_command *out)
{
    enum err e = take_name(c, false, &out->name);

    return e ? e : take_name(c, false, &out->to);
}

static enum err parse_checkscript(struct cursor *c, struct managesieve_command *out)
{
    return take_string_argument(c, &out->content);
}

static enum err parse_noop(struct cursor *c, struct managesieve_command *out)
{
    return c->rest.n ? take_string_argument(c, &out->name) : ERR_OK;
}

static const struct {
    const char *name;
    arguments_fn *arguments;
} rows[MANAGESIEVE_COMMAND__COUNT] = {
    [MANAGESIEVE_AUTHENTICATE] = {"AUTHENTICATE", parse_authenticate},
    [MANAGESIEVE_STARTTLS] = {"STARTTLS", parse_none},
    [MANAGESIEVE_LOGOUT] = {"LOGOUT", parse_none},
    [MANAGESIEVE_CAPABILITY] = {"CAPABILITY", parse_none},
    [MANAGESIEVE_HAVESPACE] = {"HAVESPACE", parse_havespace},
    [MANAGESIEVE_PUTSCRIPT] = {"PUTSCRIPT", parse_putscript},
    [MANAGESIEVE_LISTSCRIPTS] = {"LISTSCRIPTS", parse_none},
    [MANAGESIEVE_SETACTIVE] = {"SETACTIVE", parse_setactive},
    [MANAGESIEVE_GETSCRIPT] = {"GETSCRIPT", parse_name},
    [MANAGESIEVE_DELETESCRIPT] = {"DELETESCRIPT", parse_name},
    [MANAGESIEVE_RENAMESCRIPT] = {"RENAMESCRIPT", parse_rename},
    [MANAGESIEVE_CHECKSCRIPT] = {"CHECKSCRIPT", parse_checkscript},
    [MANAGESIEVE_NOOP] = {"NOOP", parse_noop},
    [MANAGESIEVE_UNAUTHENTICATE] = {"UNAUTHENTICATE", parse_none},
};

const char *managesieve_command_name(enum managesieve_command_id id)
{
    return id < MANAGESIEVE_COMMAND__COUNT ? rows[id].name : "?";
}

static enum err parse(struct cursor *c, struct managesieve_command *out)
{
    struct span name = span_first(c->rest, span_find_byte(c->rest, ' '));
    size_t i = 0;

    while (i < MANAGESIEVE_COMMAND__COUNT && !span_eq_nocase(name, span_from_str(rows[i].name))) {
        i++;
    }
    if (i == MANAGESIEVE_COMMAND__COUNT) {
        c->why = "unknown command";
        return ERR_UNSUPPORTED;
    }
    out->id = (enum managesieve_command_id)i;
    c->rest = span_skip(c->rest, name.n);
    enum err e = rows[i].arguments(c, out);

    return e || c->rest.n == 0 ? e : refuse(c, "expected the end of the command");
}

enum err managesieve_parse(struct span text, struct arena *arena, struct managesieve_command *out,
                           const char **out_why)
{
    struct cursor c = {.rest = text, .arena = arena, .why = "the command needs too much memory"};
    struct managesieve_command got = {.id = MANAGESIEVE_NOOP};
    enum err e = parse(&c, &got);

    if (e) {
        *out_why = c.why;
    } else {
        *out = got;
    }
    return e;
}

enum err managesieve_parse_response(struct span text, struct arena *arena, struct span *out)
{
    struct cursor c = {.rest = text, .arena = arena};
    struct span got;
    enum err e = take_string(&c, &got);

    if (!e && c.rest.n) {
        return ERR_INVALID;
    }
    *out = e ? *out : got;
    return e;
}

// ---- responses ----------------------------------------------------------------------------------

static bool can_be_quoted(struct span s)
{
    return s.n <= QUOTED_BYTES_MAX && utf8_is_valid(s) && span_find_byte(s, '\r') == s.n &&
           span_find_byte(s, '\n') == s.n && span_find_byte(s, '\0') == s.n;
}

void managesieve_literal_head_put(struct buf *out, uint64_t bytes)
{
    buf_put_byte(out, '{');
    buf_put_u64(out, bytes);
    buf_put(out, SPAN("}\r\n"));
}

void managesieve_string_put(struct buf *out, struct span value)
{
    if (!can_be_quoted(value)) {
        managesieve_literal_head_put(out, value.n);
        buf_put(out, value);
        return;
    }
    buf_put_byte(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\') {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, value.p[i]);
    }
    buf_put_byte(out, '"');
}

void managesieve_result_put(struct buf *out, enum managesieve_result result, const char *code,
                            struct span argument, struct span text)
{
    static const char *const names[] = {"OK", "NO", "BYE"};

    buf_put_str(out, names[result]);
    if (code) {
        buf_printf(out, " (%s", code);
        if (argument.p) {
            buf_put_byte(out, ' ');
            managesieve_string_put(out, argument);
        }
        buf_put_byte(out, ')');
    }
    if (text.n) {
        buf_put_byte(out, ' ');
        managesieve_string_put(out, text);
    }
    buf_put(out, SPAN("\r\n"));
}
