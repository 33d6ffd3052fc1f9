// SPDX-License-Identifier: Apache-2.0
//
// Network addresses: text to sockaddr and back. No name is ever looked up. Pure; any thread.
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/span.h"

#define ADDRESS_TEXT_MAX 64 // "[ipv6%scope]:port" and its NUL

struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } u;
    socklen_t n;
};

struct address_text {
    char s[ADDRESS_TEXT_MAX];
};

// Reads "127.0.0.1:143", "[::1]:143" or "*:143" (any address, IPv6 with IPv4). ERR_INVALID.
enum err address_parse(struct span text, struct address *out);
// From accept or getpeername. An IPv4 address in IPv6 clothes becomes plain IPv4.
enum err address_from_sockaddr(const struct sockaddr *sa, socklen_t n, struct address *out);

struct address_text address_text(const struct address *a);      // with port
struct address_text address_host_text(const struct address *a); // without port and brackets
uint16_t address_port(const struct address *a);
bool address_is_loopback(const struct address *a);
// Can it belong to a host of the Internet? False for loopback, private, link-local, shared,
// multicast, reserved and documentation addresses (the registries of RFC 6890), also in the clothes
// of IPv4-mapped, NAT64 and 6to4 addresses.
bool address_is_public(const struct address *a);
// The same host, whatever the ports.
bool address_same_host(const struct address *a, const struct address *b);

// What limits are counted by: an IPv4 address, or the /64 of an IPv6 one; 9 bytes.
struct address_key {
    unsigned char b[9];
};
struct address_key address_key(const struct address *a);

#endif
