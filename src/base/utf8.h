// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 (RFC 3629): strict decoding and validation. Case folding and normalisation come from
// utf8proc where they are needed. Pure; any thread.
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

#define UTF8_REPLACEMENT 0xfffdu

// Takes one code point off the front of `*s`. False, with one byte taken, when the bytes are not
// well-formed (overlong, surrogate, above U+10FFFF, cut) ; false with nothing taken at the end.
bool utf8_next(struct span *s, uint32_t *out);

// Appends a code point; surrogates and values above U+10FFFF become U+FFFD.
void utf8_put(struct buf *out, uint32_t code_point);

// Every byte is part of a well-formed sequence. NUL is well-formed.
bool utf8_is_valid(struct span s);

// Only bytes below 128.
bool utf8_is_ascii(struct span s);

// Appends `s` with each malformed byte replaced by U+FFFD.
void utf8_sanitize(struct buf *out, struct span s);

#endif
