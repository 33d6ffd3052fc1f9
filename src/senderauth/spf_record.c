// SPDX-License-Identifier: Apache-2.0
//
// An SPF record as terms: RFC 7208 sections 4.5, 4.6.1, 5, 6, 12. The whole record is read before
// anything is evaluated, since a syntax error anywhere is a permanent error.
#include <arpa/inet.h>

#include "senderauth/spf_internal.h"

#include "base/banned.h"

bool spf_record_is_spf(struct span text)
{
    return span_starts_nocase(text, SPAN("v=spf1")) && (text.n == 6 || text.p[6] == ' ');
}

enum err ip_address_parse(struct span text, struct ip_address *out)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char s[64];
    struct ip_address a = {0};

    if (text.n >= sizeof(s) || (text.n && memchr(text.p, 0, text.n))) {
        return ERR_INVALID;
    }
    memcpy(s, text.n ? text.p : "", text.n);
    s[text.n] = 0;
    if (inet_pton(AF_INET, s, a.bytes) != 1) {
        if (inet_pton(AF_INET6, s, a.bytes) != 1) {
            return ERR_INVALID;
        }
        a.is_ip6 = memcmp(a.bytes, mapped, sizeof(mapped)) != 0;
        if (!a.is_ip6) {
            memmove(a.bytes, a.bytes + 12, 4);
            memset(a.bytes + 4, 0, 12);
        }
    }
    *out = a;
    return ERR_OK;
}

static bool is_modifier_name(struct span s)
{
    if (s.n == 0 || !byte_is_alpha(s.p[0])) {
        return false;
    }
    for (size_t i = 1; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && !memchr("-_.", s.p[i], 3)) {
            return false;
        }
    }
    return true;
}

// Takes "/digits" off the end of `*s` and reads the number; `*out` stays as it is when there is
// none. False for one that is too large or has a zero before it.
static bool take_prefix(struct span *s, uint64_t max, uint8_t *out, bool *out_found)
{
    size_t at = s->n;
    uint64_t v;

    while (at && byte_is_digit(s->p[at - 1])) {
        at--;
    }
    *out_found = at < s->n && at && s->p[at - 1] == '/';
    if (!*out_found) {
        return true;
    }
    struct span digits = span_skip(*s, at);

    if ((digits.n > 1 && digits.p[0] == '0') || !span_to_u64(digits, max, &v)) {
        return false;
    }
    *out = (uint8_t)v;
    s->n = at - 1;
    return true;
}

// "domain/24//64": both optional (dual-cidr-length).
static bool take_dual(struct span *s, struct spf_term *t)
{
    size_t n = s->n;
    bool found;

    while (n && byte_is_digit(s->p[n - 1])) {
        n--;
    }
    if (n > 1 && n < s->n && s->p[n - 1] == '/' && s->p[n - 2] == '/') {
        if (!take_prefix(s, 128, &t->prefix6, &found)) {
            return false;
        }
        s->n--; // the first slash of "//"
    }
    return take_prefix(s, 32, &t->prefix4, &found);
}

static bool parse_network(struct span value, bool is_ip6, struct spf_term *t)
{
    char s[64];
    bool found;

    if (!take_prefix(&value, is_ip6 ? 128 : 32, is_ip6 ? &t->prefix6 : &t->prefix4, &found) ||
        value.n >= sizeof(s) || value.n == 0 || memchr(value.p, 0, value.n)) {
        return false;
    }
    memcpy(s, value.p, value.n);
    s[value.n] = 0;
    t->network.is_ip6 = is_ip6;
    return inet_pton(is_ip6 ? AF_INET6 : AF_INET, s, t->network.bytes) == 1;
}

static bool find_mechanism(struct span name, enum spf_mechanism *out)
{
    static const char *const names[] = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_eq_nocase(name, span_from_str(names[i]))) {
            *out = (enum spf_mechanism)i;
            return true;
        }
    }
    return false;
}

static enum spf_status take_qualifier(struct span *s)
{
    static const char signs[] = "+-~?";
    static const enum spf_status gives[] = {SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL};
    const char *found = s->n && s->p[0] ? strchr(signs, s->p[0]) : NULL;

    if (!found) {
        return SPF_PASS;
    }
    *s = span_skip(*s, 1);
    return gives[found - signs];
}

// What follows the name of a mechanism: ":spec", "/bits" or nothing.
static bool parse_argument(struct spf_term *t, struct span rest)
{
    bool has_spec = rest.n && rest.p[0] == ':';

    switch (t->mechanism) {
    case SPF_ALL:
        return rest.n == 0;
    case SPF_IP4:
    case SPF_IP6:
        return has_spec && parse_network(span_skip(rest, 1), t->mechanism == SPF_IP6, t);
    case SPF_A:
    case SPF_MX:
        if (!take_dual(&rest, t)) {
            return false;
        }
        break;
    case SPF_INCLUDE:
    case SPF_EXISTS:
        if (!has_spec) {
            return false;
        }
        break;
    case SPF_PTR:
        break;
    }
    if (rest.n == 0) {
        return true;
    }
    t->spec = span_skip(rest, 1);
    return rest.p[0] == ':' && spf_macro_is_valid(t->spec, false);
}

static bool parse_mechanism(struct span word, struct spf_term *t)
{
    size_t n = 0;

    *t = (struct spf_term){.text = word, .prefix4 = 32, .prefix6 = 128};
    t->qualifier = take_qualifier(&word);
    while (n < word.n && word.p[n] != ':' && word.p[n] != '/') {
        n++;
    }
    return find_mechanism(span_first(word, n), &t->mechanism) &&
           parse_argument(t, span_skip(word, n));
}

static bool parse_modifier(struct span name, struct span value, struct spf_record *out)
{
    struct span *at = span_eq_nocase(name, SPAN("redirect")) ? &out->redirect
                      : span_eq_nocase(name, SPAN("exp"))    ? &out->explain
                                                             : NULL;

    if (!at) {
        return value.n == 0 || spf_macro_is_valid(value, true); // unknown: ignored
    }
    if (at->p || !spf_macro_is_valid(value, false)) {
        return false;
    }
    *at = value;
    return true;
}

static bool parse_word(struct span word, struct spf_record *out)
{
    size_t equals = span_find_byte(word, '=');
    struct span name = span_first(word, equals);

    if (equals < word.n && is_modifier_name(name)) {
        return parse_modifier(name, span_skip(word, equals + 1), out);
    }
    return out->n < SPF_TERMS_MAX && parse_mechanism(word, &out->terms[out->n++]);
}

enum err spf_record_parse(struct arena *arena, struct span text, struct spf_record *out)
{
    struct spf_record record = {0};
    struct span rest = span_skip(text, 6);
    size_t words = 0;

    if (!spf_record_is_spf(text) || text.n > SPF_RECORD_MAX) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < rest.n; i++) {
        words += rest.p[i] != ' ' && (i == 0 || rest.p[i - 1] == ' ');
        if ((unsigned char)rest.p[i] < 32 || (unsigned char)rest.p[i] > 126) {
            return ERR_INVALID;
        }
    }
    words = words < SPF_TERMS_MAX ? words : SPF_TERMS_MAX;
    record.terms = arena_zalloc(arena, words + 1, sizeof(*record.terms));
    if (!record.terms) {
        return ERR_NOMEM;
    }
    while (rest.n) {
        struct span word = span_split(&rest, ' ');

        if (word.n && !parse_word(word, &record)) {
            return ERR_INVALID;
        }
    }
    *out = record;
    return ERR_OK;
}
