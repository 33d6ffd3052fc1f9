// SPDX-License-Identifier: Apache-2.0
//
// A whole incoming message: all verdicts, how often it has to be run again, the field it gets.
#include "../test.h"
#include "senderauth/sender_check.h"
#include "zone.h"

static struct zone *zone;
static struct arena arena;

#define PLAIN "From: Ann <ann@example.org>\r\nSubject: hello\r\n\r\nHi.\r\n"

static int setup(void **state)
{
    (void)state;
    zone = malloc(sizeof(*zone));
    zone_init(zone);
    arena_init(&arena, 64 << 20);
    zone_txt(zone, "bounce.example.org", "v=spf1 ip4:192.0.2.0/28 -all");
    zone_txt(zone, "mail.example.org", "v=spf1 a -all");
    zone_add(zone, SPAN("mail.example.org"), SPAN("A"), SPAN("192.0.2.1"), 0);
    zone_txt(zone, "_dmarc.example.org", "v=DMARC1; p=reject; aspf=s");
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

static struct auth_message *read_message(struct span bytes)
{
    struct auth_message *m = NULL;

    assert_ok(auth_message_create(true, &m));
    assert_ok(auth_message_feed(m, bytes));
    assert_ok(auth_message_finish(m));
    return m;
}

static struct span sign(struct span message)
{
    struct dkim_private_key *key = NULL;
    struct dkim_signer s = {.domain = SPAN("example.org"), .selector = SPAN("ed"), .now_s = 1000};
    struct auth_message *m = read_message(message);
    struct buf b;

    assert_ok(dkim_key_generate(DKIM_ED25519_SHA256, 0, &key));
    s.key = key;
    buf_init(&b, 1 << 20);
    assert_ok(dkim_key_put_record(&b, key));
    zone_add(zone, SPAN("ed._domainkey.example.org"), SPAN("TXT"), buf_span(&b), 0);
    buf_clear(&b);
    assert_ok(dkim_sign(m, &s, &b));
    buf_put(&b, message);
    struct span copy = arena_dup(&arena, buf_span(&b));

    buf_finish(&b);
    dkim_key_destroy(key);
    auth_message_destroy(m);
    return copy;
}

// Runs with a memo; the field is appended to `out`, its reasons too.
static struct sender_result check(struct span message, const char *ip, int rounds_max,
                                  struct buf *out)
{
    struct sender_question q = {.message = read_message(message),
                                .helo = SPAN("mail.example.org"),
                                .local = SPAN("x"),
                                .domain = SPAN("bounce.example.org"),
                                .receiver = SPAN("mx.example.net"),
                                .now_s = 2000};
    struct sender_result s;
    struct dns_memo *memo = NULL;
    int rounds = 0;
    enum err e;

    assert_ok(ip_address_parse(span_from_str(ip), &q.ip));
    assert_ok(dns_memo_create(&memo));
    struct resolver r = dns_memo_resolver(memo);

    while ((e = sender_check(&q, &r, &arena, &s)) == ERR_AGAIN) {
        assert_true(zone_feed(zone, memo) && ++rounds <= rounds_max);
    }
    assert_ok(e);
    assert_ok(sender_check_put(out, &q, &s, &arena, false));
    dns_memo_destroy(memo);
    auth_message_destroy(q.message);
    return s;
}

static void test_good(void **state)
{
    struct sender_result s;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    s = check(sign(SPAN(PLAIN)), "192.0.2.1", 2, &b); // "a" of HELO is the only second question
    assert_int_equal(s.mail_from.status, SPF_PASS);
    assert_int_equal(s.helo.status, SPF_PASS);
    assert_int_equal(s.dkim_count, 1);
    assert_int_equal(s.arc.status, ARC_NONE);
    assert_int_equal(s.dmarc.status, DMARC_PASS);
    assert_false(s.dmarc.is_spf_aligned); // aspf=s
    size_t cut = span_find(buf_span(&b), SPAN("header.b="));

    assert_span(span_first(buf_span(&b), cut),
                "mx.example.net;\r\n\tspf=pass\r\n\t\tsmtp.mailfrom=x@bounce.example.org;\r\n"
                "\tspf=pass\r\n\t\tsmtp.helo=mail.example.org;\r\n"
                "\tdkim=pass\r\n\t\theader.d=example.org\r\n\t\theader.s=ed\r\n"
                "\t\theader.a=ed25519-sha256\r\n\t\t");
    buf_finish(&b);
}

static void test_bad(void **state)
{
    struct auth_results read;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    struct sender_result s = check(SPAN(PLAIN), "198.51.100.1", 2, &b);

    assert_int_equal(s.mail_from.status, SPF_FAIL);
    assert_int_equal(s.dmarc.status, DMARC_FAIL);
    assert_int_equal(s.dmarc.apply, DMARC_REJECT);
    assert_ok(auth_results_parse(&arena, buf_span(&b), &read));
    assert_int_equal(read.n, 5);
    assert_span(read.results[0].reason,
                "bounce.example.org does not allow 198.51.100.1 to send its mail.");
    assert_span(read.results[2].result, "none");
    assert_span(read.results[4].method, "dmarc");
    assert_span(read.results[4].properties[0].value, "example.org");
    assert_span(read.results[4].properties[1].value, "reject");
    buf_finish(&b);
}

static void test_time_is_up(void **state)
{
    struct sender_question q = {.message = read_message(SPAN(PLAIN)),
                                .helo = SPAN("mail.example.org"),
                                .domain = SPAN("example.org"),
                                .receiver = SPAN("mx.example.net")};
    struct sender_result s;
    struct dns_memo *memo = NULL;

    (void)state;
    assert_ok(ip_address_parse(SPAN("192.0.2.1"), &q.ip));
    assert_ok(dns_memo_create(&memo));
    struct resolver r = dns_memo_resolver(memo);

    assert_err(sender_check(&q, &r, &arena, &s), ERR_AGAIN);
    dns_memo_give_up(memo);
    assert_ok(sender_check(&q, &r, &arena, &s));
    assert_int_equal(s.mail_from.status, SPF_TEMPERROR);
    assert_int_equal(s.dmarc.status, DMARC_TEMPERROR);
    assert_int_equal(s.dmarc.apply, DMARC_POLICY_NONE);
    dns_memo_destroy(memo);
    auth_message_destroy(q.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_time_is_up),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
