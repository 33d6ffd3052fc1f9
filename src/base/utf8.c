// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include "base/banned.h"

bool utf8_next(struct span *s, uint32_t *out)
{
    if (s->n == 0) {
        return false;
    }
    const unsigned char *p = (const unsigned char *)s->p;
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;

    if (len == 0 || len > s->n) {
        *s = span_skip(*s, 1);
        return false;
    }
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            *s = span_skip(*s, 1);
            return false;
        }
        c = c << 6 | (p[i] & 0x3fu);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff ||
        (c >= 0xd800 && c < 0xe000)) {
        *s = span_skip(*s, 1);
        return false;
    }
    *s = span_skip(*s, len);
    *out = c;
    return true;
}

void utf8_put(struct buf *out, uint32_t c)
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        c = UTF8_REPLACEMENT;
    }
    if (c < 0x80) {
        buf_put_byte(out, (char)c);
        return;
    }
    char b[4];
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1;) {
        b[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    b[0] = (char)((0xf00u >> n) | c);
    buf_put(out, span_of(b, n));
}

bool utf8_is_valid(struct span s)
{
    uint32_t c;

    while (s.n) {
        if (!utf8_next(&s, &c)) {
            return false;
        }
    }
    return true;
}

bool utf8_is_ascii(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

void utf8_sanitize(struct buf *out, struct span s)
{
    uint32_t c;

    while (s.n) {
        utf8_put(out, utf8_next(&s, &c) ? c : UTF8_REPLACEMENT);
    }
}
