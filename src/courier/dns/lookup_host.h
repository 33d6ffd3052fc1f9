// SPDX-License-Identifier: Apache-2.0
//
// The addresses of a host, both families, in the order in which to try them. Blocks; any thread but
// the loop's.
#ifndef COURIER_DNS_LOOKUP_HOST_H
#define COURIER_DNS_LOOKUP_HOST_H

#include "courier/dns/lookup.h"
#include "net/address.h"

#define LOOKUP_ADDRESSES_MAX 16 // of one host; more are left out

struct lookup_addresses {
    // IPC_DNS_OK: at least one. Otherwise why there is none: the worse of what both questions said,
    // IPC_DNS_BOGUS before IPC_DNS_TEMPORARY before the rest.
    enum ipc_dns_status status;
    bool secure;                                // every answer was
    struct address items[LOOKUP_ADDRESSES_MAX]; // IPv6 and IPv4 in turn, IPv6 first
    size_t n;
    char canonical[256]; // where CNAMEs led to; empty: there were none
};

// `host`: a name, or an address literal ("192.0.2.1", "[192.0.2.1]", "[IPv6:2001:db8::1]").
void lookup_addresses(struct lookup *k, struct span host, uint16_t port,
                      struct lookup_addresses *out);

#endif
