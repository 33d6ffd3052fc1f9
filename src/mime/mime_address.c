// SPDX-License-Identifier: Apache-2.0
//
// Each address is gone over a fixed number of times: first to see where it ends and of which sort
// it is, then to take its words. Quotes and comments are searched for their end; once one is found
// unclosed no further search is made, so the whole stays linear.
#include "mime/mime_address.h"

#include "base/banned.h"

// A piece of the text: indexes of its first byte and of the byte behind it.
struct piece {
    size_t from, to;
};

// Where the scratch holds a finished string.
struct kept {
    size_t at, n;
};

static char byte_at(const struct mime_address_reader *r, size_t i)
{
    return r->text.p[i];
}

static size_t quoted_end(struct mime_address_reader *r, size_t i)
{
    for (size_t k = i + 1; !r->quotes_broken && k < r->text.n; k++) {
        if (byte_at(r, k) == '"') {
            return k + 1;
        }
        k += byte_at(r, k) == '\\';
    }
    r->quotes_broken = true;
    return i + 1;
}

static size_t comment_end(struct mime_address_reader *r, size_t i)
{
    size_t depth = 0;

    for (size_t k = i; !r->comments_broken && k < r->text.n; k++) {
        char c = byte_at(r, k);

        if (c == '\\') {
            k++;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && --depth == 0) {
            return k + 1;
        }
    }
    r->comments_broken = true;
    return i + 1;
}

// Behind the domain literal whose '[' is at `i`, or behind the bracket when it is none.
static size_t literal_end(const struct mime_address_reader *r, size_t i)
{
    for (size_t k = i + 1; k < r->text.n; k++) {
        char c = byte_at(r, k);

        if (c == ']') {
            return k + 1;
        }
        if (c == '[' || c == '@' || c == '<' || c == '>' || c == ',' || byte_is_space(c)) {
            break;
        }
    }
    return i + 1;
}

// Behind the token at `i`: a quoted string, a comment, a domain literal after '@', or one byte.
static size_t token_end(struct mime_address_reader *r, size_t i)
{
    switch (byte_at(r, i)) {
    case '"':
        return quoted_end(r, i);
    case '(':
        return comment_end(r, i);
    case '[':
        return i && byte_at(r, i - 1) == '@' ? literal_end(r, i) : i + 1;
    case '\\':
        return i + 2 <= r->text.n ? i + 2 : i + 1;
    default:
        return i + 1;
    }
}

static bool is_comment(const struct mime_address_reader *r, size_t i, size_t end)
{
    return byte_at(r, i) == '(' && end > i + 1;
}

static bool is_blank(const struct mime_address_reader *r, size_t i)
{
    char c = byte_at(r, i);

    return byte_is_space(c) || c == '(' || c == ')'; // parentheses that are no comment
}

// The next word of the piece: no blanks, no comments; a quoted string is part of a word.
static bool next_word(struct mime_address_reader *r, struct piece *rest, struct piece *out)
{
    size_t i = rest->from;

    while (i < rest->to) {
        size_t end = token_end(r, i);

        if (!is_comment(r, i, end) && !is_blank(r, i)) {
            break;
        }
        i = end;
    }
    out->from = i;
    while (i < rest->to) {
        size_t end = token_end(r, i);

        if (is_comment(r, i, end) || is_blank(r, i)) {
            break;
        }
        i = end;
    }
    out->to = i < rest->to ? i : rest->to;
    rest->from = out->to;
    return out->from < out->to;
}

// Appends a word without its quotes, quoted pairs and line breaks.
static void put_word(struct mime_address_reader *r, struct piece w)
{
    for (size_t i = w.from; i < w.to; i++) {
        char c = byte_at(r, i);

        if (c == '\\' && i + 1 < w.to) {
            c = byte_at(r, ++i);
        } else if (c == '"' || c == '\r' || c == '\n') {
            continue;
        }
        buf_put_byte(&r->scratch, c);
    }
}

// Words that a dot joins are one (RFC 5322 4.4 allows blanks around the dots of a local part).
static bool is_joined(const struct mime_address_reader *r, struct piece before, struct piece word)
{
    return byte_at(r, before.to - 1) == '.' || byte_at(r, word.from) == '.';
}

// Appends the words of a piece, one blank between them; none where a dot joins them, if `dots`.
static struct kept put_words(struct mime_address_reader *r, struct piece p, bool dots)
{
    struct kept k = {r->scratch.n, 0};
    struct piece before = {0, 0}, w;

    while (next_word(r, &p, &w)) {
        if (before.to && !(dots && is_joined(r, before, w))) {
            buf_put_byte(&r->scratch, ' ');
        }
        put_word(r, w);
        before = w;
    }
    k.n = r->scratch.n - k.at;
    return k;
}

// Appends the first word of a piece and what dots join to it.
static struct kept put_first_word(struct mime_address_reader *r, struct piece p)
{
    struct kept k = {r->scratch.n, 0};
    struct piece before = {0, 0}, w;

    while (next_word(r, &p, &w) && (!before.to || is_joined(r, before, w))) {
        put_word(r, w);
        before = w;
    }
    k.n = r->scratch.n - k.at;
    return k;
}

// Appends the text of the first comment in the piece.
static struct kept put_comment(struct mime_address_reader *r, struct piece p)
{
    struct kept k = {r->scratch.n, 0};
    size_t i = p.from, end = p.from;

    for (; i < p.to; i = end) {
        end = token_end(r, i);
        if (is_comment(r, i, end)) {
            break;
        }
    }
    if (i < p.to) {
        struct span s = span_trim(span_of(r->text.p + i + 1, end - i - 2));

        for (i = 0; i < s.n; i++) {
            if (s.p[i] == '\\' && i + 1 < s.n) {
                i++;
            } else if (s.p[i] == '\r' || s.p[i] == '\n') {
                continue;
            }
            buf_put_byte(&r->scratch, s.p[i]);
        }
    }
    k.n = r->scratch.n - k.at;
    return k;
}

// The last '@' of the piece outside quotes and comments, or p.to.
static size_t find_at(struct mime_address_reader *r, struct piece p)
{
    size_t found = p.to;

    for (size_t i = p.from; i < p.to; i = token_end(r, i)) {
        if (byte_at(r, i) == '@') {
            found = i;
        }
    }
    return found;
}

static struct span kept_span(const struct mime_address_reader *r, struct kept k)
{
    return k.n ? span_of(r->scratch.p + k.at, k.n) : span_of("", 0);
}

struct strings {
    struct kept name, route, local, domain;
};

static bool set_mailbox(const struct mime_address_reader *r, const struct strings *s,
                        struct mime_address *out)
{
    *out = (struct mime_address){MIME_MAILBOX, kept_span(r, s->name), kept_span(r, s->route),
                                 kept_span(r, s->local), kept_span(r, s->domain)};
    return !r->scratch.failed && out->name.n + out->local.n + out->domain.n != 0;
}

// An address without angle brackets: [words] local@domain [comment], or words only.
static bool take_bare(struct mime_address_reader *r, struct piece p, struct mime_address *out)
{
    size_t at = find_at(r, p);
    struct piece rest = {p.from, at}, before = {0, 0}, w;
    struct strings s = {0};
    size_t local = p.from; // start of the last words that dots join

    if (at == p.to) {
        s.local = put_words(r, p, true);
        s.name = s.local.n ? put_comment(r, p) : s.name;
        return s.local.n && set_mailbox(r, &s, out);
    }
    while (next_word(r, &rest, &w)) {
        if (!before.to || !is_joined(r, before, w)) {
            local = w.from;
        }
        before = w;
    }
    s.name = put_words(r, (struct piece){p.from, local}, false);
    s.local = put_words(r, (struct piece){local, at}, true);
    s.domain = put_first_word(r, (struct piece){at + 1, p.to});
    s.name = s.name.n ? s.name : put_comment(r, p);
    return set_mailbox(r, &s, out);
}

// The end of what stands in angle brackets: '>', or where it must have been forgotten.
static size_t angle_end(struct mime_address_reader *r, size_t from)
{
    bool in_route = false, is_first = true;
    size_t i = from;

    for (; i < r->text.n; i = token_end(r, i)) {
        char c = byte_at(r, i);

        if (is_first && !byte_is_space(c)) {
            in_route = c == '@';
            is_first = false;
        }
        in_route = in_route && c != ':';
        if (c == '>' || c == '<' || (c == ',' && !in_route)) {
            break;
        }
    }
    return i < r->text.n ? i : r->text.n;
}

static void take_spec(struct mime_address_reader *r, struct piece p, struct strings *s)
{
    struct piece rest = p, w;

    if (next_word(r, &rest, &w) && byte_at(r, w.from) == '@') {
        size_t colon = w.from;

        while (colon < p.to && byte_at(r, colon) != ':') {
            colon++;
        }
        if (colon < p.to) {
            s->route = put_words(r, (struct piece){w.from, colon}, true);
            p.from = colon + 1;
        }
    }
    size_t at = find_at(r, p);

    s->local = put_words(r, (struct piece){p.from, at}, true);
    if (at < p.to) {
        s->domain = put_first_word(r, (struct piece){at + 1, p.to});
    }
}

// Passes over what follows an address up to the separator; another address without a comma before
// it is left to be read next.
static void skip_rest(struct mime_address_reader *r)
{
    size_t start = r->at;
    bool has_text = false;

    for (size_t i = start; i < r->text.n; i = token_end(r, i)) {
        char c = byte_at(r, i);

        if (c == ',' || c == ';') {
            r->at = i;
            return;
        }
        if (c == '<' || (c == '@' && has_text)) {
            r->at = start;
            return;
        }
        has_text |= !is_blank(r, i) && c != '>';
    }
    r->at = r->text.n;
}

static bool take_angle(struct mime_address_reader *r, struct piece phrase, struct mime_address *out)
{
    struct strings s = {0};
    size_t end = angle_end(r, phrase.to + 1);

    s.name = put_words(r, phrase, false);
    take_spec(r, (struct piece){phrase.to + 1, end}, &s);
    r->at = end < r->text.n && byte_at(r, end) == '>' ? end + 1 : end;
    size_t after = r->at;

    skip_rest(r);
    if (!s.name.n) {
        s.name = put_comment(r, phrase);
    }
    if (!s.name.n) {
        s.name = put_comment(r, (struct piece){after, r->at});
    }
    return set_mailbox(r, &s, out);
}

// Where the address that starts at `from` ends: at the byte that tells what it is.
static size_t find_end(struct mime_address_reader *r, size_t from)
{
    bool has_at = false;
    size_t i = from;

    for (; i < r->text.n; i = token_end(r, i)) {
        char c = byte_at(r, i);

        if (c == ',' || c == ';' || c == '<' || (c == ':' && !r->in_group && !has_at)) {
            break;
        }
        has_at |= c == '@';
    }
    return i < r->text.n ? i : r->text.n;
}

static bool take_address(struct mime_address_reader *r, struct mime_address *out)
{
    struct piece p = {r->at, find_end(r, r->at)};
    char c = p.to < r->text.n ? byte_at(r, p.to) : ',';

    if (c == '<') {
        return take_angle(r, p, out);
    }
    if (c != ':') {
        r->at = p.to;
        return take_bare(r, p, out);
    }
    struct strings s = {.name = put_words(r, p, false)};

    set_mailbox(r, &s, out);
    out->kind = MIME_GROUP_BEGIN;
    r->in_group = true;
    r->at = p.to + 1;
    return !r->scratch.failed;
}

void mime_address_begin(struct mime_address_reader *r, struct span body)
{
    *r = (struct mime_address_reader){.text = body};
    buf_init(&r->scratch, body.n * 2 + 16);
}

bool mime_address_next(struct mime_address_reader *r, struct mime_address *out)
{
    while (!r->scratch.failed) {
        buf_clear(&r->scratch);
        while (r->at < r->text.n && (byte_is_space(byte_at(r, r->at)) || //
                                     byte_at(r, r->at) == ',' || byte_at(r, r->at) == '>')) {
            r->at++;
        }
        bool at_end = r->at == r->text.n;

        if (at_end || byte_at(r, r->at) == ';') {
            r->at += !at_end;
            if (r->in_group) {
                r->in_group = false;
                *out = (struct mime_address){.kind = MIME_GROUP_END};
                return true;
            }
            if (at_end) {
                return false;
            }
            continue;
        }
        if (take_address(r, out)) {
            return true;
        }
    }
    return false;
}

void mime_address_finish(struct mime_address_reader *r)
{
    buf_finish(&r->scratch);
}

static bool dup_address(struct arena *arena, struct mime_address *a)
{
    a->name = arena_dup(arena, a->name);
    a->route = arena_dup(arena, a->route);
    a->local = arena_dup(arena, a->local);
    a->domain = arena_dup(arena, a->domain);
    return a->name.p && a->route.p && a->local.p && a->domain.p;
}

// Room for another entry: the list doubles, so that copying it stays linear.
static bool grow(struct arena *arena, struct mime_address **list, size_t n, size_t *cap)
{
    if (n < *cap) {
        return true;
    }
    size_t more = *cap ? *cap * 2 : 4;
    struct mime_address *bigger = arena_zalloc(arena, more, sizeof(*bigger));

    if (bigger && n) {
        memcpy(bigger, *list, n * sizeof(*bigger));
    }
    *list = bigger;
    *cap = more;
    return bigger != NULL;
}

enum err mime_address_list(struct arena *arena, struct span body, size_t max,
                           struct mime_address **out_list, size_t *out_n)
{
    struct mime_address_reader r;
    struct mime_address a, *list = NULL;
    size_t n = 0, cap = 0;
    enum err e = ERR_OK;

    mime_address_begin(&r, body);
    while (e == ERR_OK && mime_address_next(&r, &a)) {
        if (n == max) {
            e = ERR_LIMIT;
        } else if (!grow(arena, &list, n, &cap) || !dup_address(arena, &a)) {
            e = ERR_NOMEM;
        } else {
            list[n++] = a;
        }
    }
    if (e == ERR_OK && r.scratch.failed) {
        e = ERR_NOMEM;
    }
    mime_address_finish(&r);
    if (e == ERR_OK) {
        *out_list = list;
        *out_n = n;
    }
    return e;
}

static bool is_dot_atom(struct span s)
{
    if (s.n == 0 || s.p[0] == '.' || s.p[s.n - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool is_atext =
            byte_is_alnum(c) || (unsigned char)c > 127 || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));

        if (!is_atext && !(c == '.' && s.p[i - 1] != '.')) {
            return false;
        }
    }
    return true;
}

void mime_address_put(struct buf *out, struct span local, struct span domain)
{
    if (is_dot_atom(local)) {
        buf_put(out, local);
    } else {
        buf_put_byte(out, '"');
        for (size_t i = 0; i < local.n; i++) {
            if (local.p[i] == '"' || local.p[i] == '\\') {
                buf_put_byte(out, '\\');
            }
            if (!byte_is_ctl(local.p[i])) { // nothing may end the line
                buf_put_byte(out, local.p[i]);
            }
        }
        buf_put_byte(out, '"');
    }
    if (domain.n) {
        buf_put_byte(out, '@');
        for (size_t i = 0; i < domain.n; i++) {
            if (!byte_is_ctl(domain.p[i])) {
                buf_put_byte(out, domain.p[i]);
            }
        }
    }
}
