// SPDX-License-Identifier: Apache-2.0
#include "gate/verdict/header_filter.h"

#include "mime/mime_header.h"
#include "senderauth/auth_results.h"

#include "base/banned.h"

void header_filter_init(struct header_filter *f, struct span ours)
{
    *f = (struct header_filter){.ours = ours};
    buf_init(&f->held, HEADER_FIELD_BYTES_MAX);
    buf_init(&f->subject, HEADER_SUBJECT_BYTES_MAX);
}

void header_filter_finish(struct header_filter *f)
{
    buf_finish(&f->held);
    buf_finish(&f->subject);
}

static bool has_name(struct span field, struct span name, struct span *out_body)
{
    size_t body = 0;
    size_t n = mime_header_name(field, &body);

    *out_body = span_skip(field, body);
    return span_eq_nocase(span_first(field, n), name);
}

static bool is_forged(const struct header_filter *f, struct span field)
{
    struct span body;

    // The second is what the server writes into its own warnings to an account's owner.
    return (has_name(field, SPAN("Authentication-Results"), &body) &&
            auth_results_is_forged(body, f->ours)) ||
           has_name(field, SPAN("Mailkeep-Alert"), &body);
}

// One without its line end is not whole: the message ends within it.
static bool take_subject(struct header_filter *f, struct span field)
{
    struct span body;

    if (!f->takes_subject || f->subject.n || field.n > HEADER_SUBJECT_BYTES_MAX ||
        !span_ends(field, SPAN("\n")) || !has_name(field, SPAN("Subject"), &body)) {
        return false;
    }
    buf_put(&f->subject, field);
    return true;
}

// The first `n` bytes held are a whole field.
static void let_go(struct header_filter *f, size_t n, struct buf *out)
{
    struct span field = span_first(buf_span(&f->held), n);

    if (n && is_forged(f, field)) {
        f->removed++;
    } else if (n && !take_subject(f, field)) {
        buf_put(out, field);
    }
    buf_consume(&f->held, n);
    f->line = 0;
}

// A line is whole.
static void line_ends(struct header_filter *f, struct buf *out)
{
    struct span line = span_skip(buf_span(&f->held), f->line);
    bool is_empty = line.n == 1 || (line.n == 2 && line.p[0] == '\r');

    if (f->line && line.p[0] != ' ' && line.p[0] != '\t') {
        let_go(f, f->line, out);
    }
    if (is_empty) {
        f->is_in_body = true;
        let_go(f, f->held.n, out);
        buf_release(&f->held);
    } else {
        f->line = f->held.n;
    }
}

enum err header_filter_feed(struct header_filter *f, struct span bytes, struct buf *out)
{
    while (!f->is_in_body && bytes.n) {
        size_t end = span_find_byte(bytes, '\n');
        bool is_whole = end < bytes.n;
        size_t n = is_whole ? end + 1 : bytes.n;

        buf_put(&f->held, span_first(bytes, n));
        if (f->held.failed) {
            return ERR_LIMIT;
        }
        bytes = span_skip(bytes, n);
        if (is_whole) {
            line_ends(f, out);
        }
    }
    buf_put(out, bytes);
    return buf_result(out);
}

enum err header_filter_end(struct header_filter *f, struct buf *out)
{
    struct span line = span_skip(buf_span(&f->held), f->line);

    if (f->line && line.n && line.p[0] != ' ' && line.p[0] != '\t') {
        let_go(f, f->line, out);
    }
    let_go(f, f->held.n, out);
    return buf_result(out);
}
