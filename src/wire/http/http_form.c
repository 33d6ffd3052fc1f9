// SPDX-License-Identifier: Apache-2.0
#include "wire/http/http_form.h"

#include "base/utf8.h"

#include "base/banned.h"

// In the arena; ERR_INVALID for a broken escape, a NUL, or what is no UTF-8.
static enum err decode(struct span text, struct arena *a, struct span *out)
{
    char *to = arena_alloc(a, text.n + 1);
    size_t n = 0;

    if (!to) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i] == '+' ? ' ' : text.p[i];

        if (c == '%') {
            int high = i + 2 < text.n ? byte_hex(text.p[i + 1]) : -1;
            int low = i + 2 < text.n ? byte_hex(text.p[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return ERR_INVALID;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0') {
            return ERR_INVALID;
        }
        to[n++] = c;
    }
    *out = span_of(to, n);
    return utf8_is_valid(*out) ? ERR_OK : ERR_INVALID;
}

static bool has(const struct http_form *f, struct span name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (span_eq(f->fields[i].name, name)) {
            return true;
        }
    }
    return false;
}

enum err http_form_read(struct span text, struct arena *a, struct http_form *out)
{
    out->n = 0;
    while (text.n) {
        struct span value = span_split(&text, '&');

        if (!value.n) {
            continue;
        }
        if (out->n == HTTP_FORM_FIELDS_MAX) {
            return ERR_LIMIT;
        }
        struct http_form_field *field = &out->fields[out->n];
        enum err e = decode(span_split(&value, '='), a, &field->name);

        e = e == ERR_OK ? decode(value, a, &field->value) : e;
        if (e == ERR_OK && has(out, field->name)) {
            e = ERR_INVALID;
        }
        if (e != ERR_OK) {
            return e;
        }
        out->n++;
    }
    return ERR_OK;
}

struct span http_form_get(const struct http_form *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (span_eq(f->fields[i].name, span_from_str(name))) {
            return f->fields[i].value;
        }
    }
    return SPAN("");
}

void http_form_escape(struct buf *out, struct span value)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (byte_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            buf_put_byte(out, c);
        } else {
            buf_put_byte(out, '%');
            buf_put_byte(out, digits[(unsigned char)c >> 4]);
            buf_put_byte(out, digits[(unsigned char)c & 15]);
        }
    }
}

void http_form_put(struct buf *out, const char *name, struct span value)
{
    if (out->n) {
        buf_put_byte(out, '&');
    }
    http_form_escape(out, span_from_str(name));
    buf_put_byte(out, '=');
    http_form_escape(out, value);
}
