// SPDX-License-Identifier: Apache-2.0
#include "senderauth/auth_results.h"

#include "base/utf8.h"
#include "mime/mime_header.h"
#include "senderauth/domain_name.h"

#include "base/banned.h"

#define FIELD_NAME SPAN("Authentication-Results")

static bool is_token_byte(char c)
{
    return (unsigned char)c > 32 && (unsigned char)c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_token_byte(s.p[i])) {
            return false;
        }
    }
    return s.n > 0;
}

// "local@domain" and "@domain" need no quotes where both sides are dotted tokens (pvalue).
static bool is_plain_value(struct span s)
{
    size_t at = span_find_byte(s, '@');
    struct span local = span_first(s, at), domain = span_skip(s, at + 1);

    return at == s.n ? is_token(s) : (local.n == 0 || is_token(local)) && is_token(domain);
}

// Whole characters above 127 become '?', or stay; other junk becomes a blank.
static void put_clean(struct buf *out, struct span s, bool is_utf8, bool is_quoted)
{
    while (s.n) {
        struct span rest = s;
        uint32_t c = 0;
        bool ok = utf8_next(&rest, &c);
        struct span bytes = span_first(s, s.n - rest.n);

        s = rest;
        if (!ok) {
            buf_put_byte(out, '?');
        } else if (c < 32 || (c >= 127 && c < 160) || c == 0x2028 || c == 0x2029) {
            buf_put_byte(out, is_quoted ? ' ' : '?');
        } else if (c > 127 && !is_utf8) {
            buf_put_byte(out, '?');
        } else {
            buf_put(out, is_quoted && (c == '"' || c == '\\') ? SPAN("\\") : SPAN(""));
            buf_put(out, bytes);
        }
    }
}

static void put_quoted(struct buf *out, struct span s, bool is_utf8)
{
    buf_put_byte(out, '"');
    put_clean(out, s, is_utf8, true);
    buf_put_byte(out, '"');
}

static void put_value(struct buf *out, struct span s, bool is_utf8)
{
    if (is_plain_value(s)) {
        buf_put(out, s);
    } else {
        put_quoted(out, s, is_utf8);
    }
}

// A keyword: ours, but let nothing else through.
static void put_word(struct buf *out, struct span s)
{
    buf_put(out, is_token(s) ? s : SPAN("unknown"));
}

static void put_result(struct buf *out, const struct auth_result *r, bool is_utf8)
{
    put_word(out, r->method);
    buf_put_byte(out, '=');
    put_word(out, r->result);
    if (r->reason.n) {
        buf_put_str(out, "\r\n\t\treason=");
        put_quoted(out, r->reason, is_utf8);
    }
    for (size_t i = 0; i < r->n; i++) {
        const struct auth_property *p = &r->properties[i];

        if (p->value.n) {
            buf_put_str(out, "\r\n\t\t");
            put_word(out, p->type);
            buf_put_byte(out, '.');
            put_word(out, p->name);
            buf_put_byte(out, '=');
            put_value(out, p->value, is_utf8);
        }
    }
}

enum err auth_results_put(struct buf *out, const struct auth_results *r, bool is_utf8)
{
    if (is_token(r->id)) {
        buf_put(out, r->id);
    } else {
        put_quoted(out, r->id, is_utf8);
    }
    if (r->n == 0) {
        buf_put_str(out, "; none");
    }
    for (size_t i = 0; i < r->n; i++) {
        buf_put_str(out, ";\r\n\t");
        put_result(out, &r->results[i], is_utf8);
    }
    return buf_result(out);
}

enum err auth_results_put_field(struct buf *out, const struct auth_results *r, bool is_utf8)
{
    buf_put_str(out, "Authentication-Results: ");
    enum err e = auth_results_put(out, r, is_utf8);

    buf_put_str(out, "\r\n");
    return e == ERR_OK ? buf_result(out) : e;
}

struct reader {
    struct arena *arena;
    struct span in;
    enum err error;
};

static bool fail(struct reader *r, enum err e)
{
    if (r->error == ERR_OK) {
        r->error = e;
    }
    return false;
}

// Passes over blanks and comments; false when a comment is not closed.
static bool skip_blanks(struct reader *r)
{
    size_t i = 0, depth = 0;

    for (; i < r->in.n; i++) {
        char c = r->in.p[i];

        if (depth && c == '\\') {
            i++;
        } else if (c == '(') {
            depth++;
        } else if (depth && c == ')') {
            depth--;
        } else if (depth == 0 && !byte_is_space(c)) {
            break;
        }
    }
    r->in = span_skip(r->in, i);
    return depth == 0 || fail(r, ERR_INVALID);
}

static bool take_quoted(struct reader *r, struct span *out)
{
    size_t n = 0, end = 1;

    while (end < r->in.n && r->in.p[end] != '"') {
        end += r->in.p[end] == '\\' ? 2 : 1;
    }
    if (end >= r->in.n) {
        return fail(r, ERR_INVALID);
    }
    char *p = arena_alloc(r->arena, end);

    if (!p) {
        return fail(r, ERR_NOMEM);
    }
    for (size_t i = 1; i < end; i++) {
        i += r->in.p[i] == '\\';
        if (r->in.p[i] != '\r' && r->in.p[i] != '\n') {
            p[n++] = r->in.p[i];
        }
    }
    r->in = span_skip(r->in, end + 1);
    *out = span_of(p, n);
    return true;
}

// A word: letters up to one of `stops`, a blank or a comment; or a quoted string.
static bool take_value(struct reader *r, const char *stops, struct span *out)
{
    size_t n = 0;

    if (!skip_blanks(r)) {
        return false;
    }
    if (r->in.n && r->in.p[0] == '"') {
        return take_quoted(r, out);
    }
    while (n < r->in.n && (unsigned char)r->in.p[n] > 32 && r->in.p[n] != 127 &&
           !strchr(stops, r->in.p[n])) {
        n++;
    }
    *out = span_first(r->in, n);
    r->in = span_skip(r->in, n);
    return n > 0 || fail(r, ERR_INVALID);
}

static bool take_sign(struct reader *r, char sign)
{
    if (!skip_blanks(r) || r->in.n == 0 || r->in.p[0] != sign) {
        return false;
    }
    r->in = span_skip(r->in, 1);
    return true;
}

static bool take_version(struct reader *r)
{
    size_t n = 0;

    while (n < r->in.n && byte_is_digit(r->in.p[n])) {
        n++;
    }
    struct span digits = span_first(r->in, n);

    r->in = span_skip(r->in, n);
    return n == 0 || span_eq(digits, SPAN("1")) || fail(r, ERR_INVALID);
}

// "smtp.mailfrom=x", or "reason=x".
static bool take_property(struct reader *r, struct auth_result *result, struct auth_property *list)
{
    struct span type = {NULL, 0}, name = {NULL, 0}, value = {NULL, 0};
    bool is_reason;

    if (!take_value(r, "=.;(\"", &type)) {
        return false;
    }
    is_reason = span_eq_nocase(type, SPAN("reason")) && take_sign(r, '=');
    if (!is_reason &&
        (!take_sign(r, '.') || !take_value(r, "=;(\"", &name) || !take_sign(r, '='))) {
        return fail(r, ERR_INVALID);
    }
    if (!take_value(r, ";(\"", &value)) {
        return false;
    }
    // A local part in quotes before the '@'.
    if (r->in.n && r->in.p[0] == '@') {
        struct span domain = {NULL, 0};

        if (!take_value(r, ";(\"", &domain)) {
            return false;
        }
        char *p = arena_alloc(r->arena, value.n + domain.n + 1);

        if (!p) {
            return fail(r, ERR_NOMEM);
        }
        memcpy(p, value.p, value.n);
        memcpy(p + value.n, domain.p, domain.n);
        value = span_of(p, value.n + domain.n);
    }
    if (is_reason) {
        result->reason = value;
        return true;
    }
    if (result->n == AUTH_PROPERTIES_MAX) {
        return fail(r, ERR_LIMIT);
    }
    list[result->n++] = (struct auth_property){type, name, value};
    return true;
}

// "method/1=result" and what follows up to the next semicolon.
static bool take_result(struct reader *r, struct auth_result *out)
{
    struct auth_property *list = arena_zalloc(r->arena, AUTH_PROPERTIES_MAX, sizeof(*list));

    if (!list) {
        return fail(r, ERR_NOMEM);
    }
    *out = (struct auth_result){.properties = list};
    if (!take_value(r, "=/;(\"", &out->method)) {
        return false;
    }
    if (take_sign(r, '/') && (!skip_blanks(r) || !take_version(r))) {
        return false;
    }
    if (!take_sign(r, '=') || !take_value(r, ";(\"", &out->result)) {
        return fail(r, ERR_INVALID);
    }
    while (skip_blanks(r) && r->in.n && r->in.p[0] != ';') {
        if (!take_property(r, out, list)) {
            return false;
        }
    }
    return r->error == ERR_OK;
}

// "id" or "id 1", and then the end or a semicolon.
static bool take_id(struct reader *r, struct span *out)
{
    return take_value(r, ";(\"", out) && skip_blanks(r) && take_version(r) && skip_blanks(r) &&
           (r->in.n == 0 || r->in.p[0] == ';' || fail(r, ERR_INVALID));
}

static bool is_none(struct reader *r)
{
    struct reader ahead = *r;
    struct span word = {NULL, 0};

    if (take_value(&ahead, "=/;(\"", &word) && span_eq_nocase(word, SPAN("none")) &&
        skip_blanks(&ahead) && ahead.in.n == 0) {
        *r = ahead;
        return true;
    }
    return false;
}

enum err auth_results_parse(struct arena *arena, struct span body, struct auth_results *out)
{
    struct reader r = {arena, body, ERR_OK};
    struct auth_result *list = arena_zalloc(arena, AUTH_RESULTS_MAX, sizeof(*list));
    struct auth_results all = {.results = list};

    if (!list) {
        return ERR_NOMEM;
    }
    if (!take_id(&r, &all.id)) {
        return r.error;
    }
    while (r.error == ERR_OK && take_sign(&r, ';')) {
        if (!skip_blanks(&r) || r.in.n == 0 || is_none(&r)) {
            break; // a semicolon at the end is borne
        }
        if (all.n == AUTH_RESULTS_MAX) {
            return ERR_LIMIT;
        }
        if (take_result(&r, &list[all.n])) {
            all.n++;
        }
    }
    if (r.error == ERR_OK && (!skip_blanks(&r) || r.in.n)) {
        fail(&r, ERR_INVALID);
    }
    if (r.error == ERR_OK) {
        *out = all;
    }
    return r.error;
}

static bool same_id(struct span a, struct span b)
{
    struct domain_name x, y;

    return span_eq_nocase(a, b) ||
           (domain_name_parse(a, &x) == ERR_OK && domain_name_parse(b, &y) == ERR_OK &&
            span_eq(domain_name_span(&x), domain_name_span(&y)));
}

#define ID_ARENA_BYTES (4u << 20)

// Reads the id and what follows it; false when there is none to read.
static bool read_id(struct arena *arena, struct span body, struct span *out_id,
                    struct span *out_rest)
{
    struct reader r = {arena, body, ERR_OK};

    if (!take_id(&r, out_id)) {
        return false;
    }
    *out_rest = r.in;
    return true;
}

bool auth_results_is_forged(struct span body, struct span ours)
{
    struct span id, rest;
    struct arena arena;
    bool is_forged;

    arena_init(&arena, ID_ARENA_BYTES);
    is_forged = !read_id(&arena, body, &id, &rest) || same_id(id, ours);
    arena_finish(&arena);
    return is_forged;
}

bool auth_results_next_forged(struct span block, struct span ours, size_t *at, struct auth_cut *out)
{
    struct span rest = span_skip(block, *at);
    struct mime_field f;

    while (mime_header_find(&rest, FIELD_NAME, &f)) {
        *at = block.n - rest.n;
        if (auth_results_is_forged(f.body, ours)) {
            out->offset = (size_t)(f.line.p - block.p);
            out->n = f.line.n;
            return true;
        }
    }
    *at = block.n;
    return false;
}

enum err auth_results_join(struct buf *out, struct span block, struct span ours)
{
    struct mime_field f;
    struct arena arena;
    bool any = false;

    arena_init(&arena, ID_ARENA_BYTES);
    while (mime_header_find(&block, FIELD_NAME, &f)) {
        struct span id, rest;

        if (!read_id(&arena, f.body, &id, &rest) || !same_id(id, ours)) {
            continue;
        }
        rest = span_trim(span_skip(rest, 1));
        if (rest.n && rest.p[rest.n - 1] == ';') {
            rest.n--;
        }
        if (!any) {
            buf_put(out, id);
        }
        any = true;
        if (rest.n) {
            buf_put_str(out, ";\r\n\t");
            buf_put(out, rest);
        }
    }
    arena_finish(&arena);
    return any ? buf_result(out) : ERR_NOT_FOUND;
}
