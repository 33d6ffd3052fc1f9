// SPDX-License-Identifier: Apache-2.0
//
// COMPARATOR and LANGUAGE (RFC 5255 sections 3.2 and 4.7). Collations are those of
// order/collate.h; the texts for people are in English only.
#include "keep/imap/imap_session_internal.h"

#include "base/banned.h"

// RFC 4790 section 3.2: a name, in which "*" stands for anything.
static bool name_matches(struct span pattern, struct span name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, from = 0;

    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = n;
        } else if (p < pattern.n && byte_lower(pattern.p[p]) == byte_lower(name.p[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

static bool collation_matches(struct span pattern, enum collation c)
{
    if (span_eq_nocase(pattern, SPAN("default"))) {
        return c == COLLATE_UNICODE_CASEMAP;
    }
    return name_matches(pattern, collation_name(c));
}

// The first argument that matches anything decides.
static bool collation_choose(const struct imap_words *w, enum collation *out)
{
    for (size_t i = 0; i < w->n; i++) {
        for (int c = 0; c < COLLATE__COUNT; c++) {
            if (collation_matches(w->words[i], (enum collation)c)) {
                *out = (enum collation)c;
                return true;
            }
        }
    }
    return false;
}

static void put_matching(struct imap_session *s, const struct imap_words *w)
{
    bool matches[COLLATE__COUNT] = {false};
    int count = 0;

    for (int c = 0; c < COLLATE__COUNT; c++) {
        for (size_t i = 0; i < w->n && !matches[c]; i++) {
            matches[c] = collation_matches(w->words[i], (enum collation)c);
        }
        count += matches[c];
    }
    for (int c = 0, n = 0; count > 1 && c < COLLATE__COUNT; c++) {
        if (matches[c]) {
            buf_put_str(s->out, n++ ? " " : " (");
            buf_put(s->out, collation_name((enum collation)c));
        }
    }
    buf_put_str(s->out, count > 1 ? ")" : "");
}

enum imap_step imap_run_comparator(struct imap_session *s)
{
    const struct imap_words *w = &s->command.words;

    if (w->n && !collation_choose(w, &s->collation)) {
        return imap_answer_no(s, "BADCOMPARATOR", "There is no such collation");
    }
    OUT(s, "* COMPARATOR ");
    buf_put(s->out, collation_name(s->collation));
    put_matching(s, w);
    OUT(s, "\r\n");
    return imap_answer_ok(s, "COMPARATOR completed");
}

// RFC 4647 section 3.1 in little: "en" and all below it.
static bool is_english(struct span tag)
{
    return span_eq_nocase(tag, SPAN("en")) || span_starts_nocase(tag, SPAN("en-")) ||
           span_eq_nocase(tag, SPAN("default")) || span_eq_nocase(tag, SPAN("*"));
}

enum imap_step imap_run_language(struct imap_session *s)
{
    const struct imap_words *w = &s->command.words;

    if (!w->n) {
        OUT(s, "* LANGUAGE (en i-default)\r\n");
        return imap_answer_ok(s, "LANGUAGE completed");
    }
    for (size_t i = 0; i < w->n; i++) {
        bool is_default = span_eq_nocase(w->words[i], SPAN("i-default"));

        if (is_default || is_english(w->words[i])) {
            buf_put_str(s->out, is_default ? "* LANGUAGE (i-default)\r\n" : "* LANGUAGE (en)\r\n");
            return imap_answer_ok(s, "LANGUAGE completed");
        }
    }
    return imap_answer(s, IMAP_NO, (struct span){0}, SPAN("Only English is spoken here"));
}
