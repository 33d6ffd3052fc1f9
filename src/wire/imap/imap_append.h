// SPDX-License-Identifier: Apache-2.0
//
// What APPEND and REPLACE say between their literals (RFC 9051 section 6.3.12, RFC 3502, 3516,
// 6855, 8508), with CATENATE (RFC 4469). The literals themselves are the framer's owner's to take
// (imap_framer.h); a command's text comes in pieces, each up to a literal or to the command's end.
#ifndef WIRE_IMAP_IMAP_APPEND_H
#define WIRE_IMAP_IMAP_APPEND_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/imap/imap_date.h"
#include "wire/imap/imap_fault.h"
#include "wire/imap/imap_flag.h"
#include "wire/imap/imap_seqset.h"

#define IMAP_APPEND_URLS_MAX 1000 // in one piece of text

enum imap_append_next {
    IMAP_APPEND_MESSAGE, // a literal: the message
    IMAP_APPEND_TEXT,    // a literal: a part of it, CATENATE (TEXT {n}
    IMAP_APPEND_URL,     // a literal: a URL of CATENATE
    IMAP_APPEND_WHOLE,   // nothing: CATENATE (...) is closed, `rest` goes on
};

// One message of an APPEND, up to the next literal.
struct imap_append_message {
    struct imap_flags flags;
    bool has_date;
    struct imap_date_time date;
    enum imap_append_next next;
    uint64_t bytes; // of the literal that follows
    bool sync, literal8;
    bool utf8; // UTF8 (~{n} ...): RFC 6855 section 4; ")" follows the literal
    bool is_catenate;
    bool is_continued;       // the message before goes on: flags and date are not said again
    const struct span *urls; // parts that come before the literal
    size_t url_n;
    struct span rest; // WHOLE: the text behind it
};

struct imap_parse_options;

struct imap_append {
    struct imap_seqset replaced; // REPLACE (RFC 8508): one number or "*"
    struct span mailbox;
    struct imap_append_message first;
};

// `text`: what the framer gave for IMAP_FRAME_APPEND_NEXT or IMAP_FRAME_APPEND_END, or the `rest`
// of a message that is whole; `previous` is what was given last. `*out_end` is true, and *out
// untouched, at the end of the command. Errors as imap_parse.
enum err imap_parse_append_next(struct span text, struct arena *arena,
                                const struct imap_parse_options *options,
                                const struct imap_append_message *previous, bool *out_end,
                                struct imap_append_message *out, struct imap_parse_error *error);

#endif
