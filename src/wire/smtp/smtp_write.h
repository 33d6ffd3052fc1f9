// SPDX-License-Identifier: Apache-2.0
//
// SMTP commands as a client sends them. Whatever is in an address, what is written is one line: a
// value that could end it is refused. Only what the other side announced is said. Pure; any thread.
#ifndef WIRE_SMTP_SMTP_WRITE_H
#define WIRE_SMTP_SMTP_WRITE_H

#include "base/buf.h"
#include "wire/smtp/smtp_command.h"

// "EHLO name" (HELO, LHLO). ERR_INVALID: the name is none.
enum err smtp_helo_put(struct buf *out, enum smtp_command_id id, struct span name);

// "MAIL FROM:<...>" with those parameters of `mail` that are set and in `extensions` (what the
// server announced). ERR_UNSUPPORTED, with nothing appended, when the message cannot go there
// without something it lacks: SMTPUTF8, REQUIRETLS or BINARYMIME. ERR_INVALID: not an address.
enum err smtp_mail_put(struct buf *out, const struct smtp_mail *mail, uint32_t extensions);

// "RCPT TO:<...>". `utf8`: the transaction has SMTPUTF8; without it an address above 127 is
// ERR_UNSUPPORTED.
enum err smtp_rcpt_put(struct buf *out, const struct smtp_rcpt *rcpt, uint32_t extensions,
                       bool utf8);

void smtp_bdat_put(struct buf *out, uint64_t bytes, bool last);
// "AUTH mechanism [base64 of initial]"; initial.p NULL: none.
enum err smtp_auth_put(struct buf *out, struct span mechanism, struct span initial);
// A command without arguments.
void smtp_simple_put(struct buf *out, enum smtp_command_id id);

#endif
