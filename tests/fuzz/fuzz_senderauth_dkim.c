// SPDX-License-Identifier: Apache-2.0
//
// DKIM and ARC: signature fields, key records, canonical forms. Input: a message up to 0xff, then
// answers of the DNS (senderauth_dns.h). The message is read whole and in pieces, judged, and
// sealed.
#include "senderauth/arc.h"
#include "senderauth/dmarc.h"
#include "senderauth_dns.h"

#define KEY                                                                                        \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"                           \
    "-----END PRIVATE KEY-----\n"

static struct auth_message *read_pieces(struct span s, size_t step)
{
    struct auth_message *m = NULL;

    CHECK(auth_message_create(true, &m) == ERR_OK);
    for (size_t n = 1; s.n; s = span_skip(s, n), n = step ? n % step + 1 : s.n) {
        auth_message_feed(m, span_first(s, step ? n : s.n));
        n = step ? n : s.n;
    }
    auth_message_finish(m);
    return m;
}

static void seal(struct auth_message *m, enum arc_status found)
{
    static struct dkim_private_key *key;
    struct dkim_signer s = {.domain = SPAN("example.net"), .selector = SPAN("s")};
    struct buf out;

    if (!key) {
        CHECK(dkim_key_from_pem(SPAN(KEY), &key) == ERR_OK);
    }
    s.key = key;
    buf_init(&out, 8 << 20);
    enum err e = arc_seal(m, &s, found, SPAN("example.net; none"), &out);

    CHECK(e == ERR_OK || e == ERR_DENIED || e == ERR_LIMIT);
    CHECK(e == ERR_OK || out.n == 0);
    buf_clear(&out);
    CHECK(dkim_sign(m, &s, &out) == ERR_OK);
    for (size_t i = 1; i < out.n; i++) { // no bare line ends
        CHECK((out.p[i] == '\n') == (out.p[i - 1] == '\r'));
    }
    buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), message = span_split(&in, (char)0xff);
    struct fuzz_dns dns = {.rest = in};
    struct resolver r = {fuzz_dns_ask, &dns};
    struct auth_message *a = read_pieces(message, 0), *b = read_pieces(message, 5);
    struct dkim_result *x = NULL, *y = NULL;
    struct arc_result chain, chain2;
    struct dmarc_result dmarc;
    struct arena arena;
    size_t n = 0, n2 = 0;

    CHECK(dns_memo_create(&dns.memo) == ERR_OK);
    arena_init(&arena, 64 << 20);
    CHECK(span_eq(auth_message_header(a), auth_message_header(b)));
    CHECK(dkim_verify(a, &r, 1000, &arena, &x, &n) == ERR_OK && n <= DKIM_SIGNATURES_MAX);
    CHECK(arc_verify(a, &r, &arena, &chain) == ERR_OK);
    r = dns_memo_resolver(dns.memo);
    CHECK(dkim_verify(b, &r, 1000, &arena, &y, &n2) == ERR_OK && n == n2);
    CHECK(arc_verify(b, &r, &arena, &chain2) == ERR_OK && chain.status == chain2.status);
    for (size_t i = 0; i < n; i++) {
        CHECK(x[i].status == y[i].status && span_eq(x[i].words, y[i].words) && x[i].words.n);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < x[i].words.n; k++) {
            CHECK(x[i].words.p[k] >= 32 && x[i].words.p[k] < 127);
        }
    }
    struct dmarc_question q = {.message = a, .dkim = x, .dkim_count = n};

    r = (struct resolver){fuzz_dns_ask, &dns};
    CHECK(dmarc_check(&q, &r, &arena, &dmarc) == ERR_OK && dmarc.words.n);
    CHECK(dmarc.status != DMARC_PASS || dmarc.is_dkim_aligned);
    seal(a, chain.status);
    auth_message_destroy(a);
    auth_message_destroy(b);
    arena_finish(&arena);
    dns_memo_destroy(dns.memo);
    return 0;
}
