// SPDX-License-Identifier: Apache-2.0
//
// A parsed IMAP command as one line of text, for tests and fuzz targets to compare. Every field
// that the parser sets is in it.
#ifndef TESTS_UNIT_WIRE_IMAP_DUMP_H
#define TESTS_UNIT_WIRE_IMAP_DUMP_H

#include "base/buf.h"
#include "wire/imap/imap_command.h"

// Appends the command.
void imap_dump_command(struct buf *out, const struct imap_command *cmd);

// Appends one message of an APPEND.
void imap_dump_append(struct buf *out, const struct imap_append_message *message);

#endif
