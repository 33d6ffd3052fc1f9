// SPDX-License-Identifier: Apache-2.0
//
// SORT and THREAD (RFC 5256, RFC 5957, RFC 5267), the return options that SEARCH and SORT share
// (RFC 4731, 5182, 5267, 9394), and the commands that are lists of words: CANCELUPDATE (RFC 5267),
// COMPARATOR and LANGUAGE (RFC 5255).
#include "wire/imap/grammar/imap_parse_internal.h"

#include "base/banned.h"

// ---- return options -----------------------------------------------------------------------------

static enum err take_result_number(struct imap_cursor *c, bool from_end, uint32_t *out)
{
    static const char expected[] = "expected a range of results such as 1:100 or -1:-100";
    uint64_t number;

    if (from_end) {
        TRY(imap_take_byte(c, '-', expected));
    }
    TRY(imap_take_number(c, 1, UINT32_MAX, expected, &number));
    *out = (uint32_t)number;
    return ERR_OK;
}

enum err imap_take_partial(struct imap_cursor *c, struct imap_partial *out)
{
    out->from_end = imap_peek(c) == '-';
    TRY(take_result_number(c, out->from_end, &out->first));
    TRY(imap_take_byte(c, ':', "expected \":\" and the end of the range"));
    return take_result_number(c, out->from_end, &out->last);
}

static enum err take_return(struct imap_cursor *c, struct imap_search *out)
{
    static const struct imap_word options[] = {
        {"MIN", IMAP_SEARCH_RETURN_MIN},
        {"MAX", IMAP_SEARCH_RETURN_MAX},
        {"ALL", IMAP_SEARCH_RETURN_ALL},
        {"COUNT", IMAP_SEARCH_RETURN_COUNT},
        {"SAVE", IMAP_SEARCH_RETURN_SAVE},
        {"PARTIAL", IMAP_SEARCH_RETURN_PARTIAL},
        {"UPDATE", IMAP_SEARCH_RETURN_UPDATE},
        {"CONTEXT", IMAP_SEARCH_RETURN_CONTEXT},
        {NULL, 0},
    };
    const uint32_t lists = IMAP_SEARCH_RETURN_ALL | IMAP_SEARCH_RETURN_PARTIAL;
    size_t from = c->at;
    uint32_t bit;

    TRY(imap_take_table_word(
        c, options, "expected MIN, MAX, ALL, COUNT, PARTIAL, SAVE, UPDATE or CONTEXT", &bit));
    // RFC 9394 section 3.1: one PARTIAL, or one ALL, or neither.
    if ((bit & lists && out->returns & lists & ~bit) ||
        (bit == IMAP_SEARCH_RETURN_PARTIAL && out->returns & bit)) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, from, "only one PARTIAL or ALL is allowed");
    }
    out->returns |= bit;
    if (bit == IMAP_SEARCH_RETURN_UPDATE && !out->item_n && imap_looking_at(c, SPAN(" ("))) {
        c->at++;
        return imap_take_fetch_items(c, &out->items, &out->item_n);
    }
    if (bit != IMAP_SEARCH_RETURN_PARTIAL) {
        return ERR_OK;
    }
    TRY(imap_take_space(c, "expected a space after PARTIAL"));
    return imap_take_partial(c, &out->partial);
}

enum err imap_take_search_returns(struct imap_cursor *c, struct imap_search *out)
{
    if (!imap_take_word(c, SPAN("RETURN"))) {
        return ERR_OK;
    }
    TRY(imap_take_space(c, "expected a space after RETURN"));
    TRY(imap_take_byte(c, '(', "expected \"(\" after RETURN"));
    bool end = imap_take(c, ')');

    while (!end) {
        TRY(take_return(c, out));
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the option", &end));
    }
    if (!out->returns) {
        out->returns = IMAP_SEARCH_RETURN_ALL;
    }
    out->extended = true;
    return imap_take_space(c, "expected a space after the return options");
}

// ---- SORT and THREAD ----------------------------------------------------------------------------

static enum err take_criterion(struct imap_cursor *c, struct imap_sort_criterion *out)
{
    static const struct imap_word keys[] = {
        {"ARRIVAL", IMAP_SORT_ARRIVAL},
        {"CC", IMAP_SORT_CC},
        {"DATE", IMAP_SORT_DATE},
        {"DISPLAYFROM", IMAP_SORT_DISPLAYFROM},
        {"DISPLAYTO", IMAP_SORT_DISPLAYTO},
        {"FROM", IMAP_SORT_FROM},
        {"SIZE", IMAP_SORT_SIZE},
        {"SUBJECT", IMAP_SORT_SUBJECT},
        {"TO", IMAP_SORT_TO},
        {NULL, 0},
    };
    uint32_t key;

    out->reverse = imap_take_word(c, SPAN("REVERSE"));
    if (out->reverse) {
        TRY(imap_take_space(c, "expected a space after REVERSE"));
    }
    TRY(imap_take_table_word(c, keys, "expected a sort criterion such as DATE", &key));
    out->key = (enum imap_sort_key)key;
    return ERR_OK;
}

// A key named again changes nothing: who is equal in it stays so.
static enum err take_criteria(struct imap_cursor *c, struct imap_sort *out)
{
    struct imap_list_builder b;
    struct imap_sort_criterion one;
    uint32_t seen = 0;
    bool end = false;
    void *place;

    imap_list_begin(&b, sizeof(one), IMAP_SORT_KEYS_MAX);
    TRY(imap_take_byte(c, '(', "expected \"(\" and sort criteria"));
    while (!end) {
        TRY(take_criterion(c, &one));
        if (!(seen & 1u << one.key)) {
            TRY(imap_list_add(c, &b, "SORT has too many criteria", &place));
            *(struct imap_sort_criterion *)place = one;
        }
        seen |= 1u << one.key;
        TRY(imap_take_next_or_close(c, "expected a space or \")\" after the criterion", &end));
    }
    out->criteria = b.items;
    out->n = b.n;
    return ERR_OK;
}

static enum err take_charset_and_keys(struct imap_cursor *c, struct imap_search *out)
{
    TRY(imap_take_astring(c, "expected a charset", &out->charset));
    TRY(imap_take_space(c, "expected a space and a search key"));
    return imap_take_search_keys(c, out);
}

enum err imap_parse_sort(struct imap_cursor *c, struct imap_command *out)
{
    TRY(imap_take_space(c, "expected a space and sort criteria"));
    TRY(imap_take_search_returns(c, &out->sort.search));
    TRY(take_criteria(c, &out->sort));
    TRY(imap_take_space(c, "expected a space and a charset"));
    return take_charset_and_keys(c, &out->sort.search);
}

enum err imap_parse_thread(struct imap_cursor *c, struct imap_command *out)
{
    static const struct imap_word algorithms[] = {
        {"ORDEREDSUBJECT", IMAP_THREAD_ORDEREDSUBJECT},
        {"REFERENCES", IMAP_THREAD_REFERENCES},
        {"REFS", IMAP_THREAD_REFS},
        {NULL, 0},
    };
    uint32_t algorithm;

    TRY(imap_take_space(c, "expected a space and a threading algorithm"));
    TRY(imap_take_table_word(c, algorithms, "expected ORDEREDSUBJECT, REFERENCES or REFS",
                             &algorithm));
    out->thread.algorithm = (enum imap_thread_algorithm)algorithm;
    TRY(imap_take_space(c, "expected a space and a charset"));
    return take_charset_and_keys(c, &out->thread.search);
}

// ---- lists of words -----------------------------------------------------------------------------

typedef enum err take_word_fn(struct imap_cursor *c, const char *expected, struct span *out);

static enum err take_words(struct imap_cursor *c, take_word_fn *take, const char *expected,
                           struct imap_words *out)
{
    struct imap_list_builder b;
    void *place;

    imap_list_begin(&b, sizeof(struct span), IMAP_WORDS_MAX);
    while (imap_take(c, ' ') && !imap_at_end(c)) {
        struct span word;

        TRY(take(c, expected, &word));
        TRY(imap_list_add(c, &b, "the command has over 100 arguments", &place));
        *(struct span *)place = word;
    }
    out->words = b.items;
    out->n = b.n;
    return ERR_OK;
}

enum err imap_parse_cancelupdate(struct imap_cursor *c, struct imap_command *out)
{
    static const char expected[] = "expected the tag of a command, in quotes";

    TRY(take_words(c, imap_take_string, expected, &out->words));
    return out->words.n ? ERR_OK : imap_expected(c, expected);
}

enum err imap_parse_comparator(struct imap_cursor *c, struct imap_command *out)
{
    return take_words(c, imap_take_astring, "expected a collation such as i;octet", &out->words);
}

enum err imap_parse_language(struct imap_cursor *c, struct imap_command *out)
{
    return take_words(c, imap_take_astring, "expected a language tag such as en", &out->words);
}
