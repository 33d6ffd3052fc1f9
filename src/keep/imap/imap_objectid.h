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

// `owner`: 0 for the user's own, else the account it is in: numbers are its own.
static inline void imap_objectid_write(struct buf *out, uint64_t owner, char kind, uint64_t number)
{
    buf_put_byte(out, kind);
    buf_put_u64(out, number);
    if (owner) {
        buf_put_byte(out, '-');
        buf_put_u64(out, owner);
    }
}

// False when the text is no identifier of that kind, or is of another account.
static inline bool imap_objectid_read(struct span text, uint64_t owner, char kind, uint64_t *out)
{
    size_t n = span_find_byte(text, '-');
    uint64_t of = 0;

    if (n < text.n && (!span_to_u64(span_skip(text, n + 1), UINT64_MAX, &of) || !of)) {
        return false;
    }
    return of == owner && n > 1 && text.p[0] == kind &&
           span_to_u64(span_skip(span_first(text, n), 1), UINT64_MAX, out);
}

#endif
