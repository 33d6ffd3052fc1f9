// SPDX-License-Identifier: Apache-2.0
//
// Encoded words (RFC 2047, with RFC 2231 section 5 languages), both ways, bearing what mailers get
// wrong: words glued to text or inside quotes, characters split over two words, unknown charsets,
// blanks inside. Pure; any thread; linear.
#ifndef MIME_MIME_WORD_H
#define MIME_MIME_WORD_H

#include "base/buf.h"

// Appends `text` (one line or folded) as UTF-8. Decoded line breaks, NUL and other control
// characters become spaces, so the result is one line.
void mime_word_decode(struct buf *out, struct span text);

// Appends UTF-8 `text` for a header: as it is when printable ASCII without "=?", otherwise as
// encoded words of at most 75 characters, separated by single spaces. Malformed UTF-8 is replaced.
void mime_word_encode(struct buf *out, struct span text);

#endif
