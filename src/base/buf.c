// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"

#include "base/banned.h"

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_init_secret(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes, .is_secret = true};
}

void buf_finish(struct buf *b)
{
    if (b->is_secret && b->p) {
        explicit_bzero(b->p, b->cap);
    }
    pages_free(b->p, b->cap);
    *b = (struct buf){.max = b->max, .is_secret = b->is_secret};
}

void buf_clear(struct buf *b)
{
    if (b->is_secret && b->n) {
        explicit_bzero(b->p, b->n);
    }
    b->n = 0;
    b->failed = false;
}

void buf_release(struct buf *b)
{
    buf_finish(b);
}

static char *grow(struct buf *b, size_t cap)
{
    if (!b->is_secret && cap < PAGES_LARGE) {
        return realloc(b->p, cap);
    }
    char *p = pages_alloc(cap);

    if (p && b->p) {
        memcpy(p, b->p, b->n);
        if (b->is_secret) { // realloc would leave the old bytes where they were
            explicit_bzero(b->p, b->cap);
        }
        pages_free(b->p, b->cap);
    }
    return p;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed) {
        return NULL;
    }
    if (b->p && n <= b->cap - b->n) {
        return b->p + b->n;
    }
    if (n > b->max - b->n) {
        b->failed = true;
        return NULL;
    }
    size_t cap = b->cap ? b->cap : b->max < 256 ? b->max : 256;

    while (cap - b->n < n) {
        cap = cap > b->max / 2 ? b->max : cap * 2;
    }
    char *p = grow(b, cap);

    if (!p) {
        b->failed = true;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return p + b->n;
}

void buf_put(struct buf *b, struct span s)
{
    char *at = s.n ? buf_reserve(b, s.n) : NULL;

    if (at) {
        memcpy(at, s.p, s.n);
        b->n += s.n;
    }
}

void buf_put_byte(struct buf *b, char c)
{
    char *at = buf_reserve(b, 1);

    if (at) {
        *at = c;
        b->n++;
    }
}

void buf_put_str(struct buf *b, const char *s)
{
    buf_put(b, span_from_str(s));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(b, span_of(digits + at, sizeof(digits) - at));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int need = vsnprintf(NULL, 0, fmt, ap);

    va_end(ap);
    // One more than needed: vsnprintf wants room for a NUL that the buffer does not count.
    char *at = need < 0 ? NULL : buf_reserve(b, (size_t)need + 1);

    if (!at) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(at, (size_t)need + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)need;
}

void buf_consume(struct buf *b, size_t n)
{
    size_t before = b->n, left = n < before ? before - n : 0;

    if (left) {
        memmove(b->p, b->p + n, left);
    }
    b->n = left;
    if (b->is_secret && before) {
        explicit_bzero(b->p + left, before - left);
    }
}
