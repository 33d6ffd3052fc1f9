// SPDX-License-Identifier: Apache-2.0
#include "senderauth/auth_message.h"

#include <stdlib.h>

#include "senderauth/auth_message_internal.h"
#include "senderauth/dkim_internal.h"

#include "base/banned.h"

enum err auth_message_create(bool will_sign, struct auth_message **out_message)
{
    struct auth_message *m = calloc(1, sizeof(*m));

    if (!m) {
        return ERR_NOMEM;
    }
    m->will_sign = will_sign;
    m->canon[1].is_relaxed = true;
    buf_init(&m->header, AUTH_HEADER_BYTES_MAX);
    map_init(&m->names);
    *out_message = m;
    return ERR_OK;
}

void auth_message_destroy(struct auth_message *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->hash_count; i++) {
        EVP_MD_CTX_free(m->hashes[i].context);
    }
    buf_finish(&m->header);
    map_finish(&m->names);
    free(m->fields);
    free(m->lowest);
    free(m->cursor);
    free(m);
}

struct span auth_message_header(const struct auth_message *m)
{
    return buf_span(&m->header);
}

static enum err name_field(struct auth_message *m, struct auth_field *f)
{
    char name[MIME_NAME_BYTES_MAX];
    size_t n = f->f.name.n;

    for (size_t i = 0; i < n; i++) {
        name[i] = byte_lower(f->f.name.p[i]);
    }
    uintptr_t number = (uintptr_t)map_get(&m->names, span_of(name, n));

    if (!number) {
        number = ++m->name_count;
        if (map_put(&m->names, span_of(name, n), (void *)number, NULL) != ERR_OK) {
            return ERR_NOMEM;
        }
    }
    f->name = (uint32_t)number;
    return ERR_OK;
}

size_t auth_message_name(const struct auth_message *m, struct span name)
{
    char folded[MIME_NAME_BYTES_MAX];

    if (name.n > sizeof(folded)) {
        return 0;
    }
    for (size_t i = 0; i < name.n; i++) {
        folded[i] = byte_lower(name.p[i]);
    }
    return (size_t)(uintptr_t)map_get(&m->names, span_of(folded, name.n));
}

static size_t count_fields(struct span block)
{
    struct mime_field f;
    size_t n = 0;

    while (mime_header_next(&block, &f)) {
        n += f.name.n > 0;
    }
    return n;
}

// Finds the fields and, for each name, the way from its lowest field upwards.
static enum err index_fields(struct auth_message *m)
{
    struct span block = buf_span(&m->header);
    size_t count = count_fields(block);
    struct mime_field f;

    if (count > AUTH_FIELDS_MAX) {
        return ERR_LIMIT;
    }
    m->fields = calloc(count + 1, sizeof(*m->fields));
    m->lowest = calloc(count + 2, sizeof(*m->lowest));
    m->cursor = calloc(count + 2, sizeof(*m->cursor));
    if (!m->fields || !m->lowest || !m->cursor) {
        return ERR_NOMEM;
    }
    while (mime_header_next(&block, &f)) {
        struct auth_field *a = &m->fields[m->n];

        if (f.name.n == 0) {
            continue; // a line that is no field
        }
        a->f = f;
        if (name_field(m, a) != ERR_OK) {
            return ERR_NOMEM;
        }
        a->above = m->lowest[a->name];
        m->lowest[a->name] = (uint32_t)++m->n;
    }
    return ERR_OK;
}

static enum err begin_body(struct auth_message *m)
{
    enum err e = m->header.failed ? ERR_LIMIT : index_fields(m);

    m->is_in_body = true;
    if (e == ERR_OK && m->will_sign) {
        e = auth_body_want(m, true, UINT64_MAX);
    }
    return e == ERR_OK ? dkim_want_body_hashes(m) : e;
}

// Takes header bytes up to and including one line end; true when the empty line was met.
static bool take_header_line(struct auth_message *m, struct span *s)
{
    size_t end = span_find_byte(*s, '\n');
    bool has_break = end < s->n;
    struct span line = span_first(*s, end);

    *s = span_skip(*s, end + 1);
    if (m->has_cr && !(has_break && line.n == 0)) {
        buf_put_byte(&m->header, '\r');
    }
    m->has_cr = line.n && line.p[line.n - 1] == '\r';
    line.n -= m->has_cr;
    buf_put(&m->header, line);
    if (!has_break) {
        return false;
    }
    m->has_cr = false;
    if (m->header.n == m->line_start && !m->header.failed) {
        return true;
    }
    buf_put(&m->header, SPAN("\r\n"));
    m->line_start = m->header.n;
    return false;
}

enum err auth_message_feed(struct auth_message *m, struct span bytes)
{
    while (bytes.n && !m->is_in_body && m->error == ERR_OK) {
        if (take_header_line(m, &bytes)) {
            m->error = begin_body(m);
        } else if (m->header.failed) {
            m->error = ERR_LIMIT;
        }
    }
    if (bytes.n && m->error == ERR_OK) {
        auth_body_feed(m, bytes);
    }
    return m->error;
}

enum err auth_message_finish(struct auth_message *m)
{
    if (m->error == ERR_OK && !m->is_in_body) {
        if (m->has_cr) {
            buf_put_byte(&m->header, '\r');
        }
        if (m->header.n > m->line_start) {
            buf_put(&m->header, SPAN("\r\n"));
        }
        m->error = begin_body(m);
    }
    if (m->error == ERR_OK && !m->is_done) {
        m->is_done = true;
        m->error = auth_body_finish(m);
    }
    return m->error;
}

// Relaxed: what is left of a field's body, blanks reduced; `*pending` carries over the cut.
static void put_reduced(struct buf *out, struct span s, bool *pending, bool *any)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == ' ' || c == '\t') {
            *pending = true;
        } else if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') {
            i++; // unfolded; the blank after it counts
        } else {
            if (*pending && *any) {
                buf_put_byte(out, ' ');
            }
            *pending = false;
            *any = true;
            buf_put_byte(out, c);
        }
    }
}

void auth_put_field(struct buf *out, const struct mime_field *f, bool is_relaxed, struct span cut,
                    bool is_last)
{
    size_t from = cut.p ? (size_t)(cut.p - f->line.p) : f->line.n;
    struct span line = f->line;
    bool pending = false, any = false;

    if (span_ends(line, SPAN("\r\n"))) {
        line.n -= 2;
    }
    from = from < line.n ? from : line.n;
    if (!is_relaxed) {
        buf_put(out, span_first(line, from));
        buf_put(out, span_skip(line, from + cut.n));
    } else {
        size_t body = (size_t)(f->body.p - f->line.p);

        for (size_t i = 0; i < f->name.n; i++) {
            buf_put_byte(out, byte_lower(f->name.p[i]));
        }
        buf_put_byte(out, ':');
        from = from > body ? from : body;
        put_reduced(out, span_first(span_skip(line, body), from - body), &pending, &any);
        put_reduced(out, span_skip(line, from + cut.n), &pending, &any);
    }
    if (!is_last) {
        buf_put(out, SPAN("\r\n"));
    }
}
