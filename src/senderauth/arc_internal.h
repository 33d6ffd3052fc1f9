// SPDX-License-Identifier: Apache-2.0
//
// The chain as it stands in a header block.
#ifndef SENDERAUTH_ARC_INTERNAL_H
#define SENDERAUTH_ARC_INTERNAL_H

#include "senderauth/arc.h"
#include "senderauth/dkim_internal.h"

enum arc_part { ARC_AAR, ARC_AMS, ARC_AS, ARC__PARTS };

struct arc_link {
    const struct mime_field *fields[ARC__PARTS];
    struct span results; // of the AAR, after "i=n;"
};

struct arc_chain {
    struct arc_link links[ARC_SETS_MAX + 1]; // [0] is not used
    uint32_t n;                              // the highest number seen
    const char *why;                         // the chain is broken, as the end of "The chain "
};

// Gathers the fields; looks at numbers only.
void arc_chain_collect(const struct auth_message *m, struct arc_chain *out);

// Appends a field as seals hash it.
void arc_put_field(struct buf *out, const struct mime_field *f, struct span cut, bool is_last);

#endif
