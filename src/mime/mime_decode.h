// SPDX-License-Identifier: Apache-2.0
//
// Content-Transfer-Encoding, off: streaming decoders that bear junk (RFC 2045 section 6). Fed in
// any pieces the result is the same. Output is never longer than input. Pure; one thread at a time.
#ifndef MIME_MIME_DECODE_H
#define MIME_MIME_DECODE_H

#include "base/buf.h"
#include "mime/mime_part.h"

struct mime_decoder {
    enum mime_encoding encoding;
    uint32_t bits;  // base64: bits gathered
    uint32_t count; // base64: digits gathered; quoted-printable: bytes in held
    char held[64];  // quoted-printable: an unfinished "=X" or blanks that may end a line
    bool is_over;   // base64: padding was seen, the rest is not decoded
    bool has_nul;   // output so far holds a NUL (BINARY then needs a literal8, RFC 3516)
    bool has_8bit;  // output so far holds a byte above 127
};

void mime_decode_begin(struct mime_decoder *d, enum mime_encoding encoding);

// Appends what `in` decodes to. Other encodings than base64 and quoted-printable pass as they are.
void mime_decode_feed(struct mime_decoder *d, struct buf *out, struct span in);
void mime_decode_finish(struct mime_decoder *d, struct buf *out);

// All at once; the result of the buffer (ERR_LIMIT at its cap).
enum err mime_decode(struct buf *out, enum mime_encoding encoding, struct span in);

// "base64" and the like, case ignored, comments and junk after the word ignored.
enum mime_encoding mime_encoding_parse(struct span name);

#endif
