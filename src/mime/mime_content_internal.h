// SPDX-License-Identifier: Apache-2.0
//
// A part's header block to the values of struct mime_part. For mime_reader only.
#ifndef MIME_MIME_CONTENT_INTERNAL_H
#define MIME_MIME_CONTENT_INTERNAL_H

#include "base/arena.h"
#include "base/err.h"
#include "mime/mime_part.h"

// Fills kind, encoding and all strings of `part` from its header block; the strings are copied into
// `arena`. `in_digest` makes message/rfc822 the default type. ERR_NOMEM only.
enum err mime_content_read(struct arena *arena, struct span header, bool in_digest,
                           struct mime_part *part);

// The type a part has when its header says nothing.
void mime_content_default(bool in_digest, struct mime_part *part);

// Makes a leaf nobody looks into: application/octet-stream.
void mime_content_opaque(struct mime_part *part);

// Copies the lines ENVELOPE needs to part->header. ERR_NOMEM only.
enum err mime_content_keep_envelope(struct arena *arena, struct span header,
                                    struct mime_part *part);

// Copies everything `part` points to, other than parts, into another arena. ERR_NOMEM only.
enum err mime_content_copy(struct arena *arena, struct mime_part *part);

#endif
