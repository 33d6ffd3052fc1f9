// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/ldap_text.h"

#include <string.h>

#include "base/dn.h"

#include "base/banned.h"

void ldap_escape_put(struct buf *out, struct span text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 0x20 || c > 0x7e || strchr("*()\\", c)) {
            buf_put_byte(out, '\\');
            buf_put_byte(out, digits[c >> 4]);
            buf_put_byte(out, digits[c & 15]);
        } else {
            buf_put_byte(out, (char)c);
        }
    }
}

// What takes the place of a letter.
struct parts {
    struct span name, user, domain;
    struct span dn; // `p` NULL: %D may not be used
    void (*put)(struct buf *out, struct span text);
};

static enum err put_part(struct buf *out, const struct parts *p, char letter)
{
    switch (letter) {
    case 'n':
        p->put(out, p->name);
        return ERR_OK;
    case 'u':
        p->put(out, p->user);
        return ERR_OK;
    case 'd':
        p->put(out, p->domain);
        return ERR_OK;
    case 'D':
        if (p->dn.p) {
            p->put(out, p->dn);
        }
        return p->dn.p ? ERR_OK : ERR_INVALID;
    case '%':
        buf_put_byte(out, '%');
        return ERR_OK;
    default:
        return ERR_INVALID;
    }
}

static enum err expand(struct buf *out, struct span pattern, struct parts *p)
{
    p->domain = p->name;
    p->user = span_split(&p->domain, '@');
    if (p->user.n == 0 || p->domain.n == 0) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < pattern.n; i++) {
        if (pattern.p[i] != '%') {
            buf_put_byte(out, pattern.p[i]);
            continue;
        }
        enum err e = put_part(out, p, ++i < pattern.n ? pattern.p[i] : '\0');

        if (e != ERR_OK) {
            return e;
        }
    }
    return out->failed ? ERR_LIMIT : ERR_OK;
}

enum err ldap_filter_put(struct buf *out, struct span pattern, struct span name)
{
    struct parts p = {.name = name, .put = ldap_escape_put};

    return expand(out, pattern, &p);
}

enum err ldap_group_filter_put(struct buf *out, struct span pattern, struct span name,
                               struct span dn)
{
    struct parts p = {.name = name, .dn = dn, .put = ldap_escape_put};

    return expand(out, pattern, &p);
}

enum err ldap_dn_put(struct buf *out, struct span pattern, struct span name)
{
    struct parts p = {.name = name, .put = dn_escape_put};

    return expand(out, pattern, &p);
}

enum err ldap_quota_read(struct span text, uint64_t *out)
{
    static const char units[] = "kmgt";
    struct span s = span_trim(text);
    uint64_t n = 0;
    size_t i = 0;

    if (span_eq_nocase(s, SPAN("none"))) {
        *out = UINT64_MAX;
        return ERR_OK;
    }
    for (; i < s.n && byte_is_digit(s.p[i]); i++) {
        if (n > (UINT64_MAX / 10 - 10)) {
            return ERR_INVALID;
        }
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    s = span_trim(span_skip(s, i));
    const char *unit = s.n && s.p[0] ? strchr(units, byte_lower(s.p[0])) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    s = unit ? span_skip(s, 1) : s;
    if (i == 0 || n == 0 || n > (uint64_t)INT64_MAX >> shift ||
        (s.n > 0 && !span_eq_nocase(s, SPAN("b")))) {
        return ERR_INVALID;
    }
    *out = n << shift;
    return ERR_OK;
}

bool ldap_mail_is(struct span value, struct span name)
{
    const struct span prefix = SPAN("smtp:");

    if (value.n > prefix.n && span_eq_nocase(span_first(value, prefix.n), prefix)) {
        value = (struct span){value.p + prefix.n, value.n - prefix.n};
    }
    return span_eq_nocase(value, name);
}
