// SPDX-License-Identifier: Apache-2.0
#include "wire/imap/imap_utf7.h"

#include "base/utf8.h"

#include "base/banned.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

// Bits waiting between the 6-bit and the 16-bit side, and half a surrogate pair.
struct shift {
    uint32_t bits;
    unsigned n;
    uint32_t high; // a high surrogate that waits for its low one, or 0
    bool any;      // a character has come out
};

static bool is_printable(uint32_t c)
{
    return c >= 0x20 && c <= 0x7e;
}

static int digit_value(char c)
{
    if (byte_is_alpha(c)) {
        return c >= 'a' ? c - 'a' + 26 : c - 'A';
    }
    if (byte_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == ',' ? 63 : -1;
}

// One UTF-16 unit inside a shift. False when it may not stand there.
static bool take_unit(struct buf *out, struct shift *s, uint32_t unit)
{
    bool high = unit >= 0xd800 && unit < 0xdc00, low = unit >= 0xdc00 && unit < 0xe000;

    if (low != (s->high != 0) || unit < 0x80) {
        return false; // a surrogate without its other half; ASCII stands for itself or is a control
    }
    if (high) {
        s->high = unit;
        return true;
    }
    utf8_put(out, low ? 0x10000 + ((s->high - 0xd800) << 10) + (unit - 0xdc00) : unit);
    s->high = 0;
    s->any = true;
    return true;
}

// Decodes from after the "&" to and with the "-"; *at is moved behind it.
static bool decode_shift(struct buf *out, struct span in, size_t *at)
{
    struct shift s = {0};

    for (; *at < in.n && in.p[*at] != '-'; ++*at) {
        int d = digit_value(in.p[*at]);

        if (d < 0) {
            return false;
        }
        s.bits = s.bits << 6 | (uint32_t)d;
        s.n += 6;
        if (s.n >= 16) {
            s.n -= 16;
            if (!take_unit(out, &s, s.bits >> s.n & 0xffff)) {
                return false;
            }
            s.bits &= (1u << s.n) - 1;
        }
    }
    if (*at == in.n || !s.any || s.high || s.n >= 6 || s.bits) {
        return false;
    }
    ++*at;
    return true;
}

enum err imap_utf7_decode(struct buf *out, struct span in)
{
    bool after_shift = false;

    for (size_t at = 0; at < in.n;) {
        char c = in.p[at++];

        if (!is_printable((unsigned char)c)) {
            return ERR_INVALID;
        }
        if (c != '&') {
            buf_put_byte(out, c);
            after_shift = false;
        } else if (at < in.n && in.p[at] == '-') {
            buf_put_byte(out, '&');
            at++;
            after_shift = false;
        } else {
            // Two shifts in a row are one name's second spelling.
            if (after_shift || !decode_shift(out, in, &at)) {
                return ERR_INVALID;
            }
            after_shift = true;
        }
    }
    return buf_result(out);
}

static void put_unit(struct buf *out, struct shift *s, uint32_t unit)
{
    s->bits = s->bits << 16 | unit;
    s->n += 16;
    while (s->n >= 6) {
        s->n -= 6;
        buf_put_byte(out, alphabet[s->bits >> s->n & 63]);
    }
    s->bits &= (1u << s->n) - 1;
    s->any = true;
}

static void end_shift(struct buf *out, struct shift *s)
{
    if (!s->any) {
        return;
    }
    if (s->n) {
        buf_put_byte(out, alphabet[s->bits << (6 - s->n) & 63]);
    }
    buf_put_byte(out, '-');
    *s = (struct shift){0};
}

static void put_shifted(struct buf *out, struct shift *s, uint32_t c)
{
    if (!s->any) {
        buf_put_byte(out, '&');
    }
    if (c < 0x10000) {
        put_unit(out, s, c);
    } else {
        put_unit(out, s, 0xd800 + ((c - 0x10000) >> 10));
        put_unit(out, s, 0xdc00 + ((c - 0x10000) & 0x3ff));
    }
}

enum err imap_utf7_encode(struct buf *out, struct span in)
{
    struct shift s = {0};

    while (in.n) {
        uint32_t c;

        if (!utf8_next(&in, &c) || c < 0x20 || c == 0x7f) {
            return ERR_INVALID;
        }
        if (!is_printable(c)) {
            put_shifted(out, &s, c);
            continue;
        }
        end_shift(out, &s);
        buf_put_byte(out, (char)c);
        if (c == '&') {
            buf_put_byte(out, '-');
        }
    }
    end_shift(out, &s);
    return buf_result(out);
}
