// SPDX-License-Identifier: Apache-2.0
//
// IMAP's own forms of a message, as text ready for the wire (RFC 3501 and 9051 section 7.4.2 and
// 9): strings are quoted, or literals "{n}\r\n..." where a quoted string may not hold them; NUL,
// which neither may hold, becomes '?'. Pure; any thread. The caller checks buf_result.
#ifndef MIME_MIME_IMAP_H
#define MIME_MIME_IMAP_H

#include "base/buf.h"
#include "mime/mime_part.h"

// "(date subject from sender reply-to to cc bcc in-reply-to message-id)" from a header block's
// fields, unfolded, not decoded. Sender and Reply-To default to From.
void mime_imap_envelope(struct buf *out, struct span header);

// BODYSTRUCTURE of a part and all in it; without `has_extension`, BODY. Not recursive.
void mime_imap_structure(struct buf *out, const struct mime_part *part, bool has_extension);

// A string, quoted or literal; and NIL when p is NULL.
void mime_imap_string(struct buf *out, struct span s);
void mime_imap_nstring(struct buf *out, struct span s);

#endif
