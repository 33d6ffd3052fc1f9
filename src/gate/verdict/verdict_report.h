// SPDX-License-Identifier: Apache-2.0
//
// What the sender's domain will be told of a message (RFC 7489 section 7.2), as a frame for keep.
// Pure; any thread.
#ifndef GATE_VERDICT_VERDICT_REPORT_H
#define GATE_VERDICT_VERDICT_REPORT_H

#include "gate/verdict/verdict_policy.h"

#define REPORT_FRAME_BYTES_MAX 4096

// Appends a frame MAIL_DMARC; nothing when the domain asks for no reports, or nothing is known of
// the message for sure. `out` has REPORT_FRAME_BYTES_MAX bytes.
void report_put(struct buf *out, const struct sender_question *q, const struct sender_result *s,
                const struct policy_decision *d);

#endif
