// SPDX-License-Identifier: Apache-2.0
//
// A span is a pointer and a length: how all text from the wire, from disk and from people is passed
// about. It does not own its bytes and is never NUL-terminated; every byte value may occur in it.
// All functions here are pure and may be called on any thread. Case rules are ASCII only.
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p;
    size_t n; // bytes
};

// A span over a string literal, its terminating NUL left out.
#define SPAN(literal) ((struct span){("" literal), sizeof(literal) - 1})
// The two arguments that "%.*s" takes.
#define SPAN_ARG(s) (int)(s).n, (s).p

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){p, n};
}

static inline struct span span_from_str(const char *s)
{
    return (struct span){s, s ? strlen(s) : 0};
}

static inline bool span_is_empty(struct span s)
{
    return s.n == 0;
}

// The bytes from `from` (clamped to the length) on.
static inline struct span span_skip(struct span s, size_t from)
{
    if (from > s.n) {
        from = s.n;
    }
    return (struct span){s.n ? s.p + from : s.p, s.n - from};
}

// The first `n` bytes, or fewer.
static inline struct span span_first(struct span s, size_t n)
{
    return (struct span){s.p, n < s.n ? n : s.n};
}

bool span_eq(struct span a, struct span b);
bool span_eq_nocase(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_starts_nocase(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
// Alike when blanks (space, tab, CR, LF) are left out of both.
bool span_eq_but_blanks(struct span a, struct span b);

// Byte order, shorter first on a common prefix: <0, 0, >0.
int span_cmp(struct span a, struct span b);

// Index of the first `c`, or s.n when there is none.
size_t span_find_byte(struct span s, char c);
// Index of the first `needle`, or s.n when there is none; an empty needle is found at 0.
size_t span_find(struct span s, struct span needle);

// Without spaces, tabs, CR and LF at both ends.
struct span span_trim(struct span s);

// Cuts the text up to the first `sep` off `*rest` and returns it; `*rest` is what follows the
// separator, or empty. Returns everything when there is no separator.
struct span span_split(struct span *rest, char sep);

// The text with a NUL at its end, cut to what fits into `room` bytes (at least 1).
void span_copy_text(struct span s, char *to, size_t room);

// Whole span as an unsigned decimal number: false when empty, not all digits, or above `max`.
bool span_to_u64(struct span s, uint64_t max, uint64_t *out);

static inline bool byte_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool byte_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool byte_is_alnum(char c)
{
    return byte_is_digit(c) || byte_is_alpha(c);
}

static inline bool byte_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline bool byte_is_ctl(char c)
{
    return (unsigned char)c < 32 || (unsigned char)c == 127;
}

static inline char byte_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char byte_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

// 0..15, or -1.
static inline int byte_hex(char c)
{
    if (byte_is_digit(c)) {
        return c - '0';
    }
    c = byte_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
