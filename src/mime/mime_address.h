// SPDX-License-Identifier: Apache-2.0
//
// Address lists (RFC 5322 section 3.4 with the obsolete forms of 4.4, RFC 6532), and what people's
// mailers make of them: no comma, no '>', ';' between addresses, unclosed quotes and comments, bare
// words, 8-bit bytes. One pass, linear, no recursion. One thread at a time.
#ifndef MIME_MIME_ADDRESS_H
#define MIME_MIME_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum mime_address_kind {
    MIME_MAILBOX,     // name, route, local, domain
    MIME_GROUP_BEGIN, // name
    MIME_GROUP_END,
};

// Quotes, quoted pairs and folding are taken off; encoded words are not decoded (mime_word_decode).
struct mime_address {
    enum mime_address_kind kind;
    struct span name;   // display name, else the text of the comment after it; empty when none
    struct span route;  // obsolete source route "@a,@b"; empty when none
    struct span local;  // may be empty ("<@example.org>")
    struct span domain; // empty when there was no '@'
};

struct mime_address_reader {
    struct span text; // the field body
    size_t at;
    struct buf scratch; // holds what the last address points to
    bool in_group;
    bool quotes_broken; // a quote is not closed: the rest are plain characters
    bool comments_broken;
};

// Reads `body`, a raw field body (it may be folded), which must stay in place.
void mime_address_begin(struct mime_address_reader *r, struct span body);

// The next address or group mark; false at the end, or without memory (r->scratch.failed). Its
// spans hold until the next call. A group left open is closed at the end.
bool mime_address_next(struct mime_address_reader *r, struct mime_address *out);
void mime_address_finish(struct mime_address_reader *r);

// The whole list in an arena, at most `max` entries. ERR_LIMIT when there are more, ERR_NOMEM.
enum err mime_address_list(struct arena *arena, struct span body, size_t max,
                           struct mime_address **out_list, size_t *out_n);

// Appends an address as RFC 5322 writes it: local part quoted where needed, no display name.
void mime_address_put(struct buf *out, struct span local, struct span domain);

#endif
