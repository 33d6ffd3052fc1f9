// SPDX-License-Identifier: Apache-2.0
//
// Strings with variables in them, and `set` (RFC 5229).
#include <utf8proc.h>

#include "base/utf8.h"
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

// The first `max` bytes, and no character cut in two.
static struct span cut(struct span s, size_t max)
{
    if (s.n <= max) {
        return s;
    }
    while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80) {
        max--;
    }
    return span_first(s, max);
}

static struct span piece_text(const struct run *r, const struct sieve_piece *p)
{
    const struct frame *f = r->frame;

    switch (p->kind) {
    case PIECE_TEXT:
        return p->text;
    case PIECE_VARIABLE:
        return buf_span(f->variables[p->index]);
    case PIECE_MATCH:
        break;
    }
    if (p->index >= f->groups.n || f->groups.at[p->index].from == SIZE_MAX) {
        return SPAN("");
    }
    const struct sieve_group_span *g = &f->groups.at[p->index];

    if (g->from == g->to) { // also where the text that matched is empty, and nowhere
        return SPAN("");
    }
    return span_of(f->groups.text.p + g->from, g->to - g->from);
}

struct span sieve_expand(struct run *r, const struct sieve_string *s)
{
    size_t n = 0, at = 0;

    if (s->piece_n == 0) {
        return s->text;
    }
    for (uint32_t i = 0; i < s->piece_n && n < SIEVE_TEXT_BYTES_MAX; i++) {
        n += piece_text(r, &s->pieces[i]).n;
    }
    if (!sieve_spend(r, s->piece_n + n / 16)) {
        return SPAN("");
    }
    char *p = arena_alloc(&r->scratch, n);

    if (!p) {
        sieve_fail_memory(r);
        return SPAN("");
    }
    for (uint32_t i = 0; i < s->piece_n && at < n; i++) {
        struct span t = piece_text(r, &s->pieces[i]);

        t = span_first(t, n - at);
        if (t.n) {
            memcpy(p + at, t.p, t.n);
        }
        at += t.n;
    }
    return cut(span_of(p, at), SIEVE_TEXT_BYTES_MAX);
}

struct span sieve_expand_arg(struct run *r, const struct sieve_arg *arg)
{
    if (!arg || arg->n == 0) {
        return (struct span){NULL, 0};
    }
    return sieve_expand(r, &arg->strings[0]);
}

struct sieve_strings sieve_expand_list(struct run *r, const struct sieve_arg *arg)
{
    struct sieve_strings out = {NULL, 0};

    if (!arg || arg->n == 0 || !sieve_spend(r, arg->n)) {
        return out;
    }
    struct span *list = arena_zalloc(&r->scratch, arg->n, sizeof(*list));

    if (!list) {
        sieve_fail_memory(r);
        return out;
    }
    for (uint32_t i = 0; i < arg->n; i++) {
        list[i] = sieve_expand(r, &arg->strings[i]);
    }
    out.list = list;
    out.n = arg->n;
    return out;
}

struct span sieve_keep_span(struct run *r, struct span s)
{
    if (!s.p) {
        return s;
    }
    struct span copy = arena_dup(r->out, s);

    if (!copy.p) {
        sieve_fail_memory(r);
        return SPAN("");
    }
    return copy;
}

void sieve_variable_set(struct run *r, uint32_t index, struct span value)
{
    struct buf *b = r->frame->variables[index];
    struct buf fresh; // the value may lie in the variable itself

    value = cut(value, SIEVE_VALUE_BYTES_MAX);
    if (!sieve_spend(r, 4 + value.n / 16)) {
        return;
    }
    buf_init(&fresh, SIEVE_VALUE_BYTES_MAX);
    buf_put(&fresh, value);
    if (fresh.failed) {
        r->error = ERR_NOMEM;
    }
    buf_finish(b);
    *b = fresh;
}

// `value` with each character, or the first only, through `map`.
static void put_mapped(struct buf *out, struct span value, bool only_first,
                       utf8proc_int32_t (*map)(utf8proc_int32_t))
{
    bool is_done = false;

    while (value.n && !is_done) {
        struct span before = value;
        uint32_t c;

        if (utf8_next(&value, &c)) {
            utf8_put(out, (uint32_t)map((utf8proc_int32_t)c));
        } else {
            buf_put_byte(out, before.p[0]);
        }
        is_done = only_first;
    }
    buf_put(out, value);
}

static void put_quoted(struct buf *out, struct span value, const char *special)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] && strchr(special, value.p[i])) {
            buf_put_byte(out, '\\');
        }
        buf_put_byte(out, value.p[i]);
    }
}

static void put_url(struct buf *out, struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (byte_is_alnum(c) || (c && strchr("-._~", c))) {
            buf_put_byte(out, c);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
}

static size_t characters(struct span s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    }
    return n;
}

static void put_modified(struct buf *out, enum sieve_tag tag, struct span value)
{
    switch (tag) {
    case TAG_LOWER:
        put_mapped(out, value, false, utf8proc_tolower);
        break;
    case TAG_UPPER:
        put_mapped(out, value, false, utf8proc_toupper);
        break;
    case TAG_LOWERFIRST:
        put_mapped(out, value, true, utf8proc_tolower);
        break;
    case TAG_UPPERFIRST:
        put_mapped(out, value, true, utf8proc_toupper);
        break;
    case TAG_QUOTEWILDCARD:
        put_quoted(out, value, "*?\\");
        break;
    case TAG_QUOTEREGEX:
        put_quoted(out, value, ".^$*+?()[]{}|\\");
        break;
    case TAG_ENCODEURL:
        put_url(out, value);
        break;
    default:
        buf_put_u64(out, characters(value));
        break;
    }
}

struct span sieve_modify(struct run *r, const struct sieve_call *call, struct span value)
{
    // In the order of their precedence.
    static const uint8_t order[] = {TAG_LOWER,      TAG_UPPER,         TAG_LOWERFIRST,
                                    TAG_UPPERFIRST, TAG_QUOTEWILDCARD, TAG_QUOTEREGEX,
                                    TAG_ENCODEURL,  TAG_LENGTH};

    value = cut(value, SIEVE_TEXT_BYTES_MAX);
    for (size_t i = 0; i < sizeof(order); i++) {
        if (!sieve_call_tag(call, (enum sieve_tag)order[i]) || !sieve_spend(r, 10 + value.n * 4)) {
            continue;
        }
        struct buf out;

        buf_init(&out, SIEVE_TEXT_BYTES_MAX * 4);
        put_modified(&out, (enum sieve_tag)order[i], value);
        value = arena_dup(&r->scratch, cut(buf_span(&out), SIEVE_TEXT_BYTES_MAX));
        buf_finish(&out);
        if (!value.p) {
            sieve_fail_memory(r);
            return SPAN("");
        }
    }
    return cut(value, SIEVE_VALUE_BYTES_MAX);
}

void sieve_set(struct run *r, const struct sieve_call *call)
{
    struct span value = sieve_modify(r, call, sieve_expand(r, &call->args[1].strings[0]));
    struct span name = r->frame->program->variables[call->variable].name;

    TOLD_ACTION(r, "the variable \"%.*s\" is now \"%.*s\"", SHOWN(name), SHOWN(value));
    sieve_variable_set(r, call->variable, value);
}
