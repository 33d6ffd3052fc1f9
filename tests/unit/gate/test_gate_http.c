// SPDX-License-Identifier: Apache-2.0
//
// HTTP in the gate, without sockets: what is asked of keep and what follows from its answer, cut
// at every place; which connection is kept.
#include "../test.h"
#include "dialogue_driver.h"
#include "gate/http/http.h"

#define POLICY "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.x.example\r\n\r\n"
#define HEALTH "GET /healthz HTTP/1.1\r\nHost: mail.example.org\r\n\r\n"

static struct driver r;

static void open_with(const char *conf)
{
    driver_open(&r, &http_protocol, conf);
    r.d.host = SPAN("mail.example.org");
    dialogue_greet(&r.d);
    assert_int_equal(r.d.out.n, 0);
}

static int setup(void **state)
{
    (void)state;
    open_with("");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    driver_close(&r);
    return 0;
}

static bool said(const char *text)
{
    struct span s = buf_span(&r.said);

    return span_find(s, span_from_str(text)) < s.n;
}

static void test_keep_is_asked_about_the_domain(void **state)
{
    static const struct {
        enum dialogue_domain is;
        const char *want;
    } rows[] = {
        {DIALOGUE_DOMAIN_OURS, "HTTP/1.1 200 OK\r\n"},
        {DIALOGUE_DOMAIN_OTHER, "HTTP/1.1 404 Not Found\r\n"},
        {DIALOGUE_DOMAIN_UNKNOWN, "HTTP/1.1 503 Service Unavailable\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t piece = 1; piece < sizeof(POLICY); piece++) {
            assert_int_equal(driver_send(&r, SPAN(POLICY), piece), sizeof(POLICY) - 1);
            assert_int_equal(r.d.step, DIALOGUE_ASK_DOMAIN);
            assert_span(r.d.domain, "x.example");
            dialogue_domain_known(&r.d, rows[i].is);
            assert_int_equal(r.d.step, DIALOGUE_READ);
            driver_hear(&r);
            assert_true(said(rows[i].want));
            assert_true(said("mx: mail.example.org\r\n") == (rows[i].is == DIALOGUE_DOMAIN_OURS));
            assert_true(said("Retry-After: ") == (rows[i].is == DIALOGUE_DOMAIN_UNKNOWN));
        }
        driver_close(&r);
        open_with("");
    }
}

static void test_health_is_keeps(void **state)
{
    (void)state;
    driver_send(&r, SPAN(HEALTH), 0);
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OTHER);
    driver_hear(&r);
    assert_true(said("200 OK") && said("\r\n\r\nok\n"));
    driver_send(&r, SPAN(HEALTH), 0);
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_UNKNOWN);
    driver_hear(&r);
    assert_true(said("503 Service Unavailable"));
}

static void test_requests_wait_for_each_other(void **state)
{
    (void)state;
    buf_put(&r.d.in, SPAN(POLICY HEALTH POLICY));
    dialogue_go_on(&r.d);
    assert_span(r.d.domain, "x.example");
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OTHER);
    assert_span(r.d.domain, "mail.example.org");
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OTHER);
    assert_span(r.d.domain, "x.example");
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OTHER);
    assert_int_equal(r.d.step, DIALOGUE_READ);
    assert_int_equal(r.d.in.n, 0);
}

static void test_so_many_requests_over_one_connection(void **state)
{
    (void)state;
    driver_close(&r);
    open_with("http_requests_max = 2");
    driver_send(&r, SPAN(HEALTH), 0);
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OURS);
    assert_int_equal(r.d.step, DIALOGUE_READ);
    driver_send(&r, SPAN(HEALTH), 0);
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OURS);
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    driver_hear(&r);
    assert_true(said("Connection: close\r\n"));
}

static void test_w07_answers_that_nobody_reads_are_bounded(void **state)
{
    size_t asked = 0;

    (void)state;
    driver_close(&r);
    open_with("http_requests_max = 1000000");
    while (r.d.step != DIALOGUE_CLOSE && asked++ < 10000) {
        driver_send(&r, SPAN(POLICY), 0);
        if (r.d.step == DIALOGUE_ASK_DOMAIN) {
            dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OURS);
        }
        assert_true(r.d.out.n < 20000);
    }
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    assert_true(asked > 10);
}

static void test_w07_time_is_for_the_whole_of_a_request(void **state)
{
    const int64_t idle = r.d.protocol->patience_ms(&r.d);

    (void)state;
    driver_send(&r, SPAN("POST /autodiscover/"), 0);
    uint64_t begun = r.d.progress;

    assert_true(r.d.protocol->patience_ms(&r.d) < idle);
    driver_send(
        &r, SPAN("autodiscover.xml HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\nbytes"), 1);
    assert_int_equal(r.d.progress, begun); // nothing of it buys time
    assert_int_equal(r.d.step, DIALOGUE_READ);
}

static void test_a_body_ends_where_its_length_says(void **state)
{
    (void)state;
    driver_send(&r,
                SPAN("POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: a\r\n"
                     "Content-Length: 36\r\n\r\n<EMailAddress>a@x.example</EMailAddres"),
                0);
    assert_span(r.d.domain, "x.example");
    dialogue_domain_known(&r.d, DIALOGUE_DOMAIN_OURS);
    driver_hear(&r);
    assert_true(said("<LoginName>a@x.example</LoginName>"));
    assert_int_equal(r.d.in.n, 2);
}

static void test_every_end_is_a_response(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 65536);
    for (int i = 0; i < DIALOGUE_END__COUNT; i++) {
        buf_clear(&out);
        dialogue_last_words(&http_protocol, (enum dialogue_end)i, &out);
        assert_true(span_starts(buf_span(&out), SPAN("HTTP/1.1 ")) && out.p[9] >= '4');
        assert_true(span_find(buf_span(&out), SPAN("log in")) == out.n);
        assert_true(span_ends(buf_span(&out), SPAN("</html>\n")));
    }
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keep_is_asked_about_the_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_health_is_keeps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_wait_for_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_so_many_requests_over_one_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_w07_answers_that_nobody_reads_are_bounded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_w07_time_is_for_the_whole_of_a_request, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_body_ends_where_its_length_says, setup, teardown),
        cmocka_unit_test(test_every_end_is_a_response),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
