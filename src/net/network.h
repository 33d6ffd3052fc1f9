// SPDX-License-Identifier: Apache-2.0
//
// The networks that settings name (base/ip_network.h). Pure; any thread.
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include "base/ip_network.h"
#include "conf/settings.h"
#include "net/address.h"

#define NETWORKS_MAX 64

struct network_list {
    struct network items[NETWORKS_MAX];
    size_t n;
};

bool network_has(const struct network *n, const struct address *a);

// The value of a setting, which was checked when it was read.
void network_list_read(const struct settings *s, enum setting_id id, struct network_list *out);
bool network_list_has(const struct network_list *l, const struct address *a);
// The same of an address as text, without a port; false for what is none.
bool network_list_has_host(const struct network_list *l, struct span host);

#endif
