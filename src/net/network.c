// SPDX-License-Identifier: Apache-2.0
#include "net/network.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/banned.h"

enum err network_parse(struct span text, struct network *out)
{
    struct network n = {.is_six = span_find_byte(text, ':') < text.n};
    uint64_t most = n.is_six ? 128 : 32, bits = most;
    size_t slash = span_find_byte(text, '/');
    struct span host = span_first(text, slash);
    char copy[INET6_ADDRSTRLEN];

    if (host.n >= sizeof(copy) || span_find_byte(host, '\0') < host.n ||
        (slash < text.n && !span_to_u64(span_skip(text, slash + 1), most, &bits))) {
        return ERR_INVALID;
    }
    snprintf(copy, sizeof(copy), "%.*s", SPAN_ARG(host));
    if (inet_pton(n.is_six ? AF_INET6 : AF_INET, copy, n.b) != 1) {
        return ERR_INVALID;
    }
    n.bits = (unsigned)bits;
    *out = n;
    return ERR_OK;
}

bool network_has(const struct network *n, const struct address *a)
{
    const unsigned char *b =
        n->is_six ? a->u.in6.sin6_addr.s6_addr : (const unsigned char *)&a->u.in4.sin_addr;
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8;

    if (a->u.sa.sa_family != (n->is_six ? AF_INET6 : AF_INET) || memcmp(b, n->b, whole) != 0) {
        return false;
    }
    return rest == 0 || ((b[whole] ^ n->b[whole]) >> (8 - rest)) == 0;
}

void network_list_read(const struct settings *s, enum setting_id id, struct network_list *out)
{
    size_t n = conf_value_list_size(s, id);

    out->n = 0;
    for (size_t i = 0; i < n && out->n < NETWORKS_MAX; i++) {
        if (network_parse(conf_value_list_item(s, id, i), &out->items[out->n]) == ERR_OK) {
            out->n++;
        }
    }
}

bool network_list_has(const struct network_list *l, const struct address *a)
{
    for (size_t i = 0; i < l->n; i++) {
        if (network_has(&l->items[i], a)) {
            return true;
        }
    }
    return false;
}

bool network_list_has_host(const struct network_list *l, struct span host)
{
    struct address a = {.n = 0};
    struct network n;

    if (network_parse(host, &n) != ERR_OK) {
        return false;
    }
    if (n.is_six) {
        a.u.in6.sin6_family = AF_INET6;
        memcpy(&a.u.in6.sin6_addr, n.b, sizeof(a.u.in6.sin6_addr));
    } else {
        a.u.in4.sin_family = AF_INET;
        memcpy(&a.u.in4.sin_addr, n.b, sizeof(a.u.in4.sin_addr));
    }
    return network_list_has(l, &a);
}
