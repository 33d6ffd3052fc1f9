// SPDX-License-Identifier: Apache-2.0
//
// Filters and paths from text to trees (RFC 7644 figures 1 and 7) and back. `and` binds tighter
// than `or`, `not` tighter than both. A tree is as deep as the text has brackets, and bounded.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "wire/scim/scim.h"

#include "base/banned.h"

static const char *const op_names[] = {"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"};
#define OPS (sizeof(op_names) / sizeof(op_names[0]))

struct reader {
    struct span in;
    size_t at;
    struct arena *arena;
    unsigned nodes, depth;
    bool in_where; // within attr[...]
};

static enum err read_or(struct reader *r, const struct scim_filter **out);

// ---- what texts are made of ---------------------------------------------------------------------

static void skip_blanks(struct reader *r)
{
    while (r->at < r->in.n && r->in.p[r->at] == ' ') {
        r->at++;
    }
}

static bool is_next(const struct reader *r, char c)
{
    return r->at < r->in.n && r->in.p[r->at] == c;
}

static bool is_attr_byte(char c)
{
    return byte_is_alnum(c) || c == '_' || c == '-' || c == '$' || c == '.' || c == ':';
}

static struct span peek_word(const struct reader *r)
{
    size_t n = 0;

    while (r->at + n < r->in.n && is_attr_byte(r->in.p[r->at + n])) {
        n++;
    }
    return span_of(r->in.p + r->at, n);
}

// A word, and then a blank or something that is no part of one.
static bool take_word(struct reader *r, struct span word)
{
    if (!span_eq_nocase(peek_word(r), word)) {
        return false;
    }
    r->at += word.n;
    return true;
}

static bool is_name(struct span s)
{
    return s.n > 0 && (byte_is_alpha(s.p[0]) || (s.p[0] == '$' && s.n > 1)) &&
           span_find_byte(s, '.') == s.n;
}

static enum err split_attr(struct span word, struct arena *a, struct scim_attr *out)
{
    struct span text = arena_dup(a, word);
    size_t colon = text.n;

    if (!text.p) {
        return ERR_NOMEM;
    }
    while (colon > 0 && text.p[colon - 1] != ':') {
        colon--;
    }
    struct span urn = colon > 0 ? span_first(text, colon - 1) : SPAN("");
    struct span sub = span_skip(text, colon);
    bool has_sub = span_find_byte(sub, '.') < sub.n;
    struct span name = span_split(&sub, '.');

    if (!is_name(name) || (has_sub && !is_name(sub)) || (colon > 0 && urn.n == 0)) {
        return ERR_INVALID;
    }
    *out = (struct scim_attr){.urn = urn, .name = name, .sub = has_sub ? sub : SPAN("")};
    return ERR_OK;
}

static enum err read_attr(struct reader *r, struct scim_attr *out)
{
    struct span word = peek_word(r);

    r->at += word.n;
    return split_attr(word, r->arena, out);
}

// ---- values -------------------------------------------------------------------------------------

static bool read_hex4(struct span s, uint32_t *out)
{
    uint32_t v = 0;

    for (size_t i = 0; i < 4; i++) {
        int d = i < s.n ? byte_hex(s.p[i]) : -1;

        if (d < 0) {
            return false;
        }
        v = v << 4 | (uint32_t)d;
    }
    *out = v;
    return true;
}

// Behind "\u"; `*taken` of the text. Two of them may make one character.
static bool read_unicode(struct span s, struct buf *out, size_t *taken)
{
    uint32_t c, low;

    if (!read_hex4(s, &c) || c == 0 || (c >= 0xdc00 && c < 0xe000)) {
        return false;
    }
    *taken = 4;
    if (c >= 0xd800 && c < 0xdc00) {
        s = span_skip(s, 4);
        if (!span_starts(s, SPAN("\\u")) || !read_hex4(span_skip(s, 2), &low) || low < 0xdc00 ||
            low >= 0xe000) {
            return false;
        }
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        *taken = 10;
    }
    utf8_put(out, c);
    return true;
}

// Behind a backslash.
static bool read_escape(struct span s, struct buf *out, size_t *taken)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = s.n > 0 && s.p[0] ? strchr(from, s.p[0]) : NULL;

    if (at) {
        buf_put_byte(out, to[at - from]);
        *taken = 1;
        return true;
    }
    if (s.n == 0 || s.p[0] != 'u' || !read_unicode(span_skip(s, 1), out, taken)) {
        return false;
    }
    *taken += 1;
    return true;
}

// A text of JSON (RFC 8259 section 7), whose first quote is next.
static enum err read_text_into(struct reader *r, struct buf *out)
{
    for (r->at++; r->at < r->in.n; r->at++) {
        char c = r->in.p[r->at];
        size_t taken;

        if (c == '"') {
            r->at++;
            return utf8_is_valid(buf_span(out)) ? ERR_OK : ERR_INVALID;
        }
        if ((unsigned char)c < ' ') {
            return ERR_INVALID;
        }
        if (c != '\\') {
            buf_put_byte(out, c);
        } else if (read_escape(span_skip(r->in, r->at + 1), out, &taken)) {
            r->at += taken;
        } else {
            return ERR_INVALID;
        }
    }
    return ERR_INVALID;
}

static enum err read_text(struct reader *r, struct scim_value *out)
{
    struct buf b;

    buf_init(&b, SCIM_FILTER_BYTES_MAX * 2);
    enum err e = read_text_into(r, &b);

    if (e == ERR_OK) {
        out->type = SCIM_TEXT;
        out->text = arena_dup(r->arena, b.n > 0 ? buf_span(&b) : SPAN(""));
        e = b.failed || !out->text.p ? ERR_NOMEM : ERR_OK;
    }
    buf_finish(&b);
    return e;
}

static size_t skip_digits(struct span s, size_t at)
{
    while (at < s.n && byte_is_digit(s.p[at])) {
        at++;
    }
    return at;
}

// A number of JSON (RFC 8259 section 6).
static bool is_number(struct span s)
{
    size_t at = s.n > 0 && s.p[0] == '-', from = at;

    at = skip_digits(s, at);
    if (at == from || (s.p[from] == '0' && at > from + 1)) {
        return false;
    }
    if (at < s.n && s.p[at] == '.') {
        from = at + 1;
        at = skip_digits(s, from);
        if (at == from) {
            return false;
        }
    }
    if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        at++;
        at += at < s.n && (s.p[at] == '+' || s.p[at] == '-');
        from = at;
        at = skip_digits(s, from);
        if (at == from) {
            return false;
        }
    }
    return at == s.n;
}

static enum err read_number(struct reader *r, struct scim_value *out)
{
    size_t n = 0;

    while (r->at + n < r->in.n && n < 40 &&
           (byte_is_alnum(r->in.p[r->at + n]) || memchr("+-.", r->in.p[r->at + n], 3))) {
        n++;
    }
    struct span s = span_of(r->in.p + r->at, n);

    if (!is_number(s)) {
        return ERR_INVALID;
    }
    char *text = arena_str(r->arena, s);

    if (!text) {
        return ERR_NOMEM;
    }
    *out = (struct scim_value){
        .type = SCIM_NUMBER, .text = span_from_str(text), .number = strtod(text, NULL)};
    r->at += n;
    return isfinite(out->number) ? ERR_OK : ERR_INVALID;
}

static enum err read_value(struct reader *r, struct scim_value *out)
{
    static const struct {
        const char *word;
        enum scim_value_type type;
    } words[] = {{"true", SCIM_TRUE}, {"false", SCIM_FALSE}, {"null", SCIM_NULL}};

    if (is_next(r, '"')) {
        return read_text(r, out);
    }
    for (size_t i = 0; i < 3; i++) {
        if (take_word(r, span_from_str(words[i].word))) {
            out->type = words[i].type;
            return ERR_OK;
        }
    }
    return read_number(r, out);
}

// ---- trees --------------------------------------------------------------------------------------

static struct scim_filter *make(struct reader *r, enum scim_node node)
{
    struct scim_filter *f = arena_zalloc(r->arena, 1, sizeof(*f));

    if (f) {
        f->node = node;
    }
    return f;
}

static enum err count(struct reader *r)
{
    return ++r->nodes > SCIM_FILTER_NODES_MAX ? ERR_LIMIT : ERR_OK;
}

static enum err join(struct reader *r, enum scim_node node, const struct scim_filter *a,
                     const struct scim_filter *b, const struct scim_filter **out)
{
    enum err e = count(r);
    struct scim_filter *f = e == ERR_OK ? make(r, node) : NULL;

    if (!f) {
        return e == ERR_OK ? ERR_NOMEM : e;
    }
    f->a = a;
    f->b = b;
    *out = f;
    return ERR_OK;
}

// Behind a bracket of either kind, to its end.
static enum err read_inner(struct reader *r, char end, const struct scim_filter **out)
{
    if (++r->depth > SCIM_FILTER_DEPTH_MAX) {
        return ERR_LIMIT;
    }
    enum err e = read_or(r, out);

    skip_blanks(r);
    if (e == ERR_OK && !is_next(r, end)) {
        e = ERR_INVALID;
    }
    r->at++;
    r->depth--;
    return e;
}

// Behind an attribute: " pr" or " eq value".
static enum err read_rest(struct reader *r, const struct scim_attr *attr,
                          const struct scim_filter **out)
{
    struct scim_filter f = {.node = SCIM_COMPARE, .attr = *attr};
    bool is_known = false;
    enum err e = count(r);

    if (e != ERR_OK || !is_next(r, ' ')) {
        return e == ERR_OK ? ERR_INVALID : e;
    }
    skip_blanks(r);
    if (take_word(r, SPAN("pr"))) {
        f.node = SCIM_PRESENT;
    } else {
        for (size_t i = 0; i < OPS && !is_known; i++) {
            f.op = (enum scim_op)i;
            is_known = take_word(r, span_from_str(op_names[i]));
        }
        if (!is_known || !is_next(r, ' ')) {
            return ERR_INVALID;
        }
        skip_blanks(r);
        e = read_value(r, &f.value);
    }
    struct scim_filter *made = e == ERR_OK ? make(r, f.node) : NULL;

    if (!made) {
        return e == ERR_OK ? ERR_NOMEM : e;
    }
    *made = f;
    *out = made;
    return ERR_OK;
}

// `emails[type eq "work"]`, and what may stand behind it: `.value eq "x"` is one more condition on
// the same value.
static enum err read_where(struct reader *r, const struct scim_attr *attr,
                           const struct scim_filter **out)
{
    const struct scim_filter *inner, *more;
    struct scim_attr sub;

    if (r->in_where || attr->sub.n > 0) {
        return ERR_INVALID;
    }
    r->at++;
    r->in_where = true;
    enum err e = read_inner(r, ']', &inner);

    r->in_where = false;
    if (e == ERR_OK && is_next(r, '.')) {
        r->at++;
        e = inner->node == SCIM_OR ? ERR_INVALID : read_attr(r, &sub);
        e = e == ERR_OK && (sub.urn.n > 0 || sub.sub.n > 0) ? ERR_INVALID : e;
        e = e == ERR_OK ? read_rest(r, &sub, &more) : e;
        e = e == ERR_OK ? join(r, SCIM_AND, inner, more, &inner) : e;
    }
    e = e == ERR_OK ? count(r) : e;
    struct scim_filter *f = e == ERR_OK ? make(r, SCIM_WHERE) : NULL;

    if (!f) {
        return e == ERR_OK ? ERR_NOMEM : e;
    }
    f->attr = *attr;
    f->a = inner;
    *out = f;
    return ERR_OK;
}

// "not" is a word of the language only in front of a bracket.
static bool take_not(struct reader *r)
{
    size_t at = r->at;

    if (take_word(r, SPAN("not"))) {
        skip_blanks(r);
        if (is_next(r, '(')) {
            return true;
        }
    }
    r->at = at;
    return false;
}

static enum err read_unit(struct reader *r, const struct scim_filter **out)
{
    const struct scim_filter *inner;
    struct scim_attr attr;

    skip_blanks(r);
    bool is_not = take_not(r);

    if (is_next(r, '(')) {
        r->at++;
        enum err e = read_inner(r, ')', &inner);

        if (e == ERR_OK && is_not) {
            return join(r, SCIM_NOT, inner, NULL, out);
        }
        *out = e == ERR_OK ? inner : NULL;
        return e;
    }
    enum err e = read_attr(r, &attr);

    if (e != ERR_OK) {
        return e;
    }
    return is_next(r, '[') ? read_where(r, &attr, out) : read_rest(r, &attr, out);
}

// "and" and "or" have blanks around them, or a bracket.
static bool take_joint(struct reader *r, struct span word)
{
    size_t at = r->at;

    skip_blanks(r);
    if ((r->at > at || r->in.p[at - 1] == ')' || r->in.p[at - 1] == ']') && take_word(r, word) &&
        (is_next(r, ' ') || is_next(r, '('))) {
        return true;
    }
    r->at = at;
    return false;
}

static enum err read_and(struct reader *r, const struct scim_filter **out)
{
    const struct scim_filter *f, *right;
    enum err e = read_unit(r, &f);

    while (e == ERR_OK && take_joint(r, SPAN("and"))) {
        e = read_unit(r, &right);
        e = e == ERR_OK ? join(r, SCIM_AND, f, right, &f) : e;
    }
    if (e == ERR_OK) {
        *out = f;
    }
    return e;
}

static enum err read_or(struct reader *r, const struct scim_filter **out)
{
    const struct scim_filter *f, *right;
    enum err e = read_and(r, &f);

    while (e == ERR_OK && take_joint(r, SPAN("or"))) {
        e = read_and(r, &right);
        e = e == ERR_OK ? join(r, SCIM_OR, f, right, &f) : e;
    }
    if (e == ERR_OK) {
        *out = f;
    }
    return e;
}

enum err scim_filter_read(struct span text, struct arena *a, const struct scim_filter **out)
{
    struct reader r = {.in = text, .arena = a};
    const struct scim_filter *f;

    if (text.n > SCIM_FILTER_BYTES_MAX) {
        return ERR_LIMIT;
    }
    enum err e = read_or(&r, &f);

    skip_blanks(&r);
    if (e == ERR_OK && r.at != r.in.n) {
        e = ERR_INVALID;
    }
    if (e == ERR_OK) {
        *out = f;
    }
    return e;
}

enum err scim_path_read(struct span text, struct arena *a, struct scim_path *out)
{
    struct reader r = {.in = text, .arena = a, .in_where = true};
    struct scim_path p = {.where = NULL};
    struct scim_attr sub;

    if (text.n > SCIM_FILTER_BYTES_MAX) {
        return ERR_LIMIT;
    }
    enum err e = read_attr(&r, &p.attr);

    if (e == ERR_OK && is_next(&r, '[')) {
        if (p.attr.sub.n > 0) {
            return ERR_INVALID;
        }
        r.at++;
        e = read_inner(&r, ']', &p.where);
        if (e == ERR_OK && is_next(&r, '.')) {
            r.at++;
            e = read_attr(&r, &sub);
            e = e == ERR_OK && (sub.urn.n > 0 || sub.sub.n > 0) ? ERR_INVALID : e;
            p.attr.sub = sub.name;
        }
    }
    if (e == ERR_OK && r.at != r.in.n) {
        e = ERR_INVALID;
    }
    if (e == ERR_OK) {
        *out = p;
    }
    return e;
}

// ---- back to text -------------------------------------------------------------------------------

static void put_attr(struct buf *out, const struct scim_attr *a)
{
    buf_put(out, a->urn);
    buf_put_str(out, a->urn.n > 0 ? ":" : "");
    buf_put(out, a->name);
    buf_put_str(out, a->sub.n > 0 ? "." : "");
    buf_put(out, a->sub);
}

static void put_text(struct buf *out, struct span text)
{
    static const char short_ones[] = "btn?fr"; // from 8 on

    buf_put_byte(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '"' || c == '\\') {
            buf_put_byte(out, '\\');
            buf_put_byte(out, c);
        } else if (c >= '\b' && c <= '\r' && c != '\v') {
            buf_put_byte(out, '\\');
            buf_put_byte(out, short_ones[c - '\b']);
        } else if ((unsigned char)c < ' ') {
            buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
        } else {
            buf_put_byte(out, c);
        }
    }
    buf_put_byte(out, '"');
}

static void put_value(struct buf *out, const struct scim_value *v)
{
    if (v->type == SCIM_TEXT) {
        put_text(out, v->text);
    } else if (v->type == SCIM_NUMBER) {
        buf_put(out, v->text);
    } else {
        buf_put_str(out, v->type == SCIM_TRUE ? "true" : v->type == SCIM_FALSE ? "false" : "null");
    }
}

static void put_inner(struct buf *out, const struct scim_filter *f, bool in_brackets)
{
    buf_put_str(out, in_brackets ? "(" : "");
    scim_filter_put(out, f);
    buf_put_str(out, in_brackets ? ")" : "");
}

static bool is_joint(const struct scim_filter *f)
{
    return f->node == SCIM_AND || f->node == SCIM_OR;
}

void scim_filter_put(struct buf *out, const struct scim_filter *f)
{
    switch (f->node) {
    case SCIM_AND:
    case SCIM_OR:
        // Brackets only where there must have been some, so that the text is no deeper.
        put_inner(out, f->a, f->node == SCIM_AND && f->a->node == SCIM_OR);
        buf_put_str(out, f->node == SCIM_AND ? " and " : " or ");
        put_inner(out, f->b, is_joint(f->b) && (f->node == SCIM_AND || f->b->node == SCIM_OR));
        return;
    case SCIM_NOT:
        buf_put_str(out, "not ");
        put_inner(out, f->a, true);
        return;
    case SCIM_WHERE:
        put_attr(out, &f->attr);
        buf_put_byte(out, '[');
        scim_filter_put(out, f->a);
        buf_put_byte(out, ']');
        return;
    case SCIM_PRESENT:
        put_attr(out, &f->attr);
        buf_put_str(out, " pr");
        return;
    case SCIM_COMPARE:
        put_attr(out, &f->attr);
        buf_printf(out, " %s ", op_names[f->op]);
        put_value(out, &f->value);
        return;
    }
}

void scim_path_put(struct buf *out, const struct scim_path *p)
{
    struct scim_attr attr = p->attr;

    if (!p->where) {
        put_attr(out, &attr);
        return;
    }
    attr.sub = SPAN("");
    put_attr(out, &attr);
    buf_put_byte(out, '[');
    scim_filter_put(out, p->where);
    buf_put_byte(out, ']');
    buf_put_str(out, p->attr.sub.n > 0 ? "." : "");
    buf_put(out, p->attr.sub);
}
