// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_msgid.h"

#include "base/banned.h"

// Up to '>', or to where it must have been forgotten: another '<'.
static bool take_bracketed(struct span *rest, struct span *out)
{
    struct span s = span_skip(*rest, 1);
    size_t n = 0;

    while (n < s.n && s.p[n] != '>' && s.p[n] != '<') {
        n++;
    }
    *out = span_trim(span_first(s, n));
    *rest = span_skip(s, n < s.n && s.p[n] == '>' ? n + 1 : n);
    return out->n != 0;
}

static bool is_word_end(char c)
{
    return byte_is_space(c) || c == ',' || c == ';' || c == '<';
}

bool mime_msgid_next(struct span *rest, struct span *out)
{
    size_t bracket = span_find_byte(*rest, '<');

    while (bracket < rest->n) {
        *rest = span_skip(*rest, bracket);
        if (take_bracketed(rest, out)) {
            *rest = span_skip(*rest, span_find_byte(*rest, '<')); // text around them says nothing
            return true;
        }
        bracket = span_find_byte(*rest, '<');
    }
    // No brackets at all: words that look like identifiers.
    while (rest->n) {
        size_t n = 0;

        while (n < rest->n && !is_word_end(rest->p[n])) {
            n++;
        }
        struct span word = span_first(*rest, n);

        *rest = span_skip(*rest, n + 1);
        if (span_find_byte(word, '@') < word.n) {
            *out = word;
            return true;
        }
    }
    return false;
}
