// SPDX-License-Identifier: Apache-2.0
#include "wire/http/http_request.h"

#include "base/banned.h"

// One byte off the front of *s, an escape undone. False: a broken escape.
static bool next_byte(struct span *s, char *out, bool *out_escaped)
{
    *out_escaped = s->p[0] == '%';
    if (!*out_escaped) {
        *out = s->p[0];
        *s = span_skip(*s, 1);
        return true;
    }
    int high = s->n > 2 ? byte_hex(s->p[1]) : -1, low = s->n > 2 ? byte_hex(s->p[2]) : -1;

    if (high < 0 || low < 0) {
        return false;
    }
    *out = (char)(high << 4 | low);
    *s = span_skip(*s, 3);
    return true;
}

// A segment that names where it is, or what is above.
static bool has_dots(struct span path)
{
    while (path.n) {
        struct span segment = span_split(&path, '/');

        if (span_eq(segment, SPAN(".")) || span_eq(segment, SPAN(".."))) {
            return true;
        }
    }
    return false;
}

enum err http_path_decode(struct span path, struct arena *a, struct span *out)
{
    char *to = arena_alloc(a, path.n + 1);
    size_t n = 0;

    if (!to) {
        return ERR_NOMEM;
    }
    while (path.n) {
        bool escaped;
        char c;

        if (!next_byte(&path, &c, &escaped) || byte_is_ctl(c) || c == '\\' ||
            (escaped && c == '/')) {
            return ERR_INVALID;
        }
        to[n++] = c;
    }
    if (has_dots(span_of(to, n))) {
        return ERR_INVALID;
    }
    *out = span_of(to, n);
    return ERR_OK;
}

static enum err query_decode(struct span text, struct arena *a, struct span *out)
{
    char *to = arena_alloc(a, text.n + 1);
    size_t n = 0;

    if (!to) {
        return ERR_NOMEM;
    }
    while (text.n) {
        bool escaped;
        char c;

        if (!next_byte(&text, &c, &escaped) || c == '\0') {
            return ERR_INVALID;
        }
        to[n++] = !escaped && c == '+' ? ' ' : c;
    }
    *out = span_of(to, n);
    return ERR_OK;
}

enum err http_query_value(struct span query, struct span name, struct arena *a, struct span *out)
{
    while (query.n) {
        struct span value = span_split(&query, '&');
        struct span left = span_split(&value, '='), decoded;
        enum err e = query_decode(left, a, &decoded);

        if (e != ERR_OK) {
            return e;
        }
        if (span_eq(decoded, name)) {
            return query_decode(value, a, out);
        }
    }
    return ERR_NOT_FOUND;
}
