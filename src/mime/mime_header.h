// SPDX-License-Identifier: Apache-2.0
//
// Fields of a header block, where they lie: nothing is copied. A block is the bytes from the first
// line to the empty line (which may be there or not). Pure; any thread; linear. RFC 5322
// section 2.2.
#ifndef MIME_MIME_HEADER_H
#define MIME_MIME_HEADER_H

#include "base/buf.h"

// A line whose colon comes later than this is no field.
#define MIME_NAME_BYTES_MAX 1000

struct mime_field {
    struct span name; // without blanks before the colon; empty for a line that is no field
    struct span body; // after the colon, without the last line break; still folded
    struct span line; // all of it, with continuation lines and line breaks
};

// Takes the next field (or line that is no field) off the front of `*block`. False at the empty
// line or the end; `*block` is then what is left: the empty line, or nothing.
bool mime_header_next(struct span *block, struct mime_field *out);

// The first field of that name (ASCII case ignored) at or after the front of `*block`; `*block` is
// moved behind it, so that calling again gives the next occurrence.
bool mime_header_find(struct span *block, struct span name, struct mime_field *out);

// The trimmed body of the first field of that name, still folded; p is NULL when there is none.
struct span mime_header_get(struct span block, struct span name);

// Where a line's field name ends: the length of the name (0 when the line is no field), and in
// `*out_body` where the body starts.
size_t mime_header_name(struct span line, size_t *out_body);

// Appends the body on one line: line breaks are left out, what surrounds them stays (RFC 5322
// 2.2.3); blanks at both ends are dropped.
void mime_header_unfold(struct buf *out, struct span body);

// Appends the body as text for people: unfolded, encoded words decoded (RFC 2047), UTF-8 without
// control characters. What is not UTF-8 is read as windows-1252.
void mime_header_text(struct buf *out, struct span body);

// Appends the lines of HEADER.FIELDS (or, with `is_not`, of HEADER.FIELDS.NOT) and the empty line
// when the block has one: exactly what IMAP answers (RFC 3501 6.4.5). A line that is no field is
// selected by NOT only.
void mime_header_filter(struct buf *out, struct span block, const struct span *names, size_t n,
                        bool is_not);

#endif
