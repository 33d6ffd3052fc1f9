// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "gate/smtp/smtp_received.h"

static const struct smtp_received plain = {.helo = {"client.example", 14},
                                           .address = {"192.0.2.7", 9},
                                           .host = {"mail.example.org", 16},
                                           .id = {"0a", 2},
                                           .unix_seconds = 1800000000,
                                           .is_extended = true};
#define DATE ";\r\n\tFri, 15 Jan 2027 08:00:00 +0000\r\n"
#define FROM "Received: from client.example ([192.0.2.7])\r\n\tby mail.example.org with "

static void assert_line(const struct smtp_received *r, const char *wanted)
{
    struct buf out;

    buf_init(&out, 4096);
    smtp_received_put(&out, r);
    assert_span(buf_span(&out), wanted);
    buf_finish(&out);
}

// RFC 3848 and RFC 6531 section 4.3.
static void test_the_protocol_has_its_name(void **state)
{
    struct smtp_received r = plain;

    (void)state;
    assert_line(&r, FROM "ESMTP\r\n\tid 0a" DATE);
    r.tls = SPAN("TLSv1.3 TLS_AES_256_GCM_SHA384");
    assert_line(&r, FROM "ESMTPS\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 0a" DATE);
    r.is_logged_in = true;
    assert_line(&r, FROM "ESMTPSA\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 0a" DATE);
    r.is_utf8 = true;
    assert_line(&r, FROM "UTF8SMTPSA\r\n\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\tid 0a" DATE);
    r = plain;
    r.is_extended = false;
    assert_line(&r, FROM "SMTP\r\n\tid 0a" DATE);
    r = plain;
    r.is_lmtp = true;
    assert_line(&r, FROM "LMTP\r\n\tid 0a" DATE);
    r.is_utf8 = true;
    r.for_path = SPAN("bob@example.org");
    assert_line(&r, FROM "UTF8LMTP\r\n\tid 0a\r\n\tfor <bob@example.org>" DATE);
}

// S18
static void test_where_it_came_from(void **state)
{
    struct smtp_received r = plain;

    (void)state;
    r.address = SPAN("2001:db8::7");
    assert_line(&r, "Received: from client.example ([IPv6:2001:db8::7])\r\n"
                    "\tby mail.example.org with ESMTP\r\n\tid 0a" DATE);
    r.address = SPAN("");
    assert_line(&r, "Received: from client.example\r\n\tby mail.example.org with ESMTP\r\n"
                    "\tid 0a" DATE);
    r.helo = SPAN("a)\r\n(b\\");
    assert_line(&r, "Received: from a????b?\r\n\tby mail.example.org with ESMTP\r\n\tid 0a" DATE);
}

// Where our users are is nobody's business.
static void test_nothing_of_the_client(void **state)
{
    struct smtp_received r = plain;

    (void)state;
    r.hides_client = r.is_logged_in = true;
    assert_line(&r, "Received: by mail.example.org with ESMTPA\r\n\tid 0a" DATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_protocol_has_its_name),
        cmocka_unit_test(test_where_it_came_from),
        cmocka_unit_test(test_nothing_of_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
