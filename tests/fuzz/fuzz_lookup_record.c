// SPDX-License-Identifier: Apache-2.0
//
// N02: data of DNS records as another server sent it. The first byte chooses the type. What is not
// of its type is refused and nothing is appended; what is taken comes back as one record whose
// names are text without NUL, and within the length of a name.
#include "base/dns_type.h"
#include "courier/dns/lookup_record.h"
#include "fuzz.h"

#define ROOM         (1u << 17)
#define RDATA_MAX    65535
#define NAME_AS_TEXT 1100 // 255 bytes, each of them escaped

static void check_name(struct span text)
{
    CHECK(text.n <= NAME_AS_TEXT);
    for (size_t i = 0; i < text.n; i++) {
        CHECK(!byte_is_ctl(text.p[i]) && text.p[i] != ' ');
    }
}

static void check_record(struct span record, uint16_t type, struct span rdata)
{
    struct span host;
    uint16_t preference;

    switch (type) {
    case DNS_A:
        CHECK(record.n == 4 && rdata.n == 4);
        break;
    case DNS_AAAA:
        CHECK(record.n == 16 && rdata.n == 16);
        break;
    case DNS_MX:
        CHECK(lookup_mx_read(record, &preference, &host) == ERR_OK);
        check_name(host);
        break;
    case DNS_CNAME:
    case DNS_PTR:
        check_name(record);
        break;
    case DNS_TXT:
        CHECK(record.n < rdata.n || rdata.n == 0);
        break;
    default:
        CHECK(record.n <= rdata.n * 4 + 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint16_t types[] = {DNS_A,   DNS_AAAA, DNS_MX,     DNS_TXT, DNS_CNAME,
                                     DNS_PTR, DNS_TLSA, DNS_DNSKEY, DNS_SRV};
    struct span rest, record;
    struct buf out;

    if (n < 1 || n - 1 > RDATA_MAX) {
        return 0;
    }
    uint16_t type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    struct span rdata = span_of(data + 1, n - 1);

    buf_init(&out, ROOM);
    enum err e = lookup_record_put(&out, type, rdata);

    CHECK(e == ERR_OK || e == ERR_INVALID || e == ERR_LIMIT);
    CHECK(e == ERR_OK || out.n == 0);
    if (e == ERR_OK) {
        rest = buf_span(&out);
        CHECK(lookup_record_next(&rest, &record) && rest.n == 0);
        check_record(record, type, rdata);
    }
    rest = rdata; // records as they come over the link
    while (lookup_record_next(&rest, &record)) {
        CHECK(record.p >= rdata.p && record.p + record.n <= rdata.p + rdata.n);
    }
    buf_finish(&out);
    return 0;
}
