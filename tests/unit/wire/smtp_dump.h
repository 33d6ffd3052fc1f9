// SPDX-License-Identifier: Apache-2.0
//
// An SMTP command as one line of text, for tables of tests.
#ifndef TESTS_UNIT_WIRE_SMTP_DUMP_H
#define TESTS_UNIT_WIRE_SMTP_DUMP_H

#include "base/buf.h"
#include "wire/smtp/smtp_command.h"

void smtp_dump_address(struct buf *out, const struct smtp_address *a);
void smtp_dump_command(struct buf *out, const struct smtp_command *cmd);

#endif
