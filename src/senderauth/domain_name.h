// SPDX-License-Identifier: Apache-2.0
//
// Domain names as the DNS and comparisons want them: ASCII, lower case, no dot at the end; names in
// other scripts become A-labels (RFC 5891, RFC 8616). And the organizational domain, by the public
// suffix list that libpsl carries within it. Pure; any thread.
#ifndef SENDERAUTH_DOMAIN_NAME_H
#define SENDERAUTH_DOMAIN_NAME_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define DOMAIN_BYTES_MAX 253

struct domain_name {
    char text[DOMAIN_BYTES_MAX + 1]; // ends in NUL
    size_t n;
};

static inline struct span domain_name_span(const struct domain_name *d)
{
    return span_of(d->text, d->n);
}

// Folds `text`. ERR_INVALID: empty, an empty label, one over 63 bytes, over 253 in all, a control
// character, malformed UTF-8, or what IDNA does not allow. One dot at the end is taken off. Any
// other character is borne: the DNS has names with '_' and blanks.
enum err domain_name_parse(struct span text, struct domain_name *out);

// At least two labels of letters, digits, '-' and '_' (folded text): a name mail can come from.
bool domain_name_is_host(struct span name);

// `name` is `parent` or below it. Both folded; an empty parent has nothing below it.
bool domain_name_is_within(struct span name, struct span parent);

// The organizational domain of a folded name (RFC 7489 section 3.2): one label more than the public
// suffix; a public suffix is its own. Points into `d`.
struct span domain_name_organization(const struct domain_name *d);

#endif
