// SPDX-License-Identifier: Apache-2.0
//
// What the worker does to its clients.
#ifndef GATE_CLIENT_INTERNAL_H
#define GATE_CLIENT_INTERNAL_H

#include "gate/client.h"

struct client *client_of_link(struct list *l);
void client_answered(struct client *c, enum ipc_auth result, struct span text, struct span ticket);
void client_keep_lost(struct client *c); // a question that waits is answered "unavailable"
void client_goodbye(struct client *c);   // the server stops
void client_destroy(struct client *c);

#endif
