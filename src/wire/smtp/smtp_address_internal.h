// SPDX-License-Identifier: Apache-2.0
//
// Between smtp_domain.c and smtp_address.c.
#ifndef WIRE_SMTP_SMTP_ADDRESS_INTERNAL_H
#define WIRE_SMTP_SMTP_ADDRESS_INTERNAL_H

#include "wire/smtp/smtp_address.h"

// Characters that people cannot see, or that turn the order of what they see: one name must not
// look like another. Joiners (U+200C, U+200D) have their place in some scripts; IDNA judges them.
static inline bool smtp_is_hidden(uint32_t c)
{
    return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x200b || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c & 0xfffe) == 0xfffe;
}

// The one spelling of a domain or literal; see smtp_address_canonical.
enum err smtp_domain_canonical(const struct smtp_domain *in, struct arena *arena,
                               struct smtp_domain *out);

#endif
