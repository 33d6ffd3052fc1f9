// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_header.h"

#include "mime/mime_word.h"

#include "base/banned.h"

size_t mime_header_name(struct span line, size_t *out_body)
{
    size_t max = line.n < MIME_NAME_BYTES_MAX ? line.n : MIME_NAME_BYTES_MAX;
    size_t name = 0;

    while (name < max && line.p[name] > 32 && line.p[name] < 127 && line.p[name] != ':') {
        name++;
    }
    size_t at = name;

    while (at < max && (line.p[at] == ' ' || line.p[at] == '\t')) {
        at++;
    }
    if (name == 0 || at >= max || line.p[at] != ':') {
        return 0;
    }
    *out_body = at + 1;
    return name;
}

// The length of the first line, its LF included.
static size_t line_length(struct span s)
{
    size_t at = span_find_byte(s, '\n');

    return at < s.n ? at + 1 : s.n;
}

static bool is_empty_line(struct span s)
{
    return s.p[0] == '\n' || (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n');
}

static struct span without_break(struct span line)
{
    if (line.n && line.p[line.n - 1] == '\n') {
        line.n--;
        if (line.n && line.p[line.n - 1] == '\r') {
            line.n--;
        }
    }
    return line;
}

bool mime_header_next(struct span *block, struct mime_field *out)
{
    if (block->n == 0 || is_empty_line(*block)) {
        return false;
    }
    size_t n = line_length(*block);

    while (n < block->n && (block->p[n] == ' ' || block->p[n] == '\t')) {
        n += line_length(span_skip(*block, n));
    }
    size_t body = 0;

    out->line = span_first(*block, n);
    out->name = span_first(out->line, mime_header_name(out->line, &body));
    out->body = span_skip(without_break(out->line), body);
    *block = span_skip(*block, n);
    return true;
}

bool mime_header_find(struct span *block, struct span name, struct mime_field *out)
{
    struct mime_field f;

    while (mime_header_next(block, &f)) {
        if (f.name.n && span_eq_nocase(f.name, name)) {
            *out = f;
            return true;
        }
    }
    return false;
}

struct span mime_header_get(struct span block, struct span name)
{
    struct mime_field f;

    return mime_header_find(&block, name, &f) ? span_trim(f.body) : (struct span){NULL, 0};
}

void mime_header_unfold(struct buf *out, struct span body)
{
    body = span_trim(body);
    while (body.n) {
        size_t at = 0;

        while (at < body.n && body.p[at] != '\r' && body.p[at] != '\n') {
            at++;
        }
        buf_put(out, span_first(body, at));
        if (at < body.n && body.p[at] == '\r' && (at + 1 == body.n || body.p[at + 1] != '\n')) {
            buf_put_byte(out, ' '); // a bare CR separates no lines
        }
        body = span_skip(body, at + 1);
    }
}

void mime_header_text(struct buf *out, struct span body)
{
    mime_word_decode(out, span_trim(body));
}

static bool is_listed(struct span name, const struct span *names, size_t n)
{
    for (size_t i = 0; i < n && name.n; i++) {
        if (span_eq_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

void mime_header_filter(struct buf *out, struct span block, const struct span *names, size_t n,
                        bool is_not)
{
    struct mime_field f;

    while (mime_header_next(&block, &f)) {
        if (is_listed(f.name, names, n) != is_not) {
            buf_put(out, f.line);
        }
    }
    if (block.n) {
        buf_put(out, span_first(block, line_length(block)));
    }
}
