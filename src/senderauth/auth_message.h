// SPDX-License-Identifier: Apache-2.0
//
// A message on its way in or out, read once: its header block is kept, its body is hashed for all
// signatures at the same time and not kept. DKIM and ARC then verify and sign from this.
//
// Memory: the header block (at most AUTH_HEADER_BYTES_MAX, and as much again for an index) and some
// KB. Linear in the message. A line ends in CRLF or LF and is hashed as ending in CRLF: what is
// signed is what SMTP will carry. A bare CR is a byte like any other. One thread at a time; never
// blocks.
#ifndef SENDERAUTH_AUTH_MESSAGE_H
#define SENDERAUTH_AUTH_MESSAGE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/span.h"

#define AUTH_HEADER_BYTES_MAX (1u << 20)
#define AUTH_FIELDS_MAX       10000

struct auth_message;

// `will_sign`: DKIM or ARC signatures will be made. ERR_NOMEM only.
enum err auth_message_create(bool will_sign, struct auth_message **out_message);
void auth_message_destroy(struct auth_message *m); // NULL is allowed

// The next bytes of the message, in any pieces. ERR_LIMIT: the header is too large to be checked;
// ERR_NOMEM. An error stays.
enum err auth_message_feed(struct auth_message *m, struct span bytes);

// End of the message; only now may others use it. As auth_message_feed.
enum err auth_message_finish(struct auth_message *m);

// The header block with CRLF at the end of each line, without the empty line.
struct span auth_message_header(const struct auth_message *m);

#endif
