// SPDX-License-Identifier: Apache-2.0
//
// Who is refused often fills no disk: a share for each network, and one for all.
#include <arpa/inet.h>
#include <xxhash.h>

#include "trail/trail_internal.h"

#include "base/banned.h"

#define DAY_MS  86400000
#define HOUR_MS 3600000

static size_t place_of(struct span client)
{
    char text[INET6_ADDRSTRLEN + 1] = "";
    unsigned char bytes[16] = {0};
    size_t n = 0;

    client = span_first(client, sizeof(text) - 1);
    if (client.n) {
        memcpy(text, client.p, client.n);
    }
    if (inet_pton(AF_INET, text, bytes) == 1) {
        n = 3;
    } else if (inet_pton(AF_INET6, text, bytes) == 1) {
        n = 6;
    }
    return XXH3_64bits(bytes, n) % TRAIL_NETWORKS;
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
