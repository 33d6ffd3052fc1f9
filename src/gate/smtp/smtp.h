// SPDX-License-Identifier: Apache-2.0
//
// SMTP (RFC 5321) in the gate, from the greeting to QUIT: the port for the world, submission (RFC
// 6409) and LMTP (RFC 2033) are one dialogue in three variants. It keeps no mail: what is said
// becomes frames to keep (ipc/message_table.h, "mail that comes in"), and keep's answers become
// replies. At most 64 KiB of a message are here at a time. docs/protocol/smtp.md says what is
// spoken. See gate/dialogue/dialogue.h.
#ifndef GATE_SMTP_SMTP_H
#define GATE_SMTP_SMTP_H

#include "gate/dialogue/dialogue.h"

extern const struct dialogue_protocol smtp_protocol, smtp_submission_protocol, smtp_lmtp_protocol;

#endif
