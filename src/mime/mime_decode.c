// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_decode.h"

#include "base/banned.h"

#define CHUNK          4096
#define BASE64_PADDING 64
#define BASE64_JUNK    65

// Output gathered on the stack, so that the buffer is asked for what is needed and no more.
struct sink {
    struct mime_decoder *d;
    struct buf *out;
    size_t n;
    char bytes[CHUNK];
};

static void sink_flush(struct sink *s)
{
    unsigned char high = 0;

    for (size_t i = 0; i < s->n; i++) {
        high |= (unsigned char)s->bytes[i];
    }
    s->d->has_8bit |= high > 127;
    s->d->has_nul |= memchr(s->bytes, 0, s->n) != NULL;
    buf_put(s->out, span_of(s->bytes, s->n));
    s->n = 0;
}

static inline void sink_put(struct sink *s, char c)
{
    if (s->n == CHUNK) {
        sink_flush(s);
    }
    s->bytes[s->n++] = c;
}

// 0 to 63, BASE64_PADDING, or BASE64_JUNK for what is passed over.
static inline unsigned base64_digit(unsigned char c)
{
    static const unsigned char table[256] = {
        // 66 minus the digit, so that zero means junk
        ['A'] = 66, 65, 64, 63, 62, 61, 60, 59, 58, 57, 56,        55,        54,
        53,         52, 51, 50, 49, 48, 47, 46, 45, 44, 43,        42,        41,
        ['a'] = 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30,        29,        28,
        27,         26, 25, 24, 23, 22, 21, 20, 19, 18, 17,        16,        15,
        ['0'] = 14, 13, 12, 11, 10, 9,  8,  7,  6,  5,  ['+'] = 4, ['/'] = 3, ['='] = 2,
    };

    return table[c] ? 66u - table[c] : BASE64_JUNK;
}

// What is left of a quantum when it ends early: two digits make a byte, three make two.
static void base64_end(struct mime_decoder *d, struct sink *s)
{
    if (d->count == 2) {
        sink_put(s, (char)(d->bits >> 4));
    } else if (d->count == 3) {
        sink_put(s, (char)(d->bits >> 10));
        sink_put(s, (char)(d->bits >> 2));
    }
    d->bits = d->count = 0;
}

// Padding ends the data: what follows is a footer that some list server put there.
static void base64_feed(struct mime_decoder *d, struct sink *s, struct span in)
{
    for (size_t i = 0; i < in.n && !d->is_over; i++) {
        unsigned v = base64_digit((unsigned char)in.p[i]);

        if (v == BASE64_PADDING && d->count >= 2) {
            base64_end(d, s);
            d->is_over = true;
        }
        if (v >= BASE64_PADDING) {
            continue;
        }
        d->bits = d->bits << 6 | v;
        if (++d->count == 4) {
            sink_put(s, (char)(d->bits >> 16));
            sink_put(s, (char)(d->bits >> 8));
            sink_put(s, (char)d->bits);
            d->bits = d->count = 0;
        }
    }
}

static void held_put(struct mime_decoder *d, struct sink *s)
{
    for (size_t i = 0; i < d->count; i++) {
        sink_put(s, d->held[i]);
    }
    d->count = 0;
}

// The line ends: blanks before its break are dropped, "=" before it joins the lines.
static void qp_line_end(struct mime_decoder *d, struct sink *s)
{
    bool is_soft = d->count && d->held[0] == '=';
    bool has_cr = d->count && d->held[d->count - 1] == '\r';

    d->count = 0;
    if (!is_soft) {
        if (has_cr) {
            sink_put(s, '\r');
        }
        sink_put(s, '\n');
    }
}

// Held bytes are one of: "=", "=X" with a hex digit, or [=] blanks [CR]. Whether `c` may join them.
static bool qp_may_hold(const struct mime_decoder *d, char c)
{
    char last = d->count ? d->held[d->count - 1] : '\0';

    if (d->count == sizeof(d->held) || last == '\r') {
        return false;
    }
    if (d->count && last != '=' && last != ' ' && last != '\t') {
        return false; // "=X"
    }
    if (last == '=' && byte_hex(c) >= 0) {
        return true;
    }
    return c == ' ' || c == '\t' || c == '\r' || (c == '=' && d->count == 0);
}

static void qp_byte(struct mime_decoder *d, struct sink *s, char c)
{
    bool has_digit = d->count == 2 && d->held[0] == '=' && byte_hex(d->held[1]) >= 0;

    if (has_digit && byte_hex(c) >= 0) {
        sink_put(s, (char)(byte_hex(d->held[1]) << 4 | byte_hex(c)));
        d->count = 0;
    } else if (c == '\n' && !has_digit) {
        qp_line_end(d, s);
    } else if (qp_may_hold(d, c)) {
        d->held[d->count++] = c;
    } else {
        held_put(d, s);
        if (qp_may_hold(d, c)) {
            d->held[d->count++] = c;
        } else {
            sink_put(s, c);
        }
    }
}

static void qp_feed(struct mime_decoder *d, struct sink *s, struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if (d->count == 0 && c > ' ' && c != '=') {
            sink_put(s, (char)c);
        } else {
            qp_byte(d, s, (char)c);
        }
    }
}

void mime_decode_begin(struct mime_decoder *d, enum mime_encoding encoding)
{
    *d = (struct mime_decoder){.encoding = encoding};
}

static void plain_feed(struct mime_decoder *d, struct buf *out, struct span in)
{
    unsigned char high = 0;

    for (size_t i = 0; i < in.n; i++) {
        high |= (unsigned char)in.p[i];
    }
    d->has_8bit |= high > 127;
    d->has_nul |= in.n && memchr(in.p, 0, in.n) != NULL;
    buf_put(out, in);
}

void mime_decode_feed(struct mime_decoder *d, struct buf *out, struct span in)
{
    if (d->encoding != MIME_BASE64 && d->encoding != MIME_QP) {
        plain_feed(d, out, in);
        return;
    }
    struct sink s;

    s.d = d;
    s.out = out;
    s.n = 0;
    if (d->encoding == MIME_BASE64) {
        base64_feed(d, &s, in);
    } else {
        qp_feed(d, &s, in);
    }
    sink_flush(&s);
}

void mime_decode_finish(struct mime_decoder *d, struct buf *out)
{
    struct sink s;

    s.d = d;
    s.out = out;
    s.n = 0;
    if (d->encoding == MIME_BASE64) {
        base64_end(d, &s);
    } else if (d->encoding == MIME_QP && d->count) {
        if (d->count == 2 && d->held[0] == '=' && byte_hex(d->held[1]) >= 0) {
            held_put(d, &s);
        }
        d->count = 0; // blanks at the end of the last line, or a soft break before nothing
    }
    sink_flush(&s);
}

enum err mime_decode(struct buf *out, enum mime_encoding encoding, struct span in)
{
    struct mime_decoder d;

    mime_decode_begin(&d, encoding);
    mime_decode_feed(&d, out, in);
    mime_decode_finish(&d, out);
    return buf_result(out);
}

// The first word, comments before it passed over.
static struct span first_word(struct span s)
{
    unsigned depth = 0;
    size_t at = 0, end;

    for (; at < s.n; at++) {
        char c = s.p[at];

        if (c == '(') {
            depth++;
        } else if (c == ')' && depth) {
            depth--;
        } else if (!depth && !byte_is_space(c) && c != '"') {
            break;
        }
    }
    for (end = at; end < s.n && (byte_is_alnum(s.p[end]) || s.p[end] == '-'); end++) {
    }
    return span_of(s.p + at, end - at);
}

enum mime_encoding mime_encoding_parse(struct span name)
{
    static const struct {
        struct span name;
        enum mime_encoding encoding;
    } table[] = {
        {{"7bit", 4}, MIME_7BIT},     {{"8bit", 4}, MIME_8BIT},
        {{"7-bit", 5}, MIME_7BIT},    {{"8-bit", 5}, MIME_8BIT},
        {{"binary", 6}, MIME_BINARY}, {{"quoted-printable", 16}, MIME_QP},
        {{"base64", 6}, MIME_BASE64},
    };
    struct span word = name.n ? first_word(name) : name;

    if (word.n == 0) {
        return MIME_7BIT;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (span_eq_nocase(word, table[i].name)) {
            return table[i].encoding;
        }
    }
    return MIME_ENCODING_OTHER;
}
