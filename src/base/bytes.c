// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include "base/banned.h"

size_t varint_put(void *p, uint64_t v)
{
    unsigned char *at = p;
    size_t n = 0;

    while (v >= 0x80) {
        at[n++] = (unsigned char)(v | 0x80);
        v >>= 7;
    }
    at[n++] = (unsigned char)v;
    return n;
}

bool varint_get(struct span *s, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s->n && i < VARINT_BYTES_MAX; i++) {
        uint64_t b = (unsigned char)s->p[i];

        if (i == VARINT_BYTES_MAX - 1 && b > 1) {
            return false;
        }
        v |= (b & 0x7f) << (7 * i);
        if (b < 0x80) {
            *s = span_skip(*s, i + 1);
            *out = v;
            return true;
        }
    }
    return false;
}

bool bytes_take(struct span *s, size_t n, struct span *out)
{
    if (s->n < n) {
        return false;
    }
    *out = span_first(*s, n);
    *s = span_skip(*s, n);
    return true;
}
