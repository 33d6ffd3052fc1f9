// SPDX-License-Identifier: Apache-2.0
#include "senderauth/domain_name.h"

#include <idn2.h>
#include <libpsl.h>

#include "base/utf8.h"

#include "base/banned.h"

#define LABEL_BYTES_MAX 63
#define UTF8_BYTES_MAX  (4 * DOMAIN_BYTES_MAX)

static bool is_ascii_fit(struct span s)
{
    size_t label = 0;

    if (s.n == 0 || s.n > DOMAIN_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (byte_is_ctl(s.p[i])) {
            return false;
        }
        if (s.p[i] != '.') {
            if (++label > LABEL_BYTES_MAX) {
                return false;
            }
        } else if (label == 0) {
            return false;
        } else {
            label = 0;
        }
    }
    return label > 0;
}

static void fold(struct span s, struct domain_name *out)
{
    for (size_t i = 0; i < s.n; i++) {
        out->text[i] = byte_lower(s.p[i]);
    }
    out->text[s.n] = 0;
    out->n = s.n;
}

static enum err parse_unicode(struct span s, struct domain_name *out)
{
    char in[UTF8_BYTES_MAX + 1];
    char *ascii = NULL;
    enum err e = ERR_INVALID;

    if (s.n > UTF8_BYTES_MAX || !utf8_is_valid(s) || memchr(s.p, 0, s.n)) {
        return ERR_INVALID;
    }
    memcpy(in, s.p, s.n);
    in[s.n] = 0;
    if (idn2_to_ascii_8z(in, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) {
        return ERR_INVALID;
    }
    struct span folded = span_from_str(ascii);

    if (is_ascii_fit(folded)) {
        fold(folded, out);
        e = ERR_OK;
    }
    idn2_free(ascii);
    return e;
}

enum err domain_name_parse(struct span text, struct domain_name *out)
{
    if (text.n && text.p[text.n - 1] == '.') {
        text.n--;
    }
    if (!utf8_is_ascii(text)) {
        return parse_unicode(text, out);
    }
    if (!is_ascii_fit(text)) {
        return ERR_INVALID;
    }
    fold(text, out);
    return ERR_OK;
}

bool domain_name_is_host(struct span name)
{
    if (span_find_byte(name, '.') == name.n) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!byte_is_alnum(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return true;
}

bool domain_name_is_within(struct span name, struct span parent)
{
    if (parent.n == 0 || !span_ends(name, parent)) {
        return false;
    }
    return name.n == parent.n || name.p[name.n - parent.n - 1] == '.';
}

struct span domain_name_organization(const struct domain_name *d)
{
    const char *found = psl_registrable_domain(psl_builtin(), d->text);

    return found ? span_from_str(found) : domain_name_span(d);
}
