// SPDX-License-Identifier: Apache-2.0
//
// Why a command was refused by the parser.
#ifndef WIRE_IMAP_IMAP_FAULT_H
#define WIRE_IMAP_IMAP_FAULT_H

#include "base/span.h"

enum imap_fault {
    IMAP_FAULT_SYNTAX,       // BAD
    IMAP_FAULT_UNKNOWN,      // BAD: no such command
    IMAP_FAULT_UID_REQUIRED, // BAD [UIDREQUIRED]: a message number after ENABLE UIDONLY
    IMAP_FAULT_STATE,        // BAD: not in this state
    IMAP_FAULT_CANNOT,       // NO [CANNOT]: a mailbox name that cannot be
    IMAP_FAULT_LIMIT,        // NO [LIMIT]: too many, too deep, too long
};

struct imap_parse_error {
    enum imap_fault fault;
    struct span tag;      // points into the text; empty when none could be read
    size_t position;      // byte offset in the text
    const char *expected; // a sentence without capital and full stop, a static string
};

#endif
