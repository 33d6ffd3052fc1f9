// SPDX-License-Identifier: Apache-2.0
#include "wire/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "wire/line.h"

#include "base/banned.h"

#define SIGNATURE   SPAN("\r\n\r\n\0\r\nQUIT\n")
#define FIXED_BYTES 16 // of version 2, before the addresses

enum tlv_type { TLV_ALPN = 0x01, TLV_AUTHORITY = 0x02, TLV_CRC32C = 0x03, TLV_SSL = 0x20 };

// ---- version 1 ----------------------------------------------------------------------------------

static bool read_ip(struct span text, int family, unsigned char *out)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.n == 0 || text.n >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(family, copy, out) == 1;
}

static bool read_port(struct span text, uint16_t *out)
{
    uint64_t v;

    if ((text.n > 1 && text.p[0] == '0') || !span_to_u64(text, UINT16_MAX, &v)) {
        return false;
    }
    *out = (uint16_t)v;
    return true;
}

// "TCP4 192.0.2.1 198.51.100.1 56324 25" or "UNKNOWN" and whatever follows it.
static enum err parse_line(struct span rest, struct proxy_header *out)
{
    struct span family = span_split(&rest, ' ');
    bool four = span_eq(family, SPAN("TCP4"));

    if (span_eq(family, SPAN("UNKNOWN"))) {
        return ERR_OK;
    }
    if (!four && !span_eq(family, SPAN("TCP6"))) {
        return ERR_INVALID;
    }
    out->family = four ? PROXY_IPV4 : PROXY_IPV6;
    int af = four ? AF_INET : AF_INET6;

    return read_ip(span_split(&rest, ' '), af, out->source) &&
                   read_ip(span_split(&rest, ' '), af, out->target) &&
                   read_port(span_split(&rest, ' '), &out->source_port) &&
                   read_port(rest, &out->target_port)
               ? ERR_OK
               : ERR_INVALID;
}

static enum err read_line(struct span input, struct proxy_header *out, size_t *out_bytes)
{
    struct line_reader reader = {.at = 0};
    struct span line;

    switch (line_next(&reader, input, PROXY_LINE_BYTES_MAX, &line, out_bytes)) {
    case LINE_MORE:
        return ERR_AGAIN;
    case LINE_WHOLE:
        out->version = 1;
        return parse_line(span_skip(line, 6), out);
    case LINE_TOO_LONG:
        return ERR_LIMIT;
    default:
        return ERR_INVALID;
    }
}

// ---- version 2 ----------------------------------------------------------------------------------

static uint32_t crc32c(uint32_t crc, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return crc;
}

// The checksum is made with its own four bytes as zeros.
static bool crc_holds(struct span header, struct span value)
{
    size_t at = (size_t)(value.p - header.p);
    uint32_t crc = crc32c(UINT32_MAX, header.p, at);

    crc = crc32c(crc, "\0\0\0\0", 4);
    crc = crc32c(crc, value.p + 4, header.n - at - 4);
    return ~crc == get_be32(value.p);
}

static bool read_tlv(struct span header, unsigned char type, struct span value,
                     struct proxy_header *out)
{
    switch (type) {
    case TLV_ALPN:
        out->alpn = value;
        return true;
    case TLV_AUTHORITY:
        out->authority = value;
        return span_find_byte(value, '\0') == value.n;
    case TLV_CRC32C:
        return value.n == 4 && crc_holds(header, value);
    case TLV_SSL: // its first byte says what follows, bit 0: TLS
        out->tls = value.n > 0 && (value.p[0] & 1);
        return value.n >= 5;
    default:
        return true;
    }
}

// One checksum is enough: each costs a pass over the header.
static enum err read_tlvs(struct span header, struct span rest, struct proxy_header *out)
{
    unsigned checksums = 0;

    while (rest.n) {
        struct span head, value;

        if (!bytes_take(&rest, 3, &head) || !bytes_take(&rest, get_be16(head.p + 1), &value)) {
            return ERR_INVALID;
        }
        checksums += head.p[0] == TLV_CRC32C;
        if (checksums > 1 || !read_tlv(header, (unsigned char)head.p[0], value, out)) {
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

static enum err read_ports(struct span *rest, size_t ip_bytes, struct proxy_header *out)
{
    struct span a;

    if (!bytes_take(rest, 2 * ip_bytes + 4, &a)) {
        return ERR_INVALID;
    }
    memcpy(out->source, a.p, ip_bytes);
    memcpy(out->target, a.p + ip_bytes, ip_bytes);
    out->source_port = get_be16(a.p + 2 * ip_bytes);
    out->target_port = get_be16(a.p + 2 * ip_bytes + 2);
    return ERR_OK;
}

// The byte after version and command: address family and transport.
static enum err read_addresses(unsigned char kind, struct span *rest, struct proxy_header *out)
{
    struct span skipped;

    switch (kind) {
    case 0x11: // TCP over IPv4
        out->family = PROXY_IPV4;
        return read_ports(rest, 4, out);
    case 0x21:
        out->family = PROXY_IPV6;
        return read_ports(rest, 16, out);
    case 0x31: // a stream over a Unix socket
        out->family = PROXY_UNIX;
        return bytes_take(rest, 216, &skipped) ? ERR_OK : ERR_INVALID;
    default: // UDP carries no mail, and the rest is not defined
        return ERR_INVALID;
    }
}

static enum err read_bytes(struct span input, struct proxy_header *out, size_t *out_bytes)
{
    if (input.n < FIXED_BYTES) {
        return ERR_AGAIN;
    }
    size_t n = FIXED_BYTES + (size_t)get_be16(input.p + 14);
    unsigned char command = (unsigned char)input.p[12], kind = (unsigned char)input.p[13];

    if (command != 0x20 && command != 0x21) {
        return ERR_INVALID;
    }
    if (n > PROXY_HEADER_BYTES_MAX) {
        return ERR_LIMIT;
    }
    if (input.n < n) {
        return ERR_AGAIN;
    }
    struct span header = span_first(input, n), rest = span_skip(header, FIXED_BYTES);

    out->version = 2;
    *out_bytes = n;
    if (command == 0x20 || kind == 0) { // LOCAL, or a family nobody named: nothing in it counts
        return ERR_OK;
    }
    enum err e = read_addresses(kind, &rest, out);

    return e ? e : read_tlvs(header, rest, out);
}

static bool may_start(struct span input, struct span start)
{
    return span_starts(start, span_first(input, start.n));
}

enum err proxy_read(struct span input, struct proxy_header *out, size_t *out_bytes)
{
    struct proxy_header got = {.family = PROXY_LOCAL};
    bool line = may_start(input, SPAN("PROXY "));
    size_t n = 0;

    if (!line && !may_start(input, SIGNATURE)) {
        return ERR_INVALID;
    }
    enum err e = line ? read_line(input, &got, &n) : read_bytes(input, &got, &n);

    if (!e) {
        *out = got;
        *out_bytes = n;
    }
    return e;
}
