// SPDX-License-Identifier: Apache-2.0
//
// A signature field under construction. What is hashed is the field with b= empty; the signature is
// then put in, folded, which the relaxed form does not see.
#include "base/encode.h"
#include "senderauth/dkim_internal.h"

#include "base/banned.h"

#define FIELD_BYTES_MAX (256u << 10)
#define COLUMNS         75

static struct buf *side(struct dkim_writer *w)
{
    return w->is_after ? &w->after : &w->before;
}

void dkim_writer_begin(struct dkim_writer *w, const char *field_name)
{
    *w = (struct dkim_writer){0};
    // Seals sign other signatures as they stand, blanks in b= too: one long line there (at most 700
    // bytes) is what all signers agree on.
    w->is_b_folded = span_eq(span_from_str(field_name), SPAN("DKIM-Signature"));
    buf_init(&w->before, FIELD_BYTES_MAX);
    buf_init(&w->after, FIELD_BYTES_MAX);
    buf_printf(&w->before, "%s:", field_name);
    w->column = w->before.n;
}

void dkim_writer_release(struct dkim_writer *w)
{
    buf_finish(&w->before);
    buf_finish(&w->after);
}

// A blank, or a fold when `next` bytes would no longer fit.
static void put_gap(struct dkim_writer *w, size_t next)
{
    bool fits = w->column + 1 + next <= COLUMNS;

    buf_put_str(side(w), fits ? " " : "\r\n ");
    w->column = fits ? w->column + 1 : 1;
}

static void put_name(struct dkim_writer *w, const char *tag, size_t value_bytes)
{
    size_t n = strlen(tag);

    if (w->before.p && w->before.p[w->before.n - 1] != ':') {
        buf_put_byte(side(w), ';');
        w->column++;
    }
    put_gap(w, n + 1 + value_bytes + 1);
    buf_printf(side(w), "%s=", tag);
    w->column += n + 1;
}

void dkim_writer_put(struct dkim_writer *w, const char *tag, struct span value)
{
    put_name(w, tag, value.n < COLUMNS - 10 ? value.n : span_find_byte(value, ':'));
    while (value.n) { // long lists are folded after a colon
        size_t n = span_find_byte(value, ':');

        n += n < value.n;
        if (w->column + n > COLUMNS && w->column > 4) {
            buf_put_str(side(w), "\r\n ");
            w->column = 1;
        }
        buf_put(side(w), span_first(value, n));
        w->column += n;
        value = span_skip(value, n);
    }
}

void dkim_writer_put_u64(struct dkim_writer *w, const char *tag, uint64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);

    dkim_writer_put(w, tag, span_of(text, (size_t)n));
}

void dkim_writer_put_hash(struct dkim_writer *w, const struct body_hash *h)
{
    struct buf b;

    buf_init(&b, 2 * AUTH_DIGEST_BYTES);
    base64_encode(&b, span_of(h->digest, AUTH_DIGEST_BYTES));
    dkim_writer_put(w, "bh", buf_span(&b));
    buf_finish(&b);
}

void dkim_writer_put_b(struct dkim_writer *w)
{
    put_name(w, "b", COLUMNS);
    w->is_after = true;
    w->column = COLUMNS; // whatever follows begins a line
}

enum err dkim_writer_unsigned(const struct dkim_writer *w, struct buf *out)
{
    buf_put(out, buf_span(&w->before));
    buf_put(out, buf_span(&w->after));
    return w->before.failed || w->after.failed ? ERR_LIMIT : buf_result(out);
}

enum err dkim_writer_finish(const struct dkim_writer *w, const struct dkim_private_key *key,
                            const uint8_t digest[AUTH_DIGEST_BYTES], struct buf *out)
{
    struct buf b;
    enum err e = ERR_OK;

    buf_init(&b, 2 * DKIM_SIGNATURE_BYTES_MAX);
    e = dkim_digest_sign(key, digest, &b);
    buf_put(out, buf_span(&w->before));
    size_t piece = w->is_b_folded ? COLUMNS - 10 : b.n;

    for (struct span rest = buf_span(&b); rest.n; rest = span_skip(rest, piece)) {
        buf_put_str(out, rest.n == b.n ? "" : "\r\n ");
        buf_put(out, span_first(rest, piece));
    }
    buf_put(out, buf_span(&w->after));
    buf_put_str(out, "\r\n");
    buf_finish(&b);
    return e == ERR_OK ? buf_result(out) : e;
}

struct mime_field dkim_field_of(struct span text)
{
    struct mime_field f = {.line = text};
    size_t body = 0;

    f.name = span_first(text, mime_header_name(text, &body));
    f.body = span_skip(text, body);
    return f;
}
