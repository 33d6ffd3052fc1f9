// SPDX-License-Identifier: Apache-2.0
//
// The checks on an incoming message as the gate runs them: what of the message goes on, what is
// asked, what is decided and said. The courier and its DNS are the test's.
#include "gate/verdict/header_filter.h"
#include "senderauth/arc.h"
#include "verdict_world.h"

#define PLAIN     "From: Ann <ann@example.org>\r\nSubject: hello\r\n\r\nHi.\r\n"
#define LIST_MAIL "List-Id: <talk.lists.example>\r\n" PLAIN

// A key for `domain`, published.
static struct dkim_private_key *publish_key(const char *domain)
{
    struct dkim_private_key *key = NULL;
    char name[256];
    struct buf b;

    assert_ok(dkim_key_generate(DKIM_ED25519_SHA256, 0, &key));
    buf_init(&b, 4096);
    assert_ok(dkim_key_put_record(&b, key));
    snprintf(name, sizeof(name), "k._domainkey.%s", domain);
    zone_add(&w->zone, span_from_str(name), SPAN("TXT"), buf_span(&b), 0);
    buf_finish(&b);
    return key;
}

static struct auth_message *read_message(struct span bytes)
{
    struct auth_message *m = NULL;

    assert_ok(auth_message_create(true, &m));
    assert_ok(auth_message_feed(m, bytes));
    assert_ok(auth_message_finish(m));
    return m;
}

static struct span with_lines(struct buf *lines, struct span message)
{
    buf_put(lines, message);
    struct span all = arena_dup(&w->arena, buf_span(lines));

    buf_finish(lines);
    return all;
}

static struct span sign(const char *domain, struct span message)
{
    struct dkim_private_key *key = publish_key(domain);
    struct dkim_signer s = {
        .domain = span_from_str(domain), .selector = SPAN("k"), .key = key, .now_s = 1000};
    struct auth_message *m = read_message(message);
    struct buf b;

    buf_init(&b, 1 << 20);
    assert_ok(dkim_sign(m, &s, &b));
    auth_message_destroy(m);
    dkim_key_destroy(key);
    return with_lines(&b, message);
}

static struct span seal(const char *domain, const char *results, enum arc_status found,
                        struct span message)
{
    struct dkim_private_key *key = publish_key(domain);
    struct dkim_signer s = {
        .domain = span_from_str(domain), .selector = SPAN("k"), .key = key, .now_s = 1000};
    struct auth_message *m = read_message(message);
    struct buf b;

    buf_init(&b, 1 << 20);
    assert_ok(arc_seal(m, &s, found, span_from_str(results), &b));
    auth_message_destroy(m);
    dkim_key_destroy(key);
    return with_lines(&b, message);
}

static void policy(const char *record)
{
    zone_txt(&w->zone, "_dmarc.example.org", record);
}

// ---- the header ---------------------------------------------------------------------------------

static void filter(const char *in, size_t piece, struct buf *out)
{
    struct header_filter f;
    struct span rest = span_from_str(in);

    header_filter_init(&f, SPAN("mx.example.net"));
    while (rest.n) {
        assert_ok(header_filter_feed(&f, span_first(rest, piece), out));
        rest = span_skip(rest, piece);
    }
    assert_ok(header_filter_end(&f, out));
    header_filter_finish(&f);
}

// S18: what is forged in our name goes.
static void test_header_filter(void **state)
{
    static const char *const cases[][2] = {
        {PLAIN, PLAIN},
        {"", ""},
        {"\r\nbody", "\r\nbody"},
        {"no end", "no end"},
        {"Authentication-Results: mx.example.net; spf=pass\r\n" PLAIN, PLAIN},
        {"Authentication-Results: mx.example.net;\r\n\tspf=pass\r\n\tx\r\n" PLAIN, PLAIN},
        {"authentication-RESULTS : (x) MX.Example.NET 1; dkim=pass\r\n" PLAIN, PLAIN},
        {"Authentication-Results: other.example; spf=pass\r\n" PLAIN,
         "Authentication-Results: other.example; spf=pass\r\n" PLAIN},
        {"Authentication-Results: \"mx.example.net\r\n" PLAIN, PLAIN}, // cannot be read
        {PLAIN "Authentication-Results: mx.example.net; spf=pass\r\n",
         PLAIN "Authentication-Results: mx.example.net; spf=pass\r\n"}, // in the body
        {"A: 1\nAuthentication-Results: mx.example.net; none\nB: 2\n\nx", "A: 1\nB: 2\n\nx"},
        {"A: 1\r\nAuthentication-Results: mx.example.net; none", "A: 1\r\n"},
        {"A: 1\r\nAuthentication-Results:\r\n mx.example.net; none\r\n\r\n", "A: 1\r\n\r\n"},
        {"A: 1\r\n continued", "A: 1\r\n continued"},
    };
    static const size_t pieces[] = {1, 2, 7, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < 4; k++) {
            struct buf out;

            buf_init(&out, 1 << 20);
            filter(cases[i][0], pieces[k], &out);
            assert_span(buf_span(&out), cases[i][1]);
            buf_finish(&out);
        }
    }
}

// One field without end, then fields without end.
static void test_header_too_large(void **state)
{
    char line[1024];
    enum err e = ERR_OK;

    (void)state;
    begin("", "192.0.2.1", "a@bounce.example.org", false);
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < VERDICT_HELD_BYTES_MAX / 1024; i++) {
        assert_ok(verdict_feed(w->verdict, span_of(line, sizeof(line)), &w->out));
    }
    assert_err(verdict_feed(w->verdict, SPAN("x"), &w->out), ERR_LIMIT);
    verdict_destroy(w->verdict);
    begin("", "192.0.2.1", "a@bounce.example.org", true);
    memcpy(line, "X: ", 3);
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 1100 && e == ERR_OK; i++) {
        e = verdict_feed(w->verdict, span_of(line, sizeof(line)), &w->out);
    }
    assert_err(e, ERR_LIMIT);
}

// ---- verdicts -----------------------------------------------------------------------------------

static void test_good(void **state)
{
    (void)state;
    struct span message = sign("example.org", SPAN(PLAIN));

    policy("v=DMARC1; p=reject");
    check("", "192.0.2.1", "x@bounce.example.org", message);
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_int_equal(w->code, 250);
    assert_has(w->lines, "Authentication-Results: mx.example.net;\r\n\tiprev=pass");
    assert_has(w->lines, "policy.name=mail.example.org");
    assert_has(w->lines, "\tdkim=pass\r\n\t\theader.d=example.org");
    assert_has(w->lines, "\tdmarc=pass\r\n\t\theader.from=example.org\r\n");
    assert_null(strstr(w->lines, "Received-SPF"));
    assert_has(w->words, "accepted: SPF pass bounce.example.org; DKIM pass example.org; DMARC pass "
                         "example.org. ");
    assert_int_equal(w->text[0], 0);
    assert_true(span_eq(buf_span(&w->out), message));
}

// What goes on is the message as it came, less what is forged, whatever the pieces.
static void test_stream(void **state)
{
    struct span rest = SPAN("Authentication-Results: mx.example.net; dmarc=pass\r\n" PLAIN);

    (void)state;
    begin("check_received_spf = yes\n", "192.0.2.1", "\"a@b\"@bounce.example.org", true);
    while (rest.n > 10) {
        assert_ok(verdict_feed(w->verdict, span_first(rest, 3), &w->out));
        rest = span_skip(rest, 3);
    }
    finish(rest);
    assert_span(buf_span(&w->out), PLAIN);
    assert_has(w->lines, "\tdmarc=none\r\n");
    assert_has(w->lines, "\r\nReceived-SPF: pass (bounce.example.org allows 192.0.2.1 to send its "
                         "mail.)\r\n\tclient-ip=192.0.2.1;\r\n\tidentity=mailfrom; "
                         "helo=\"mail.example.org\";\r\n\tenvelope-from=\"\\\"a@b\\\"@bounce."
                         "example.org\";\r\n\tmechanism=\"ip4:192.0.2.0/28\"\r\n");
}

// SPF is asked while the message comes.
static void test_asks_early(void **state)
{
    (void)state;
    begin("", "192.0.2.1", "x@bounce.example.org", true);
    assert_int_equal(w->asked_n, 3);
    assert_string_equal(w->asked[0].name, "bounce.example.org");
    assert_string_equal(w->asked[2].name, "1.2.0.192.in-addr.arpa");
    finish(SPAN(PLAIN));
}

static void test_reject(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject");
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_REJECT);
    assert_int_equal(w->code, 550);
    assert_string_equal(w->enhanced, "5.7.1");
    assert_string_equal(w->text,
                        "Refused as the DMARC policy of example.org asks: not proved to come from "
                        "there (SPF fail for bounce.example.org, no DKIM signature). Its "
                        "administrator can sign with DKIM or list 198.51.100.7 in SPF");
    assert_has(w->words, "refused: SPF fail bounce.example.org; DKIM none; DMARC fail example.org "
                         "(p=reject)");
}

static void test_quarantine(void **state)
{
    (void)state;
    policy("v=DMARC1; p=quarantine");
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_JUNK);
    assert_int_equal(w->code, 250);
    assert_has(w->words, "filed as junk: ");
    assert_has(w->lines, "dmarc=fail");
}

static void test_sampled_out(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject; pct=0");
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_JUNK);
    assert_has(w->words, "(pct= of the policy leaves it out)");
}

static void test_observe(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject");
    check("check_mail = observe\n", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->words, "accepted (only observed; else it would be refused): ");
    assert_has(w->lines, "dmarc=fail");
}

static void test_unchecked(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject");
    begin("", "198.51.100.7", "x@bounce.example.org", false);
    finish(SPAN("Authentication-Results: mx.example.net; dmarc=pass\r\n" PLAIN));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_span(buf_span(&w->out), PLAIN);
    assert_int_equal(w->lines[0], 0);
    check("check_mail = off\n", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_int_equal(w->asked_n, 0);
}

static void test_from(void **state)
{
    static const char *const bad[] = {
        "Subject: x\r\n\r\n",
        "From: a@example.org\r\nFrom: b@example.net\r\n\r\n",
        "From: a@example.org, b@example.net\r\n\r\n",
        "From: nobody\r\n\r\n",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check("", "192.0.2.1", "x@bounce.example.org", span_from_str(bad[i]));
        assert_int_equal(w->action, VERDICT_REJECT);
        assert_string_equal(w->enhanced, "5.7.1");
        assert_has(w->text, "The From field must name one sender");
    }
}

static void test_spf_fail(void **state)
{
    (void)state;
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_ACCEPT); // forwarded mail looks the same
    check("check_spf_fail = junk\n", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_JUNK);
    check("check_spf_fail = reject\n", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_REJECT);
    assert_string_equal(w->enhanced, "5.7.23");
    assert_has(w->text, "The SPF record of bounce.example.org does not allow 198.51.100.7");
    policy("v=DMARC1; p=reject");
    check("check_spf_fail = reject\n", "198.51.100.7", "x@bounce.example.org",
          sign("example.org", SPAN(PLAIN)));
    assert_int_equal(w->action, VERDICT_ACCEPT); // DKIM and DMARC prove it
}

static void test_mailing_list(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject");
    check("", "203.0.113.9", "talk-bounces@lists.example", SPAN(LIST_MAIL));
    assert_int_equal(w->action, VERDICT_JUNK);
    assert_has(w->words, "it comes from a mailing list");
    check("check_lists = accept\n", "203.0.113.9", "talk-bounces@lists.example", SPAN(LIST_MAIL));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    check("check_lists = reject\n", "203.0.113.9", "talk-bounces@lists.example", SPAN(LIST_MAIL));
    assert_int_equal(w->action, VERDICT_REJECT);
    check("", "203.0.113.8", "talk-bounces@lists.example", SPAN(LIST_MAIL));
    assert_int_equal(w->action, VERDICT_REJECT); // SPF does not say that it is the list
    check("", "203.0.113.9", "talk-bounces@lists.example", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_REJECT); // no List-Id
}

#define TRUSTED "check_trusted_sealers = [\"fwd.example\", \"two.example\"]\n"

static void test_arc(void **state)
{
    struct span once = seal("fwd.example", "fwd.example; dmarc=pass header.from=example.org",
                            ARC_NONE, SPAN(PLAIN));

    (void)state;
    policy("v=DMARC1; p=reject");
    check(TRUSTED, "198.51.100.7", "x@fwd.example", once);
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->words, "it was good when it came to fwd.example");
    check("", "198.51.100.7", "x@fwd.example", once);
    assert_int_equal(w->action, VERDICT_REJECT); // anybody can seal
    struct span other = seal("fwd.example", "fwd.example; dmarc=pass header.from=example.net",
                             ARC_NONE, SPAN(PLAIN));

    check(TRUSTED, "198.51.100.7", "x@fwd.example", other);
    assert_int_equal(w->action, VERDICT_REJECT); // about somebody else's domain
}

static void test_arc_chain(void **state)
{
    struct span first = seal("fwd.example", "fwd.example; dmarc=pass header.from=example.org",
                             ARC_NONE, SPAN(PLAIN));
    struct span stranger = seal("bad.example", "bad.example; arc=pass", ARC_PASS, first);
    struct span friend =
        seal("two.example", "two.example; dmarc=fail header.from=example.org", ARC_PASS, first);

    (void)state;
    policy("v=DMARC1; p=reject");
    check(TRUSTED, "198.51.100.7", "x@fwd.example", stranger);
    assert_int_equal(w->action, VERDICT_REJECT); // who may have changed it
    check(TRUSTED, "198.51.100.7", "x@fwd.example", friend);
    assert_int_equal(w->action, VERDICT_ACCEPT);
}

// ---- trouble ------------------------------------------------------------------------------------

// It would be refused, but for a DNS that does not answer.
static void test_undecided(void **state)
{
    struct span signed_mail = sign("example.org", SPAN(PLAIN));

    (void)state;
    w->zone.n--; // the key is taken back
    policy("v=DMARC1; p=reject");
    zone_timeout(&w->zone, SPAN("k._domainkey.example.org"));
    check("", "198.51.100.7", "x@bounce.example.org", signed_mail);
    assert_int_equal(w->action, VERDICT_TEMPORARY);
    assert_int_equal(w->code, 451);
    assert_string_equal(w->enhanced, "4.7.1");
    assert_has(w->text, "Whether this comes from example.org cannot be checked now");
}

static void test_policy_not_known(void **state)
{
    (void)state;
    zone_timeout(&w->zone, SPAN("_dmarc.example.org"));
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->lines, "dmarc=temperror");
}

static void test_courier_away(void **state)
{
    static const enum courier kinds[] = {COURIER_AWAY, COURIER_DIES};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        w->courier = kinds[i];
        check("", "192.0.2.1", "x@bounce.example.org", SPAN(PLAIN));
        assert_int_equal(w->action, VERDICT_TEMPORARY);
        assert_int_equal(w->code, 451);
        assert_string_equal(w->enhanced, "4.3.0");
        check("check_mail = observe\n", "192.0.2.1", "x@bounce.example.org", SPAN(PLAIN));
        assert_int_equal(w->action, VERDICT_ACCEPT);
    }
}

static void test_time_is_up(void **state)
{
    (void)state;
    w->courier = COURIER_SLEEPS;
    check("check_timeout = 1 s\n", "192.0.2.1", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_has(w->lines, "spf=temperror");
    assert_has(w->lines, "dmarc=temperror");
    assert_int_equal(dns_desk_open(w->desk), 0);
}

static void test_client_goes(void **state)
{
    (void)state;
    w->courier = COURIER_SLEEPS;
    begin("", "192.0.2.1", "x@bounce.example.org", true);
    assert_true(dns_desk_open(w->desk) > 0);
    verdict_destroy(w->verdict);
    assert_int_equal(dns_desk_open(w->desk), 0);
    begin("", "192.0.2.1", "x@bounce.example.org", true);
    assert_ok(verdict_feed(w->verdict, SPAN(PLAIN), &w->out));
    assert_ok(verdict_finish(w->verdict, &w->out));
    verdict_destroy(w->verdict);
    w->verdict = NULL;
    assert_int_equal(dns_desk_open(w->desk), 0);
}

// Names as long as a header do not make a line of ours too long, nor a second one.
// S18
static void test_hostile_names(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 10; i++) {
        buf_put_str(&b, "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; h=from; bh=x; b=y; s=");
        for (int k = 0; k < 8000; k++) {
            buf_put_byte(&b, 's');
        }
        buf_put_str(&b, "\r\n");
    }
    buf_put_str(&b, PLAIN);
    check("", "192.0.2.1", "x@bounce.example.org", buf_span(&b));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    assert_string_equal(w->lines, "Authentication-Results: mx.example.net;\r\n\tspf=pass;\r\n"
                                  "\tarc=none;\r\n\tdmarc=none\r\n");
    buf_finish(&b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_header_filter),
        TEST(test_header_too_large),
        TEST(test_good),
        TEST(test_stream),
        TEST(test_asks_early),
        TEST(test_reject),
        TEST(test_quarantine),
        TEST(test_sampled_out),
        TEST(test_observe),
        TEST(test_unchecked),
        TEST(test_from),
        TEST(test_spf_fail),
        TEST(test_mailing_list),
        TEST(test_arc),
        TEST(test_arc_chain),
        TEST(test_undecided),
        TEST(test_policy_not_known),
        TEST(test_courier_away),
        TEST(test_time_is_up),
        TEST(test_client_goes),
        TEST(test_hostile_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
