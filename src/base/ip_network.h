// SPDX-License-Identifier: Apache-2.0
//
// Networks of addresses: the one an address is in, for limits that count those who share one
// together; and those that people write down ("192.0.2.0/24", "2001:db8::/32", "192.0.2.1"). Pure;
// any thread.
#ifndef BASE_IP_NETWORK_H
#define BASE_IP_NETWORK_H

#include "base/err.h"
#include "base/span.h"

#define IP_NETWORK_BYTES_MAX 16

// The first `four` bytes of an IPv4 address, `six` of an IPv6 one, written as text without port.
// Returns how many; 0: it is no address.
size_t ip_network(struct span address, size_t four, size_t six,
                  unsigned char out[IP_NETWORK_BYTES_MAX]);

// The network by which sign-ins are told apart, as text without NUL: "192.0.2.0/24",
// "2001:db8:1::/48". Returns its length; what is no address gives itself, cut, or 0.
#define IP_NETWORK_TEXT_MAX 48
size_t ip_network_text(struct span address, char out[IP_NETWORK_TEXT_MAX]);

struct network {
    bool is_six;
    unsigned bits;
    unsigned char b[IP_NETWORK_BYTES_MAX]; // in network order
};

enum err network_parse(struct span text, struct network *out); // ERR_INVALID
// Is an address of that family (4 or 16 bytes, in network order) in it?
bool network_has_bytes(const struct network *n, bool is_six, const unsigned char *address);
// The same of an address as text, without port; one of ours that carries IPv4 in IPv6 is IPv4.
bool network_has_text(const struct network *n, struct span address);

#endif
