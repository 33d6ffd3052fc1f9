// SPDX-License-Identifier: Apache-2.0
//
// The network of an address, for limits that count those who share one together. Pure; any thread.
#ifndef BASE_IP_NETWORK_H
#define BASE_IP_NETWORK_H

#include "base/span.h"

#define IP_NETWORK_BYTES_MAX 16

// The first `four` bytes of an IPv4 address, `six` of an IPv6 one, written as text without port.
// Returns how many; 0: it is no address.
size_t ip_network(struct span address, size_t four, size_t six,
                  unsigned char out[IP_NETWORK_BYTES_MAX]);

#endif
