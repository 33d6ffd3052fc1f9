// SPDX-License-Identifier: Apache-2.0
//
// Modified UTF-7, the spelling of mailbox names in IMAP4rev1 (RFC 3501 section 5.1.3). Strict: a
// name has exactly one spelling, so that one name is one mailbox. Pure; any thread.
#ifndef WIRE_IMAP_IMAP_UTF7_H
#define WIRE_IMAP_IMAP_UTF7_H

#include "base/buf.h"

// Appends the UTF-8 of `in`. ERR_INVALID on 8-bit bytes and controls outside a shift, an unfinished
// or superfluous shift ("&AGE-", "&...-&...-"), bits left over, lone surrogates, and encoded
// control characters. ERR_LIMIT at the buffer's cap.
enum err imap_utf7_decode(struct buf *out, struct span in);

// Appends the modified UTF-7 of valid UTF-8. ERR_INVALID when it is not, or has control characters.
enum err imap_utf7_encode(struct buf *out, struct span in);

#endif
