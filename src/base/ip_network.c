// SPDX-License-Identifier: Apache-2.0
#include "base/ip_network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

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

size_t ip_network_text(struct span address, char out[IP_NETWORK_TEXT_MAX])
{
    unsigned char b[IP_NETWORK_BYTES_MAX] = {0};
    char text[INET6_ADDRSTRLEN];
    size_t n = ip_network(address, 3, 6, b);

    if (n) {
        memset(b + n, 0, sizeof(b) - n);
    }
    if (!n || !inet_ntop(n == 3 ? AF_INET : AF_INET6, b, text, sizeof(text))) {
        address = span_first(address, IP_NETWORK_TEXT_MAX);
        memcpy(out, address.p ? address.p : "", address.n);
        return memchr(out, 0, address.n) ? 0 : address.n;
    }
    char whole[IP_NETWORK_TEXT_MAX + 8];
    int used = snprintf(whole, sizeof(whole), "%s/%d", text, n == 3 ? 24 : 48);

    memcpy(out, whole, used < IP_NETWORK_TEXT_MAX ? (size_t)used : IP_NETWORK_TEXT_MAX);
    return used < IP_NETWORK_TEXT_MAX ? (size_t)used : IP_NETWORK_TEXT_MAX;
}

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

bool network_has_bytes(const struct network *n, bool is_six, const unsigned char *address)
{
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8;

    if (is_six != n->is_six || memcmp(address, n->b, whole) != 0) {
        return false;
    }
    return rest == 0 || ((address[whole] ^ n->b[whole]) >> (8 - rest)) == 0;
}

bool network_has_text(const struct network *n, struct span address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char b[IP_NETWORK_BYTES_MAX];
    size_t bytes = ip_network(address, 4, 16, b);

    if (bytes == 16 && memcmp(b, mapped, sizeof(mapped)) == 0) {
        return network_has_bytes(n, false, b + sizeof(mapped));
    }
    return bytes > 0 && network_has_bytes(n, bytes == 16, b);
}
