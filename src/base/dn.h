// SPDX-License-Identifier: Apache-2.0
//
// Names of entries in a directory, as text (RFC 4514): compared, and made of what somebody says.
// Pure.
#ifndef BASE_DN_H
#define BASE_DN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define DN_BYTES_MAX 4096

// Appends `text` as the value of an attribute in a name: whatever is no letter, digit, "-", ".",
// "_" or "@" as \HH (section 2.4, which lets any byte be written so).
void dn_escape_put(struct buf *out, struct span text);

// Appends the name in one spelling: ASCII letters small, blanks only within
// values and there one, a byte that must be escaped as \HH and no other. ERR_INVALID: it is no
// name. Letters beyond ASCII stay as they are, and so does the order of the parts of an RDN with
// "+".
enum err dn_normal_put(struct buf *out, struct span dn);

// The same entry, as far as text can tell; what is no name is nobody's.
bool dn_eq(struct span a, struct span b);

#endif
