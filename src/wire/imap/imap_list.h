// SPDX-License-Identifier: Apache-2.0
//
// Commands that ask for mailboxes, parsed: SELECT, EXAMINE, LIST, LSUB and STATUS (RFC 9051 section
// 6.3). In the arena of the command, see imap_command.h.
#ifndef WIRE_IMAP_IMAP_LIST_H
#define WIRE_IMAP_IMAP_LIST_H

#include "base/span.h"
#include "wire/imap/imap_metadata.h"
#include "wire/imap/imap_seqset.h"

// RFC 7162 section 3.2.5.
struct imap_qresync {
    uint32_t uidvalidity;
    uint64_t modseq;
    struct imap_seqset known_uids;             // n 0: not given; never "*" or "$"
    struct imap_seqset match_seqs, match_uids; // both or neither
};

struct imap_select {
    struct span mailbox;
    bool condstore, has_qresync;
    struct imap_qresync qresync;
};

enum imap_list_selection {
    IMAP_LIST_SUBSCRIBED = 1u << 0,
    IMAP_LIST_REMOTE = 1u << 1,
    IMAP_LIST_RECURSIVEMATCH = 1u << 2,
    IMAP_LIST_SPECIAL_USE = 1u << 3,
};

enum imap_list_return {
    IMAP_RETURN_SUBSCRIBED = 1u << 0,
    IMAP_RETURN_CHILDREN = 1u << 1,
    IMAP_RETURN_SPECIAL_USE = 1u << 2,
    IMAP_RETURN_STATUS = 1u << 3,
    IMAP_RETURN_MYRIGHTS = 1u << 4, // RFC 8440
    IMAP_RETURN_METADATA = 1u << 5, // RFC 9590
};

enum imap_status_item {
    IMAP_STATUS_MESSAGES = 1u << 0,
    IMAP_STATUS_RECENT = 1u << 1,
    IMAP_STATUS_UIDNEXT = 1u << 2,
    IMAP_STATUS_UIDVALIDITY = 1u << 3,
    IMAP_STATUS_UNSEEN = 1u << 4,
    IMAP_STATUS_DELETED = 1u << 5,
    IMAP_STATUS_SIZE = 1u << 6,
    IMAP_STATUS_HIGHESTMODSEQ = 1u << 7,
    IMAP_STATUS_MAILBOXID = 1u << 8,
    IMAP_STATUS_APPENDLIMIT = 1u << 9,
    IMAP_STATUS_DELETED_STORAGE = 1u << 10,
};

struct imap_list {
    bool extended;                     // written in the syntax of RFC 5258
    uint32_t selection;                // enum imap_list_selection
    uint32_t returns;                  // enum imap_list_return
    uint32_t status_items;             // of RETURN (STATUS (...))
    struct imap_metadata_get metadata; // of RETURN (METADATA (...))
    struct span reference;             // canonical
    const struct span
        *patterns; // canonical; at least one; may be empty ("" asks for the separator)
    size_t n;
};

struct imap_status {
    struct span mailbox;
    uint32_t items; // enum imap_status_item
};

#endif
