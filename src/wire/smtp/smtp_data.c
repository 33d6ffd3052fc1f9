// SPDX-License-Identifier: Apache-2.0
#include "wire/smtp/smtp_data.h"

#include "base/log.h"

#include "base/banned.h"

enum data_state {
    AT_LINE,      // after CR LF, or at the start
    IN_LINE,      // within a line
    AFTER_CR,     // within a line, after a CR that was passed on
    AFTER_DOT,    // after a dot at the start of a line, which was not passed on
    AFTER_DOT_CR, // and a CR behind it, which was not passed on either
};

void smtp_data_begin(struct smtp_data *d)
{
    *d = (struct smtp_data){.state = AT_LINE};
}

// How much of `in`, from within a line, is content: up to where the next line starts.
static size_t take_line(struct smtp_data *d, struct span in)
{
    size_t lf = span_find_byte(in, '\n');

    if (lf == in.n) {
        d->state = in.p[in.n - 1] == '\r' ? AFTER_CR : IN_LINE;
        return in.n;
    }
    bool after_cr = lf > 0 ? in.p[lf - 1] == '\r' : d->state == AFTER_CR;

    d->state = after_cr ? AT_LINE : IN_LINE;
    return lf + 1;
}

// Content from the front of `in` up to the next dot that may mean something.
static struct span take_lines(struct smtp_data *d, struct span in)
{
    size_t n = 0;

    do {
        n += take_line(d, span_skip(in, n));
    } while (n < in.n && !(d->state == AT_LINE && in.p[n] == '.'));
    return span_first(in, n);
}

// What a byte means where a dot may be, or was, at the start of a line.
enum held { HELD_BACK, CONTENT, CONTENT_AFTER_CR, MESSAGE_END };

static enum held hold(struct smtp_data *d, char c)
{
    if (d->state == AT_LINE && c == '.') {
        d->state = AFTER_DOT;
        return HELD_BACK;
    }
    if (d->state == AFTER_DOT && c == '\r') {
        d->state = AFTER_DOT_CR;
        return HELD_BACK;
    }
    if (d->state == AFTER_DOT_CR && c == '\n') {
        return MESSAGE_END;
    }
    if (d->state == AFTER_DOT_CR) {
        // The dot was stuffed, and the CR after it is no line end: it is content.
        d->state = AFTER_CR;
        return CONTENT_AFTER_CR;
    }
    d->state = d->state == AFTER_DOT ? IN_LINE : d->state;
    return CONTENT;
}

static enum err give(struct text_scan *scan, struct span piece, struct span *out_piece)
{
    text_scan_put(scan, piece);
    *out_piece = piece;
    return ERR_OK;
}

enum err smtp_data_read(struct smtp_data *d, struct span *in, struct span *out_piece)
{
    while (in->n) {
        switch (hold(d, in->p[0])) {
        case HELD_BACK:
            *in = span_skip(*in, 1);
            break;
        case CONTENT_AFTER_CR:
            return give(&d->scan, SPAN("\r"), out_piece);
        case MESSAGE_END:
            *in = span_skip(*in, 1);
            text_scan_end(&d->scan);
            return ERR_EOF;
        case CONTENT: {
            struct span piece = take_lines(d, *in);

            *in = span_skip(*in, piece.n);
            return give(&d->scan, piece, out_piece);
        }
        }
    }
    return ERR_AGAIN;
}

// ---- BDAT ---------------------------------------------------------------------------------------

void smtp_bdat_begin(struct smtp_bdat *b, uint64_t max_bytes)
{
    *b = (struct smtp_bdat){.max_bytes = max_bytes};
}

enum err smtp_bdat_chunk(struct smtp_bdat *b, uint64_t bytes, bool last)
{
    ASSERT(b->left == 0);
    if (b->last) {
        return ERR_CONFLICT;
    }
    b->chunks++;
    b->left = bytes;
    b->last = last;
    if (b->over || bytes > b->max_bytes - b->total) {
        b->over = true;
        return ERR_LIMIT;
    }
    b->total += bytes;
    return ERR_OK;
}

enum err smtp_bdat_read(struct smtp_bdat *b, struct span *in, struct span *out_piece)
{
    struct span piece = span_first(*in, b->left < in->n ? (size_t)b->left : in->n);

    *in = span_skip(*in, piece.n);
    b->left -= piece.n;
    if (piece.n && !b->over) {
        return give(&b->scan, piece, out_piece);
    }
    if (b->left) {
        return ERR_AGAIN;
    }
    if (b->last) {
        text_scan_end(&b->scan);
    }
    return ERR_EOF;
}
