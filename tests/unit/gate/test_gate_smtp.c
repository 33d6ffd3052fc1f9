// SPDX-License-Identifier: Apache-2.0
//
// SMTP and LMTP as dialogues, with keep played by the test: offers, whole messages, checks, keep
// lost, fronts.
#include "base/clock.h"
#include "ipc/message.h"
#include "smtp_talk.h"

// ---- greeting and offers ------------------------------------------------------------------------

static void test_greeting_and_offers(void **state)
{
    (void)state;
    start(&smtp_protocol, "message_max = 1 MB\n");
    dialogue_greet(&client.d);
    assert_span(driver_hear(&client), "220 mail.example.org ESMTP Mailkeep\r\n");
    struct span heard = say("EHLO client.example\r\n");

    assert_true(span_starts(heard, SPAN("250-mail.example.org\r\n250-SIZE 1048576\r\n")));
    assert_has(heard, "250-PIPELINING\r\n");
    assert_has(heard, "250-CHUNKING\r\n250-BINARYMIME\r\n");
    assert_has(heard, "250-STARTTLS\r\n");
    assert_has(heard, "250 LIMITS RCPTMAX=100 MAILMAX=1000\r\n");
    assert_false(has(heard, "AUTH") || has(heard, "REQUIRETLS") || has(heard, "XCLIENT"));
    client.d.has_tls = true;
    heard = say("EHLO client.example\r\n");
    assert_has(heard, "250-REQUIRETLS\r\n");
    assert_false(has(heard, "STARTTLS"));
    assert_span(say("HELO client.example\r\n"), "250 mail.example.org\r\n");
    stop();
}

static void test_small_commands(void **state)
{
    static const struct {
        const char *said, *want;
    } cases[] = {
        {"NOOP anything\r\n", "250 2.0.0 "},
        {"RSET\r\n", "250 2.0.0 "},
        {"VRFY anna\r\n", "252 2.5.0 "},
        {"EXPN list\r\n", "502 5.5.1 "},
        {"HELP\r\n", "214 2.0.0 "},
        {"ETRN x\r\n", "502 5.5.1 "},
        {"FROB\r\n", "500 5.5.2 "},
        {"AUTH PLAIN AGEAYg==\r\n", "502 5.5.1 "},
        {"XCLIENT ADDR=192.0.2.1\r\n", "502 5.5.1 "},
        {"LHLO x.example\r\n", "500 5.5.2 "},
        {"HELO a b\r\n", "501 5.5.4 "},
        {"EHLO <x>\r\n", "501 5.5.4 "},
        {"MAIL FROM:<a@x.example>\r\n", "503 5.5.1 Say EHLO first\r\n"},
        {"RCPT TO:<a@x.example>\r\n", "503 5.5.1 Say EHLO first\r\n"},
        {"DATA\r\n", "503 5.5.1 Say EHLO first\r\n"},
        {"QUIT\r\n", "221 2.0.0 Goodbye\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(&smtp_protocol, "");
        struct span heard = say(cases[i].said);

        if (!span_starts(heard, span_from_str(cases[i].want))) {
            print_error("%s-> %.*s\n", cases[i].said, SPAN_ARG(heard));
            fail();
        }
        assert_span(buf_span(&keep.log), "");
        stop();
    }
}

// ---- a message ----------------------------------------------------------------------------------

#define SCRIPT                                                                                     \
    "EHLO client.example\r\n"                                                                      \
    "MAIL FROM:<a@x.example> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=e+2B1\r\n"                      \
    "RCPT TO:<b@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40z.example\r\n"                    \
    "RCPT TO:<nobody@y.example>\r\n"                                                               \
    "RCPT TO:<c@y.example>\r\n"                                                                    \
    "DATA\r\n"
#define MESSAGE "Subject: x\r\n\r\n..two\r\n.\r\n"

// Every cut of the bytes gives the same replies and the same message.
static void test_every_cut(void **state)
{
    const struct span script = SPAN(SCRIPT), message = SPAN(MESSAGE "QUIT\r\n");
    struct buf whole;

    (void)state;
    buf_init(&whole, 1u << 20);
    for (size_t piece = 0; piece <= script.n; piece++) {
        start(&smtp_protocol, "");
        smtp_keep_send(&keep, &client, span_first(script, 21), piece); // its answer is waited for
        smtp_keep_send(&keep, &client, span_skip(script, 21), piece);
        smtp_keep_send(&keep, &client, message, piece);
        struct span heard = driver_hear(&client);

        if (piece == 0) {
            buf_put(&whole, heard);
            assert_has(heard, "250 2.1.0 Go on\r\n250 2.1.5 Welcome\r\n550 5.1.1 No such user\r\n"
                              "250 2.1.5 Welcome\r\n354 ");
            assert_has(heard, "\r\n250 2.0.0 Kept or not\r\n221 2.0.0 Goodbye\r\n");
        }
        assert_true(span_eq(heard, buf_span(&whole)));
        assert_span(buf_span(&keep.log), "MAIL\nFROM a@x.example\nRCPT b@y.example\n"
                                         "RCPT nobody@y.example\nRCPT c@y.example\nEND 20\n");
        assert_span(buf_span(&keep.bytes), "Subject: x\r\n\r\n.two\r\n");
        assert_string_equal(keep.helo, "client.example");
        assert_string_equal(keep.envid, "e+1");
        assert_int_equal(keep.size, 100);
        assert_int_equal(keep.flags, 2 | 32); // 8BITMIME, RET=HDRS
        assert_int_equal(client.d.step, DIALOGUE_CLOSE);
        stop();
    }
    buf_finish(&whole);
}

static void test_received(void **state)
{
    static const struct {
        const struct dialogue_protocol *p;
        bool tls;
        const char *hello, *options, *want;
    } cases[] = {
        {&smtp_protocol, false, "HELO c.example\r\n", "", " with SMTP\r\n"},
        {&smtp_protocol, false, "EHLO c.example\r\n", "", " with ESMTP\r\n"},
        {&smtp_protocol, true, "EHLO c.example\r\n", "", " with ESMTPS\r\n\t(TLSv1.3 X)\r\n"},
        {&smtp_protocol, true, "EHLO c.example\r\n", " SMTPUTF8", " with UTF8SMTPS\r\n"},
        {&smtp_lmtp_protocol, false, "LHLO c.example\r\n", "", " with LMTP\r\n"},
    };

    (void)state;
    clock_test_fix_real(1764000000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char envelope[200];

        start(cases[i].p, "");
        client.d.has_tls = cases[i].tls;
        snprintf(client.d.peer.tls_text, sizeof(client.d.peer.tls_text), "%s",
                 cases[i].tls ? "TLSv1.3 X" : "");
        say(cases[i].hello);
        snprintf(envelope, sizeof(envelope), "MAIL FROM:<>%s\r\nRCPT TO:<b@y.example>\r\nDATA\r\n",
                 cases[i].options);
        say(envelope);
        say("x\r\n.\r\n");
        assert_int_equal(keep.messages, 1);
        struct span p = buf_span(&keep.prefix);

        assert_true(span_starts(
            p, SPAN("Received: from c.example ([192.0.2.7])\r\n\tby mail.example.org with ")));
        assert_has(p, cases[i].want);
        assert_has(p, "\r\n\tfor <b@y.example>;\r\n\tMon, 24 Nov 2025 16:00:00 +0000\r\n");
        stop();
    }
    clock_test_fix_real(-1);
}

static void test_who_is_among_several_is_not_said(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    say("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nRCPT TO:<c@y.example>\r\nDATA\r\n");
    say("x\r\n.\r\n");
    assert_int_equal(keep.messages, 1);
    assert_false(has(buf_span(&keep.prefix), "for <"));
    stop();
}

static void test_a_message_is_said_to_be_kept_when_keep_says_so(void **state)
{
    (void)state;
    start_data("");
    keep.is_silent = true;
    assert_span(say("x\r\n.\r\nNOOP\r\n"), "");
    assert_int_equal(client.d.step, DIALOGUE_WAIT);
    assert_int_equal(keep.messages, 1);
    keep.is_silent = false;
    smtp_keep_play(&keep, &client.d);
    assert_span(driver_hear(&client), "250 2.0.0 Kept or not\r\n250 2.0.0 Yes\r\n");
    keep.end_code = 451;
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "451 4.3.0 Kept or not\r\n");
    stop();
}

// ---- checks -------------------------------------------------------------------------------------

// A checker that takes every "X" out and waits for the test at the end.
static struct {
    struct dialogue_check_facts facts;
    struct buf names;
    unsigned begun, finished, destroyed;
    bool is_full;
} checks;

static void *check_begin(struct dialogue *d, const struct dialogue_check_facts *facts)
{
    (void)d;
    checks.facts = *facts;
    buf_init(&checks.names, 4096);
    for (size_t i = 0; i < facts->recipient_n; i++) {
        buf_printf(&checks.names, "%.*s ", SPAN_ARG(facts->recipients[i]));
    }
    checks.begun++;
    return &checks;
}

static enum err check_feed(void *check, struct span bytes, struct buf *out)
{
    assert_ptr_equal(check, &checks);
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] != 'X') {
            buf_put_byte(out, bytes.p[i]);
        }
    }
    return buf_result(out);
}

static bool check_is_full(const void *check)
{
    assert_ptr_equal(check, &checks);
    return checks.is_full;
}

static enum err check_finish(void *check, struct buf *out)
{
    assert_ptr_equal(check, &checks);
    checks.finished++;
    buf_put_str(out, "held");
    return ERR_OK;
}

static void check_destroy(void *check)
{
    assert_ptr_equal(check, &checks);
    buf_finish(&checks.names);
    checks.destroyed++;
}

static const struct dialogue_checker checker = {
    check_begin, check_feed, check_is_full, check_finish, check_destroy,
};

static void start_checked(void)
{
    memset(&checks, 0, sizeof(checks));
    start(&smtp_protocol, "");
    client.d.checker = &checker;
    say("EHLO c.example\r\n");
    say("MAIL FROM:<a@x.example>\r\nRCPT TO:<no@y.example>\r\nRCPT TO:<b@y.example>\r\n"
        "RCPT TO:<later@y.example>\r\nRCPT TO:<c@y.example>\r\nDATA\r\n");
    assert_int_equal(checks.begun, 1);
    assert_span(buf_span(&checks.names), "b@y.example c@y.example ");
    assert_span(checks.facts.helo, "c.example");
    assert_span(checks.facts.sender, "a@x.example");
    assert_true(checks.facts.is_checked);
}

static void test_a_message_is_checked(void **state)
{
    static const struct dialogue_check_result junk = {
        .is_suspect = true, .lines = {"A-R: x\r\n", 8}, .words = {"spf=fail", 8}};
    static const struct dialogue_check_result refused = {
        .is_refused = true, .code = 550, .enhanced = {"5.7.1", 5}, .text = {"Not so", 6}};

    (void)state;
    start_checked();
    assert_span(say("A: X\r\n\r\nXb\r\n.\r\nNOOP\r\n"), "");
    assert_int_equal(checks.finished, 1);
    assert_int_equal(keep.messages, 0); // not before it is known
    assert_span(buf_span(&keep.bytes), "A: \r\n\r\nb\r\nheld");
    dialogue_checked(&client.d, &junk);
    smtp_keep_play(&keep, &client.d);
    assert_span(driver_hear(&client), "250 2.0.0 Kept or not\r\n250 2.0.0 Yes\r\n");
    assert_int_equal(keep.messages, 1);
    assert_has(buf_span(&keep.prefix), "+0000\r\nA-R: x\r\n");
    assert_int_equal(checks.destroyed, 1);
    // The next one inherits nothing of it, and is refused.
    say(ENVELOPE "BDAT 2 LAST\r\nhi");
    assert_int_equal(checks.begun, 2);
    dialogue_checked(&client.d, &refused);
    smtp_keep_play(&keep, &client.d);
    assert_span(driver_hear(&client), "550 5.7.1 Not so\r\n");
    assert_int_equal(keep.messages, 1);
    assert_int_equal(checks.destroyed, 2);
    stop();
}

// What the sender's domain is told goes before what becomes of the message.
static void test_a_check_with_a_report(void **state)
{
    const struct ipc_mail_dmarc m = {.domain = SPAN("x.example"),
                                     .header_from = SPAN("x.example"),
                                     .envelope_from = SPAN(""),
                                     .reason = SPAN(""),
                                     .checks = SPAN("")};
    struct dialogue_check_result result = {.lines = SPAN("")};
    struct buf frame;

    (void)state;
    buf_init(&frame, 4096);
    assert_ok(ipc_mail_dmarc_encode(&m, 0, &frame));
    result.report = buf_span(&frame);
    start_checked();
    say("hi\r\n.\r\n");
    dialogue_checked(&client.d, &result);
    smtp_keep_play(&keep, &client.d);
    assert_has(buf_span(&keep.log), "DMARC x.example\nEND ");
    driver_hear(&client);
    result.is_refused = true;
    result.code = 550;
    result.enhanced = SPAN("5.7.1");
    say(ENVELOPE "BDAT 2 LAST\r\nhi");
    dialogue_checked(&client.d, &result);
    smtp_keep_play(&keep, &client.d);
    assert_has(buf_span(&keep.log), "DMARC x.example\nRESET 550 5.7.1");
    buf_finish(&frame);
    stop();
}

static void test_a_check_that_comes_to_nothing(void **state)
{
    (void)state;
    start_checked(); // refused by us
    assert_has(say("a\nb"), "550 5.6.0 ");
    assert_int_equal(checks.destroyed, 1);
    stop();
    start_checked(); // the client goes away
    say("half");
    stop();
    assert_int_equal(checks.destroyed, 1);
    start_checked(); // keep goes away while it is judged
    say("x\r\n.\r\n");
    client.d.pair.is_open = client.d.pair.is_spent = false;
    keep.in_mail = false;
    dialogue_pair_lost(&client.d);
    assert_true(span_starts(driver_hear(&client), SPAN("451 4.3.0 ")));
    assert_int_equal(checks.destroyed, 1);
    stop();
    start_checked(); // it does not keep up
    checks.is_full = true;
    say("half\r\n");
    say("more\r\n");
    assert_int_equal(client.d.step, DIALOGUE_WAIT);
    checks.is_full = false;
    dialogue_resume(&client.d);
    assert_int_equal(client.d.step, DIALOGUE_READ);
    stop();
}

// ---- keep is away -------------------------------------------------------------------------------

static void test_keep_is_lost(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    // While it owes answers.
    keep.is_silent = true;
    assert_span(say(ENVELOPE), "");
    lose();
    struct span heard = driver_hear(&client);

    assert_true(span_starts(heard, SPAN("451 4.3.0 ")));
    assert_has(heard, "\r\n451 4.3.0 ");
    keep.is_silent = false;
    // Between RCPT and DATA: nothing for good is said.
    say(ENVELOPE);
    lose();
    assert_span(driver_hear(&client), "");
    assert_true(span_starts(say("RCPT TO:<c@y.example>\r\n"), SPAN("451 4.3.0 ")));
    assert_true(span_starts(say("DATA\r\n"), SPAN("451 4.3.0 ")));
    assert_true(span_starts(say("RSET\r\n"), SPAN("250 ")));
    // In the message.
    say(ENVELOPE "DATA\r\n");
    say("half\r\n");
    lose();
    assert_span(driver_hear(&client), "");
    assert_true(span_starts(say("more\r\n.\r\n"), SPAN("451 4.3.0 ")));
    // Between chunks.
    say(ENVELOPE "BDAT 1\r\nx");
    lose();
    assert_true(span_starts(say("BDAT 1\r\nx"), SPAN("451 4.3.0 ")));
    assert_true(span_starts(say("BDAT 1 LAST\r\nx"), SPAN("451 4.3.0 ")));
    // After the end: nobody knows.
    say(ENVELOPE "DATA\r\n");
    keep.is_silent = true;
    say("x\r\n.\r\n");
    lose();
    assert_true(span_starts(driver_hear(&client), SPAN("451 4.3.0 ")));
    keep.is_silent = false;
    keep.messages = 0;
    // And then all is well again.
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    assert_int_equal(keep.messages, 1);
    stop();
}

// ---- LMTP ---------------------------------------------------------------------------------------

static void test_lmtp_answers_for_each(void **state)
{
    (void)state;
    start(&smtp_lmtp_protocol, "smtp_received_max = 1\n");
    dialogue_greet(&client.d);
    assert_span(driver_hear(&client), "220 mail.example.org LMTP Mailkeep\r\n");
    assert_true(span_starts(say("EHLO c.example\r\n"), SPAN("500 5.5.2 ")));
    assert_true(span_starts(say("LHLO c.example\r\n"), SPAN("250-mail")));
    say("MAIL FROM:<>\r\nRCPT TO:<a@y.example>\r\nRCPT TO:<no@y.example>\r\n"
        "RCPT TO:<c@y.example>\r\nDATA\r\n");
    assert_span(say("x\r\n.\r\nNOOP\r\n"),
                "250 2.0.0 Kept or not\r\n250 2.0.0 Kept or not\r\n250 2.0.0 Yes\r\n");
    // A refusal of ours is one for each, too.
    say("MAIL FROM:<>\r\nRCPT TO:<a@y.example>\r\nRCPT TO:<c@y.example>\r\n");
    struct span heard = say("BDAT 32 LAST\r\nReceived: a\r\nReceived: b\r\n\r\nx\r\n.");

    heard = span_skip(heard, span_find(heard, SPAN("\r\n")) + 2);
    assert_true(span_starts(heard, SPAN("554 5.4.6 ")));
    stop();
}

// ---- fronts -------------------------------------------------------------------------------------

static void test_s16_xclient(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    client.d.peer.may_rename = true;
    assert_has(say("EHLO c.example\r\n"), "250-XCLIENT ");
    say("XCLIENT ADDR=198.51.100.9 PORT=77 NAME=x.example LOGIN=root HELO=y.example\r\n");
    assert_int_equal(client.d.step, DIALOGUE_RENAME);
    assert_string_equal(client.d.claim.address, "198.51.100.9");
    assert_int_equal(client.d.claim.port, 77);
    client.d.peer = client.d.claim;
    client.d.peer.may_rename = false;
    dialogue_renamed(&client.d, true);
    assert_span(driver_hear(&client), "220 mail.example.org ESMTP Mailkeep\r\n");
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("503 5.5.1 Say EHLO")));
    assert_true(span_starts(say("XCLIENT ADDR=192.0.2.1\r\n"), SPAN("502 5.5.1 ")));
    stop();
}

static void test_last_words(void **state)
{
    (void)state;
    for (int why = DIALOGUE_STOPPING; why < DIALOGUE_END__COUNT; why++) {
        start(&smtp_protocol, "");
        dialogue_end(&client.d, why);
        struct span heard = driver_hear(&client);

        assert_true(heard.n > 12 && (heard.p[0] == '4' || heard.p[0] == '5'));
        assert_int_equal(span_find(heard, SPAN("\r\n")), heard.n - 2);
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting_and_offers),
        cmocka_unit_test(test_small_commands),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_received),
        cmocka_unit_test(test_who_is_among_several_is_not_said),
        cmocka_unit_test(test_a_message_is_said_to_be_kept_when_keep_says_so),
        cmocka_unit_test(test_a_message_is_checked),
        cmocka_unit_test(test_a_check_with_a_report),
        cmocka_unit_test(test_a_check_that_comes_to_nothing),
        cmocka_unit_test(test_keep_is_lost),
        cmocka_unit_test(test_lmtp_answers_for_each),
        cmocka_unit_test(test_s16_xclient),
        cmocka_unit_test(test_last_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
