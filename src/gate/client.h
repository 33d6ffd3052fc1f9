// SPDX-License-Identifier: Apache-2.0
//
// A connection before login: its stream, its deadline, and where it stands. What is said on it is
// its dialogue's business; what keep is asked is client_login.c's. Lives on one worker's loop; all
// functions on that thread. A client frees itself at its end.
#ifndef GATE_CLIENT_H
#define GATE_CLIENT_H

#include "gate/service.h"
#include "gate/worker.h"

// Takes over `fd`. The client is in no list of the caller's.
void client_start(struct gate_worker *w, int fd, const struct address *peer,
                  const struct service *service);

struct client *client_of_link(struct list *l);
// Keep's answer to its question.
void client_answered(struct client *c, enum ipc_auth result, struct span text, struct span ticket);
void client_challenged(struct client *c, struct span bytes);
void client_domain_answered(struct client *c, enum ipc_domain result);
void client_keep_lost(struct client *c); // a question that waits is answered "unavailable"
void client_goodbye(struct client *c);   // the server stops
// Ends it at once, with a word if it can be said, to make room for another; false when that makes
// none, or when keep is about to let it in or to take its mail.
bool client_displace(struct client *c, const struct client *newcomer);
void client_destroy(struct client *c);

// For a connection that gets no client at all: says why if that needs no waiting, and closes `fd`.
void client_turn_away(int fd, const struct service *service, enum dialogue_end why);

#endif
