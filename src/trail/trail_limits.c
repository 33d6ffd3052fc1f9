// SPDX-License-Identifier: Apache-2.0
//
// Who is refused often fills no disk: a share for each network, and one for all.
#include <xxhash.h>

#include "base/ip_network.h"
#include "trail/trail_internal.h"

#include "base/banned.h"

#define DAY_MS  86400000
#define HOUR_MS 3600000

static size_t place_of(struct span client)
{
    unsigned char network[IP_NETWORK_BYTES_MAX];
    size_t n = ip_network(client, 3, 6, network); // a /24, a /48

    return XXH3_64bits(network, n) % TRAIL_NETWORKS;
}

bool trail_limits_take(struct trail_limits *l, struct span client, int64_t now_ms)
{
    size_t place = place_of(client);

    if (l->day != now_ms / DAY_MS) {
        l->day = now_ms / DAY_MS;
        l->of_day = 0;
    }
    if (l->hour != now_ms / HOUR_MS) {
        l->hour = now_ms / HOUR_MS;
        memset(l->of_hour, 0, sizeof(l->of_hour));
    }
    if (l->of_day >= TRAIL_REFUSED_DAY_MAX || l->of_hour[place] >= TRAIL_REFUSED_HOUR_MAX) {
        return false;
    }
    l->of_day++;
    l->of_hour[place]++;
    return true;
}
