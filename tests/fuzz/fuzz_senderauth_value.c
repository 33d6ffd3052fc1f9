// SPDX-License-Identifier: Apache-2.0
//
// Records and fields by themselves. Input: a byte that chooses, the value: a DMARC record with its
// report addresses, an Authentication-Results field (read, written, read again), a header block
// with forged ones, a domain name.
#include "fuzz.h"
#include "senderauth/auth_results.h"
#include "senderauth/dmarc.h"

static void record(struct span in)
{
    struct dmarc_record r;
    struct dmarc_address a;
    struct arena arena;

    if (dmarc_record_parse(in, &r) != ERR_OK) {
        return;
    }
    CHECK(r.percent <= 100 && r.policy <= DMARC_REJECT && r.subdomain_policy <= DMARC_REJECT);
    arena_init(&arena, 64 << 20);
    for (struct span list = r.aggregate; dmarc_next_address(&arena, &list, &a);) {
        CHECK(span_find_byte(a.address, '@') < a.address.n && a.address.n <= in.n);
    }
    arena_finish(&arena);
}

static void same(const struct auth_results *a, const struct auth_results *b)
{
    CHECK(a->n == b->n);
    for (size_t i = 0; i < a->n; i++) {
        CHECK(a->results[i].n >= b->results[i].n); // empty values are left out
    }
}

static void results(struct span in)
{
    struct auth_results r, again;
    struct arena arena;
    struct buf out;

    arena_init(&arena, 64 << 20);
    buf_init(&out, 64 << 20);
    if (auth_results_parse(&arena, in, &r) == ERR_OK) {
        CHECK(r.n <= AUTH_RESULTS_MAX);
        CHECK(auth_results_put(&out, &r, true) == ERR_OK);
        for (size_t i = 0; i < out.n; i++) {
            CHECK(!byte_is_ctl(out.p[i]) || byte_is_space(out.p[i]));
            CHECK(out.p[i] != '\n' || (i && out.p[i - 1] == '\r' && out.p[i + 1] == '\t'));
        }
        CHECK(auth_results_parse(&arena, buf_span(&out), &again) == ERR_OK);
        same(&r, &again);
    }
    buf_finish(&out);
    arena_finish(&arena);
}

static void forged(struct span in)
{
    struct auth_cut cut;
    struct buf kept;
    size_t at = 0, from = 0, n = 0;

    buf_init(&kept, in.n);
    while (auth_results_next_forged(in, SPAN("mx.example.net"), &at, &cut)) {
        CHECK(cut.offset >= from && cut.n && cut.offset + cut.n <= in.n && ++n <= in.n);
        buf_put(&kept, span_first(span_skip(in, from), cut.offset - from));
        from = cut.offset + cut.n;
    }
    buf_put(&kept, span_skip(in, from));
    at = 0; // what is left has none
    CHECK(!auth_results_next_forged(buf_span(&kept), SPAN("mx.example.net"), &at, &cut));
    buf_clear(&kept);
    buf_finish(&kept);
    buf_init(&kept, 2 * in.n + 100);
    auth_results_join(&kept, in, SPAN("mx.example.net"));
    buf_finish(&kept);
}

static void name(struct span in)
{
    struct domain_name d, again;

    if (domain_name_parse(in, &d) == ERR_OK) {
        CHECK(d.n && d.n <= DOMAIN_BYTES_MAX && d.text[d.n] == 0);
        CHECK(domain_name_parse(domain_name_span(&d), &again) == ERR_OK);
        CHECK(span_eq(domain_name_span(&d), domain_name_span(&again)));
        CHECK(domain_name_is_within(domain_name_span(&d), domain_name_organization(&d)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct span in = span_of(data + 1, size - 1);

    switch (data[0] % 4) {
    case 0:
        record(in);
        break;
    case 1:
        results(in);
        break;
    case 2:
        forged(in);
        break;
    default:
        name(in);
        break;
    }
    return 0;
}
