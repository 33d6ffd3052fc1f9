// SPDX-License-Identifier: Apache-2.0
//
// What keep counts for /metrics beside what its parts count anyway. One set for the process; any
// thread, never blocks.
#ifndef KEEP_COUNT_KEEP_COUNT_H
#define KEEP_COUNT_KEEP_COUNT_H

#include "base/buf.h"

// A message was brought, and answered with this code (250, 451, 550 ...). `protocol`: enum
// ipc_protocol.
void keep_count_mail_in(unsigned protocol, unsigned code);
// A recipient of a message that leaves; `outcome`: enum queue_outcome.
void keep_count_mail_out(unsigned outcome);

void keep_count_put(struct buf *out);

#endif
