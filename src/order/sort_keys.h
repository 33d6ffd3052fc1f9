// SPDX-License-Identifier: Apache-2.0
//
// Sort keys: what SORT and THREAD (RFC 5256, RFC 5957) compare of a message's header, worked out
// once when it arrives and kept in its record, so that no message is ever opened to sort a mailbox.
// Texts are UTF-8 as people wrote them: a collation is chosen by who sorts. docs/format/store.md
// has the layout. Pure; any thread.
#ifndef ORDER_SORT_KEYS_H
#define ORDER_SORT_KEYS_H

#include "base/buf.h"

#define SORT_SUBJECT_BYTES_MAX  240 // a longer one is cut, and a hash of the whole follows
#define SORT_NAME_BYTES_MAX     120 // of a person or an address
#define SORT_REFERENCES_MAX     100 // the first, and the newest of the others
#define SORT_KEYS_BYTES_MAX     2048
#define SORT_SUBJECT_STORED_MAX (SORT_SUBJECT_BYTES_MAX + 16)
#define SORT_REFERENCE_BYTES    8

struct sort_keys {
    struct span subject;                  // the base subject (RFC 5256 section 2.1)
    struct span from, cc, to;             // addr-mailbox of the first address
    struct span display_from, display_to; // RFC 5957 section 3
    struct span references; // hashes of Message-IDs, 8 bytes little-endian each, oldest first
    uint64_t id;            // hash of the Message-ID; valid with has_id
    int64_t sent;           // the Date field in UTC, or when it came
    bool has_id;
    bool is_reply; // the subject had a mark of a reply or forward
};

// Appends the packed keys of a header block (or of any lines of it that hold Subject, From, To, Cc,
// Message-ID, In-Reply-To and References). At most SORT_KEYS_BYTES_MAX bytes.
void sort_keys_pack(struct buf *out, struct span header);

// Reads packed keys, but not `sent`. ERR_CORRUPT; ERR_UNSUPPORTED: a layout of a later version.
enum err sort_keys_unpack(struct span packed, struct sort_keys *out);

#endif
