// SPDX-License-Identifier: Apache-2.0
//
// Bytes as text: base64 (RFC 4648 section 4) and hex. Pure; any thread. Decoders for mail bodies,
// which must bear junk, live in mime/.
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/buf.h"

// Appends the base64 of `in`, with padding and without line breaks.
void base64_encode(struct buf *out, struct span in);

// Appends the decoded bytes. ERR_INVALID on any character outside the alphabet, wrong padding or
// bits left over (a SASL message with any of these is refused); ERR_LIMIT at the buffer's cap.
enum err base64_decode(struct buf *out, struct span in);

// The same of base64url without padding (section 5, as in RFC 7515 section 2). ERR_INVALID on
// padding and on bits left over, too.
enum err base64url_decode(struct buf *out, struct span in);

// Appends lower-case hex, two characters a byte.
void hex_encode(struct buf *out, struct span in);

// Appends the decoded bytes; ERR_INVALID on an odd length or a character that is not hex.
enum err hex_decode(struct buf *out, struct span in);

#endif
