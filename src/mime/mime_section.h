// SPDX-License-Identifier: Apache-2.0
//
// IMAP section specifications to byte ranges of the stored message: BODY[1.2.HEADER] and friends
// (RFC 3501 6.4.5, RFC 3516). Works on a table of parts, which comes from a parsed message or from
// a summary. Pure; any thread.
#ifndef MIME_MIME_SECTION_H
#define MIME_MIME_SECTION_H

#include "base/buf.h"
#include "base/err.h"
#include "mime/mime_part.h"

enum mime_section_text {
    MIME_SECTION_ALL = 0, // "" or a part's number alone
    MIME_SECTION_HEADER,  // also for HEADER.FIELDS and .NOT: the block to filter
    MIME_SECTION_TEXT,
    MIME_SECTION_MIME, // needs a part number
};

struct mime_section {
    const uint32_t *path; // part numbers from 1; deeper than any message is not found
    size_t path_n;
    enum mime_section_text text;
};

// One part as the table knows it.
struct mime_entry {
    uint64_t header_offset, header_size;
    uint64_t body_offset, body_size;
    uint32_t body_lines;
    uint32_t child_first, child_count; // indexes in the table
    enum mime_kind kind;
    enum mime_encoding encoding;
};

struct mime_range {
    uint64_t offset, size;
    enum mime_encoding encoding; // of the part when `text` is ALL and the part a leaf, else 7BIT
    enum mime_kind kind;         // of the part
};

// A table of parts, entry 0 the message: how to read entry `index`. ERR_NOT_FOUND past the end.
struct mime_table {
    enum err (*entry)(const void *context, uint32_t index, struct mime_entry *out);
    const void *context;
};

// The table of a parsed message, which must outlive it.
struct mime_table mime_section_table(const struct mime_message *m);

// Where the section lies. ERR_NOT_FOUND when the message has no such part (IMAP answers NIL), or
// HEADER, TEXT is asked of a part that holds no message; ERR_INVALID for MIME without a number;
// ERR_CORRUPT from the table.
enum err mime_section_find(struct mime_table table, const struct mime_section *section,
                           struct mime_range *out);

// Cuts a range to <offset.count> (RFC 3501 partial); past the end gives an empty range.
struct mime_range mime_section_partial(struct mime_range range, uint64_t offset, uint64_t count);

#endif
