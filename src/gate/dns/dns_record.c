// SPDX-License-Identifier: Apache-2.0
#include "gate/dns/dns_record.h"

#include "base/banned.h"

// Takes u16 length and data off the front; false at the end, or where it is cut.
static bool take(struct span *in, struct span *out)
{
    if (in->n < 2) {
        return false;
    }
    size_t n = (size_t)(uint8_t)in->p[0] | (size_t)(uint8_t)in->p[1] << 8;

    if (n > in->n - 2) {
        return false;
    }
    *out = span_of(in->p + 2, n);
    *in = span_skip(*in, n + 2);
    return true;
}

static bool read_one(struct span data, enum dns_type type, struct dns_record *out)
{
    *out = (struct dns_record){.data = data};
    if (type == DNS_A) {
        return data.n == 4;
    }
    if (type == DNS_AAAA) {
        return data.n == 16;
    }
    if (type == DNS_MX && data.n >= 2) {
        out->preference = (uint16_t)((uint8_t)data.p[0] | (uint8_t)data.p[1] << 8);
        out->data = span_skip(data, 2);
    }
    return type != DNS_MX || data.n >= 2;
}

static size_t count(struct span records)
{
    struct span one;
    size_t n = 0;

    while (n < DNS_MEMO_RECORDS_MAX && take(&records, &one)) {
        n++;
    }
    return n;
}

static enum dns_status status_of(uint8_t status)
{
    switch (status) {
    case IPC_DNS_OK:
        return DNS_OK;
    case IPC_DNS_NO_NAME:
        return DNS_NXDOMAIN;
    case IPC_DNS_NO_DATA:
        return DNS_NODATA;
    default: // bogus is as good as no answer (RFC 7208 section 4.4 with RFC 4035)
        return DNS_TEMPFAIL;
    }
}

enum err dns_record_read(const struct ipc_dns_answer *answer, enum dns_type type,
                         struct arena *arena, struct dns_answer *out)
{
    struct dns_answer a = {.status = status_of(answer->status),
                           .is_validated = answer->secure == 1,
                           .ttl_seconds = answer->ttl};
    struct span rest = answer->records, one;
    size_t max = a.status == DNS_OK ? count(rest) : 0;
    struct dns_record *list = max ? arena_zalloc(arena, max, sizeof(*list)) : NULL;

    if (max && !list) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < max && take(&rest, &one); i++) {
        a.n += read_one(one, type, &list[a.n]);
    }
    if (a.status == DNS_OK && a.n == 0) {
        a.status = DNS_NODATA;
    }
    a.records = list;
    *out = a;
    return ERR_OK;
}
