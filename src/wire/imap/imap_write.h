// SPDX-License-Identifier: Apache-2.0
//
// Writes the pieces of IMAP responses (RFC 9051 section 7 and 9). Whatever is in a value (a subject
// with CR LF, a folder with quotes), what is written is one syntactically whole element, so a value
// can never end a response or start another. Pure; any thread.
#ifndef WIRE_IMAP_IMAP_WRITE_H
#define WIRE_IMAP_IMAP_WRITE_H

#include "base/buf.h"
#include "wire/imap/imap_command.h"

// A quoted string where it can be one, else a literal. `utf8`: valid 8-bit text may be quoted
// (after ENABLE IMAP4rev2 or UTF8=ACCEPT). NUL cannot be said in either and becomes 0x80.
void imap_write_string(struct buf *out, struct span value, bool utf8);
// As imap_write_string; NIL when value.p is NULL.
void imap_write_nstring(struct buf *out, struct span value, bool utf8);
// An atom where it can be one (and is not NIL), else a string.
void imap_write_astring(struct buf *out, struct span value, bool utf8);

// "{n}\r\n" or "~{n}\r\n"; the caller sends n bytes after it (no NUL among them unless literal8).
void imap_write_literal_head(struct buf *out, uint64_t n, bool literal8);

// A canonical mailbox name as the client reads it: modified UTF-7, or UTF-8 when `utf8`.
void imap_write_mailbox(struct buf *out, struct span name, bool utf8);

// The item as a FETCH response names it: "BODY[HEADER.FIELDS (FROM)]<0>", "RFC822.SIZE".
void imap_write_fetch_item(struct buf *out, const struct imap_fetch_item *item, bool utf8);

// The status items and their names: "MESSAGES" of one bit of enum imap_status_item; NULL for none.
const char *imap_status_item_name(uint32_t bit);

enum imap_condition {
    IMAP_OK,
    IMAP_NO,
    IMAP_BAD,
    IMAP_BYE,
    IMAP_PREAUTH,
};

// One whole line "tag OK [code] text\r\n". `tag` empty: untagged ("*"). `code` is what stands in
// the brackets, written by the caller with the functions here ("UIDNEXT 5"), empty for none. A byte
// of tag, code or text that could break the line is replaced by "?".
void imap_write_status_line(struct buf *out, struct span tag, enum imap_condition condition,
                            struct span code, struct span text);

// The answer to a command that imap_parse refused: the tagged BAD or NO (untagged when no tag could
// be read) with the sentence and the position.
void imap_write_parse_error(struct buf *out, const struct imap_parse_error *error);

#endif
