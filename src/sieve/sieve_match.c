// SPDX-License-Identifier: Apache-2.0
//
// Values against keys: comparators (RFC 4790, RFC 5051), match types (RFC 5228 section 2.7,
// RFC 5231) and the groups a match leaves behind (RFC 5229 section 3.2).
#include <stdio.h>

#include "sieve/sieve_run_internal.h"

#include "base/banned.h"

#define SHOWN_MAX 20 // comparisons told of one test

static void fold_ascii(struct buf *out, struct span s)
{
    char *p = s.n ? buf_reserve(out, s.n) : NULL;

    for (size_t i = 0; p && i < s.n; i++) {
        p[i] = byte_lower(s.p[i]);
    }
    out->n += p ? s.n : 0;
}

// Wildcards and expressions need the text character by character, whole folding would move them.
static bool folds_whole(const struct sieve_call *call)
{
    return call->comparator == COMPARE_CASEMAP ||
           (call->comparator == COMPARE_UNICODE && call->match != MATCH_MATCHES);
}

static struct span fold(struct matcher *m, struct buf *out, struct span s)
{
    if (!folds_whole(m->call) || m->call->match == MATCH_REGEX || m->call->match == MATCH_COUNT) {
        return s;
    }
    if (!sieve_spend(m->r, m->call->comparator == COMPARE_CASEMAP ? s.n / 8 : s.n * 2)) {
        return SPAN("");
    }
    buf_clear(out);
    if (m->call->comparator == COMPARE_CASEMAP) {
        fold_ascii(out, s);
    } else {
        sieve_fold_unicode(out, s);
    }
    if (out->failed) {
        m->r->error = ERR_NOMEM;
    }
    return buf_span(out);
}

static void prepare_regexes(struct matcher *m)
{
    struct run *r = m->r;

    m->regexes = arena_zalloc(&r->scratch, m->keys.n, sizeof(*m->regexes));
    for (size_t i = 0; m->regexes && i < m->keys.n && sieve_is_on(r); i++) {
        const char *problem = NULL;

        m->regexes[i] = m->call->regexes ? m->call->regexes[i] : NULL;
        if (m->regexes[i] || !sieve_spend(r, 50000)) {
            continue;
        }
        enum err e =
            sieve_regex_compile(&r->scratch, m->keys.list[i], m->call->comparator != COMPARE_OCTET,
                                m->call->comparator == COMPARE_OCTET, &m->regexes[i], &problem);

        if (e == ERR_INVALID) {
            sieve_fail(r, "the regular expression \"%.*s\": %s", SHOWN(m->keys.list[i]), problem);
        } else if (e != ERR_OK) {
            sieve_fail_memory(r);
        }
    }
    if (!m->regexes) {
        sieve_fail_memory(r);
    }
}

void sieve_match_begin(struct matcher *m, struct run *r, const struct sieve_call *call,
                       const struct sieve_arg *keys)
{
    *m = (struct matcher){.r = r, .call = call, .keys = sieve_expand_list(r, keys)};
    buf_init(&m->fold, SIEVE_SCRATCH_BYTES);
    if (!sieve_is_on(r)) {
        return;
    }
    struct span *list = arena_zalloc(&r->scratch, m->keys.n, sizeof(*list));

    for (size_t i = 0; list && i < m->keys.n; i++) {
        list[i] = arena_dup(&r->scratch, fold(m, &m->fold, m->keys.list[i]));
        if (!list[i].p) {
            list = NULL;
        }
    }
    if (!list) {
        sieve_fail_memory(r);
        return;
    }
    m->folded = (struct sieve_strings){list, m->keys.n};
    if (call->match == MATCH_REGEX) {
        prepare_regexes(m);
    }
}

// i;ascii-numeric: the digits at the front; false (infinity) when there are none.
static bool numeric(struct span s, struct span *out)
{
    size_t n = 0;

    while (n < s.n && byte_is_digit(s.p[n])) {
        n++;
    }
    *out = span_first(s, n);
    while (out->n > 1 && out->p[0] == '0') {
        *out = span_skip(*out, 1);
    }
    return n > 0;
}

static int compare_numeric(struct span a, struct span b)
{
    struct span x, y;
    bool has_x = numeric(a, &x), has_y = numeric(b, &y);

    if (!has_x || !has_y) {
        return (int)has_y - (int)has_x;
    }
    if (x.n != y.n) {
        return x.n < y.n ? -1 : 1;
    }
    return span_cmp(x, y);
}

static int compare(const struct matcher *m, struct span value, struct span key)
{
    return m->call->comparator == COMPARE_NUMERIC ? compare_numeric(value, key)
                                                  : span_cmp(value, key);
}

static bool holds(enum sieve_relation relation, int order)
{
    switch (relation) {
    case REL_EQ:
        return order == 0;
    case REL_NE:
        return order != 0;
    case REL_GT:
        return order > 0;
    case REL_GE:
        return order >= 0;
    case REL_LT:
        return order < 0;
    case REL_LE:
        return order <= 0;
    }
    return false;
}

// Keeps the groups for ${0} and on.
static void keep_groups(struct matcher *m, struct span value, const struct sieve_group_span *groups,
                        size_t n)
{
    struct match_groups *g = &m->r->frame->groups;

    if (!(m->r->frame->program->extensions & EXT_BIT(EXT_VARIABLES)) ||
        m->call->spec->id == ID_BODY) { // RFC 5173 section 6
        return;
    }
    buf_clear(&g->text);
    g->n = n;
    for (size_t i = 0; i < n; i++) {
        bool is_set = groups[i].from != SIZE_MAX;
        struct span s =
            is_set ? span_skip(span_first(value, groups[i].to), groups[i].from) : SPAN("");

        s = span_first(s, SIEVE_VALUE_BYTES_MAX);
        g->at[i].from = is_set ? g->text.n : SIZE_MAX;
        buf_put(&g->text, s);
        g->at[i].to = g->text.n;
    }
    if (g->text.failed) {
        m->r->error = ERR_NOMEM;
    }
}

// With wildcards or an expression; `folded` is the value as the comparator sees it.
static bool match_pattern(struct matcher *m, size_t i, struct span value, struct span folded)
{
    struct sieve_group_span groups[SIEVE_GROUPS_MAX];
    struct run *r = m->r;
    struct arena room; // freed for each key: the text may be large
    size_t n = 0;
    enum err e = ERR_NOT_FOUND;

    arena_init(&room, SIEVE_SCRATCH_BYTES);
    if (m->call->match == MATCH_MATCHES) {
        if (sieve_spend(r, (folded.n + m->folded.list[i].n) / 2)) {
            e = sieve_glob(m->folded.list[i], folded, m->call->comparator == COMPARE_UNICODE, &room,
                           &r->budget->steps_left, groups, &n);
        }
    } else if (m->regexes && m->regexes[i]) {
        e = sieve_regex_match(m->regexes[i], value, &room, &r->budget->steps_left, groups, &n);
    }
    arena_finish(&room);
    if (e == ERR_LIMIT) {
        sieve_fail_budget(r, "time");
    } else if (e == ERR_NOMEM) {
        sieve_fail_memory(r);
    } else if (e == ERR_OK) {
        keep_groups(m, value, groups, n);
    }
    return e == ERR_OK;
}

static bool match_key(struct matcher *m, size_t i, struct span value, struct span folded)
{
    struct span key = m->folded.list[i];

    if (!sieve_spend(m->r, 2 + (key.n < folded.n ? key.n : folded.n) / 16)) {
        return false;
    }
    switch (m->call->match) {
    case MATCH_IS:
        return compare(m, folded, key) == 0;
    case MATCH_CONTAINS:
        return sieve_spend(m->r, folded.n / 8) && span_find(folded, key) < folded.n + (key.n == 0);
    case MATCH_VALUE:
        return holds(m->call->relation, compare(m, folded, key));
    case MATCH_MATCHES:
    case MATCH_REGEX:
        return match_pattern(m, i, value, folded);
    case MATCH_COUNT:
        break;
    }
    return false;
}

static const char *verb(const struct sieve_call *call)
{
    static const char *const relations[] = {"equals",      "differs from", "is greater than",
                                            "is at least", "is less than", "is at most"};

    switch (call->match) {
    case MATCH_IS:
        return "is";
    case MATCH_CONTAINS:
        return "contains";
    case MATCH_MATCHES:
        return "matches the pattern";
    case MATCH_REGEX:
        return "matches the expression";
    default:
        return relations[call->relation];
    }
}

static void tell(struct matcher *m, struct span value, size_t key, bool is_hit)
{
    if (m->r->env->trace && m->shown++ < SHOWN_MAX) {
        NOTE(m->r, "\"%.*s\" %s \"%.*s\": %s", SHOWN(value), verb(m->call),
             SHOWN(m->keys.list[key]), is_hit ? "yes" : "no");
    }
}

bool sieve_match_value(struct matcher *m, struct span value)
{
    if (!sieve_is_on(m->r) || m->hit) {
        return true;
    }
    m->count++;
    if (m->call->match == MATCH_COUNT) {
        return !sieve_spend(m->r, 1);
    }
    struct span folded = fold(m, &m->fold, value);

    for (size_t i = 0; i < m->folded.n && !m->hit && sieve_is_on(m->r); i++) {
        m->hit = match_key(m, i, value, folded);
        tell(m, value, i, m->hit);
    }
    return m->hit || !sieve_is_on(m->r);
}

bool sieve_match_end(struct matcher *m)
{
    if (m->call->match == MATCH_COUNT && sieve_is_on(m->r)) {
        char digits[24];
        int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)m->count);

        for (size_t i = 0; i < m->keys.n && !m->hit; i++) {
            m->hit = holds(m->call->relation,
                           compare_numeric(span_of(digits, (size_t)n), m->keys.list[i]));
            NOTE(m->r, "the number found, %s, %s \"%.*s\": %s", digits, verb(m->call),
                 SHOWN(m->keys.list[i]), m->hit ? "yes" : "no");
        }
    } else if (m->count == 0 && sieve_is_on(m->r)) {
        NOTE(m->r, "the message has nothing to compare");
    }
    buf_finish(&m->fold);
    return m->hit && sieve_is_on(m->r);
}
