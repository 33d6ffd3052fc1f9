// SPDX-License-Identifier: Apache-2.0
//
// The summary: made once when a message arrives and kept beside its body, so that listing a mailbox
// and fetching a section never parses again. A versioned string of bytes; reading it is finding
// offsets, nothing is copied and every read is checked: bytes that were damaged give ERR_CORRUPT.
// docs/format/summary.md describes it. Any thread; never blocks.
//
// A section that would make the summary larger than MIME_SUMMARY_BYTES_MAX is left out; its reader
// gives ERR_LIMIT and the caller reads the message again (mime_read) and asks mime_imap,
// mime_section or mime_header_filter. ENVELOPE, preview and date are the last to go.
#ifndef MIME_MIME_SUMMARY_H
#define MIME_MIME_SUMMARY_H

#include "base/buf.h"
#include "base/err.h"
#include "mime/mime_part.h"
#include "mime/mime_section.h"

#define MIME_SUMMARY_BYTES_MAX (1u << 20)
#define MIME_PREVIEW_CHARS_MAX 200

// A set of popular header fields, a bit each: mime_fields_bit(name) of the table in mime_fields.c.
typedef uint64_t mime_fields;

// Appends the summary. ERR_LIMIT or ERR_NOMEM only from `out` (give it a cap of at least
// MIME_SUMMARY_BYTES_MAX).
enum err mime_summary_build(struct buf *out, const struct mime_message *m);

struct mime_summary {
    struct span bytes;
};

// Checks the frame: version, sizes and that every section lies inside. ERR_CORRUPT;
// ERR_UNSUPPORTED for a version this program does not know (reparse then).
enum err mime_summary_open(struct span bytes, struct mime_summary *out);

enum err mime_summary_envelope(const struct mime_summary *s, struct span *out);
enum err mime_summary_body(const struct mime_summary *s, struct span *out);
enum err mime_summary_bodystructure(const struct mime_summary *s, struct span *out);
enum err mime_summary_preview(const struct mime_summary *s,
                              struct span *out); // UTF-8, may be empty

struct mime_summary_facts {
    uint64_t message_size;
    uint64_t header_size; // of the message: where its text starts
    int64_t sent_seconds; // Date field in UTC; valid with has_sent
    int zone_minutes;
    bool has_sent;
    bool is_crlf;        // all line ends are CR LF, the last line's too; false: not, or not known
    bool has_attachment; // some part is named or disposed as one
    uint32_t part_count;
};

enum err mime_summary_facts(const struct mime_summary *s, struct mime_summary_facts *out);

// The part table for mime_section_find. ERR_LIMIT when it was left out.
enum err mime_summary_table(const struct mime_summary *s, struct mime_table *out);

// The bit of a popular field, 0 when the name is not in the list (then HEADER.FIELDS needs the
// message). Case ignored.
mime_fields mime_fields_bit(struct span name);

// The name of bit number `i` (0 to 63); n is 0 past the end of the list.
struct span mime_fields_name(unsigned i);

struct mime_summary_cursor {
    uint32_t index, offset;
    bool is_done;
};

// The lines of HEADER.FIELDS for popular fields, byte for byte as filtering the message gives them:
// start with a cursor of zeros and send each span until ERR_EOF; the empty line comes last, if any.
// ERR_LIMIT when the lines were left out, ERR_CORRUPT.
enum err mime_summary_fields_next(const struct mime_summary *s, mime_fields fields,
                                  struct mime_summary_cursor *cursor, struct span *out);

// The same appended to a buffer; ERR_LIMIT also at its cap.
enum err mime_summary_fields(const struct mime_summary *s, mime_fields fields, struct buf *out);

#endif
