// SPDX-License-Identifier: Apache-2.0
//
// What the gate counts for /metrics. One set for the process; any thread, never blocks.
#ifndef GATE_COUNT_GATE_COUNT_H
#define GATE_COUNT_GATE_COUNT_H

#include "base/buf.h"

enum gate_login {
    GATE_LOGIN_ACCEPTED,
    GATE_LOGIN_REFUSED,
    GATE_LOGIN_SLOWED,
    GATE_LOGIN_NO_ANSWER
};

enum gate_turned_away {
    GATE_AWAY_ALL_FULL,     // too many connections
    GATE_AWAY_ADDRESS_FULL, // too many from one address
    GATE_AWAY_TOO_FAST,
    GATE_AWAY_NOT_FROM_THERE,
};

// `protocol`: enum ipc_protocol.
void gate_count_opened(unsigned protocol);
void gate_count_closed(unsigned protocol);
void gate_count_login(unsigned protocol, enum gate_login how);
void gate_count_turned_away(enum gate_turned_away why);
void gate_count_handshake(bool is_done);
void gate_count_http(bool is_admin, unsigned status);

// Appends all of it in the format of base/metrics.h.
void gate_count_put(struct buf *out);

#endif
