// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mbox_writer.h"

#include "mailfile/mbox_fields.h"
#include "mailfile/mbox_from.h"

#include "base/banned.h"

#define HEAD_BYTES_MAX (16u << 10)

static const char from_word[] = "From ";
#define FROM_BYTES 5

// Bytes in CRLF form, on to the file.
static bool out(struct mbox_writer *w, struct span s)
{
    if (s.n == 0) {
        return true;
    }
    w->ends_line = s.p[s.n - 1] == '\n';
    return w->keep_crlf ? w->to.write(w->to.arg, s) : lf_make(&w->lf, s);
}

bool mbox_writer_begin(struct mbox_writer *w, struct mail_sink to, bool keep_crlf,
                       struct span sender, const struct mail_meta *meta)
{
    const char *eol = keep_crlf ? "\r\n" : "\n";
    struct buf head;

    *w = (struct mbox_writer){.to = to, .keep_crlf = keep_crlf, .lf = {.to = to}};
    w->at_line_start = w->in_header = w->is_blank = true;
    w->ends_line = true;
    buf_init(&head, HEAD_BYTES_MAX);
    mbox_from_put(&head, sender, meta->has_date ? meta->date : 0);
    if (meta->keyword_count > 0) {
        buf_put_str(&head, "X-Keywords:");
        for (size_t i = 0; i < meta->keyword_count; i++) {
            buf_put_byte(&head, ' ');
            buf_put(&head, meta->keywords[i]);
        }
        buf_put_str(&head, eol);
    }
    if (meta->flags & ~MAIL_SEEN) {
        buf_printf(&head, "X-Status: %s%s%s%s%s", meta->flags & MAIL_ANSWERED ? "A" : "",
                   meta->flags & MAIL_FLAGGED ? "F" : "", meta->flags & MAIL_DRAFT ? "T" : "",
                   meta->flags & MAIL_DELETED ? "D" : "", eol);
    }
    // Last, because it is never folded: a message that begins with a blank must not be taken for
    // more of a field of ours.
    buf_printf(&head, "Status: %sO%s", meta->flags & MAIL_SEEN ? "R" : "", eol);
    bool ok = !head.failed && to.write(to.arg, buf_span(&head));

    buf_finish(&head);
    return ok;
}

// Looks at the start of a line: writes '>' signs on, holds back as much of "From " as there is.
// Takes what it has dealt with off the front of `*s`.
static bool line_start(struct mbox_writer *w, struct span *s)
{
    while (s->n > 0) {
        char c = s->p[0];

        if (w->matched == 0 && c == '>') {
            if (!out(w, SPAN(">"))) {
                return false;
            }
        } else if (c == from_word[w->matched]) {
            w->matched++;
        } else {
            break;
        }
        *s = span_skip(*s, 1);
        if (w->matched == FROM_BYTES) {
            w->matched = 0;
            w->at_line_start = false;
            return out(w, SPAN(">From "));
        }
    }
    if (s->n > 0) {
        unsigned matched = w->matched;

        w->matched = 0;
        w->at_line_start = false;
        return out(w, span_of(from_word, matched));
    }
    return true;
}

static bool name_out(struct mbox_writer *w)
{
    unsigned n = w->name_bytes;

    w->name_bytes = 0;
    return out(w, span_of(w->name, n));
}

// Reads the name of a header field, holding it back until it is known whether it is one of those
// that mbox programs keep for themselves.
static bool name_start(struct mbox_writer *w, struct span *s)
{
    const struct span kept = SPAN(MBOX_KEPT);

    w->in_name = true;
    while (s->n > 0) {
        char c = s->p[0];

        if (c != ':' && c != '-' && !byte_is_alnum(c)) {
            break;
        }
        w->name[w->name_bytes++] = c;
        *s = span_skip(*s, 1);
        struct span name = span_of(w->name, w->name_bytes);

        if (span_eq(name, kept) && !name_out(w)) {
            return false;
        }
        if (c == ':' || w->name_bytes == sizeof(w->name)) {
            w->at_line_start = w->in_name = false;
            return (mbox_field_find(name) == MBOX_FIELD_NONE || out(w, kept)) && name_out(w);
        }
    }
    if (s->n > 0) {
        w->at_line_start = w->in_name = false;
        return name_out(w);
    }
    return true;
}

// The fields concerned begin with C, S or X, so they are in nothing like "From ".
static bool may_be_name(const struct mbox_writer *w, char c)
{
    return w->in_name || (w->in_header && w->is_blank && w->matched == 0 && memchr("cCsSxX", c, 6));
}

static bool start(struct mbox_writer *w, struct span *s)
{
    size_t before = s->n;
    bool ok = may_be_name(w, s->p[0]) ? name_start(w, s) : line_start(w, s);

    w->is_blank = w->is_blank && s->n == before;
    return ok;
}

// The header ends with its first empty line.
static void look_for_header_end(struct mbox_writer *w, struct span piece)
{
    bool ends = piece.n > 0 && piece.p[piece.n - 1] == '\n';

    if ((w->is_blank && (span_eq(piece, SPAN("\n")) || span_eq(piece, SPAN("\r\n")))) ||
        (w->is_cr && span_eq(piece, SPAN("\n")))) {
        w->in_header = false;
    }
    w->is_cr = w->is_blank && span_eq(piece, SPAN("\r"));
    w->is_blank = ends || (w->is_blank && piece.n == 0);
}

bool mbox_writer_put(struct mbox_writer *w, struct span bytes)
{
    while (bytes.n > 0) {
        if (w->at_line_start && !start(w, &bytes)) {
            return false;
        }
        size_t lf = span_find_byte(bytes, '\n');
        size_t n = lf < bytes.n ? lf + 1 : lf;

        if (!out(w, span_first(bytes, n))) {
            return false;
        }
        if (w->in_header) {
            look_for_header_end(w, span_first(bytes, n));
        }
        w->at_line_start = w->at_line_start || (n > 0 && bytes.p[n - 1] == '\n');
        bytes = span_skip(bytes, n);
    }
    return true;
}

bool mbox_writer_end(struct mbox_writer *w)
{
    if (!out(w, span_of(from_word, w->matched)) || !name_out(w) ||
        (!w->ends_line && !out(w, SPAN("\r\n")))) {
        return false;
    }
    return out(w, SPAN("\r\n")) && lf_make_end(&w->lf);
}
