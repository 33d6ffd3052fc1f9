// SPDX-License-Identifier: Apache-2.0
#include "base/span.h"

#include "base/banned.h"

bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_eq_nocase(struct span a, struct span b)
{
    return a.n == b.n && span_starts_nocase(a, b);
}

bool span_starts(struct span s, struct span prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool span_starts_nocase(struct span s, struct span prefix)
{
    if (s.n < prefix.n) {
        return false;
    }
    for (size_t i = 0; i < prefix.n; i++) {
        if (byte_lower(s.p[i]) != byte_lower(prefix.p[i])) {
            return false;
        }
    }
    return true;
}

bool span_ends(struct span s, struct span suffix)
{
    return s.n >= suffix.n && span_eq(span_skip(s, s.n - suffix.n), suffix);
}

static size_t skip_blanks(struct span s, size_t at)
{
    while (at < s.n && byte_is_space(s.p[at])) {
        at++;
    }
    return at;
}

bool span_eq_but_blanks(struct span a, struct span b)
{
    size_t i = skip_blanks(a, 0), j = skip_blanks(b, 0);

    while (i < a.n && j < b.n && a.p[i] == b.p[j]) {
        i = skip_blanks(a, i + 1);
        j = skip_blanks(b, j + 1);
    }
    return i == a.n && j == b.n;
}

int span_cmp(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.p, b.p, n) : 0;

    if (r != 0) {
        return r;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

size_t span_find_byte(struct span s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

    return hit ? (size_t)(hit - s.p) : s.n;
}

size_t span_find(struct span s, struct span needle)
{
    if (needle.n == 0) {
        return 0;
    }
    const char *hit = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;

    return hit ? (size_t)(hit - s.p) : s.n;
}

struct span span_trim(struct span s)
{
    while (s.n && byte_is_space(s.p[0])) {
        s = span_skip(s, 1);
    }
    while (s.n && byte_is_space(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

struct span span_split(struct span *rest, char sep)
{
    size_t at = span_find_byte(*rest, sep);
    struct span head = span_first(*rest, at);

    *rest = span_skip(*rest, at + 1);
    return head;
}

void span_copy_text(struct span s, char *to, size_t room)
{
    struct span fits = span_first(s, room - 1);

    if (fits.n) {
        memcpy(to, fits.p, fits.n);
    }
    to[fits.n] = '\0';
}

bool span_to_u64(struct span s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_digit(s.p[i])) {
            return false;
        }
        uint64_t d = (uint64_t)(s.p[i] - '0');

        if (v > (UINT64_MAX - d) / 10) {
            return false;
        }
        v = v * 10 + d;
    }
    if (v > max) {
        return false;
    }
    *out = v;
    return true;
}
