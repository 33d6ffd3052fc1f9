// SPDX-License-Identifier: Apache-2.0
//
// The courier's answer (DNS_ANSWER of ipc/message_table.h) as sender authentication reads one.
// Pure; any thread; linear.
#ifndef GATE_DNS_DNS_RECORD_H
#define GATE_DNS_DNS_RECORD_H

#include "base/arena.h"
#include "ipc/message.h"
#include "senderauth/resolver.h"

// Records that are not what the type wants are left out; beyond DNS_MEMO_RECORDS_MAX, too. Spans
// point into `answer`, the list lies in `arena`. ERR_NOMEM only.
enum err dns_record_read(const struct ipc_dns_answer *answer, enum dns_type type,
                         struct arena *arena, struct dns_answer *out);

#endif
