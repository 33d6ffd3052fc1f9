// SPDX-License-Identifier: Apache-2.0
#include "base/dn.h"

#include <string.h>

#include "base/encode.h"

#include "base/banned.h"

// ---- making -------------------------------------------------------------------------------------

static void put_hex(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    buf_put_byte(out, '\\');
    buf_put_byte(out, digits[c >> 4]);
    buf_put_byte(out, digits[c & 15]);
}

static bool is_plain(char c)
{
    return byte_is_alpha(c) || byte_is_digit(c) || (c && strchr("-._@", c));
}

void dn_escape_put(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (is_plain(text.p[i])) {
            buf_put_byte(out, text.p[i]);
        } else {
            put_hex(out, (unsigned char)text.p[i]);
        }
    }
}

// ---- one spelling -------------------------------------------------------------------------------

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void skip_blanks(struct span *s)
{
    while (s->n && s->p[0] == ' ') {
        *s = span_skip(*s, 1);
    }
}

// "cn", or an OID, and the "=".
static enum err type_read(struct span *s, struct buf *out)
{
    size_t n = 0;

    skip_blanks(s);
    while (n < s->n &&
           (byte_is_alpha(s->p[n]) || byte_is_digit(s->p[n]) || s->p[n] == '-' || s->p[n] == '.')) {
        buf_put_byte(out, byte_lower(s->p[n]));
        n++;
    }
    *s = span_skip(*s, n);
    skip_blanks(s);
    if (n == 0 || s->n == 0 || s->p[0] != '=') {
        return ERR_INVALID;
    }
    *s = span_skip(*s, 1);
    buf_put_byte(out, '=');
    skip_blanks(s);
    return ERR_OK;
}

// One byte of a value, its escape undone. ERR_INVALID: no escape, or a byte that needs one.
static enum err byte_read(struct span *s, char *out, bool *out_escaped)
{
    *out_escaped = s->p[0] == '\\';
    if (!*out_escaped) {
        *out = s->p[0];
        *s = span_skip(*s, 1);
        return strchr("\"<>", *out) ? ERR_INVALID : ERR_OK; // also NUL
    }
    int high = s->n > 2 ? hex_digit(s->p[1]) : -1, low = s->n > 2 ? hex_digit(s->p[2]) : -1;

    if (high >= 0 && low >= 0) {
        *out = (char)(high << 4 | low);
        *s = span_skip(*s, 3);
        return ERR_OK;
    }
    if (s->n < 2 || s->p[1] == '\0' || !strchr(" \"#+,;<=>\\", s->p[1])) {
        return ERR_INVALID;
    }
    *out = s->p[1];
    *s = span_skip(*s, 2);
    return ERR_OK;
}

static void put_value_byte(struct buf *out, char c)
{
    if ((unsigned char)c < 0x20 || c == 0x7f || strchr("\"+,;<=>\\", c)) {
        put_hex(out, (unsigned char)c);
    } else {
        buf_put_byte(out, byte_lower(c));
    }
}

// Up to what ends it. Blanks at its ends do not count, and several within are one (RFC 4518 section
// 2.6.1).
static enum err value_read(struct span *s, struct buf *out)
{
    size_t n = 0;
    bool has_blank = false;

    while (s->n && !(s->p[0] && strchr(",;+", s->p[0]))) {
        bool is_escaped;
        char c;
        enum err e = byte_read(s, &c, &is_escaped);

        if (e != ERR_OK) {
            return e;
        }
        if (c == ' ') {
            has_blank = n > 0;
            continue;
        }
        if (has_blank) {
            buf_put_byte(out, ' ');
        }
        if (is_escaped && c == '#' && n == 0) { // not the beginning of a value in hexadecimal
            put_hex(out, (unsigned char)c);
        } else {
            put_value_byte(out, c);
        }
        has_blank = false;
        n++;
    }
    return ERR_OK;
}

enum err dn_normal_put(struct buf *out, struct span dn)
{
    struct span s = dn;
    enum err e;

    for (;;) {
        e = type_read(&s, out);
        e = e == ERR_OK ? value_read(&s, out) : e;
        if (e != ERR_OK || s.n == 0) {
            break;
        }
        buf_put_byte(out, s.p[0] == '+' ? '+' : ',');
        s = span_skip(s, 1);
    }
    return e == ERR_OK && out->failed ? ERR_LIMIT : e;
}

bool dn_eq(struct span a, struct span b)
{
    struct buf x, y;

    buf_init(&x, DN_BYTES_MAX);
    buf_init(&y, DN_BYTES_MAX);
    bool is_same = dn_normal_put(&x, a) == ERR_OK && dn_normal_put(&y, b) == ERR_OK &&
                   span_eq(buf_span(&x), buf_span(&y));

    buf_finish(&x);
    buf_finish(&y);
    return is_same;
}
