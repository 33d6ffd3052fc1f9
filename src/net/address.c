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
