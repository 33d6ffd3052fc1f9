// SPDX-License-Identifier: Apache-2.0
//
// Rules by the name of the mail program, and what goes along with a capability that is left out.
#include <stdlib.h>

#include "keep/imap/imap_without.h"

#include "base/banned.h"

// ---- sets ---------------------------------------------------------------------------------------

// What makes no sense without the first.
static const struct {
    const char *name, *with;
} along[] = {
    {"ACL", "LIST-MYRIGHTS"},
    {"ACL", "RIGHTS"},
    {"CONDSTORE", "QRESYNC"},
    {"ENABLE", "QRESYNC"},
    {"ENABLE", "UTF8"},
    {"ESEARCH", "PARTIAL"},
    {"ESEARCH", "SEARCHRES"},
    {"LIST-EXTENDED", "LIST-METADATA"},
    {"LIST-EXTENDED", "LIST-MYRIGHTS"},
    {"LIST-EXTENDED", "LIST-STATUS"},
    {"METADATA", "FILTERS"},
    {"METADATA", "LIST-METADATA"},
    {"SORT", "ESORT"},
    {"SPECIAL-USE", "CREATE-SPECIAL-USE"},
};

// "QUOTA" is QUOTA and QUOTA=RES-STORAGE.
static bool is_meant(struct span capability, struct span name)
{
    return span_eq_nocase(capability, name) ||
           (capability.n > name.n && capability.p[name.n] == '=' &&
            span_starts_nocase(capability, name));
}

static void add_plain(struct imap_without *w, struct span name)
{
    struct span capability;

    for (size_t i = 0; i < IMAP_CAPABILITIES_MAX && imap_capability_at(i, &capability); i++) {
        if (is_meant(capability, name) && !span_eq_nocase(capability, SPAN("IMAP4rev1"))) {
            w->bits[i / 64] |= 1ull << i % 64;
        }
    }
}

void imap_without_add(struct imap_without *w, struct span name)
{
    add_plain(w, name);
    for (size_t i = 0; i < sizeof(along) / sizeof(*along); i++) {
        if (span_eq_nocase(name, span_from_str(along[i].name))) {
            add_plain(w, span_from_str(along[i].with));
        }
    }
}

bool imap_without_has(const struct imap_without *w, size_t i)
{
    return i < IMAP_CAPABILITIES_MAX && w->bits[i / 64] >> i % 64 & 1;
}

bool imap_without_is_empty(const struct imap_without *w)
{
    uint64_t all = 0;

    for (size_t i = 0; i < sizeof(w->bits) / sizeof(*w->bits); i++) {
        all |= w->bits[i];
    }
    return !all;
}

// ---- rules --------------------------------------------------------------------------------------

struct rule {
    struct span pattern;
    struct imap_without without;
};

struct imap_clients {
    size_t n;
    char *text; // the patterns
    struct rule rules[];
};

static void read_rule(struct imap_clients *c, struct span rule, size_t *text_n)
{
    size_t colon = span_find_byte(rule, ':');
    struct span pattern = span_trim(span_first(rule, colon)), rest = span_skip(rule, colon + 1);
    struct rule *r = &c->rules[c->n];

    if (colon == rule.n || !pattern.n) {
        return;
    }
    memcpy(c->text + *text_n, pattern.p, pattern.n);
    r->pattern = span_of(c->text + *text_n, pattern.n);
    *text_n += pattern.n;
    c->n++;
    while (rest.n) {
        struct span name = span_trim(span_split(&rest, ' '));

        if (name.n) {
            imap_without_add(&r->without, name);
        }
    }
}

enum err imap_clients_create(const struct span *rules, size_t n, struct imap_clients **out)
{
    struct imap_clients *c = calloc(1, sizeof(*c) + n * sizeof(c->rules[0]));
    size_t room = 1, text_n = 0;

    for (size_t i = 0; i < n; i++) {
        room += rules[i].n;
    }
    if (!c || !(c->text = malloc(room))) {
        free(c);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        read_rule(c, rules[i], &text_n);
    }
    *out = c;
    return ERR_OK;
}

void imap_clients_destroy(struct imap_clients *c)
{
    if (c) {
        free(c->text);
        free(c);
    }
}

// One star is tried again at a time: the last one, a byte further on.
static bool matches(struct span pattern, struct span text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;

    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = t;
        } else if (p < pattern.n && byte_lower(pattern.p[p]) == byte_lower(text.p[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.n;
}

void imap_clients_add(const struct imap_clients *c, struct span program, struct imap_without *w)
{
    for (size_t i = 0; c && i < c->n; i++) {
        if (!matches(c->rules[i].pattern, program)) {
            continue;
        }
        for (size_t k = 0; k < sizeof(w->bits) / sizeof(*w->bits); k++) {
            w->bits[k] |= c->rules[i].without.bits[k];
        }
    }
}
