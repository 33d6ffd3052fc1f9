// SPDX-License-Identifier: Apache-2.0
//
// Collations (RFC 4790): text to bytes that compare as the collation wants, so that equality, order
// and substrings are those of the bytes. i;unicode-casemap (RFC 5051) is what IMAP asks for;
// i;ascii-casemap (RFC 4790 section 9.2) and i;octet (9.3) are there to be chosen. Pure; any
// thread; linear.
#ifndef ORDER_COLLATE_H
#define ORDER_COLLATE_H

#include "base/buf.h"

enum collation { COLLATE_UNICODE_CASEMAP, COLLATE_ASCII_CASEMAP, COLLATE_OCTET, COLLATE__COUNT };

// "i;unicode-casemap".
struct span collation_name(enum collation c);

// Appends the form in which `text` is compared. For i;unicode-casemap text that is not UTF-8 is
// appended unchanged (RFC 5051 section 2 (1)(b)). Text may be cut anywhere between characters and
// collated in pieces: the pieces put together are the whole, collated.
void collate(struct buf *out, enum collation c, struct span text);

#endif
