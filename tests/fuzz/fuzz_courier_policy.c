// SPDX-License-Identifier: Apache-2.0
//
// What strangers write for the courier to read: an MTA-STS record and policy, TLSA, and the data of
// DNS records. The first byte chooses.
#include "courier/dns/lookup_record.h"
#include "courier/policy/sts_policy.h"
#include "courier/policy/tlsa.h"
#include "fuzz.h"

static void policy(struct span text)
{
    struct sts_policy p;

    if (sts_policy_read(text, &p) == ERR_OK) {
        struct span rest = buf_span(&p.mx);

        CHECK(p.max_age_s <= STS_AGE_S_MAX && (p.mode == STS_NONE || rest.n > 0));
        while (rest.n) {
            struct span pattern = span_split(&rest, '\n');

            CHECK(pattern.n > 0);
            CHECK(span_starts(pattern, SPAN("*.")) || sts_policy_allows(&p, pattern));
        }
        sts_policy_allows(&p, text);
        sts_policy_finish(&p);
    }
}

static void record(struct span rdata)
{
    static const uint16_t types[] = {DNS_A,   DNS_NS,  DNS_CNAME, DNS_MX,
                                     DNS_TXT, DNS_PTR, DNS_AAAA,  DNS_TLSA};
    struct buf b;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct span rest, one;

        buf_init(&b, 1 << 18);
        if (lookup_record_put(&b, types[i], rdata) == ERR_OK) {
            rest = buf_span(&b);
            CHECK(lookup_record_next(&rest, &one) && rest.n == 0);
            CHECK(types[i] == DNS_TLSA || one.n <= LOOKUP_NAME_BYTES_MAX + rdata.n);
        } else {
            CHECK(b.n == 0);
        }
        buf_finish(&b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct span in = span_of(data, n), id, rest;
    struct tlsa t;

    if (n == 0) {
        return 0;
    }
    in = span_skip(in, 1);
    rest = in;
    switch (data[0] % 4) {
    case 0:
        CHECK(sts_record_read(in, &id) != ERR_OK || (id.n > 0 && id.n <= STS_ID_BYTES_MAX));
        break;
    case 1:
        policy(in);
        break;
    case 2:
        record(in);
        break;
    default:
        CHECK(tlsa_read(in, &t) != ERR_OK || !tlsa_is_usable(&t) || t.data.n > 0);
        while (lookup_record_next(&rest, &id)) {
        }
        break;
    }
    return 0;
}
