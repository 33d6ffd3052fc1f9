// SPDX-License-Identifier: Apache-2.0
//
// IMAP before login (RFC 9051 section 6.1 and 6.2, RFC 3501): CAPABILITY, NOOP, LOGOUT, ID,
// STARTTLS, LOGIN, AUTHENTICATE. Everything else is answered BAD. No password is taken on a
// connection that is not private.
#ifndef GATE_IMAP_LOGIN_H
#define GATE_IMAP_LOGIN_H

#include "gate/dialogue/dialogue.h"

extern const struct dialogue_protocol imap_login_protocol;

#endif
