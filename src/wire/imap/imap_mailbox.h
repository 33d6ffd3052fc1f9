// SPDX-License-Identifier: Apache-2.0
//
// The rules for mailbox names, and their way between the wire and the canonical form: valid UTF-8
// in NFC, INBOX in capitals at the first level, levels separated by one byte. Pure; any thread.
#ifndef WIRE_IMAP_IMAP_MAILBOX_H
#define WIRE_IMAP_IMAP_MAILBOX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

#define IMAP_MAILBOX_BYTES_MAX       1024 // a whole name, canonical
#define IMAP_MAILBOX_LEVEL_BYTES_MAX 255
#define IMAP_MAILBOX_LEVELS_MAX      64

// From the wire to canonical, in the arena. `utf8`: the name is UTF-8 (after ENABLE IMAP4rev2 or
// UTF8=ACCEPT), else modified UTF-7. Checks as imap_mailbox_check. On failure `*out_why` is a
// sentence without a full stop, never NULL. ERR_INVALID, ERR_LIMIT (too long, too deep), ERR_NOMEM.
enum err imap_mailbox_from_wire(struct span wire, bool utf8, char separator, struct arena *arena,
                                struct span *out, const char **out_why);

// The same for a LIST pattern or reference: "%" and "*" stand for themselves in both spellings;
// empty levels and any depth are allowed.
enum err imap_mailbox_pattern_from_wire(struct span wire, bool utf8, struct arena *arena,
                                        struct span *out, const char **out_why);

// Is this a name a mailbox may have: not empty, within the limits, no control characters, no empty
// level, no level "." or "..". ERR_INVALID or ERR_LIMIT with the reason.
enum err imap_mailbox_check(struct span name, char separator, const char **out_why);

#endif
