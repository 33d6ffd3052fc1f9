// SPDX-License-Identifier: Apache-2.0
#include "net/network.h"

#include "base/banned.h"

bool network_has(const struct network *n, const struct address *a)
{
    sa_family_t family = a->u.sa.sa_family;

    return family == AF_INET6 ? network_has_bytes(n, true, a->u.in6.sin6_addr.s6_addr)
           : family == AF_INET
               ? network_has_bytes(n, false, (const unsigned char *)&a->u.in4.sin_addr)
               : false;
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
    for (size_t i = 0; i < l->n; i++) {
        if (network_has_text(&l->items[i], host)) {
            return true;
        }
    }
    return false;
}
