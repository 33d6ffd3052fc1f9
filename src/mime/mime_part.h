// SPDX-License-Identifier: Apache-2.0
//
// What a message is made of, as mime_reader found it: a tree of parts with offsets into the bytes
// as stored, and the Content-* values IMAP, JMAP and the filters ask for. Plain data; whoever holds
// the arena given to mime_reader_finish owns it. Nothing here is decoded except where it says so.
//
// One choice for every ambiguity, used by all of the server (docs/mime.md has the whole list):
// of a field that may occur once the first counts (From, Sender, Reply-To, Date, Subject,
// Message-ID, Content-*); of To, Cc and Bcc all occurrences count, in order.
#ifndef MIME_MIME_PART_H
#define MIME_MIME_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum mime_kind {
    MIME_LEAF = 0,  // anything without inner structure, other than text
    MIME_TEXT,      // text/*
    MIME_MULTIPART, // one or more children
    MIME_MESSAGE,   // message/rfc822 or message/global; exactly one child, the message inside
};

enum mime_encoding {
    MIME_7BIT = 0, // also: none said
    MIME_8BIT,
    MIME_BINARY,
    MIME_QP,
    MIME_BASE64,
    MIME_ENCODING_OTHER, // something we cannot decode
};

// One parameter. Continuations (RFC 2231 section 3) are joined; when any piece was in the extended
// form the name ends in '*' and the value is charset'language'percent-encoded, as IMAP shows it.
// mime_param_decode (mime_param.h) gives the value in UTF-8.
struct mime_param {
    struct span name; // as written
    struct span value;
};

struct mime_params {
    const struct mime_param *list; // in order
    size_t n;
};

struct mime_part {
    uint64_t header_offset, header_size; // the blank line that ends it included
    uint64_t body_offset, body_size;     // bytes as stored, still encoded
    uint32_t header_lines, body_lines;   // number of LF in each
    enum mime_kind kind;
    enum mime_encoding encoding;
    bool is_message_root; // the message itself, or the message inside a MIME_MESSAGE part
    bool is_opaque;       // beyond a limit: shown as application/octet-stream, not looked into
    bool is_synthetic;    // put in because a multipart had no part: covers its whole body
    bool is_attachment;   // Content-Disposition says so
    uint32_t depth;       // 0 for the message

    struct span type, subtype;   // as written; "text" and "plain" when missing or broken
    struct mime_params params;   // of Content-Type
    struct span encoding_name;   // as written; empty when missing
    struct span id, description; // Content-ID, Content-Description: unfolded; p NULL when missing
    struct span md5, location;   // RFC 1864, RFC 2557; p NULL when missing
    struct span disposition;     // token as written; p NULL when missing (RFC 2183)
    struct mime_params disposition_params;
    const struct span *languages; // RFC 3282
    uint32_t language_count;

    // Raw header lines kept for ENVELOPE: of the message itself all (up to the limit), of a message
    // inside a message the lines ENVELOPE needs. Empty for other parts.
    struct span header;

    const struct mime_part *parent;   // NULL for the message
    const struct mime_part *children; // child_count parts, one after the other
    uint32_t child_count;
};

// The first bytes of a text part, still encoded, for the preview.
struct mime_excerpt {
    const struct mime_part *part; // NULL when there is none
    struct span bytes;            // at most mime_limits.excerpt_bytes_max
};

struct mime_message {
    const struct mime_part *parts; // parts[0] is the message; each part's children are adjacent
    uint32_t part_count;
    uint64_t size;            // bytes fed
    bool is_header_truncated; // parts[0].header lacks what was over header_bytes_max
    bool is_crlf;    // every line ends in CR LF, the last one too, and no CR or LF is anywhere else
    bool is_limited; // some limit was reached: there are opaque parts or missing values
    struct mime_excerpt plain; // the first text/plain that is no attachment
    struct mime_excerpt html;  // the first text/html that is no attachment
};

#endif
