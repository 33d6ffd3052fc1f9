// SPDX-License-Identifier: Apache-2.0
//
// What a FETCH asks for (RFC 9051 section 6.4.5, RFC 3516, 7162, 8474, 8514, 8970), as imap_parse
// gives it. Filled only by the parser; read by keep and by imap_write.
#ifndef WIRE_IMAP_IMAP_FETCH_H
#define WIRE_IMAP_IMAP_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "wire/imap/imap_search.h"

#define IMAP_FETCH_ITEMS_MAX 1000 // of one FETCH, after those named twice are counted once
#define IMAP_PART_DEPTH_MAX  100  // numbers in a section: BODY[1.2.3]

enum imap_fetch_type {
    IMAP_FETCH_FLAGS,
    IMAP_FETCH_UID,
    IMAP_FETCH_INTERNALDATE,
    IMAP_FETCH_RFC822_SIZE,
    IMAP_FETCH_ENVELOPE,
    IMAP_FETCH_BODY, // the structure without extension data
    IMAP_FETCH_BODYSTRUCTURE,
    IMAP_FETCH_MODSEQ,
    IMAP_FETCH_EMAILID,
    IMAP_FETCH_THREADID,
    IMAP_FETCH_SAVEDATE,
    IMAP_FETCH_PREVIEW,
    IMAP_FETCH_RFC822,        // BODY[]
    IMAP_FETCH_RFC822_HEADER, // BODY.PEEK[HEADER]
    IMAP_FETCH_RFC822_TEXT,   // BODY[TEXT]
    IMAP_FETCH_BODY_SECTION,
    IMAP_FETCH_BINARY,
    IMAP_FETCH_BINARY_SIZE,
};

enum imap_section_text {
    IMAP_SECTION_ALL, // no word: the message or the part's content
    IMAP_SECTION_HEADER,
    IMAP_SECTION_HEADER_FIELDS,
    IMAP_SECTION_HEADER_FIELDS_NOT,
    IMAP_SECTION_TEXT,
    IMAP_SECTION_MIME,
};

struct imap_section {
    const uint32_t *part; // the numbers of 1.2.3
    size_t part_n;
    enum imap_section_text text;
    const struct span *fields; // of HEADER.FIELDS, as written
    size_t field_n;
};

struct imap_fetch_item {
    enum imap_fetch_type type;
    bool peek;               // does not set \Seen
    bool partial;            // <offset.length>
    bool lazy;               // PREVIEW (LAZY)
    uint64_t offset, length; // each below 2^63, so their sum does not overflow
    struct imap_section section;
};

struct imap_fetch {
    struct imap_seqset set;
    const struct imap_fetch_item *items; // macros are expanded
    size_t n;
    bool has_changedsince, vanished, has_partial;
    uint64_t changedsince;
    struct imap_partial partial; // RFC 9394 section 3.3
};

#endif
