// SPDX-License-Identifier: Apache-2.0
#include "base/ip_network.h"

#include <arpa/inet.h>

#include "base/banned.h"

size_t ip_network(struct span address, size_t four, size_t six,
                  unsigned char out[IP_NETWORK_BYTES_MAX])
{
    char text[INET6_ADDRSTRLEN + 1];

    if (address.n >= sizeof(text)) {
        return 0;
    }
    span_copy_text(address, text, sizeof(text));
    if (inet_pton(AF_INET, text, out) == 1) {
        return four;
    }
    return inet_pton(AF_INET6, text, out) == 1 ? six : 0;
}
