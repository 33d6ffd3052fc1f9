// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/banned.h"

static void set_any(struct address *a, uint16_t port)
{
    *a = (struct address){.n = sizeof(a->u.in6)};
    a->u.in6.sin6_family = AF_INET6;
    a->u.in6.sin6_port = htons(port);
    a->u.in6.sin6_addr = in6addr_any;
}

static enum err parse_host(struct span host, uint16_t port, struct address *out)
{
    char text[ADDRESS_TEXT_MAX];
    bool six = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

    if (six) {
        host = span_of(host.p + 1, host.n - 2);
    }
    if (host.n >= sizeof(text) || span_find_byte(host, '\0') < host.n) {
        return ERR_INVALID;
    }
    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(host));
    struct address a = {.n = six ? sizeof(a.u.in6) : sizeof(a.u.in4)};

    if (six) {
        a.u.in6.sin6_family = AF_INET6;
        a.u.in6.sin6_port = htons(port);
    } else {
        a.u.in4.sin_family = AF_INET;
        a.u.in4.sin_port = htons(port);
    }
    void *binary = six ? (void *)&a.u.in6.sin6_addr : (void *)&a.u.in4.sin_addr;

    if (inet_pton(six ? AF_INET6 : AF_INET, text, binary) != 1) {
        return ERR_INVALID;
    }
    *out = a;
    return ERR_OK;
}

enum err address_parse(struct span text, struct address *out)
{
    size_t colon = text.n;
    uint64_t port;

    while (colon > 0 && text.p[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || !span_to_u64(span_skip(text, colon), 65535, &port)) {
        return ERR_INVALID;
    }
    struct span host = span_first(text, colon - 1);

    if (span_eq(host, SPAN("*"))) {
        set_any(out, (uint16_t)port);
        return ERR_OK;
    }
    return parse_host(host, (uint16_t)port, out);
}

enum err address_from_sockaddr(const struct sockaddr *sa, socklen_t n, struct address *out)
{
    struct address a = {.n = n};

    if (n >= sizeof(a.u.in4) && sa->sa_family == AF_INET) {
        memcpy(&a.u.in4, sa, sizeof(a.u.in4));
        a.n = sizeof(a.u.in4);
    } else if (n >= sizeof(a.u.in6) && sa->sa_family == AF_INET6) {
        memcpy(&a.u.in6, sa, sizeof(a.u.in6));
        a.n = sizeof(a.u.in6);
        if (IN6_IS_ADDR_V4MAPPED(&a.u.in6.sin6_addr)) {
            struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = a.u.in6.sin6_port};

            memcpy(&four.sin_addr, a.u.in6.sin6_addr.s6_addr + 12, 4);
            a.u.in4 = four;
            a.n = sizeof(four);
        }
    } else {
        return ERR_UNSUPPORTED;
    }
    *out = a;
    return ERR_OK;
}

struct address_text address_host_text(const struct address *a)
{
    struct address_text t = {"?"};

    if (a->u.sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->u.in4.sin_addr, t.s, sizeof(t.s));
    } else if (a->u.sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->u.in6.sin6_addr, t.s, sizeof(t.s));
    }
    return t;
}

struct address_text address_text(const struct address *a)
{
    struct address_text host = address_host_text(a), t;
    bool six = a->u.sa.sa_family == AF_INET6;

    snprintf(t.s, sizeof(t.s), "%s%.46s%s:%u", six ? "[" : "", host.s, six ? "]" : "",
             address_port(a));
    return t;
}

uint16_t address_port(const struct address *a)
{
    return ntohs(a->u.sa.sa_family == AF_INET6 ? a->u.in6.sin6_port : a->u.in4.sin_port);
}

bool address_is_loopback(const struct address *a)
{
    if (a->u.sa.sa_family == AF_INET) {
        return (ntohl(a->u.in4.sin_addr.s_addr) >> 24) == 127;
    }
    return a->u.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->u.in6.sin6_addr);
}

static bool four_is_public(uint32_t a)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } special[] = {
        {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
        {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3},
    };

    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if ((a ^ special[i].net) >> (32 - special[i].bits) == 0) {
            return false;
        }
    }
    return true;
}

static uint32_t four_in(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool six_is_public(const unsigned char b[16])
{
    static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};

    if (memcmp(b, nat64, sizeof(nat64)) == 0) {
        return four_is_public(four_in(b + 12));
    }
    if (b[0] == 0x20 && b[1] == 0x02) { // 6to4
        return four_is_public(four_in(b + 2));
    }
    bool documentation = b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8;
    bool special = b[0] == 0x20 && b[1] == 0x01 && b[2] < 0x02; // 2001::/23, Teredo among them

    return (b[0] & 0xe0) == 0x20 && !documentation && !special; // 2000::/3 is all that is given out
}

bool address_is_public(const struct address *a)
{
    struct address plain;

    if (address_from_sockaddr(&a->u.sa, a->n, &plain) != ERR_OK) {
        return false;
    }
    return plain.u.sa.sa_family == AF_INET ? four_is_public(ntohl(plain.u.in4.sin_addr.s_addr))
                                           : six_is_public(plain.u.in6.sin6_addr.s6_addr);
}

bool address_same_host(const struct address *a, const struct address *b)
{
    if (a->u.sa.sa_family != b->u.sa.sa_family) {
        return false;
    }
    return a->u.sa.sa_family == AF_INET
               ? a->u.in4.sin_addr.s_addr == b->u.in4.sin_addr.s_addr
               : memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr, sizeof(struct in6_addr)) == 0;
}

struct address_key address_key(const struct address *a)
{
    struct address_key k = {{0}};

    if (a->u.sa.sa_family == AF_INET) {
        k.b[0] = 4;
        memcpy(k.b + 1, &a->u.in4.sin_addr, 4);
    } else {
        k.b[0] = 6;
        memcpy(k.b + 1, &a->u.in6.sin6_addr, 8);
    }
    return k;
}
