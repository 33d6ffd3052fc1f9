// SPDX-License-Identifier: Apache-2.0
#include "order/collate.h"

#include <utf8proc.h>

#include "base/utf8.h"

#include "base/banned.h"

#define DECOMPOSED_MAX 32
#define SHARP_S        0xdf

struct span collation_name(enum collation c)
{
    static const char *const names[COLLATE__COUNT] = {"i;unicode-casemap", "i;ascii-casemap",
                                                      "i;octet"};

    return span_from_str(names[c]);
}

static void put_upper(struct buf *out, struct span text)
{
    char *p = buf_reserve(out, text.n);

    if (!p) {
        return;
    }
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        p[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    out->n += text.n;
}

static size_t ascii_length(struct span text)
{
    size_t n = 0;

    while (n < text.n && (unsigned char)text.p[n] < 0x80) {
        n++;
    }
    return n;
}

// RFC 5051 section 2 (2): the simple titlecase form, then all decompositions. The library gives the
// sharp s a capital, which UnicodeData.txt does not.
static void put_title(struct buf *out, uint32_t c)
{
    utf8proc_int32_t parts[DECOMPOSED_MAX];
    utf8proc_int32_t title = c == SHARP_S ? SHARP_S : utf8proc_totitle((utf8proc_int32_t)c);
    int last = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char(title, parts, DECOMPOSED_MAX,
                                (utf8proc_option_t)(UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE), &last);

    if (n < 0 || n > DECOMPOSED_MAX) {
        utf8_put(out, (uint32_t)title);
        return;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        utf8_put(out, (uint32_t)parts[i]);
    }
}

static void put_casemap(struct buf *out, struct span text)
{
    struct span rest = text;
    size_t before = out->n;
    uint32_t c;

    while (rest.n) {
        size_t ascii = ascii_length(rest);

        if (ascii) {
            put_upper(out, span_first(rest, ascii));
            rest = span_skip(rest, ascii);
        } else if (utf8_next(&rest, &c)) {
            put_title(out, c);
        } else {
            out->n = before;
            buf_put(out, text);
            return;
        }
    }
}

void collate(struct buf *out, enum collation c, struct span text)
{
    switch (c) {
    case COLLATE_ASCII_CASEMAP:
        put_upper(out, text);
        break;
    case COLLATE_OCTET:
        buf_put(out, text);
        break;
    default:
        put_casemap(out, text);
        break;
    }
}
