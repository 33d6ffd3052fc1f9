// SPDX-License-Identifier: Apache-2.0
//
// ManageSieve before login (RFC 5804 sections 2.1 to 2.4), as a row for gate/dialogue. Of Sieve it
// only knows the names of the extensions, for the greeting. After login keep speaks
// (keep/managesieve).
#ifndef GATE_MANAGESIEVE_MANAGESIEVE_LOGIN_H
#define GATE_MANAGESIEVE_MANAGESIEVE_LOGIN_H

#include "gate/dialogue/dialogue.h"

extern const struct dialogue_protocol managesieve_login_protocol;

#endif
