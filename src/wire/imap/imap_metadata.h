// SPDX-License-Identifier: Apache-2.0
//
// What GETMETADATA, SETMETADATA (RFC 5464) and LIST (RFC 9590) ask for, as imap_parse gives it.
#ifndef WIRE_IMAP_IMAP_METADATA_H
#define WIRE_IMAP_IMAP_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

// A name and a value; value.p is NULL for NIL.
struct imap_pair {
    struct span name, value;
};

// What GETMETADATA (RFC 5464 section 4.2) and LIST ask for. Names are as written; that one can be
// an entry's is for the reader to say.
#define IMAP_METADATA_ENTRIES_MAX 100 // of one command
enum imap_metadata_depth { IMAP_METADATA_DEPTH_0, IMAP_METADATA_DEPTH_1, IMAP_METADATA_INFINITY };
struct imap_metadata_get {
    struct span mailbox; // canonical; empty: the server. Of LIST: not set
    bool has_maxsize;
    uint32_t maxsize; // bytes of a value
    enum imap_metadata_depth depth;
    const struct span *entries; // at least one
    size_t n;
};

// RFC 5464 section 4.3.
struct imap_metadata_set {
    struct span mailbox;            // canonical; empty: the server
    const struct imap_pair *values; // at least one; value.p NULL: NIL
    size_t n;
};

#endif
