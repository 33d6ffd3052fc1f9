// SPDX-License-Identifier: Apache-2.0
//
// Message flags, keywords, and the attributes of mailboxes as IMAP spells them (RFC 9051 sections
// 2.3.2 and 7.3.1, RFC 6154, RFC 5258). Pure; any thread.
#ifndef WIRE_IMAP_IMAP_FLAG_H
#define WIRE_IMAP_IMAP_FLAG_H

#include "base/buf.h"

#define IMAP_KEYWORD_BYTES_MAX 64 // one keyword
#define IMAP_KEYWORDS_MAX      64 // in one list, so on one message

enum imap_system_flag {
    IMAP_FLAG_ANSWERED = 1u << 0,
    IMAP_FLAG_FLAGGED = 1u << 1,
    IMAP_FLAG_DELETED = 1u << 2,
    IMAP_FLAG_SEEN = 1u << 3,
    IMAP_FLAG_DRAFT = 1u << 4,
    IMAP_FLAG_RECENT = 1u << 5, // the session's own; never in a list from a client
};

struct imap_flags {
    uint32_t bits;               // enum imap_system_flag, or'ed
    const struct span *keywords; // as written, no two equal in any case
    size_t n;
};

// "\Seen" and so on in any case, to its bit. False for everything else, "\Recent" included unless
// `recent` is set.
bool imap_flag_from_name(struct span name, bool recent, uint32_t *out_bit);

// "\Seen" of a single bit; NULL for others.
const char *imap_flag_name(uint32_t bit);

// An atom of 1 .. IMAP_KEYWORD_BYTES_MAX bytes that has no backslash in front.
bool imap_keyword_is_valid(struct span keyword);

// Appends "(\Seen $Forwarded)", with "\*" last when `any_keyword` (PERMANENTFLAGS). Keywords that
// are no atoms are left out: they could break the response.
void imap_flags_write(struct buf *out, const struct imap_flags *flags, bool any_keyword);

enum imap_special_use {
    IMAP_USE_ALL = 1u << 0,
    IMAP_USE_ARCHIVE = 1u << 1,
    IMAP_USE_DRAFTS = 1u << 2,
    IMAP_USE_FLAGGED = 1u << 3,
    IMAP_USE_JUNK = 1u << 4,
    IMAP_USE_SENT = 1u << 5,
    IMAP_USE_TRASH = 1u << 6,
    IMAP_USE_IMPORTANT = 1u << 7, // RFC 8457
};

bool imap_special_use_from_name(struct span name, uint32_t *out_bit);

// What LIST says about a mailbox beside its special use.
enum imap_mailbox_attribute {
    IMAP_ATTR_NOSELECT = 1u << 8,
    IMAP_ATTR_NONEXISTENT = 1u << 9,
    IMAP_ATTR_NOINFERIORS = 1u << 10,
    IMAP_ATTR_HAS_CHILDREN = 1u << 11,
    IMAP_ATTR_HAS_NO_CHILDREN = 1u << 12,
    IMAP_ATTR_MARKED = 1u << 13,
    IMAP_ATTR_UNMARKED = 1u << 14,
    IMAP_ATTR_SUBSCRIBED = 1u << 15,
    IMAP_ATTR_REMOTE = 1u << 16,
    IMAP_ATTR_NO_ACCESS = 1u << 17, // RFC 5465 section 3.1
};

// Appends "(\HasNoChildren \Sent)" for bits of both enums above.
void imap_attributes_write(struct buf *out, uint32_t bits);

#endif
