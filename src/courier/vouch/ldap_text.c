// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/ldap_text.h"

#include <string.h>

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

enum err ldap_filter_put(struct buf *out, struct span pattern, struct span name)
{
    struct span domain = name, user = span_split(&domain, '@');

    if (user.n == 0 || domain.n == 0) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < pattern.n; i++) {
        char letter = i + 1 < pattern.n ? pattern.p[i + 1] : '\0';

        if (pattern.p[i] != '%') {
            buf_put_byte(out, pattern.p[i]);
            continue;
        }
        switch (letter) {
        case 'n':
            ldap_escape_put(out, name);
            break;
        case 'u':
            ldap_escape_put(out, user);
            break;
        case 'd':
            ldap_escape_put(out, domain);
            break;
        case '%':
            buf_put_byte(out, '%');
            break;
        default:
            return ERR_INVALID;
        }
        i++;
    }
    return out->failed ? ERR_LIMIT : ERR_OK;
}

bool ldap_mail_is(struct span value, struct span name)
{
    const struct span prefix = SPAN("smtp:");

    if (value.n > prefix.n && span_eq_nocase(span_first(value, prefix.n), prefix)) {
        value = (struct span){value.p + prefix.n, value.n - prefix.n};
    }
    return span_eq_nocase(value, name);
}
