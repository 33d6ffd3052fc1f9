// SPDX-License-Identifier: Apache-2.0
#include "wire/smtp/smtp_xtext.h"

#include "base/utf8.h"

#include "base/banned.h"

#define CODE_POINT_DIGITS_MAX 6

static bool is_xchar(char c)
{
    return c > 32 && c < 127 && c != '+' && c != '=';
}

// "+3D" at `in`; -1 when it is none, or stands for a control character.
static int hexchar(struct span in)
{
    if (in.n < 3 || in.p[0] != '+' || byte_hex(in.p[1]) < 0 || byte_hex(in.p[2]) < 0) {
        return -1;
    }
    int byte = byte_hex(in.p[1]) * 16 + byte_hex(in.p[2]);

    return byte_is_ctl((char)byte) ? -1 : byte;
}

enum err smtp_xtext_decode(struct span in, struct arena *arena, struct span *out)
{
    char *p = arena_alloc(arena, in.n + 1);
    size_t n = 0;

    if (!p) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < in.n; i++) {
        if (is_xchar(in.p[i])) {
            p[n++] = in.p[i];
            continue;
        }
        int byte = hexchar(span_skip(in, i));

        if (byte < 0) {
            return ERR_INVALID;
        }
        p[n++] = (char)byte;
        i += 2;
    }
    *out = span_of(p, n);
    return ERR_OK;
}

void smtp_xtext_put(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (is_xchar(text.p[i])) {
            buf_put_byte(out, text.p[i]);
        } else {
            buf_printf(out, "+%02X", (unsigned char)text.p[i]);
        }
    }
}

// ---- UTF-8 addresses ----------------------------------------------------------------------------

// "\x{10FFFF}" at the front of *in, taken off it. Zeros in front, controls and surrogates are
// refused.
static bool take_embedded(struct span *in, uint32_t *out)
{
    struct span digits = span_skip(*in, 3);
    size_t n = span_find_byte(span_first(digits, CODE_POINT_DIGITS_MAX + 1), '}');
    uint32_t v = 0;

    if (!span_starts(*in, SPAN("\\x{")) || n < 2 || n > CODE_POINT_DIGITS_MAX || n >= digits.n ||
        digits.p[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        int digit = byte_hex(digits.p[i]);

        if (digit < 0) {
            return false;
        }
        v = v << 4 | (uint32_t)digit;
    }
    *in = span_skip(digits, n + 1);
    *out = v;
    return v >= 0x20 && (v < 0x7f || v > 0x9f) && v <= 0x10ffff && (v < 0xd800 || v > 0xdfff);
}

static bool is_plain(uint32_t c)
{
    return c > 32 && c != 0x7f && c != '+' && c != '=' && c != '\\' && (c < 0x80 || c > 0x9f);
}

enum err smtp_utf8_addr_decode(struct span in, struct arena *arena, struct span *out)
{
    struct buf b;
    enum err e = ERR_OK;

    buf_init(&b, in.n + 1);
    while (in.n && !e) {
        uint32_t c;
        bool good = in.p[0] == '\\' ? take_embedded(&in, &c) : utf8_next(&in, &c) && is_plain(c);

        e = good ? ERR_OK : ERR_INVALID;
        if (good) {
            utf8_put(&b, c);
        }
    }
    if (!e) {
        struct span copy = arena_dup(arena, buf_span(&b));

        e = copy.p && !b.failed ? ERR_OK : ERR_NOMEM;
        *out = e ? *out : copy;
    }
    buf_finish(&b);
    return e;
}

void smtp_utf8_addr_put(struct buf *out, struct span text, bool utf8)
{
    uint32_t c;

    while (text.n) {
        c = UTF8_REPLACEMENT;
        utf8_next(&text, &c);
        if (is_plain(c) && (utf8 || c < 0x80)) {
            utf8_put(out, c);
        } else {
            buf_printf(out, "\\x{%X}", c);
        }
    }
}
