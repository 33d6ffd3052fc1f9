// SPDX-License-Identifier: Apache-2.0
//
// Reads one message from its bytes, given in any pieces, and says what it is made of. One pass,
// linear in the input, memory bounded by the limits; the bytes themselves are not kept. Any bytes
// are a message: there is no input that fails, only limits beyond which a part is not looked into.
// A reader belongs to one thread at a time and never blocks. RFC 5322, 2045, 2046, 6532.
//
// Lines end in LF or CRLF, also mixed; a bare CR and NUL are bytes like any other. The header ends
// at an empty line, at a delimiter line of an open multipart, or at a line that is no field when
// the next line is none either. The break before a delimiter belongs to the delimiter.
#ifndef MIME_MIME_READER_H
#define MIME_MIME_READER_H

#include "base/arena.h"
#include "base/err.h"
#include "mime/mime_part.h"

struct mime_limits {
    uint32_t depth_max;          // levels of parts under the message
    uint32_t parts_max;          // parts in all, the message included
    uint32_t boundary_bytes_max; // a longer boundary matches nothing
    uint32_t header_bytes_max;   // of each header block, how much is interpreted
    uint32_t kept_bytes_max;     // Content-* values and inner ENVELOPE lines, of all parts together
    uint32_t excerpt_bytes_max;  // of each excerpt; at least 1
};

// Depth 100, parts 10,000, boundary 1 KiB, header block 1 MiB, kept 8 MiB, excerpt 16 KiB.
extern const struct mime_limits mime_limits_default;

// An arena of this size holds the result for any message under the default limits.
#define MIME_MESSAGE_BYTES_MAX (32u << 20)

struct mime_reader;

// `limits` NULL: the defaults; the struct is copied. ERR_NOMEM only.
enum err mime_reader_create(const struct mime_limits *limits, struct mime_reader **out_reader);
void mime_reader_destroy(struct mime_reader *r); // NULL is allowed

// Ready for the next message; keeps some memory.
void mime_reader_reset(struct mime_reader *r);

// The next bytes of the message. ERR_NOMEM only, and then again for all that follows.
enum err mime_reader_feed(struct mime_reader *r, struct span bytes);

// End of the message: everything in `out_message` lives in `arena` and needs the reader no more.
// ERR_NOMEM (also at the arena's cap). After it only reset and destroy are allowed.
enum err mime_reader_finish(struct mime_reader *r, struct arena *arena,
                            struct mime_message *out_message);

// All of it for a message at hand.
enum err mime_read(struct span message, const struct mime_limits *limits, struct arena *arena,
                   struct mime_message *out_message);

#endif
