// SPDX-License-Identifier: Apache-2.0
#include "courier/dns/lookup_host.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/banned.h"

static void address_set(struct address *a, struct span record, uint16_t port)
{
    *a = (struct address){.n = record.n == 4 ? sizeof(a->u.in4) : sizeof(a->u.in6)};
    if (record.n == 4) {
        a->u.in4.sin_family = AF_INET;
        a->u.in4.sin_port = htons(port);
        memcpy(&a->u.in4.sin_addr, record.p, 4);
    } else {
        a->u.in6.sin6_family = AF_INET6;
        a->u.in6.sin6_port = htons(port);
        memcpy(&a->u.in6.sin6_addr, record.p, 16);
    }
}

static bool literal(struct span host, uint16_t port, struct address *out)
{
    char text[64];
    unsigned char raw[16];

    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        host = span_of(host.p + 1, host.n - 2);
    }
    if (span_starts_nocase(host, SPAN("IPv6:"))) {
        host = span_skip(host, 5);
    }
    if (host.n >= sizeof(text) || span_find_byte(host, '\0') < host.n) {
        return false;
    }
    snprintf(text, sizeof(text), "%.*s", SPAN_ARG(host));
    if (inet_pton(AF_INET, text, raw) == 1) {
        address_set(out, span_of(raw, 4), port);
        return true;
    }
    if (inet_pton(AF_INET6, text, raw) == 1) {
        address_set(out, span_of(raw, 16), port);
        return true;
    }
    return false;
}

static int badness(enum ipc_dns_status s)
{
    static const int order[] = {[IPC_DNS_OK] = 0,
                                [IPC_DNS_NO_DATA] = 1,
                                [IPC_DNS_NO_NAME] = 2,
                                [IPC_DNS_TEMPORARY] = 3,
                                [IPC_DNS_BOGUS] = 4};

    return order[s];
}

// The two lists in turn, as far as there is room.
static void merge(struct span six, struct span four, uint16_t port, struct lookup_addresses *out)
{
    struct span record;
    bool more = true;

    while (more && out->n < LOOKUP_ADDRESSES_MAX) {
        more = false;
        if (lookup_record_next(&six, &record)) {
            address_set(&out->items[out->n++], record, port);
            more = true;
        }
        if (out->n < LOOKUP_ADDRESSES_MAX && lookup_record_next(&four, &record)) {
            address_set(&out->items[out->n++], record, port);
            more = true;
        }
    }
}

void lookup_addresses(struct lookup *k, struct span host, uint16_t port,
                      struct lookup_addresses *out)
{
    struct lookup_answer six, four;

    *out = (struct lookup_addresses){.status = IPC_DNS_OK};
    if (literal(host, port, &out->items[0])) {
        out->n = 1;
        return;
    }
    lookup_ask(k, host, DNS_AAAA, &six);
    lookup_ask(k, host, DNS_A, &four);
    merge(buf_span(&six.records), buf_span(&four.records), port, out);
    out->secure = six.secure && four.secure;
    if (out->n == 0) {
        out->status = badness(six.status) > badness(four.status) ? six.status : four.status;
    }
    struct span canonical = buf_span(four.canonical.n ? &four.canonical : &six.canonical);

    snprintf(out->canonical, sizeof(out->canonical), "%.*s", SPAN_ARG(span_first(canonical, 255)));
    lookup_answer_finish(&six);
    lookup_answer_finish(&four);
}
