// SPDX-License-Identifier: Apache-2.0
//
// What the gate tells of a message for a DMARC report becomes a row: with the delivery, or with the
// refusal.
#include "inbound_world.h"

static void put_dmarc(const char *domain, uint8_t disposition)
{
    const struct ipc_mail_dmarc m = {.domain = span_from_str(domain),
                                     .header_from = SPAN("example.net"),
                                     .envelope_from = SPAN("b.example"),
                                     .policy = 2,
                                     .percent = 100,
                                     .disposition = disposition,
                                     .reason = SPAN(""),
                                     .checks = SPAN("spf\tfail\tb.example\tmfrom\n")};

    assert_ok(ipc_mail_dmarc_encode(&m, 0, &stream));
}

static void put_refused(uint16_t code)
{
    const struct ipc_mail_reset m = {
        .code = code, .enhanced = SPAN("5.7.1"), .text = SPAN("no"), .verdict = SPAN("refused")};

    assert_ok(ipc_mail_reset_encode(&m, 0, &stream));
}

// What is there to be told, after what was refused has been written.
static const char *owed(void)
{
    struct report_owed o, after;
    struct report_day d;
    struct buf out;
    bool is_first = true;

    assert_ok(trail_flush(trail));
    buf_init(&out, 4096);
    while (report_owed_next(reports, REPORT_DMARC, is_first ? NULL : &after, UINT32_MAX, &o) ==
           ERR_OK) {
        after = o;
        is_first = false;
        assert_ok(report_day_read(reports, &o, &d));
        for (size_t i = 0; i < d.n; i++) {
            buf_printf(&out, "%.*s %llu %u %.*s;", (int)o.domain_n, o.domain,
                       (unsigned long long)d.rows[i].count, d.rows[i].seen.disposition,
                       SPAN_ARG(d.rows[i].seen.source));
        }
        report_day_finish(&d);
    }
    const char *text = arena_str(&b->arena, buf_span(&out));

    buf_finish(&out);
    return text;
}

static void test_a_message_that_is_taken(void **state)
{
    int fd = connect_smtp();

    (void)state;
    put_from("a@b.example");
    put_rcpt("u1@example.org");
    put_rcpt("u2@example.org");
    put_data(span_from_str(small));
    put_dmarc("example.net", 0);
    put_end();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "2 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_string_equal(owed(), "example.net 1 0 192.0.2.7;");
    put_message("a@b.example", "u1@example.org", small); // of which nothing is told
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.0.0");
    assert_string_equal(owed(), "example.net 1 0 192.0.2.7;");
    close(fd);
}

static void refuse(int fd, const char *to, uint16_t code)
{
    put_from("a@b.example");
    put_rcpt(to);
    put_data(span_from_str(small));
    put_dmarc("example.net", 2);
    put_refused(code);
    put_from("a@b.example"); // so that an answer says that it was taken
    put_reset();
    send_stream(fd);
    EXPECT(fd, "all 250 2.1.0");
    EXPECT(fd, "1 250 2.1.5");
    EXPECT(fd, "all 250 2.1.0");
}

static void test_a_message_that_is_refused(void **state)
{
    int fd = connect_smtp();

    (void)state;
    refuse(fd, "u1@example.org", 550);
    assert_string_equal(owed(), "example.net 1 2 192.0.2.7;");
    refuse(fd, "u1@example.org", 451); // it comes again
    assert_string_equal(owed(), "example.net 1 2 192.0.2.7;");
    close(fd);
}

static void test_n07_a_report_that_is_refused(void **state)
{
    int fd = connect_smtp();

    (void)state;
    account("reports@example.org");
    refuse(fd, "reports@example.org", 550);
    assert_string_equal(owed(), "");
    close(fd);
}

static void test_what_makes_no_sense(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        int fd = connect_smtp();

        if (i) {
            put_from("a@b.example");
        }
        put_dmarc(i == 1 ? "" : "example.net", i == 2 ? 3 : 0);
        send_stream(fd);
        if (i) {
            EXPECT(fd, "all 250 2.1.0");
        }
        EXPECT(fd, "end");
        close(fd);
    }
    assert_string_equal(owed(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_message_that_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_message_that_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n07_a_report_that_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_makes_no_sense, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
