// SPDX-License-Identifier: Apache-2.0
//
// SASLprep (RFC 4013): one spelling of names and passwords for mechanisms that hash them. Pure; any
// thread. Normalised by the Unicode of utf8proc, which is newer than the 3.2 of RFC 3454: a
// character that had no place then is normalised, too, where the newer table says so.
#ifndef WIRE_SASL_SASLPREP_H
#define WIRE_SASL_SASLPREP_H

#include "base/arena.h"
#include "base/err.h"

#define SASLPREP_BYTES_MAX 1024 // of what goes in

enum saslprep_use {
    SASLPREP_QUERY,  // what somebody says now: unassigned code points stay
    SASLPREP_STORED, // what is kept: unassigned code points are refused (RFC 3454 section 7)
};

// The result may be empty; it lives in `arena`, or is `in` itself when that is plain ASCII.
// ERR_INVALID when it is not UTF-8, has a prohibited character (section 2.3) or breaks the rules
// about both directions (RFC 3454 section 6); ERR_LIMIT over SASLPREP_BYTES_MAX; ERR_NOMEM.
enum err saslprep(struct arena *arena, struct span in, enum saslprep_use use, struct span *out);

#endif
