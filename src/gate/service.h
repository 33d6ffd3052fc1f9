// SPDX-License-Identifier: Apache-2.0
//
// What the gate serves: one row for each kind of listening socket. A protocol joins here, with its
// folder (src/gate/imap is the model), its settings in conf/settings_table.h and the supervisor's
// list of listeners.
#ifndef GATE_SERVICE_H
#define GATE_SERVICE_H

#include "gate/dialogue/dialogue.h"
#include "ipc/message.h"

#define SERVICE_PROTOCOLS_MAX 8

struct service {
    const char *word; // as the supervisor calls the listening socket
    const struct dialogue_protocol *protocol;
    uint8_t ipc_protocol;  // enum ipc_protocol
    bool has_implicit_tls; // TLS from the first byte
    uint8_t limits;        // enum limits_kind
    bool is_for_strangers; // who must wait to be greeted, and may come only so often
};

// NULL when there is no such service.
const struct service *service_find(struct span word);

// Each protocol once, for what is kept per protocol (TLS contexts). `index` counts from 0; NULL
// after the last.
const struct dialogue_protocol *service_protocol(unsigned index);
// People sign in by it.
bool service_is_for_people(const struct dialogue_protocol *p);
unsigned service_protocol_index(const struct dialogue_protocol *p);

#endif
