// SPDX-License-Identifier: Apache-2.0
//
// POP3 before login (RFC 1939 section 4, STLS 2595, AUTH 5034), as a row for gate/dialogue. After
// login keep speaks (keep/pop3).
#ifndef GATE_POP3_POP3_LOGIN_H
#define GATE_POP3_POP3_LOGIN_H

#include "gate/dialogue/dialogue.h"

extern const struct dialogue_protocol pop3_login_protocol;

#endif
