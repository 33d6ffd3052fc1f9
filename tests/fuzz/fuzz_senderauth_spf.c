// SPDX-License-Identifier: Apache-2.0
//
// SPF: records, macros and the evaluation, against a DNS made of the input. Input: a line with the
// HELO name, a line with the MAIL FROM, then the answers (senderauth_dns.h).
#include "senderauth/spf.h"
#include "senderauth_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct span helo = span_split(&in, '\n'), sender = span_split(&in, '\n');
    struct spf_question q = {.helo = helo, .receiver = SPAN("mx.example.net")};
    struct fuzz_dns dns = {.rest = in};
    struct resolver r = {fuzz_dns_ask, &dns};
    struct spf_result first, second;
    struct arena arena;

    q.local = span_split(&sender, '@');
    q.domain = sender;
    CHECK(ip_address_parse(size % 2 ? SPAN("192.0.2.1") : SPAN("2001:db8::1"), &q.ip) == ERR_OK);
    CHECK(dns_memo_create(&dns.memo) == ERR_OK);
    arena_init(&arena, 64 << 20);
    CHECK(spf_check(&q, &r, &arena, &first) == ERR_OK);
    CHECK(first.lookups <= SPF_LOOKUPS_MAX + 1 && first.voids <= SPF_VOIDS_MAX + 1);
    CHECK(first.queries <= SPF_QUERIES_MAX && first.words.n);
    CHECK(first.explanation.n <= SPF_EXPLANATION_BYTES_MAX);
    for (size_t i = 0; i < first.explanation.n; i++) {
        CHECK(first.explanation.p[i] >= 32 && first.explanation.p[i] < 127);
    }
    for (size_t i = 0; i < first.words.n; i++) {
        CHECK(first.words.p[i] >= 32 && first.words.p[i] < 127);
    }
    // All answers are known now: a memo alone gives the same.
    r = dns_memo_resolver(dns.memo);
    CHECK(spf_check(&q, &r, &arena, &second) == ERR_OK);
    CHECK(first.status == second.status && span_eq(first.words, second.words));
    arena_finish(&arena);
    dns_memo_destroy(dns.memo);
    return 0;
}
