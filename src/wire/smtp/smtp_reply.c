// SPDX-License-Identifier: Apache-2.0
#include "wire/smtp/smtp_reply.h"

#include "base/log.h"
#include "base/utf8.h"

#include "base/banned.h"

// ---- writing ------------------------------------------------------------------------------------

// As much of `text` as fits into `room`: up to a space when there is one, never within a character.
static size_t piece_bytes(struct span text, size_t room)
{
    if (text.n <= room) {
        return text.n;
    }
    for (size_t n = room; n > room / 2; n--) {
        if (text.p[n] == ' ') {
            return n;
        }
    }
    while (room > 1 && ((unsigned char)text.p[room] & 0xc0) == 0x80) {
        room--;
    }
    return room;
}

static void put_clean(struct buf *out, struct span text, bool utf8)
{
    while (text.n) {
        uint32_t c;
        struct span before = text;
        bool good = utf8_next(&text, &c);
        bool shown = good && c >= 0x20 && c != 0x7f && (c < 0x80 || (utf8 && c > 0x9f));

        if (shown) {
            buf_put(out, span_first(before, before.n - text.n));
        } else {
            buf_put_byte(out, '?');
        }
    }
}

static void put_line(struct buf *out, unsigned code, const char *enhanced, struct span text,
                     bool utf8, bool last)
{
    buf_printf(out, "%u%c%s%s", code, last ? ' ' : '-', enhanced ? enhanced : "",
               enhanced ? " " : "");
    put_clean(out, text, utf8);
    buf_put(out, SPAN("\r\n"));
}

void smtp_reply_put(struct buf *out, unsigned code, const char *enhanced, struct span text,
                    bool utf8)
{
    size_t room = SMTP_REPLY_LINE_BYTES_MAX - 6 - (enhanced ? strlen(enhanced) + 1 : 0);

    ASSERT(code >= 200 && code <= 599);
    do {
        size_t line_n = span_find_byte(text, '\n');
        size_t n = piece_bytes(span_first(text, line_n), room);
        struct span piece = span_first(text, n);

        text = span_skip(text, n);
        if (text.n && (text.p[0] == '\n' || text.p[0] == ' ')) {
            text = span_skip(text, 1);
        }
        put_line(out, code, enhanced, piece, utf8, text.n == 0);
    } while (text.n);
}

// ---- reading ------------------------------------------------------------------------------------

void smtp_reply_reader_init(struct smtp_reply_reader *r)
{
    *r = (struct smtp_reply_reader){.line = {.lf_ends = true}};
    buf_init(&r->text, 4 * SMTP_REPLY_BYTES_MAX); // a broken byte becomes three
}

void smtp_reply_reader_finish(struct smtp_reply_reader *r)
{
    buf_finish(&r->text);
}

// One to three digits and what follows them, taken off *text.
static bool take_number(struct span *text, char after, unsigned *out)
{
    size_t n = 0;
    uint64_t v;

    while (n < text->n && byte_is_digit(text->p[n])) {
        n++;
    }
    bool ends = n == text->n ? after == ' ' : text->p[n] == after;

    if (n > 3 || !ends || !span_to_u64(span_first(*text, n), 999, &v)) {
        return false;
    }
    *out = (unsigned)v;
    *text = span_skip(*text, n + 1);
    return true;
}

// "5.7.1 text", or "5.7.1" with nothing behind. Taken off *text when it is one of this code's.
static void take_enhanced(struct smtp_reply *reply, bool first, struct span *text)
{
    unsigned klass, subject, detail;
    struct span rest = *text;

    if (!take_number(&rest, '.', &klass) || !take_number(&rest, '.', &subject) ||
        !take_number(&rest, ' ', &detail) || klass != reply->code / 100) {
        return;
    }
    *text = rest;
    if (first) {
        reply->has_enhanced = true;
        reply->klass = klass;
        reply->subject = subject;
        reply->detail = detail;
    }
}

static void keep_text(struct smtp_reply_reader *r, struct span text)
{
    uint32_t c;

    if (r->reply.lines > 0) {
        buf_put_byte(&r->text, '\n');
    }
    while (text.n) {
        bool good = utf8_next(&text, &c);

        utf8_put(&r->text, !good                                 ? UTF8_REPLACEMENT
                           : c == '\t'                           ? ' '
                           : c < 0x20 || (c >= 0x7f && c < 0xa0) ? '?'
                                                                 : c);
    }
}

static enum err read_line(struct smtp_reply_reader *r, struct span line, bool *out_last)
{
    uint64_t code;
    bool first = r->reply.lines == 0;
    char mark = line.n > 3 ? line.p[3] : ' ';

    if (line.n < 3 || (mark != ' ' && mark != '-') ||
        !span_to_u64(span_first(line, 3), 599, &code) || code < 200 ||
        (!first && code != r->reply.code)) {
        return ERR_INVALID;
    }
    struct span text = span_skip(line, 4);

    r->reply.code = (unsigned)code;
    take_enhanced(&r->reply, first, &text);
    keep_text(r, text);
    r->reply.lines++;
    *out_last = mark == ' ';
    return r->text.failed ? ERR_LIMIT : ERR_OK;
}

static void next_reply(struct smtp_reply_reader *r)
{
    r->reply = (struct smtp_reply){.code = 0};
    r->bytes = 0;
    buf_clear(&r->text);
}

// One line off *in; ERR_AGAIN, or an error for good.
static enum err take_line(struct smtp_reply_reader *r, struct span *in, struct span *out)
{
    size_t bytes = 0;

    switch (line_next(&r->line, *in, SMTP_REPLY_LINE_BYTES_MAX, out, &bytes)) {
    case LINE_MORE:
        return ERR_AGAIN;
    case LINE_WHOLE:
        *in = span_skip(*in, bytes);
        r->bytes += bytes;
        return r->bytes > SMTP_REPLY_BYTES_MAX ? ERR_LIMIT : ERR_OK;
    case LINE_TOO_LONG:
        return ERR_LIMIT;
    default:
        return ERR_INVALID;
    }
}

enum err smtp_reply_read(struct smtp_reply_reader *r, struct span *in, struct smtp_reply *out)
{
    struct span line;
    bool last = false;

    if (r->reply.text.p) { // given out at the last call
        next_reply(r);
    }
    while (!last) {
        enum err e = take_line(r, in, &line);

        e = e ? e : read_line(r, line, &last);
        if (e) {
            return e;
        }
    }
    r->reply.text = r->text.n ? buf_span(&r->text) : SPAN("");
    *out = r->reply;
    return ERR_OK;
}
