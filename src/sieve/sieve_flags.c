// SPDX-License-Identifier: Apache-2.0
//
// IMAP flags (RFC 5232): lists in variables, one blank between two flags, each flag once. System
// flags are written as IMAP writes them; what no mailbox can hold is left out.
#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

struct flag_list {
    struct span list[SIEVE_FLAGS_MAX];
    size_t n;
};

static bool is_keyword(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= 32 || c >= 127 || strchr("(){%*\"\\]", c)) {
            return false;
        }
    }
    return s.n > 0 && s.n <= 64;
}

// The flag as it is stored; empty for one that cannot be.
static struct span canonical(struct span s)
{
    static const char *const standard[] = {"\\Answered", "\\Flagged", "\\Deleted", "\\Seen",
                                           "\\Draft"};

    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
        if (span_eq_nocase(s, span_from_str(standard[i]))) {
            return span_from_str(standard[i]);
        }
    }
    return is_keyword(s) ? s : SPAN("");
}

static size_t find(const struct flag_list *l, struct span flag)
{
    size_t i = 0;

    while (i < l->n && !span_eq_nocase(l->list[i], flag)) {
        i++;
    }
    return i;
}

static void add_words(struct run *r, struct flag_list *l, struct span words)
{
    sieve_spend(r, 1 + words.n * 2);
    while (words.n && sieve_is_on(r)) {
        struct span word = canonical(span_split(&words, ' '));

        if (word.n && l->n < SIEVE_FLAGS_MAX && find(l, word) == l->n) {
            l->list[l->n++] = word;
        }
    }
}

static void remove_words(struct run *r, struct flag_list *l, struct span words)
{
    sieve_spend(r, 1 + words.n * 2);
    while (words.n && sieve_is_on(r)) {
        size_t i = find(l, canonical(span_split(&words, ' ')));

        if (i < l->n) {
            memmove(&l->list[i], &l->list[i + 1], (l->n - i - 1) * sizeof(l->list[0]));
            l->n--;
        }
    }
}

// The named variable, or the internal one.
static struct buf *variable(struct run *r, const struct sieve_string *name)
{
    const struct sieve_program *program = r->frame->program;

    for (uint32_t i = 0; name && i < program->variable_n; i++) {
        const struct sieve_variable *v = &program->variables[i];
        struct span wanted = name->text;

        if (v->is_global && span_starts_nocase(wanted, SPAN("global."))) {
            wanted = span_skip(wanted, 7);
        }
        if (span_eq_nocase(v->name, wanted)) {
            return r->frame->variables[i];
        }
    }
    return name ? NULL : &r->flags;
}

static void store(struct run *r, struct buf *b, const struct flag_list *l)
{
    struct buf fresh; // the list lies in the old one

    buf_init(&fresh, SIEVE_VALUE_BYTES_MAX);
    for (size_t i = 0; i < l->n; i++) {
        buf_put(&fresh, i ? SPAN(" ") : SPAN(""));
        buf_put(&fresh, l->list[i]);
    }
    if (fresh.failed) { // 128 flags of 64 bytes fit: it is memory
        r->error = ERR_NOMEM;
    }
    buf_finish(b);
    *b = fresh;
}

void sieve_flags_change(struct run *r, const struct sieve_call *call)
{
    struct sieve_strings words = sieve_expand_list(r, &call->args[1]);
    struct buf *b = variable(r, call->args[0].n ? &call->args[0].strings[0] : NULL);
    struct flag_list l = {.n = 0};

    if (!b || !sieve_is_on(r)) {
        return;
    }
    if (call->spec->id != ID_SETFLAG) {
        add_words(r, &l, buf_span(b));
    }
    for (size_t i = 0; i < words.n; i++) {
        if (call->spec->id == ID_REMOVEFLAG) {
            remove_words(r, &l, words.list[i]);
        } else {
            add_words(r, &l, words.list[i]);
        }
    }
    store(r, b, &l);
    TOLD_ACTION(r, "the flags are now: %.*s", SHOWN(buf_span(b)));
}

static struct sieve_strings keep(struct run *r, const struct flag_list *l)
{
    struct span *list = arena_zalloc(r->out, l->n, sizeof(*list));

    if (!list) {
        sieve_fail_memory(r);
        return (struct sieve_strings){NULL, 0};
    }
    for (size_t i = 0; i < l->n; i++) {
        list[i] = sieve_keep_span(r, l->list[i]);
    }
    return (struct sieve_strings){list, l->n};
}

struct sieve_strings sieve_flags_list(struct run *r, struct sieve_strings words)
{
    struct flag_list l = {.n = 0};

    for (size_t i = 0; i < words.n; i++) {
        add_words(r, &l, words.list[i]);
    }
    return keep(r, &l);
}

struct sieve_strings sieve_flags_current(struct run *r)
{
    struct flag_list l = {.n = 0};

    add_words(r, &l, buf_span(&r->flags));
    return keep(r, &l);
}

static void match_variable(struct matcher *m, const struct buf *b)
{
    struct flag_list l = {.n = 0};

    if (b) {
        add_words(m->r, &l, buf_span(b));
    }
    for (size_t i = 0; i < l.n && !m->hit; i++) {
        sieve_match_value(m, l.list[i]);
    }
}

bool sieve_test_hasflag(struct run *r, const struct sieve_call *call)
{
    struct matcher m;

    sieve_match_begin(&m, r, call, &call->args[1]);
    for (uint32_t i = 0; i < call->args[0].n && !m.hit; i++) {
        match_variable(&m, variable(r, &call->args[0].strings[i]));
    }
    if (call->args[0].n == 0) {
        match_variable(&m, &r->flags);
    }
    return sieve_match_end(&m);
}
