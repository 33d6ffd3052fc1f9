// SPDX-License-Identifier: Apache-2.0
//
// Replies there and back, hostile ones (S15), EHLO answers, and the commands of a client.
#include "../test.h"
#include "wire/smtp/smtp_reply.h"
#include "wire/smtp/smtp_write.h"

static void test_replies_are_written(void **state)
{
    static const struct {
        unsigned code;
        const char *enhanced, *text;
        bool utf8;
        const char *want;
    } rows[] = {
        {250, NULL, "OK", false, "250 OK\r\n"},
        {250, NULL, "", false, "250 \r\n"},
        {550, "5.7.1", "no relay", false, "550 5.7.1 no relay\r\n"},
        {250, NULL, "a\nb\nc", false, "250-a\r\n250-b\r\n250 c\r\n"},
        {550, "5.1.1", "a\nb", false, "550-5.1.1 a\r\n550 5.1.1 b\r\n"},
        {550, NULL, "x\r250 OK\t\x7f", false, "550 x?250 OK??\r\n"},
        {550, NULL, "\xc3\xa9", false, "550 ?\r\n"},
        {550, NULL, "\xc3\xa9\xff\xc2\x85", true, "550 \xc3\xa9??\r\n"},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&b);
        smtp_reply_put(&b, rows[i].code, rows[i].enhanced, span_from_str(rows[i].text),
                       rows[i].utf8);
        assert_span(buf_span(&b), rows[i].want);
    }
    buf_finish(&b);
}

static void test_long_texts_are_broken_into_lines(void **state)
{
    struct smtp_reply_reader r;
    struct smtp_reply reply;
    struct buf b, text;

    (void)state;
    buf_init(&b, 100000);
    buf_init(&text, 100000);
    for (int i = 0; i < 700; i++) {
        buf_put_str(&text, i % 7 ? "\xc3\xa9" : "word ");
    }
    smtp_reply_put(&b, 554, "5.6.0", buf_span(&text), true);
    smtp_reply_reader_init(&r);
    struct span in = buf_span(&b);

    assert_ok(smtp_reply_read(&r, &in, &reply)); // no line was too long, no character cut
    assert_true(reply.lines > 3);
    assert_int_equal(span_find(reply.text, SPAN("\xef\xbf\xbd")), reply.text.n);
    assert_int_equal(in.n, 0);
    smtp_reply_reader_finish(&r);
    buf_finish(&text);
    buf_finish(&b);
}

static const struct {
    const char *in, *want;
} replies[] = {
    {"250 OK\r\n", "250 1 -: OK"},
    {"250\r\n", "250 1 -: "},
    {"250-a\r\n250-b\r\n250 c\r\n", "250 3 -: a/b/c"},
    {"250-\r\n250 \r\n", "250 2 -: /"},
    {"550 5.7.1 no\r\n", "550 1 5.7.1: no"},
    {"550 5.7.2\r\n", "550 1 5.7.2: "},
    {"550 5.7.2 \r\n", "550 1 5.7.2: "},
    {"550-5.1.1 a\r\n550 5.1.1 b\r\n", "550 2 5.1.1: a/b"},
    {"550 2.0.0 liar\r\n", "550 1 -: 2.0.0 liar"},
    {"550 5.7.1234 x\r\n", "550 1 -: 5.7.1234 x"},
    {"550 5.7 x\r\n", "550 1 -: 5.7 x"},
    {"550 5.7.\r\n", "550 1 -: 5.7."},
    {"550 a\tb\x1b[2J\r\n", "550 1 -: a b?[2J"},
    {"550 \xff\xc3\xa9\r\n", "550 1 -: \xef\xbf\xbd\xc3\xa9"},
    {"250 OK\n", "250 1 -: OK"},
    {"250-a\r\n550 b\r\n", "invalid"},
    {"000 x\r\n", "invalid"},
    {"999 x\r\n", "invalid"},
    {"199 x\r\n", "invalid"},
    {"25 x\r\n", "invalid"},
    {"250_x\r\n", "invalid"},
    {"\r\n", "invalid"},
    {"HTTP/1.1 400\r\n", "invalid"},
    {"250 a\rb\r\n", "invalid"},
    {"250 OK", "again"},
    {"250-OK\r\n", "again"},
};

static void describe(struct buf *out, enum err e, const struct smtp_reply *reply)
{
    static const char *const names[ERR__COUNT] = {[ERR_INVALID] = "invalid", [ERR_AGAIN] = "again"};

    buf_clear(out);
    if (e) {
        buf_put_str(out, names[e] ? names[e] : err_name(e));
        return;
    }
    buf_printf(out, "%u %zu ", reply->code, reply->lines);
    if (reply->has_enhanced) {
        buf_printf(out, "%u.%u.%u: ", reply->klass, reply->subject, reply->detail);
    } else {
        buf_put_str(out, "-: ");
    }
    for (size_t i = 0; i < reply->text.n; i++) {
        buf_put_byte(out, reply->text.p[i] == '\n' ? '/' : reply->text.p[i]);
    }
}

static void test_replies_are_read_byte_by_byte(void **state)
{
    struct buf got;

    (void)state;
    buf_init(&got, 4096);
    for (size_t i = 0; i < 2 * sizeof(replies) / sizeof(replies[0]); i++) {
        struct span all = span_from_str(replies[i / 2].in);
        struct smtp_reply_reader r;
        struct smtp_reply reply;
        enum err e = ERR_AGAIN;
        size_t taken = 0;

        smtp_reply_reader_init(&r);
        for (size_t n = i % 2 ? all.n : 0; n <= all.n && e == ERR_AGAIN; n++) {
            struct span in = span_skip(span_first(all, n), taken);

            e = smtp_reply_read(&r, &in, &reply);
            taken = n - in.n;
        }
        describe(&got, e, &reply);
        assert_span(buf_span(&got), replies[i / 2].want);
        smtp_reply_reader_finish(&r);
    }
    buf_finish(&got);
}

static void test_floods_end(void **state)
{
    static char flood[1 << 20];
    struct smtp_reply_reader r;
    struct smtp_reply reply;

    (void)state;
    for (size_t i = 0; i + 6 <= sizeof(flood); i += 6) {
        memcpy(flood + i, "250-\r\n", 6);
    }
    struct span in = span_of(flood, sizeof(flood));

    smtp_reply_reader_init(&r);
    assert_err(smtp_reply_read(&r, &in, &reply), ERR_LIMIT);
    assert_true(r.text.cap <= 4 * SMTP_REPLY_BYTES_MAX);
    smtp_reply_reader_finish(&r);
    memset(flood, 'x', sizeof(flood));
    memcpy(flood, "250 ", 4);
    in = span_of(flood, sizeof(flood));
    smtp_reply_reader_init(&r);
    assert_err(smtp_reply_read(&r, &in, &reply), ERR_LIMIT);
    smtp_reply_reader_finish(&r);
}

static void test_several_replies_in_one_piece(void **state)
{
    struct smtp_reply_reader r;
    struct smtp_reply reply;
    struct span in = SPAN("250 one\r\n550-5.1.1 two\r\n550 5.1.1 three\r\n354 go\r\n");

    (void)state;
    smtp_reply_reader_init(&r);
    assert_ok(smtp_reply_read(&r, &in, &reply));
    assert_span(reply.text, "one");
    assert_ok(smtp_reply_read(&r, &in, &reply));
    assert_span(reply.text, "two\nthree");
    assert_ok(smtp_reply_read(&r, &in, &reply));
    assert_int_equal(reply.code, 354);
    assert_false(reply.has_enhanced);
    assert_err(smtp_reply_read(&r, &in, &reply), ERR_AGAIN);
    smtp_reply_reader_finish(&r);
}

static void test_capabilities(void **state)
{
    struct smtp_reply reply = {
        .code = 250,
        .text = SPAN("mx.example greets you\nSIZE 1000000\nPIPELINING\nstarttls\n8BITMIME\n"
                     "AUTH PLAIN  LOGIN\nAUTH CRAM-MD5\nX-UNKNOWN 1\nCHUNKING\nDSN\n"
                     "FUTURERELEASE 86400 2026-12-01T00:00:00Z\nLIMITS RCPTMAX=50 MAILMAX=x\n\n"
                     "SIZE 5\nENHANCEDSTATUSCODES")};
    struct smtp_capabilities c;

    (void)state;
    smtp_capabilities_read(&reply, &c);
    assert_span(c.name, "mx.example");
    assert_int_equal(c.extensions, SMTP_EXT_SIZE | SMTP_EXT_PIPELINING | SMTP_EXT_STARTTLS |
                                       SMTP_EXT_8BITMIME | SMTP_EXT_AUTH | SMTP_EXT_CHUNKING |
                                       SMTP_EXT_DSN | SMTP_EXT_FUTURERELEASE | SMTP_EXT_LIMITS |
                                       SMTP_EXT_ENHANCED);
    assert_int_equal(c.size_max, 1000000);
    assert_int_equal(c.mechanism_n, 2);
    assert_span(c.mechanisms[1], "LOGIN");
    assert_int_equal(c.hold_seconds_max, 86400);
    assert_span(c.hold_until_max, "2026-12-01T00:00:00Z");
    assert_int_equal(c.rcpt_max, 50);
    assert_int_equal(c.mail_max, 0);
    reply.text = SPAN("");
    smtp_capabilities_read(&reply, &c);
    assert_int_equal(c.extensions, 0);
}

static const struct smtp_address anna = {
    .local = {"anna b", 6}, .domain = {.kind = SMTP_DOMAIN_NAME, .text = {"x.example", 9}}};

static void test_commands_of_a_client(void **state)
{
    struct smtp_mail mail = {.from = anna,
                             .has_size = true,
                             .size = 5,
                             .body = SMTP_BODY_8BITMIME,
                             .ret = SMTP_RET_HDRS,
                             .envid = SPAN("a=b"),
                             .has_auth = true,
                             .auth = anna};
    struct smtp_rcpt rcpt = {.to = anna,
                             .notify = SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY,
                             .orcpt_type = SPAN("rfc822"),
                             .orcpt = SPAN("c d@e")};
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_ok(smtp_helo_put(&b, SMTP_EHLO, SPAN("[IPv6:::1]")));
    assert_ok(smtp_mail_put(&b, &mail, UINT32_MAX));
    assert_ok(smtp_mail_put(&b, &mail, 0));
    assert_ok(smtp_rcpt_put(&b, &rcpt, UINT32_MAX, false));
    assert_ok(smtp_rcpt_put(&b, &rcpt, 0, false));
    mail = (struct smtp_mail){.hold = SMTP_HOLD_FOR, .hold_value = 60, .requiretls = true};
    assert_ok(smtp_mail_put(&b, &mail, UINT32_MAX));
    smtp_bdat_put(&b, 86, true);
    assert_ok(smtp_auth_put(&b, SPAN("PLAIN"), SPAN("x")));
    assert_ok(smtp_auth_put(&b, SPAN("EXTERNAL"), SPAN("")));
    smtp_simple_put(&b, SMTP_DATA);
    assert_span(buf_span(&b),
                "EHLO [IPv6:::1]\r\n"
                "MAIL FROM:<\"anna b\"@x.example> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=a+3Db "
                "AUTH=\"anna+20b\"@x.example\r\n"
                "MAIL FROM:<\"anna b\"@x.example>\r\n"
                "RCPT TO:<\"anna b\"@x.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;c+20d@e\r\n"
                "RCPT TO:<\"anna b\"@x.example>\r\n"
                "MAIL FROM:<> REQUIRETLS HOLDFOR=60\r\n"
                "BDAT 86 LAST\r\nAUTH PLAIN eA==\r\nAUTH EXTERNAL =\r\nDATA\r\n");
    buf_finish(&b);
}

static void test_what_a_client_must_not_say(void **state)
{
    struct smtp_mail mail = {.from = anna, .requiretls = true};
    struct smtp_rcpt rcpt = {.to = anna};
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_err(smtp_mail_put(&b, &mail, ~SMTP_EXT_REQUIRETLS), ERR_UNSUPPORTED);
    mail = (struct smtp_mail){.from = anna, .body = SMTP_BODY_BINARYMIME};
    assert_err(smtp_mail_put(&b, &mail, SMTP_EXT_BINARYMIME), ERR_UNSUPPORTED);
    mail = (struct smtp_mail){.from = anna};
    mail.from.utf8 = rcpt.to.utf8 = true;
    assert_err(smtp_mail_put(&b, &mail, 0), ERR_UNSUPPORTED);
    assert_err(smtp_rcpt_put(&b, &rcpt, UINT32_MAX, false), ERR_UNSUPPORTED);
    rcpt.to.utf8 = false;
    rcpt.to.local = SPAN("a>\r\nDATA\r\n");
    assert_err(smtp_rcpt_put(&b, &rcpt, UINT32_MAX, false), ERR_INVALID);
    rcpt = (struct smtp_rcpt){.to = anna, .orcpt_type = SPAN("x\r\ny"), .orcpt = SPAN("z")};
    assert_err(smtp_rcpt_put(&b, &rcpt, UINT32_MAX, false), ERR_INVALID);
    assert_err(smtp_helo_put(&b, SMTP_EHLO, SPAN("x\r\nDATA")), ERR_INVALID);
    assert_err(smtp_auth_put(&b, SPAN("PLAIN x"), SPAN("")), ERR_INVALID);
    assert_int_equal(b.n, 0);
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_are_written),
        cmocka_unit_test(test_long_texts_are_broken_into_lines),
        cmocka_unit_test(test_replies_are_read_byte_by_byte),
        cmocka_unit_test(test_floods_end),
        cmocka_unit_test(test_several_replies_in_one_piece),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_commands_of_a_client),
        cmocka_unit_test(test_what_a_client_must_not_say),
    };

    return cmocka_run_group_tests_name("smtp_reply", tests, NULL, NULL);
}
