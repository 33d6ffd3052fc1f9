// SPDX-License-Identifier: Apache-2.0
//
// DMARC: records, whose record applies, alignment, what is asked for; From as strangers write it.
#include "../test.h"
#include "senderauth/dmarc.h"
#include "zone.h"

static struct zone *zone;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    zone = malloc(sizeof(*zone));
    zone_init(zone);
    arena_init(&arena, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    zone_finish(zone);
    free(zone);
    arena_finish(&arena);
    return 0;
}

static struct auth_message *message_from(const char *from)
{
    struct auth_message *m = NULL;

    assert_ok(auth_message_create(false, &m));
    assert_ok(auth_message_feed(m, span_from_str(from)));
    assert_ok(auth_message_feed(m, SPAN("\r\n\r\nbody\r\n")));
    assert_ok(auth_message_finish(m));
    return m;
}

struct given {
    const char *from;
    const char *spf;  // domain that passed, or NULL
    const char *dkim; // the same
    unsigned sample;
    bool is_partial, is_slow;
};

// With a resolver that knows and with a memo: the same.
static struct dmarc_result check(const struct given *g)
{
    struct auth_message *m = message_from(g->from);
    struct spf_result spf = {.status = g->is_slow ? SPF_TEMPERROR : SPF_PASS};
    struct dkim_result dkim = {.status = DKIM_PASS, .is_partial = g->is_partial};
    struct dmarc_question q = {.message = m, .sample = g->sample};
    struct dmarc_result a, b;
    struct dns_memo *memo = NULL;
    struct resolver r = zone_resolver(zone);
    enum err e;
    int rounds = 0;

    if (g->spf) {
        assert_ok(domain_name_parse(span_from_str(g->spf), &spf.domain));
        q.spf = &spf;
    }
    if (g->dkim) {
        assert_ok(domain_name_parse(span_from_str(g->dkim), &dkim.domain));
        q.dkim = &dkim;
        q.dkim_count = 1;
    }
    assert_ok(dmarc_check(&q, &r, &arena, &a));
    assert_ok(dns_memo_create(&memo));
    r = dns_memo_resolver(memo);
    while ((e = dmarc_check(&q, &r, &arena, &b)) == ERR_AGAIN) {
        assert_true(zone_feed(zone, memo));
        assert_true(++rounds <= 2);
    }
    assert_ok(e);
    assert_int_equal(a.status, b.status);
    assert_int_equal(a.apply, b.apply);
    assert_true(a.words.n && span_eq(a.words, b.words));
    dns_memo_destroy(memo);
    auth_message_destroy(m);
    return a;
}

static void fill_zone(void)
{
    zone_txt(zone, "_dmarc.example.org", "v=DMARC1; p=reject; sp=quarantine; np=reject");
    zone_txt(zone, "_dmarc.strict.example.org", "v=DMARC1; p=reject; adkim=s; aspf=s");
    zone_txt(zone, "_dmarc.half.net", "v=DMARC1; p=reject; pct=50");
    zone_txt(zone, "_dmarc.quarter.net", "v=DMARC1; p=quarantine; pct=25");
    zone_txt(zone, "_dmarc.two.net", "v=DMARC1; p=reject");
    zone_txt(zone, "_dmarc.two.net", "v=DMARC1; p=none");
    zone_txt(zone, "_dmarc.other.net", "v=spf1 -all");
    zone_txt(zone, "_dmarc.other.net", "v=DMARC1; p=reject");
    zone_txt(zone, "_dmarc.xn--bcher-kva.example", "v=DMARC1; p=reject");
    zone_txt(zone, "_dmarc.co.uk", "v=DMARC1; p=reject");
    zone_txt(zone, "_dmarc.a.co.uk", "v=DMARC1; p=reject");
    zone_txt(zone, "sub.example.org", "something");
    zone_add(zone, SPAN("sub.example.org"), SPAN("A"), SPAN("192.0.2.1"), 0);
    zone_timeout(zone, SPAN("_dmarc.slow.net"));
}

static void test_results(void **state)
{
    static const struct {
        struct given g;
        enum dmarc_status want;
        enum dmarc_policy apply;
    } rows[] = {
        {{"From: a@example.org", "example.org", NULL}, DMARC_PASS, 0},
        {{"From: a@example.org", "bounce.example.org", NULL}, DMARC_PASS, 0},
        {{"From: a@EXAMPLE.org", NULL, "mail.example.org"}, DMARC_PASS, 0},
        {{"From: a@example.org", "example.com", "example.net"}, DMARC_FAIL, DMARC_REJECT},
        {{"From: a@example.org", NULL, NULL}, DMARC_FAIL, DMARC_REJECT},
        {{"From: a@example.org", NULL, "example.org", 0, true}, DMARC_FAIL, DMARC_REJECT},
        {{"From: a@example.org", "example.org", NULL, 0, false, true}, DMARC_TEMPERROR, 0},
        {{"From: a@sub.example.org", NULL, NULL}, DMARC_FAIL, DMARC_QUARANTINE},
        {{"From: a@nowhere.example.org", NULL, NULL}, DMARC_FAIL, DMARC_REJECT}, // np=
        {{"From: a@strict.example.org", "example.org", "x.strict.example.org"},
         DMARC_FAIL,
         DMARC_REJECT},
        {{"From: a@strict.example.org", "strict.example.org", NULL}, DMARC_PASS, 0},
        {{"From: a@half.net", NULL, NULL, 49}, DMARC_FAIL, DMARC_REJECT},
        {{"From: a@half.net", NULL, NULL, 50}, DMARC_FAIL, DMARC_QUARANTINE},
        {{"From: a@quarter.net", NULL, NULL, 24}, DMARC_FAIL, DMARC_QUARANTINE},
        {{"From: a@quarter.net", NULL, NULL, 25}, DMARC_FAIL, DMARC_POLICY_NONE},
        {{"From: a@two.net", NULL, NULL}, DMARC_NONE, 0},
        {{"From: a@other.net", NULL, NULL}, DMARC_FAIL, DMARC_REJECT},
        {{"From: a@nothing.net", "nothing.net", NULL}, DMARC_NONE, 0},
        {{"From: a@slow.net", NULL, NULL}, DMARC_TEMPERROR, 0},
        {{"From: a@b\xc3\xbc"
          "cher.example",
          NULL, "xn--bcher-kva.example"},
         DMARC_PASS,
         0},
        // Neighbours under a public suffix are strangers.
        {{"From: a@a.co.uk", "b.co.uk", "co.uk"}, DMARC_FAIL, DMARC_REJECT},
        {{"From: a@a.co.uk", "x.a.co.uk", NULL}, DMARC_PASS, 0},
        {{"From: a@example.org", "evilexample.org", "example.org.evil.net"},
         DMARC_FAIL,
         DMARC_REJECT},
        // From.
        {{"Subject: x", NULL, NULL}, DMARC_PERMERROR, DMARC_REJECT},
        {{"From: ", NULL, NULL}, DMARC_PERMERROR, DMARC_REJECT},
        {{"From: group:;", NULL, NULL}, DMARC_PERMERROR, DMARC_REJECT},
        {{"From: a@example.org\r\nFrom: b@example.org", "example.org", NULL},
         DMARC_PERMERROR,
         DMARC_REJECT},
        {{"From: a@example.org, b@example.com", "example.org", NULL},
         DMARC_PERMERROR,
         DMARC_REJECT},
        {{"From: a@example.org, b@example.org", "example.org", NULL}, DMARC_PASS, 0},
        {{"From: \"ceo@example.org\" <a@evil.net>", "evil.net", NULL}, DMARC_NONE, 0},
        {{"From: someone", NULL, NULL}, DMARC_PERMERROR, DMARC_REJECT},
        {{"From: a@localhost", NULL, NULL}, DMARC_PERMERROR, DMARC_REJECT},
        {{"From: a@[192.0.2.1]", NULL, NULL}, DMARC_PERMERROR, DMARC_REJECT},
    };

    (void)state;
    fill_zone();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dmarc_result d = check(&rows[i].g);

        if (d.status != rows[i].want || d.apply != rows[i].apply) {
            print_error("row %zu (%s): %s, %s: %.*s\n", i, rows[i].g.from,
                        dmarc_status_name(d.status), dmarc_policy_name(d.apply), SPAN_ARG(d.words));
            fail();
        }
    }
}

static void test_records(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        enum dmarc_policy p, sp;
        unsigned percent;
    } rows[] = {
        {"v=DMARC1;p=none", true, 0, 0, 100},
        {"v=DMARC1; p=reject;", true, DMARC_REJECT, DMARC_REJECT, 100},
        {" v = DMARC1 ; p = Reject ; sp = none", true, DMARC_REJECT, 0, 100},
        {"v=DMARC1; p=reject; pct=101", true, DMARC_REJECT, DMARC_REJECT, 100},
        {"v=DMARC1; p=reject; pct=-1", true, DMARC_REJECT, DMARC_REJECT, 100},
        {"v=DMARC1; p=reject; pct=0", true, DMARC_REJECT, DMARC_REJECT, 0},
        {"v=DMARC1; p=reject; unknown=1", true, DMARC_REJECT, DMARC_REJECT, 100},
        {"v=DMARC1; rua=mailto:a@b.c", true, 0, 0, 100},
        {"v=DMARC1; p=reject; sp=odd; rua=mailto:a@b.c", true, 0, 0, 100},
        {"v=DMARC1; p=reject; sp=odd", false, 0, 0, 0},
        {"v=DMARC1", false, 0, 0, 0},
        {"v=DMARC1; p=", false, 0, 0, 0},
        {"p=reject; v=DMARC1", false, 0, 0, 0},
        {"v=dmarc1; p=reject", false, 0, 0, 0},
        {"v=DMARC2; p=reject", false, 0, 0, 0},
        {"v=DMARC1; p=reject; p=none", false, 0, 0, 0},
        {"", false, 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct dmarc_record r = {0};
        enum err e = dmarc_record_parse(span_from_str(rows[i].text), &r);

        if ((e == ERR_OK) != rows[i].ok ||
            (rows[i].ok && (r.policy != rows[i].p || r.subdomain_policy != rows[i].sp ||
                            r.percent != rows[i].percent))) {
            print_error("row %zu: %s\n", i, rows[i].text);
            fail();
        }
    }
}

static void test_tag_flood(void **state)
{
    struct dmarc_record r;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_put_str(&b, "v=DMARC1; p=reject");
    for (int i = 0; i < 10000; i++) {
        buf_printf(&b, "; t%d=x", i);
    }
    assert_err(dmarc_record_parse(buf_span(&b), &r), ERR_INVALID);
    buf_finish(&b);
}

static void test_addresses(void **state)
{
    struct span list = SPAN("mailto:a@b.org!10m, https://x.y/z, mailto:c%40d%2Borg@e.net?x=1,"
                            "mailto:, mailto:evil%0D%0A@x.y,mailto:last@f.net!5g");
    struct dmarc_address a;

    (void)state;
    assert_true(dmarc_next_address(&arena, &list, &a));
    assert_span(a.address, "a@b.org");
    assert_int_equal(a.bytes_max, 10u << 20);
    assert_true(dmarc_next_address(&arena, &list, &a));
    assert_span(a.address, "c@d+org@e.net");
    assert_int_equal(a.bytes_max, 0);
    assert_true(dmarc_next_address(&arena, &list, &a));
    assert_span(a.address, "last@f.net");
    assert_int_equal(a.bytes_max, 5ull << 30);
    assert_false(dmarc_next_address(&arena, &list, &a));
}

static void test_foreign_reports(void **state)
{
    struct resolver r = zone_resolver(zone);
    struct domain_name from, to;

    (void)state;
    zone_txt(zone, "example.org._report._dmarc.yes.net", "v=DMARC1");
    zone_txt(zone, "example.org._report._dmarc.odd.net", "hello");
    zone_timeout(zone, SPAN("example.org._report._dmarc.slow.net"));
    static const struct {
        const char *to;
        enum err want;
    } rows[] = {{"yes.net", ERR_OK},
                {"no.net", ERR_DENIED},
                {"slow.net", ERR_UNAVAILABLE},
                {"odd.net", ERR_DENIED},
                {"x.example.org", ERR_OK}};

    assert_ok(domain_name_parse(SPAN("example.org"), &from));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_ok(domain_name_parse(span_from_str(rows[i].to), &to));
        assert_err(dmarc_report_is_wanted(&from, &to, &r), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),         cmocka_unit_test(test_records),
        cmocka_unit_test(test_tag_flood),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_foreign_reports),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
