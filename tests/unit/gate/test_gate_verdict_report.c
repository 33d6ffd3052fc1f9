// SPDX-License-Identifier: Apache-2.0
//
// What the gate tells keep of a message whose domain wants DMARC reports.
#include "ipc/message.h"
#include "verdict_world.h"

#define PLAIN     "From: Ann <ann@news.Example.org>\r\nSubject: hello\r\n\r\nHi.\r\n"
#define LIST_MAIL "List-Id: <talk.lists.example>\r\n" PLAIN
#define SIGNED                                                                                     \
    "DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=s1; h=from; bh=AA==; b=AA==\r\n"
#define RUA "; rua=mailto:d@example.org"

static void policy(const char *record)
{
    zone_txt(&w->zone, "_dmarc.example.org", record);
}

static struct ipc_mail_dmarc told(void)
{
    struct ipc_frame frame;
    struct ipc_mail_dmarc m;

    assert_ok(ipc_frame_next(buf_span(&w->report), &frame));
    assert_int_equal(frame.type, IPC_MAIL_DMARC);
    assert_int_equal(frame.bytes, w->report.n);
    assert_ok(ipc_mail_dmarc_decode(frame.fields, &m));
    return m;
}

static void test_what_is_told(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject; sp=quarantine; adkim=s; pct=100" RUA);
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(SIGNED PLAIN));
    assert_int_equal(w->action, VERDICT_JUNK);
    struct ipc_mail_dmarc m = told();

    assert_span(m.domain, "example.org");
    assert_span(m.header_from, "news.example.org");
    assert_span(m.envelope_from, "bounce.example.org");
    assert_int_equal(m.policy, 2);
    assert_int_equal(m.subdomain_policy, 1);
    assert_int_equal(m.percent, 100);
    assert_int_equal(m.strict, 1);
    assert_int_equal(m.disposition, 1);
    assert_int_equal(m.aligned, 0);
    assert_span(m.reason, "");
    assert_span(m.checks, "spf\tfail\tbounce.example.org\tmfrom\n"
                          "dkim\tneutral\tother.example\ts1\n");
}

static void test_pass_and_the_null_path(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject; sp=none" RUA);
    check("", "192.0.2.1", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_ACCEPT);
    struct ipc_mail_dmarc m = told();

    assert_int_equal(m.aligned, 2);
    assert_int_equal(m.disposition, 0);
    check("", "192.0.2.1", "", SPAN(PLAIN));
    m = told();
    assert_span(m.envelope_from, "");
    assert_has(m.checks.p, "\thelo\n");
}

static void test_why_less_was_done(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject" RUA);
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_REJECT);
    assert_int_equal(told().disposition, 2);
    check("check_mail = observe\n", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(told().disposition, 0);
    assert_span(told().reason, "local_policy");
    check("", "203.0.113.9", "talk-bounces@lists.example", SPAN(LIST_MAIL));
    assert_int_equal(told().disposition, 1);
    assert_span(told().reason, "mailing_list");
}

static void test_sampled_out(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject; pct=0" RUA);
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(told().disposition, 1);
    assert_span(told().reason, "sampled_out");
}

// Not because of DMARC.
static void test_spf_alone_is_no_disposition(void **state)
{
    (void)state;
    policy("v=DMARC1; p=none" RUA);
    check("check_spf_fail = reject\n", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_REJECT);
    assert_int_equal(told().disposition, 0);
}

static void test_nothing_is_told(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject" RUA);
    check("dmarc_reports = no\n", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->report.n, 0);
    begin("", "198.51.100.7", "x@bounce.example.org", false);
    finish(SPAN(PLAIN));
    assert_int_equal(w->report.n, 0);
    check("", "198.51.100.7", "x@bounce.example.org", SPAN("From: a@none.example\r\n\r\n"));
    assert_int_equal(w->report.n, 0);
}

static void test_nobody_asks_for_it(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject");
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->report.n, 0);
}

// It comes again, and may be judged otherwise then.
static void test_put_off(void **state)
{
    (void)state;
    policy("v=DMARC1; p=reject" RUA);
    w->courier = COURIER_AWAY;
    check("", "198.51.100.7", "x@bounce.example.org", SPAN(PLAIN));
    assert_int_equal(w->action, VERDICT_TEMPORARY);
    assert_int_equal(w->report.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_told, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_pass_and_the_null_path, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_why_less_was_done, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_sampled_out, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_spf_alone_is_no_disposition, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_told, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_asks_for_it, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_put_off, world_setup, world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
