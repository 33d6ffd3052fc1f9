// SPDX-License-Identifier: Apache-2.0
//
// Tickets: a right password gives the gate a ticket, with which it hands over the connection a
// moment later. Good once, for a few seconds, for the account it was made for. Any thread.
#ifndef KEEP_KEEP_TICKETS_H
#define KEEP_KEEP_TICKETS_H

#include "auth/grant.h"

#define TICKET_BYTES  32 // as text
#define TICKET_LIFE_S 30
#define TICKETS_MAX   10000

struct keep_tickets;
enum err keep_tickets_create(struct keep_tickets **out);
void keep_tickets_destroy(struct keep_tickets *t); // NULL is allowed

// Makes a ticket (TICKET_BYTES characters into `out_ticket`) for whoever has got that grant.
// ERR_LIMIT, ERR_NOMEM.
enum err keep_tickets_issue(struct keep_tickets *t, const struct auth_grant *grant,
                            char *out_ticket);

// Takes the ticket; ERR_DENIED when there is none like it or its time is over.
enum err keep_tickets_redeem(struct keep_tickets *t, struct span ticket, struct auth_grant *out);

#endif
