// SPDX-License-Identifier: Apache-2.0
//
// What names of accounts and domains may be, and how they are folded.
#include <utf8proc.h>

#include "base/utf8.h"
#include "store/directory/directory_internal.h"

#include "base/banned.h"

#define LOCAL_BYTES_MAX 64
#define LABEL_BYTES_MAX 63

static utf8proc_int32_t code_point_lower(utf8proc_int32_t c, void *arg)
{
    (void)arg;
    return utf8proc_tolower(c);
}

static enum err text_fold(struct arena *a, struct span s, struct span *out)
{
    utf8proc_uint8_t *folded = NULL;
    utf8proc_ssize_t n = utf8proc_map_custom(
        (const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &folded,
        (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE), code_point_lower, NULL);

    if (n < 0) {
        return n == UTF8PROC_ERROR_NOMEM ? ERR_NOMEM : ERR_INVALID;
    }
    *out = arena_dup(a, span_of(folded, (size_t)n));
    free(folded);
    return out->p ? ERR_OK : ERR_NOMEM;
}

static bool is_outside_ascii(char c)
{
    return (unsigned char)c >= 128;
}

// A dot-atom (RFC 5321 4.1.2, RFC 6531): quoted local parts are not given out.
static const char *local_check(struct span s)
{
    if (s.n == 0 || s.n > LOCAL_BYTES_MAX) {
        return s.n ? "the part before @ is too long" : "the part before @ is missing";
    }
    if (s.p[0] == '.' || s.p[s.n - 1] == '.' || span_find(s, SPAN("..")) < s.n) {
        return "the part before @ has a dot at an end, or two in a row";
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!byte_is_alnum(c) && !is_outside_ascii(c) && !memchr("!#$%&'*+-/=?^_`{|}~.", c, 20)) {
            return "the part before @ has a character that is not allowed";
        }
    }
    return NULL;
}

static const char *label_check(struct span s)
{
    if (s.n == 0 || s.n > LABEL_BYTES_MAX) {
        return s.n ? "a part of the domain is too long" : "the domain has an empty part";
    }
    if (s.p[0] == '-' || s.p[s.n - 1] == '-') {
        return "a part of the domain starts or ends with '-'";
    }
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '-' && !is_outside_ascii(s.p[i])) {
            return "the domain has a character that is not allowed";
        }
    }
    return NULL;
}

static const char *domain_check(struct span s)
{
    const char *reason = NULL;

    if (s.n == 0 || s.n > DOMAIN_BYTES_MAX) {
        return s.n ? "the domain is too long" : "the domain is missing";
    }
    while (!reason) {
        size_t n = span_find_byte(s, '.');

        reason = label_check(span_first(s, n));
        if (n == s.n) {
            break;
        }
        s = span_skip(s, n + 1);
    }
    return reason;
}

static enum err refuse(const char *reason, const char **out_reason)
{
    if (out_reason) {
        *out_reason = reason;
    }
    return ERR_INVALID;
}

static enum err name_join(struct arena *a, struct span local, struct span domain, struct span *out)
{
    char *p = arena_alloc(a, local.n + domain.n + 1);

    if (!p) {
        return ERR_NOMEM;
    }
    memcpy(p, local.p, local.n);
    p[local.n] = '@';
    memcpy(p + local.n + 1, domain.p, domain.n);
    *out = span_of(p, local.n + domain.n + 1);
    return ERR_OK;
}

enum err directory_name_check(struct arena *a, struct span name, struct span default_domain,
                              struct span *out, const char **out_reason)
{
    struct span whole = name;
    enum err e = ERR_OK;

    if (name.n > 2 * ADDRESS_BYTES_MAX || !utf8_is_valid(name)) {
        return refuse("the name is too long or not valid UTF-8", out_reason);
    }
    if (span_find_byte(name, '@') == name.n && default_domain.n) {
        e = name_join(a, name, default_domain, &whole);
    }
    e = e != ERR_OK ? e : text_fold(a, whole, &whole);
    if (e != ERR_OK) {
        return e == ERR_INVALID ? refuse("the name is not valid UTF-8", out_reason) : e;
    }
    size_t at = span_find_byte(whole, '@');
    const char *reason = at == whole.n ? "the name has no @" : local_check(span_first(whole, at));

    reason = reason ? reason : domain_check(span_skip(whole, at + 1));
    if (!reason && whole.n > ADDRESS_BYTES_MAX) {
        reason = "the name is too long";
    }
    if (reason) {
        return refuse(reason, out_reason);
    }
    *out = whole;
    return ERR_OK;
}

struct span directory_name_domain(struct span name)
{
    return span_skip(name, span_find_byte(name, '@') + 1);
}

// Folds and checks; for calls that have no one to tell a reason.
enum err directory_domain_fold(struct arena *a, struct span domain, struct span *out)
{
    if (domain.n == 0 || domain.n > DOMAIN_BYTES_MAX || !utf8_is_valid(domain)) {
        return ERR_INVALID;
    }
    enum err e = text_fold(a, domain, out);

    return e == ERR_OK && domain_check(*out) ? ERR_INVALID : e;
}
