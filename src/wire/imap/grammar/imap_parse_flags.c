// SPDX-License-Identifier: Apache-2.0
//
// Lists of flags as clients send them, in STORE and APPEND.
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

// Keywords differ in more than case (RFC 9051 section 2.3.2 lets a server say so).
static bool has_keyword(const struct imap_list_builder *l, struct span keyword)
{
    const struct span *k = l->items;

    for (size_t i = 0; i < l->n; i++) {
        if (span_eq_nocase(k[i], keyword)) {
            return true;
        }
    }
    return false;
}

static enum err take_system_flag(struct imap_cursor *c, uint32_t *bits)
{
    size_t from = c->at++;
    struct span rest;
    uint32_t bit;

    TRY(imap_take_atom(c, "expected a flag's name after the backslash", &rest));
    if (!imap_flag_from_name(span_of(c->text.p + from, c->at - from), false, &bit)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from,
                         "expected \\Seen, \\Answered, \\Flagged, \\Deleted, \\Draft or a keyword");
    }
    *bits |= bit;
    return ERR_OK;
}

static enum err take_keyword(struct imap_cursor *c, struct imap_list_builder *keywords)
{
    size_t from = c->at;
    struct span keyword;
    void *item;

    TRY(imap_take_atom(c, "expected a flag", &keyword));
    if (keyword.n > IMAP_KEYWORD_BYTES_MAX) {
        return imap_fail(c, IMAP_FAULT_LIMIT, from, "a keyword is over 64 bytes");
    }
    if (has_keyword(keywords, keyword)) {
        return ERR_OK;
    }
    TRY(imap_list_add(c, keywords, "there are over 64 keywords", &item));
    *(struct span *)item = keyword;
    return ERR_OK;
}

static enum err take_flag(struct imap_cursor *c, uint32_t *bits, struct imap_list_builder *words)
{
    return imap_peek(c) == '\\' ? take_system_flag(c, bits) : take_keyword(c, words);
}

enum err imap_take_flags(struct imap_cursor *c, bool bare, struct imap_flags *out)
{
    struct imap_list_builder words;
    uint32_t bits = 0;
    bool open = imap_take(c, '(');
    bool end = open && imap_take(c, ')');

    imap_list_begin(&words, sizeof(struct span), IMAP_KEYWORDS_MAX);
    if (!open && !bare) {
        return imap_expected(c, "expected \"(\" before the flags");
    }
    while (!end) {
        TRY(take_flag(c, &bits, &words));
        if (open) {
            TRY(imap_take_next_or_close(c, "expected a space or \")\" after the flag", &end));
        } else {
            end = !imap_take(c, ' ') || imap_at_end(c);
        }
    }
    *out = (struct imap_flags){.bits = bits, .keywords = words.items, .n = words.n};
    return ERR_OK;
}
