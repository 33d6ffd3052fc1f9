// SPDX-License-Identifier: Apache-2.0
#include "mime/mime_param.h"

#include "mime/mime_charset.h"
#include "mime/mime_word.h"

#include "base/banned.h"

// A parameter as it stands in the field.
struct raw {
    struct span name; // stars taken off
    struct span value;
    int section; // -1: not continued
    bool is_extended;
    bool is_used; // joined into an earlier one
};

struct parser {
    struct span in;
    struct buf text; // scratch: unquoted values, one after the other
    struct raw raws[MIME_PARAMS_MAX];
    size_t n;
    bool comments_broken; // one is not closed: from there on '(' is a byte like any other
};

static bool is_space_at(struct span s, size_t at)
{
    return at < s.n && byte_is_space(s.p[at]);
}

// The index behind the comment that starts at `at`, or `at` when it is not closed.
static size_t skip_comment(struct span s, size_t at)
{
    unsigned depth = 0;

    for (size_t i = at; i < s.n; i++) {
        if (s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == '(') {
            depth++;
        } else if (s.p[i] == ')' && --depth == 0) {
            return i + 1;
        }
    }
    return at;
}

// Passes over blanks and comments.
static void skip_blanks(struct parser *p)
{
    struct span s = p->in;
    size_t at = 0;

    for (;;) {
        while (is_space_at(s, at)) {
            at++;
        }
        if (at == s.n || s.p[at] != '(' || p->comments_broken) {
            break;
        }
        size_t next = skip_comment(s, at);

        if (next == at) {
            p->comments_broken = true;
            break;
        }
        at = next;
    }
    p->in = span_skip(s, at);
}

// Takes a quoted string whose opening quote is at the front. Without a closing quote it ends at the
// line's end or a semicolon.
static struct span take_quoted(struct parser *p)
{
    size_t start = p->text.n, i;
    struct span s = span_skip(p->in, 1);
    bool is_closed = false;

    for (i = 0; i < s.n && s.p[i] != '"'; i++) {
        i += s.p[i] == '\\';
    }
    is_closed = i < s.n;
    size_t end = is_closed ? i : 0;

    while (!is_closed && end < s.n && s.p[end] != ';' && s.p[end] != '\n') {
        end++;
    }
    for (i = 0; i < end; i++) {
        if (s.p[i] == '\\' && i + 1 < end) {
            i++;
        } else if (s.p[i] == '\r' || s.p[i] == '\n') {
            continue;
        }
        buf_put_byte(&p->text, s.p[i]);
    }
    p->in = span_skip(s, end + is_closed);
    return span_of(NULL, p->text.n - start);
}

// Takes what stands unquoted: up to the semicolon, a comment at its end left out. People write file
// names with blanks here.
static struct span take_bare(struct parser *p)
{
    struct span s = span_first(p->in, span_find_byte(p->in, ';'));
    size_t start = p->text.n;

    p->in = span_skip(p->in, s.n);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '(' && i && byte_is_space(s.p[i - 1])) {
            size_t end = skip_comment(s, i);

            if (end == i || span_trim(span_skip(s, end)).n == 0) {
                s = span_first(s, end == i ? s.n : i);
                break;
            }
            i = end - 1;
        }
    }
    s = span_trim(s);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\r' && s.p[i] != '\n') {
            buf_put_byte(&p->text, s.p[i]);
        }
    }
    return span_of(NULL, p->text.n - start);
}

// "name", "name*", "name*1", "name*1*".
static void set_name(struct raw *raw, struct span name)
{
    uint64_t section;

    raw->is_extended = name.n > 1 && name.p[name.n - 1] == '*';
    raw->name = name;
    raw->section = -1;
    if (raw->is_extended) {
        name.n--;
        raw->name = name;
    }
    size_t star = span_find_byte(name, '*');

    if (star && star < name.n &&
        span_to_u64(span_skip(name, star + 1), MIME_SECTIONS_MAX - 1, &section)) {
        raw->name = span_first(name, star);
        raw->section = (int)section;
    }
}

static bool is_name_byte(char c)
{
    return (unsigned char)c > 32 && c != ';' && c != '=' && c != '"' && c != '(' && c != ',';
}

// One "name = value"; what is none is passed over.
static void take_param(struct parser *p)
{
    struct raw *raw = &p->raws[p->n];
    size_t n = 0;

    while (n < p->in.n && is_name_byte(p->in.p[n])) {
        n++;
    }
    struct span name = span_first(p->in, n);

    p->in = span_skip(p->in, n);
    skip_blanks(p);
    if (n == 0 || p->in.n == 0 || p->in.p[0] != '=') {
        p->in = span_skip(p->in, span_find_byte(p->in, ';'));
        return;
    }
    p->in = span_skip(p->in, 1);
    skip_blanks(p);
    set_name(raw, name);
    // Lengths for now: the scratch may still move.
    size_t got = p->in.n && p->in.p[0] == '"' ? take_quoted(p).n : take_bare(p).n;

    raw->value = (struct span){NULL, got};
    p->n++;
}

// The first piece `section` of the parameter that `first` is a piece of, or NULL.
static struct raw *find_section(struct parser *p, const struct raw *first, int section)
{
    for (size_t i = 0; i < p->n; i++) {
        struct raw *r = &p->raws[i];

        if (r->section == section && !r->is_used && span_eq_nocase(r->name, first->name)) {
            return r;
        }
    }
    return NULL;
}

static void put_percent(struct buf *out, struct span s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (byte_is_alnum(c) || memchr("-._~!#$&+^`{}|", c, 14)) {
            buf_put_byte(out, c);
        } else {
            char hex[3] = {'%', digits[(unsigned char)c >> 4], digits[c & 15]};

            buf_put(out, span_of(hex, 3));
        }
    }
}

// Puts the pieces of a continued parameter together: from 0 on, until one is missing.
static struct span join_sections(struct parser *p, const struct raw *first, struct buf *out,
                                 bool *out_extended)
{
    struct raw *list[MIME_SECTIONS_MAX];
    int n = 0;

    *out_extended = false;
    while (n < MIME_SECTIONS_MAX && (list[n] = find_section(p, first, n)) != NULL) {
        *out_extended |= list[n]->is_extended;
        n++;
    }
    buf_clear(out);
    for (size_t i = 0; i < p->n; i++) { // also those behind a gap, and second ones
        struct raw *r = &p->raws[i];

        r->is_used |= r->section >= 0 && span_eq_nocase(r->name, first->name);
    }
    for (int i = 0; i < n; i++) {
        if (*out_extended && !list[i]->is_extended) {
            buf_put(out, i == 0 ? SPAN("''") : SPAN(""));
            put_percent(out, list[i]->value);
        } else {
            buf_put(out, list[i]->value);
        }
    }
    return buf_span(out);
}

static bool put_param(struct arena *arena, struct mime_param *out, struct span name,
                      bool is_extended, struct span value)
{
    char *p = arena_alloc(arena, name.n + 1);

    out->value = arena_dup(arena, value);
    if (!p || !out->value.p) {
        return false;
    }
    memcpy(p, name.p, name.n);
    p[name.n] = '*';
    out->name = span_of(p, name.n + is_extended);
    return true;
}

// A later piece of the same name is no parameter of its own.
static bool has_sections(struct parser *p, const struct raw *raw)
{
    return raw->section >= 0 && find_section(p, raw, 0) != NULL;
}

static enum err put_params(struct parser *p, struct arena *arena, struct mime_params *out)
{
    struct mime_param *list = arena_zalloc(arena, p->n, sizeof(*list));
    struct buf joined;
    size_t n = 0;
    bool is_ok = list != NULL;

    buf_init(&joined, p->text.n * 3 + 3);
    for (size_t i = 0; is_ok && i < p->n; i++) {
        struct raw *raw = &p->raws[i];
        bool is_extended = raw->is_extended;
        struct span value = raw->value;

        if (raw->is_used || (raw->section >= 0 && !has_sections(p, raw))) {
            continue; // pieces without a first one say nothing
        }
        if (raw->section >= 0) {
            value = join_sections(p, raw, &joined, &is_extended);
        }
        is_ok = put_param(arena, &list[n++], raw->name, is_extended, value);
    }
    is_ok = is_ok && !joined.failed;
    buf_finish(&joined);
    if (is_ok) {
        *out = (struct mime_params){list, n};
    }
    return is_ok ? ERR_OK : ERR_NOMEM;
}

// What comes before the first semicolon: blanks at the ends and comments after it left out.
static enum err take_value(struct parser *p, struct arena *arena, struct span *out)
{
    struct span s;

    skip_blanks(p);
    s = span_first(p->in, span_find_byte(p->in, ';'));
    p->in = span_skip(p->in, s.n);
    s = span_trim(span_first(s, span_find_byte(s, '(')));
    *out = (struct span){NULL, 0};
    if (s.n) {
        *out = arena_dup(arena, s);
        return out->p ? ERR_OK : ERR_NOMEM;
    }
    return ERR_OK;
}

enum err mime_param_parse(struct arena *arena, struct span body, struct span *out_value,
                          struct mime_params *out_params)
{
    struct parser p;

    p.in = body;
    p.n = 0;
    p.comments_broken = false;
    buf_init(&p.text, body.n + 1);
    enum err e = take_value(&p, arena, out_value);

    while (e == ERR_OK && p.in.n && p.n < MIME_PARAMS_MAX) {
        if (p.in.p[0] == ';' || byte_is_space(p.in.p[0]) || p.in.p[0] == '(') {
            size_t before = p.in.n;

            skip_blanks(&p);
            if (p.in.n == before) { // a semicolon, or a comment never closed
                p.in = span_skip(p.in, 1);
            }
            continue;
        }
        take_param(&p);
    }
    size_t at = 0;

    for (size_t i = 0; i < p.n; i++) {
        p.raws[i].value.p = p.text.n ? p.text.p + at : "";
        p.raws[i].is_used = false;
        at += p.raws[i].value.n;
    }
    if (e == ERR_OK) {
        e = p.text.failed ? ERR_NOMEM : put_params(&p, arena, out_params);
    }
    buf_finish(&p.text);
    return e;
}

static const struct mime_param *find_param(struct mime_params params, struct span name,
                                           bool is_extended)
{
    for (size_t i = 0; i < params.n; i++) {
        struct span have = params.list[i].name;
        bool has_star = have.n > 1 && have.p[have.n - 1] == '*';

        have.n -= has_star;
        if (has_star == is_extended && span_eq_nocase(have, name)) {
            return &params.list[i];
        }
    }
    return NULL;
}

struct span mime_param_get(struct mime_params params, struct span name)
{
    const struct mime_param *p = find_param(params, name, true);

    p = p ? p : find_param(params, name, false);
    return p ? p->value : (struct span){NULL, 0};
}

static void clean_controls(struct buf *out, size_t from)
{
    for (size_t i = from; i < out->n; i++) {
        if (byte_is_ctl(out->p[i])) {
            out->p[i] = ' ';
        }
    }
}

// charset'language'percent-encoded; without the quotes all of it is percent-encoded.
static void decode_extended(struct buf *out, struct span value)
{
    struct span charset = {0}, rest = value;
    size_t first = span_find_byte(rest, '\'');
    size_t second = first + 1 + span_find_byte(span_skip(rest, first + 1), '\'');
    size_t from = out->n;
    struct buf bytes;

    if (first < rest.n && second < rest.n) {
        charset = span_first(rest, first);
        rest = span_skip(rest, second + 1);
    }
    buf_init(&bytes, rest.n + 1);
    for (size_t i = 0; i < rest.n; i++) {
        int high = rest.p[i] == '%' && i + 2 < rest.n ? byte_hex(rest.p[i + 1]) : -1;
        int low = high >= 0 ? byte_hex(rest.p[i + 2]) : -1;

        buf_put_byte(&bytes, (char)(low >= 0 ? high << 4 | low : rest.p[i]));
        i += low >= 0 ? 2 : 0;
    }
    mime_charset_convert(out, charset, buf_span(&bytes));
    clean_controls(out, from);
    out->failed |= bytes.failed;
    buf_finish(&bytes);
}

bool mime_param_decode(struct buf *out, struct mime_params params, struct span name)
{
    const struct mime_param *p = find_param(params, name, true);

    if (p) {
        decode_extended(out, p->value);
        return true;
    }
    p = find_param(params, name, false);
    if (p) {
        mime_word_decode(out, p->value);
    }
    return p != NULL;
}

bool mime_param_filename(struct buf *out, const struct mime_part *part)
{
    return mime_param_decode(out, part->disposition_params, SPAN("filename")) ||
           mime_param_decode(out, part->params, SPAN("name"));
}
