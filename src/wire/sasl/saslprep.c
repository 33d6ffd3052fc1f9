// SPDX-License-Identifier: Apache-2.0
#include "wire/sasl/saslprep.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/buf.h"
#include "base/utf8.h"

#include "base/banned.h"

struct range {
    uint32_t first, last;
};

// RFC 3454 B.1: mapped to nothing.
static const struct range nothing[] = {
    {0x00ad, 0x00ad}, {0x034f, 0x034f}, {0x1806, 0x1806}, {0x180b, 0x180d},
    {0x200b, 0x200d}, {0x2060, 0x2060}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
};

// RFC 3454 C.1.2 but U+200B, which B.1 takes: spaces, mapped to U+0020.
static const struct range spaces[] = {
    {0x00a0, 0x00a0}, {0x1680, 0x1680}, {0x2000, 0x200a},
    {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};

// RFC 3454 C.2.1 to C.9; those of B.1 never come here. The last two of each plane are below.
static const struct range prohibited[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x0340, 0x0341},    {0x06dd, 0x06dd},
    {0x070f, 0x070f},   {0x180e, 0x180e},   {0x200e, 0x200f},    {0x2028, 0x202e},
    {0x2061, 0x2063},   {0x206a, 0x206f},   {0x2ff0, 0x2ffb},    {0xd800, 0xdfff},
    {0xe000, 0xf8ff},   {0xfdd0, 0xfdef},   {0xfff9, 0xfffd},    {0x1d173, 0x1d17a},
    {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xf0000, 0x10ffff},
};

static bool is_in(const struct range *ranges, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

#define IS_IN(ranges, c) is_in(ranges, sizeof(ranges) / sizeof(ranges[0]), c)

static bool is_prohibited(uint32_t c)
{
    return (c & 0xfffe) == 0xfffe || IS_IN(prohibited, c);
}

static bool is_unassigned(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_CN;
}

static void map(struct span in, struct buf *out)
{
    uint32_t c;

    while (utf8_next(&in, &c)) {
        if (IS_IN(spaces, c)) {
            buf_put_byte(out, ' ');
        } else if (!IS_IN(nothing, c)) {
            utf8_put(out, c);
        }
    }
}

static enum err normalise(struct arena *arena, struct span in, struct span *out)
{
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)in.p, (utf8proc_ssize_t)in.n, &composed,
                     (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));

    if (n < 0) {
        return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_INVALID;
    }
    *out = arena_dup(arena, span_of(composed, (size_t)n));
    explicit_bzero(composed, (size_t)n); // may be a password
    free(composed);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static utf8proc_bidi_class_t direction(uint32_t c)
{
    return (utf8proc_bidi_class_t)utf8proc_get_property((utf8proc_int32_t)c)->bidi_class;
}

static bool is_right_to_left(uint32_t c)
{
    return direction(c) == UTF8PROC_BIDI_CLASS_R || direction(c) == UTF8PROC_BIDI_CLASS_AL;
}

// RFC 3454 section 6: with one character from right to left, the first and the last are such, and
// none is from left to right.
static enum err check(struct span text, enum saslprep_use use)
{
    bool has_right = false, has_left = false, begins_right = false, ends_right = false;
    struct span rest = text;
    uint32_t c;

    while (rest.n) {
        bool is_first = rest.n == text.n;

        if (!utf8_next(&rest, &c) || is_prohibited(c) ||
            (use == SASLPREP_STORED && is_unassigned(c))) {
            return ERR_INVALID;
        }
        ends_right = is_right_to_left(c);
        begins_right = is_first ? ends_right : begins_right;
        has_right = has_right || ends_right;
        has_left = has_left || direction(c) == UTF8PROC_BIDI_CLASS_L;
    }
    return has_right && (has_left || !begins_right || !ends_right) ? ERR_INVALID : ERR_OK;
}

static enum err prepare(struct arena *arena, struct span in, enum saslprep_use use,
                        struct span *out)
{
    struct buf mapped;
    struct span text = SPAN("");

    buf_init(&mapped, SASLPREP_BYTES_MAX);
    map(in, &mapped);
    enum err e = buf_result(&mapped);

    if (e == ERR_OK && mapped.n) {
        e = normalise(arena, buf_span(&mapped), &text);
    }
    if (mapped.p) {
        explicit_bzero(mapped.p, mapped.cap);
    }
    buf_finish(&mapped);
    e = e ? e : check(text, use);
    if (e == ERR_OK) {
        *out = text;
    }
    return e;
}

enum err saslprep(struct arena *arena, struct span in, enum saslprep_use use, struct span *out)
{
    if (in.n > SASLPREP_BYTES_MAX) {
        return ERR_LIMIT;
    }
    if (!utf8_is_valid(in)) {
        return ERR_INVALID;
    }
    if (!utf8_is_ascii(in)) {
        return prepare(arena, in, use, out);
    }
    enum err e = check(in, use);

    if (e == ERR_OK) {
        *out = in;
    }
    return e;
}
