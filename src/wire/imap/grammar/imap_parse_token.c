// SPDX-License-Identifier: Apache-2.0
//
// The tokens of RFC 9051 section 9, for the parsers of the commands.
#include "base/utf8.h"
#include "wire/imap/grammar/imap_parse_internal.h"
#include "wire/imap/imap_mailbox.h"

#include "base/banned.h"

enum err imap_fail(struct imap_cursor *c, enum imap_fault fault, size_t position, const char *why)
{
    c->error->fault = fault;
    c->error->position = position;
    c->error->expected = why;
    return fault == IMAP_FAULT_LIMIT ? ERR_LIMIT : ERR_INVALID;
}

enum err imap_expected(struct imap_cursor *c, const char *expected)
{
    return imap_fail(c, IMAP_FAULT_SYNTAX, c->at, expected);
}

enum err imap_fail_memory(struct imap_cursor *c)
{
    imap_fail(c, IMAP_FAULT_LIMIT, c->at, "the command needs too much memory");
    return ERR_NOMEM;
}

bool imap_looking_at(const struct imap_cursor *c, struct span what)
{
    return span_starts_nocase(span_skip(c->text, c->at), what);
}

bool imap_take(struct imap_cursor *c, char byte)
{
    if (imap_at_end(c) || c->text.p[c->at] != byte) {
        return false;
    }
    c->at++;
    return true;
}

bool imap_take_word(struct imap_cursor *c, struct span word)
{
    size_t end = c->at + word.n;

    if (!imap_looking_at(c, word) || (end < c->text.n && imap_is_atom_char(c->text.p[end]))) {
        return false;
    }
    c->at = end;
    return true;
}

enum err imap_take_byte(struct imap_cursor *c, char byte, const char *expected)
{
    return imap_take(c, byte) ? ERR_OK : imap_expected(c, expected);
}

enum err imap_take_space(struct imap_cursor *c, const char *expected)
{
    return imap_take_byte(c, ' ', expected);
}

enum err imap_take_end(struct imap_cursor *c)
{
    while (imap_take(c, ' ')) {
    }
    return imap_at_end(c) ? ERR_OK : imap_expected(c, "expected the end of the command");
}

enum err imap_take_next_or_close(struct imap_cursor *c, const char *expected, bool *out_end)
{
    *out_end = imap_take(c, ')');
    return *out_end ? ERR_OK : imap_take_space(c, expected);
}

enum err imap_take_atom(struct imap_cursor *c, const char *expected, struct span *out)
{
    size_t from = c->at;

    while (!imap_at_end(c) && imap_is_atom_char(c->text.p[c->at])) {
        c->at++;
    }
    if (c->at == from) {
        return imap_expected(c, expected);
    }
    *out = span_of(c->text.p + from, c->at - from);
    return ERR_OK;
}

enum err imap_take_table_word(struct imap_cursor *c, const struct imap_word *table,
                              const char *expected, uint32_t *out)
{
    size_t from = c->at;
    struct span word;

    TRY(imap_take_atom(c, expected, &word));
    for (; table->name; table++) {
        if (span_eq_nocase(span_from_str(table->name), word)) {
            *out = table->value;
            return ERR_OK;
        }
    }
    return imap_fail(c, IMAP_FAULT_SYNTAX, from, expected);
}

enum err imap_take_number(struct imap_cursor *c, uint64_t min, uint64_t max, const char *expected,
                          uint64_t *out)
{
    size_t n = 0;
    uint64_t v;

    while (c->at + n < c->text.n && byte_is_digit(c->text.p[c->at + n])) {
        n++;
    }
    if (!span_to_u64(span_of(c->text.p + c->at, n), max, &v) || v < min) {
        return imap_expected(c, expected);
    }
    c->at += n;
    *out = v;
    return ERR_OK;
}

// After the opening quote: the index of the closing one, and how many backslashes stand before.
static enum err find_quote(struct imap_cursor *c, size_t *out_end, size_t *out_escapes)
{
    size_t escapes = 0;

    for (size_t i = c->at; i < c->text.n; i++) {
        char b = c->text.p[i];

        if (b == '"') {
            *out_end = i;
            *out_escapes = escapes;
            return ERR_OK;
        }
        if (b == '\\') {
            i++;
            escapes++;
            if (i == c->text.n || (c->text.p[i] != '"' && c->text.p[i] != '\\')) {
                return imap_fail(c, IMAP_FAULT_SYNTAX, i,
                                 "expected a quote or backslash after a backslash");
            }
        } else if (b == '\0' || b == '\r' || b == '\n') {
            return imap_fail(c, IMAP_FAULT_SYNTAX, i,
                             "a quoted string holds no NUL and no line end");
        }
    }
    return imap_fail(c, IMAP_FAULT_SYNTAX, c->text.n,
                     "expected a quote at the end of the quoted string");
}

static enum err unescape(struct imap_cursor *c, struct span in, size_t escapes, struct span *out)
{
    char *p = arena_alloc(c->arena, in.n - escapes);
    size_t n = 0;

    if (!p) {
        return imap_fail_memory(c);
    }
    for (size_t i = 0; i < in.n; i++) {
        i += in.p[i] == '\\';
        p[n++] = in.p[i];
    }
    *out = span_of(p, n);
    return ERR_OK;
}

// From the opening quote on.
static enum err take_quoted(struct imap_cursor *c, struct span *out)
{
    size_t end, escapes, from = ++c->at;

    TRY(find_quote(c, &end, &escapes));
    *out = span_of(c->text.p + from, end - from);
    if (c->utf8 && !utf8_is_valid(*out)) {
        return imap_expected(c, "expected valid UTF-8 in the quoted string");
    }
    if (escapes) {
        TRY(unescape(c, *out, escapes, out));
    }
    c->at = end + 1;
    return ERR_OK;
}

// From "{" on; the framer has seen to it that the bytes are there.
static enum err take_literal(struct imap_cursor *c, bool any_bytes, struct span *out)
{
    uint64_t n;

    c->at++;
    TRY(imap_take_number(c, 0, UINT32_MAX, "expected the literal's size in bytes", &n));
    imap_take(c, '+');
    TRY(imap_take_byte(c, '}', "expected \"}\" after the literal's size"));
    imap_take(c, '\r');
    TRY(imap_take_byte(c, '\n', "expected a line end after the literal's announcement"));
    if (n > c->text.n - c->at) {
        return imap_expected(c, "the literal is cut short");
    }
    struct span bytes = span_of(c->text.p + c->at, (size_t)n);
    size_t nul = span_find_byte(bytes, '\0');

    if (nul < bytes.n && !any_bytes) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, c->at + nul, "a literal holds no NUL");
    }
    c->at += bytes.n;
    *out = bytes;
    return ERR_OK;
}

enum err imap_take_string(struct imap_cursor *c, const char *expected, struct span *out)
{
    if (imap_peek(c) == '"') {
        return take_quoted(c, out);
    }
    if (imap_peek(c) == '{') {
        return take_literal(c, false, out);
    }
    return imap_expected(c, expected);
}

enum err imap_take_nstring(struct imap_cursor *c, const char *expected, struct span *out)
{
    if (imap_take_word(c, SPAN("NIL"))) {
        *out = (struct span){NULL, 0};
        return ERR_OK;
    }
    return imap_take_string(c, expected, out);
}

enum err imap_take_nstring8(struct imap_cursor *c, const char *expected, struct span *out)
{
    if (!imap_take(c, '~')) {
        return imap_take_nstring(c, expected, out);
    }
    return imap_peek(c) == '{' ? take_literal(c, true, out)
                               : imap_expected(c, "expected a literal after \"~\"");
}

enum err imap_take_astring(struct imap_cursor *c, const char *expected, struct span *out)
{
    size_t from = c->at;

    if (imap_peek(c) == '"' || imap_peek(c) == '{') {
        return imap_take_string(c, expected, out);
    }
    while (!imap_at_end(c) && imap_is_astring_char(c->text.p[c->at])) {
        c->at++;
    }
    if (c->at == from) {
        return imap_expected(c, expected);
    }
    *out = span_of(c->text.p + from, c->at - from);
    return ERR_OK;
}

enum err imap_take_seqset(struct imap_cursor *c, struct imap_seqset *out)
{
    struct span rest = span_skip(c->text, c->at);
    struct span set = span_first(rest, imap_seqset_length(rest));
    size_t position = 0;
    enum err e = imap_seqset_parse(set, c->arena, out, &position);

    if (e == ERR_NOMEM) {
        return imap_fail_memory(c);
    }
    if (e == ERR_LIMIT) {
        return imap_fail(c, IMAP_FAULT_LIMIT, c->at, "the sequence set has too many elements");
    }
    if (e) {
        return imap_fail(c, IMAP_FAULT_SYNTAX, c->at + position,
                         "expected a sequence set such as 1:3,7,10:*");
    }
    c->at += set.n;
    return ERR_OK;
}

// Why a name was refused, as the fault it is.
static enum err fail_name(struct imap_cursor *c, enum err e, size_t position, const char *why)
{
    if (e == ERR_NOMEM) {
        return imap_fail_memory(c);
    }
    return imap_fail(c, e == ERR_LIMIT ? IMAP_FAULT_LIMIT : IMAP_FAULT_CANNOT, position, why);
}

enum err imap_take_mailbox(struct imap_cursor *c, bool creating, struct span *out)
{
    size_t from = c->at;
    struct span wire;
    const char *why;

    TRY(imap_take_astring(c, "expected a mailbox name", &wire));
    if (creating && wire.n > 1 && wire.p[wire.n - 1] == c->separator) {
        wire.n--;
    }
    enum err e = imap_mailbox_from_wire(wire, c->utf8_names, c->separator, c->arena, out, &why);

    return e ? fail_name(c, e, from, why) : ERR_OK;
}

// list-mailbox: an atom with wildcards, or a string.
static enum err take_list_mailbox(struct imap_cursor *c, struct span *out)
{
    static const char expected[] = "expected a mailbox name or pattern";
    size_t from = c->at;

    while (!imap_at_end(c) && imap_is_list_char(c->text.p[c->at])) {
        c->at++;
    }
    if (c->at == from) {
        return imap_take_string(c, expected, out);
    }
    *out = span_of(c->text.p + from, c->at - from);
    return ERR_OK;
}

enum err imap_take_pattern(struct imap_cursor *c, bool pattern, struct span *out)
{
    size_t from = c->at;
    struct span wire;
    const char *why;

    TRY(pattern ? take_list_mailbox(c, &wire)
                : imap_take_astring(c, "expected a reference name", &wire));
    enum err e = imap_mailbox_pattern_from_wire(wire, c->utf8_names, c->arena, out, &why);

    return e ? fail_name(c, e, from, why) : ERR_OK;
}

void imap_list_begin(struct imap_list_builder *l, size_t item_bytes, size_t max)
{
    *l = (struct imap_list_builder){.max = max, .item_bytes = item_bytes};
}

enum err imap_list_add(struct imap_cursor *c, struct imap_list_builder *l, const char *too_many,
                       void **out_item)
{
    if (l->n == l->max) {
        return imap_fail(c, IMAP_FAULT_LIMIT, c->at, too_many);
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        void *items = arena_alloc(c->arena, cap * l->item_bytes);

        if (!items) {
            return imap_fail_memory(c);
        }
        if (l->n) {
            memcpy(items, l->items, l->n * l->item_bytes);
        }
        l->items = items;
        l->cap = cap;
    }
    *out_item = (char *)l->items + l->n++ * l->item_bytes;
    memset(*out_item, 0, l->item_bytes);
    return ERR_OK;
}
