// SPDX-License-Identifier: Apache-2.0
//
// One message on its way to the filters (milters, rspamd), which the courier asks: the gate's end
// of the pair that FILTER of ipc/message_table.h speaks of. On the worker's thread; nothing blocks.
#ifndef GATE_VERDICT_FILTER_LINK_H
#define GATE_VERDICT_FILTER_LINK_H

#include "gate/dns/dns_desk.h"
#include "ipc/message.h"

struct filter_link;

struct filter_link_listener {
    // Once, never from within a call: what the filters say, or NULL: they are away. The link may be
    // closed in it. Spans live until it returns.
    void (*result)(void *arg, const struct ipc_filter_result *r);
    void (*go_on)(void *arg); // it is no longer full
    void *arg;
};

// ERR_UNAVAILABLE: the courier is away; ERR_NOMEM, ERR_LIMIT.
enum err filter_link_open(struct loop *loop, struct dns_desk *courier,
                          const struct ipc_filter_begin *begin, const struct span *recipients,
                          size_t recipient_count, const struct filter_link_listener *listener,
                          struct filter_link **out);
// After an error the result is NULL, soon.
void filter_link_feed(struct filter_link *l, struct span bytes);
void filter_link_end(struct filter_link *l);
// More than LINK_AHEAD_MAX bytes are on their way.
bool filter_link_is_full(const struct filter_link *l);
void filter_link_close(struct filter_link *l); // NULL is allowed

#endif
