// SPDX-License-Identifier: Apache-2.0
//
// Object identifiers as clients see them (RFC 8474): a letter for the kind, then the number within
// the account.
#ifndef KEEP_IMAP_OBJECTID_H
#define KEEP_IMAP_OBJECTID_H

#include "base/buf.h"

#define OBJECT_MAILBOX 'b'
#define OBJECT_EMAIL   'm'
#define OBJECT_THREAD  't'

static inline void imap_objectid_write(struct buf *out, char kind, uint64_t number)
{
    buf_put_byte(out, kind);
    buf_put_u64(out, number);
}

// False when the text is no identifier of that kind.
static inline bool imap_objectid_read(struct span text, char kind, uint64_t *out)
{
    return text.n > 1 && text.p[0] == kind && span_to_u64(span_skip(text, 1), UINT64_MAX, out);
}

#endif
