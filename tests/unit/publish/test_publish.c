// SPDX-License-Identifier: Apache-2.0
//
// What a domain publishes: addresses in autodiscover requests, services by the settings, text that
// stays text in XML.
#include "../test.h"
#include "conf/conf.h"
#include "publish/publish.h"

static struct settings *settings_of(const char *conf)
{
    struct conf_report report;
    struct settings *s;

    assert_ok(conf_parse(span_from_str(conf), &report, &s));
    return s;
}

static void test_the_address_of_an_autodiscover_request(void **state)
{
    static const struct {
        const char *in, *want; // NULL: refused
    } rows[] = {
        {"<EMailAddress>a@x.example</EMailAddress>", "a@x.example"},
        {"<?xml version=\"1.0\"?><q:A xmlns:q=\"u\"><q:EMailAddress a='b'>\n a@x.example\t"
         "</q:EMailAddress></q:A>",
         "a@x.example"},
        {"<EMailAddress>j\xc3\xbcrgen@b\xc3\xbc"
         "cher.example</EMailAddress>",
         "j\xc3\xbcrgen@b\xc3\xbc"
         "cher.example"},
        {"<EMailAddress>a+b.c_d=e@x.example</EMailAddress>", "a+b.c_d=e@x.example"},
        {"<!-- <EMailAddress>b@x.example</EMailAddress> --><EMailAddress>a@x.example<",
         "a@x.example"},
        {"<EMailAddressX>a@x.example</EMailAddressX>", NULL},
        {"<XEMailAddress>a@x.example</XEMailAddress>", NULL},
        {"</EMailAddress>a@x.example<", NULL},
        {"<EMailAddress>", NULL},
        {"<EMailAddress", NULL},
        {"<EMailAddress></EMailAddress>", NULL},
        {"<EMailAddress>a</EMailAddress>", NULL},
        {"<EMailAddress>@x.example</EMailAddress>", NULL},
        {"<EMailAddress>a@</EMailAddress>", NULL},
        {"<EMailAddress>a@b@x.example</EMailAddress>", NULL},
        {"<EMailAddress>a b@x.example</EMailAddress>", NULL},
        {"<EMailAddress>a@x.example/</EMailAddress>", NULL},
        {"<EMailAddress>\"a\"@x.example</EMailAddress>", NULL},
        {"<EMailAddress>a&amp;b@x.example</EMailAddress>", NULL},
        {"<EMailAddress>&x;</EMailAddress>", NULL},
        {"<EMailAddress>a\x01@x.example</EMailAddress>", NULL},
        {"<EMailAddress>a\xff@x.example</EMailAddress>", NULL},
        {"<EMailAddress><![CDATA[a@x.example]]></EMailAddress>", NULL},
        {"<!DOCTYPE a><EMailAddress>a@x.example</EMailAddress>", NULL},
        {"<!-- <EMailAddress>a@x.example</EMailAddress>", NULL},
        {"", NULL},
    };
    struct arena a;
    struct span got;

    (void)state;
    arena_init(&a, 65536);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum err e = publish_autodiscover_address(span_from_str(rows[i].in), &a, &got);

        if ((e == ERR_OK) != (rows[i].want != NULL)) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
        if (rows[i].want) {
            assert_span(got, rows[i].want);
        }
    }
    arena_finish(&a);
}

// E15: of each kind the one with TLS from the first byte comes first.
static void test_services_are_those_that_are_listened_for(void **state)
{
    struct publish_service got[PUBLISH_SERVICES_MAX];
    struct settings *s = settings_of("");

    (void)state;
    assert_int_equal(publish_services(s, got), 6);
    for (size_t i = 0; i < 6; i += 2) {
        assert_true(got[i].kind == got[i + 1].kind);
        assert_true(got[i].has_implicit_tls && !got[i + 1].has_implicit_tls);
    }
    assert_true(got[0].kind == PUBLISH_IMAP && got[0].port == 993 && got[0].has_implicit_tls);
    assert_true(got[5].kind == PUBLISH_SMTP && got[5].port == 587 && !got[5].has_implicit_tls);
    settings_unref(s);
    s = settings_of(
        "listen_imap = []\nlisten_imaps = [[::1]:9931, *:993]\nlisten_pop3 = []\n"
        "listen_pop3s = []\nlisten_submissions = []\nlisten_submission = 127.0.0.1:5871\n");
    assert_int_equal(publish_services(s, got), 2);
    assert_true(got[0].kind == PUBLISH_IMAP && got[0].port == 9931);
    assert_true(got[1].kind == PUBLISH_SMTP && got[1].port == 5871);
    settings_unref(s);
}

static void test_a_policy_with_mode_none_names_hosts_all_the_same(void **state)
{
    struct settings *s = settings_of("mta_sts_mode = none\nmta_sts_max_age = 1 d\n");
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    publish_sts_policy(&out, s, SPAN("mx.example.org"), SPAN("example.org"));
    assert_span(buf_span(&out),
                "version: STSv1\r\nmode: none\r\nmx: mx.example.org\r\nmax_age: 86400\r\n");
    buf_finish(&out);
    settings_unref(s);
}

static void test_a_domain_may_have_a_mode_of_its_own(void **state)
{
    static const struct {
        const char *domain, *want;
    } rows[] = {
        {"a.example", "version: STSv1\r\nmode: testing\r\n"},
        {"A.Example", "version: STSv1\r\nmode: testing\r\n"},
        {"b.example", "version: STSv1\r\nmode: none\r\n"},
        {"c.example", "version: STSv1\r\nmode: none\r\n"},
        {"x.a.example", "version: STSv1\r\nmode: enforce\r\n"},
        {"example", "version: STSv1\r\nmode: enforce\r\n"},
    };
    struct settings *s = settings_of("mta_sts_testing = a.example, b.example\n"
                                     "mta_sts_none = b.example, c.example\n");
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&out);
        publish_sts_policy(&out, s, SPAN("mx.example.org"), span_from_str(rows[i].domain));
        assert_true(span_starts(buf_span(&out), span_from_str(rows[i].want)));
    }
    buf_finish(&out);
    settings_unref(s);
}

static void test_text_stays_text(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    publish_put_xml(&out, SPAN("a<b>&\"'\x01\x7f\xc3\xa4"));
    assert_span(buf_span(&out), "a&lt;b&gt;&amp;&quot;&apos;??\xc3\xa4");
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_address_of_an_autodiscover_request),
        cmocka_unit_test(test_services_are_those_that_are_listened_for),
        cmocka_unit_test(test_a_policy_with_mode_none_names_hosts_all_the_same),
        cmocka_unit_test(test_a_domain_may_have_a_mode_of_its_own),
        cmocka_unit_test(test_text_stays_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
