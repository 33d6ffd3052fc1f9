// SPDX-License-Identifier: Apache-2.0
//
// May an account send under an address? Under its own, with any detail, under every alias, group or
// catch-all that leads to it, and under the address of a team's account (directory.h) when it has
// the right p of that one's INBOX. Any thread; reads the store.
#ifndef KEEP_INBOUND_SENDER_RIGHT_H
#define KEEP_INBOUND_SENDER_RIGHT_H

#include "store/route.h"

// `separators`: as for route_lookup. *out is set on ERR_OK.
enum err sender_right(struct store *s, struct span separators, account_id account,
                      struct span address, bool *out);

#endif
