// SPDX-License-Identifier: Apache-2.0
#include "mailfile/mailfile.h"

#include "base/banned.h"

// A keyword is an IMAP atom (RFC 9051 section 9): nothing else could be said to a client.
static bool keyword_is_atom(struct span k)
{
    for (size_t i = 0; i < k.n; i++) {
        unsigned char c = (unsigned char)k.p[i];

        if (c <= ' ' || c > 126 || memchr("(){%*\"\\]", c, 8)) {
            return false;
        }
    }
    return k.n > 0 && k.n <= MAIL_KEYWORD_BYTES_MAX;
}

void mail_meta_add_keyword(struct mail_meta *m, struct span keyword)
{
    if (!keyword_is_atom(keyword) || m->keyword_count == MAIL_KEYWORDS_MAX) {
        return;
    }
    for (size_t i = 0; i < m->keyword_count; i++) {
        if (span_eq_nocase(m->keywords[i], keyword)) {
            return;
        }
    }
    m->keywords[m->keyword_count++] = keyword;
}
