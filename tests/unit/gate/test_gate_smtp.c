// SPDX-License-Identifier: Apache-2.0
//
// SMTP, submission and LMTP as dialogues, with keep played by the test. The ids (S01 ...) are those
// of the project's list of attacks and faults.
#include "../test.h"
#include "base/clock.h"
#include "dialogue_driver.h"
#include "gate/smtp/smtp.h"
#include "smtp_keep.h"

static struct driver r;
static struct smtp_keep k;

static void start(const struct dialogue_protocol *p, const char *conf)
{
    driver_open(&r, p, conf);
    r.d.host = SPAN("mail.example.org");
    r.d.has_certificate = true;
    snprintf(r.d.peer.address, sizeof(r.d.peer.address), "192.0.2.7");
    smtp_keep_open(&k, p == &smtp_lmtp_protocol);
}

static void stop(void)
{
    driver_close(&r);
    smtp_keep_close(&k);
}

static struct span say_span(struct span text)
{
    smtp_keep_send(&k, &r, text, 0);
    return driver_hear(&r);
}

static struct span say(const char *text)
{
    return say_span(span_from_str(text));
}

static bool has(struct span text, const char *part)
{
    return span_find(text, span_from_str(part)) < text.n;
}

#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        struct span has_ = (text);                                                                 \
        if (!has(has_, part)) {                                                                    \
            print_error("no \"%s\" in \"%.*s\"\n", part, SPAN_ARG(has_));                          \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

#define ENVELOPE "MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\n"

// A client that has got as far as 354.
static void start_data(const char *conf)
{
    start(&smtp_protocol, conf);
    say("EHLO client.example\r\n");
    assert_has(say(ENVELOPE "DATA\r\n"), "\r\n354 ");
}

// ---- greeting and offers ------------------------------------------------------------------------

static void test_greeting_and_offers(void **state)
{
    (void)state;
    start(&smtp_protocol, "message_max = 1 MB\n");
    dialogue_greet(&r.d);
    assert_span(driver_hear(&r), "220 mail.example.org ESMTP Mailkeep\r\n");
    struct span heard = say("EHLO client.example\r\n");

    assert_true(span_starts(heard, SPAN("250-mail.example.org\r\n250-SIZE 1048576\r\n")));
    assert_has(heard, "250-PIPELINING\r\n");
    assert_has(heard, "250-CHUNKING\r\n250-BINARYMIME\r\n");
    assert_has(heard, "250-STARTTLS\r\n");
    assert_has(heard, "250 LIMITS RCPTMAX=100 MAILMAX=1000\r\n");
    assert_false(has(heard, "AUTH") || has(heard, "REQUIRETLS") || has(heard, "XCLIENT"));
    r.d.has_tls = true;
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
        assert_span(buf_span(&k.log), "");
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
        smtp_keep_send(&k, &r, span_first(script, 21), piece); // its answer is waited for
        smtp_keep_send(&k, &r, span_skip(script, 21), piece);
        smtp_keep_send(&k, &r, message, piece);
        struct span heard = driver_hear(&r);

        if (piece == 0) {
            buf_put(&whole, heard);
            assert_has(heard, "250 2.1.0 Go on\r\n250 2.1.5 Welcome\r\n550 5.1.1 No such user\r\n"
                              "250 2.1.5 Welcome\r\n354 ");
            assert_has(heard, "\r\n250 2.0.0 Kept or not\r\n221 2.0.0 Goodbye\r\n");
        }
        assert_true(span_eq(heard, buf_span(&whole)));
        assert_span(buf_span(&k.log), "MAIL\nFROM a@x.example\nRCPT b@y.example\n"
                                      "RCPT nobody@y.example\nRCPT c@y.example\nEND 20\n");
        assert_span(buf_span(&k.bytes), "Subject: x\r\n\r\n.two\r\n");
        assert_string_equal(k.helo, "client.example");
        assert_string_equal(k.envid, "e+1");
        assert_int_equal(k.size, 100);
        assert_int_equal(k.flags, 2 | 32); // 8BITMIME, RET=HDRS
        assert_int_equal(r.d.step, DIALOGUE_CLOSE);
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
        r.d.has_tls = cases[i].tls;
        snprintf(r.d.peer.tls_text, sizeof(r.d.peer.tls_text), "%s",
                 cases[i].tls ? "TLSv1.3 X" : "");
        say(cases[i].hello);
        snprintf(envelope, sizeof(envelope), "MAIL FROM:<>%s\r\nRCPT TO:<b@y.example>\r\nDATA\r\n",
                 cases[i].options);
        say(envelope);
        say("x\r\n.\r\n");
        assert_int_equal(k.messages, 1);
        struct span p = buf_span(&k.prefix);

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
    assert_int_equal(k.messages, 1);
    assert_false(has(buf_span(&k.prefix), "for <"));
    stop();
}

static void test_a_message_is_said_to_be_kept_when_keep_says_so(void **state)
{
    (void)state;
    start_data("");
    k.is_silent = true;
    assert_span(say("x\r\n.\r\nNOOP\r\n"), "");
    assert_int_equal(r.d.step, DIALOGUE_WAIT);
    assert_int_equal(k.messages, 1);
    k.is_silent = false;
    smtp_keep_play(&k, &r.d);
    assert_span(driver_hear(&r), "250 2.0.0 Kept or not\r\n250 2.0.0 Yes\r\n");
    k.end_code = 451;
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "451 4.3.0 Kept or not\r\n");
    stop();
}

// ---- S01: only CR LF . CR LF ends a message -----------------------------------------------------

static void test_s01_smuggling(void **state)
{
    const struct span ends[] = {
        SPAN("\n.\n"),         SPAN("\n.\r\n"),     SPAN("\r\n.\n"),       SPAN("\r.\r"),
        SPAN("\r\n.\r"),       SPAN("\r.\r\n"),     SPAN("\r\n\0.\r\n"),   SPAN("\r\n.\r\r\n"),
        SPAN("\r\r\n.\r\r\n"), SPAN("\r\n.\0\r\n"), SPAN("\r\n\n.\n\r\n"), SPAN("\n\n.\r\n"),
        SPAN("\r\n.\n\r\n"),   SPAN("\r\r\n.\r\n"),
    };
    struct buf text;

    (void)state;
    buf_init(&text, 4096);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        for (size_t piece = 0; piece < 8; piece++) {
            start_data("");
            buf_clear(&text);
            buf_put_str(&text, "Subject: one\r\n\r\nfirst");
            buf_put(&text, ends[i]);
            buf_put_str(&text, "MAIL FROM:<evil@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n"
                               "second\r\n.\r\nQUIT\r\n");
            smtp_keep_send(&k, &r, buf_span(&text), piece);
            struct span heard = driver_hear(&r);

            if (!span_starts(heard, SPAN("550 5.6.0 The message has ")) ||
                r.d.step != DIALOGUE_CLOSE || k.messages || has(buf_span(&k.log), "evil")) {
                print_error("case %zu, piece %zu: %.*s\n%.*s\n", i, piece, SPAN_ARG(heard),
                            SPAN_ARG(buf_span(&k.log)));
                fail();
            }
            assert_has(buf_span(&k.log), "RESET\n");
            assert_int_equal(span_find(heard, SPAN("\r\n")), heard.n - 2); // one reply
            stop();
        }
    }
    buf_finish(&text);
}

static void test_s01_bdat(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    struct span heard = say(ENVELOPE "BDAT 6\r\nx\n.\ny\nNOOP\r\n");

    assert_has(heard, "550 5.6.0 The message has ");
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    assert_int_equal(k.messages, 0);
    stop();
    // Binary is taken as it is, when it was said to come.
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    heard = say("MAIL FROM:<a@x.example> BODY=BINARYMIME\r\nRCPT TO:<b@y.example>\r\n"
                "BDAT 4 LAST\r\nx\n.\n");
    assert_has(heard, "250 2.0.0 Kept or not\r\n");
    assert_span(buf_span(&k.bytes), "x\n.\n");
    assert_int_equal(k.flags, 4 | 2);
    stop();
}

static void test_s01_commands(void **state)
{
    const struct span lines[] = {SPAN("NOOP\nNOOP\r\n"), SPAN("NOOP\rNOOP\r\n"), SPAN("NO\0OP\r\n"),
                                 SPAN("NOOP\r\r\n")};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        start(&smtp_protocol, "");
        assert_true(span_starts(say_span(lines[i]), SPAN("500 5.5.2 A line ends in CR LF")));
        assert_int_equal(r.d.step, DIALOGUE_CLOSE);
        stop();
    }
}

// ---- S04, S05: order and state ------------------------------------------------------------------

static void test_s04_who_does_not_wait(void **state)
{
    static const char *const cases[] = {"EHLO c.example\r\nMAIL FROM:<a@x.example>\r\n",
                                        "HELO c.example\r\nN", "EHLO c.example\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(&smtp_protocol, "");
        assert_span(say(cases[i]), "554 5.5.0 Wait for the answer to this command\r\n");
        assert_int_equal(r.d.step, DIALOGUE_CLOSE);
        stop();
    }
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    struct span heard = say(ENVELOPE "DATA\r\nSubject: x\r\n\r\n.\r\n");

    assert_has(heard, "\r\n554 5.5.0 Wait");
    assert_false(has(heard, "354"));
    assert_int_equal(k.messages, 0);
    stop();
}

static void test_s05_nothing_is_inherited(void **state)
{
    static const struct {
        const char *said, *want, *log;
    } cases[] = {
        {ENVELOPE "RSET\r\nDATA\r\n", "503 5.5.1 ", "RESET\n"},
        {ENVELOPE "RSET\r\nRCPT TO:<b@y.example>\r\n", "503 5.5.1 ", "RESET\n"},
        {ENVELOPE "EHLO c.example\r\n", "250-mail", "RESET\n"},
        {"MAIL FROM:<a@x.example>\r\nMAIL FROM:<b@x.example>\r\n", "503 5.5.1 ", ""},
        {"RCPT TO:<b@y.example>\r\n", "503 5.5.1 ", ""},
        {"DATA\r\n", "503 5.5.1 ", ""},
        {"MAIL FROM:<a@x.example>\r\nDATA\r\n", "503 5.5.1 ", ""},
        {"MAIL FROM:<a@x.example>\r\nRCPT TO:<no@y.example>\r\nDATA\r\n", "554 5.5.1 ", ""},
        {"MAIL FROM:<bad@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n", "503 5.5.1 ", "RESET\n"},
        {ENVELOPE "VRFY \xc3\xa9\r\nVRFY \xc3\xa9 SMTPUTF8\r\n", "553 5.6.7 ", ""},
        {ENVELOPE "BDAT 3\r\nabcDATA\r\n", "503 5.5.1 ", ""},
        {ENVELOPE "BDAT 3\r\nabcRCPT TO:<c@y.example>\r\n", "503 5.5.1 ", ""},
        {ENVELOPE "BDAT 3\r\nabcMAIL FROM:<c@y.example>\r\n", "503 5.5.1 ", ""},
        {ENVELOPE "BDAT 3\r\nabcRSET\r\nBDAT 3 LAST\r\nabc", "503 5.5.1 ", "RESET\n"},
        {"MAIL FROM:<a@x.example> BODY=BINARYMIME\r\nRCPT TO:<b@y.example>\r\nDATA\r\n",
         "503 5.5.1 ", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(&smtp_protocol, "");
        say("EHLO c.example\r\n");
        struct span heard = say(cases[i].said);

        if (!has(heard, cases[i].want) ||
            (cases[i].log[0] && !has(buf_span(&k.log), cases[i].log)) || k.messages) {
            print_error("case %zu: %.*s\n%.*s\n", i, SPAN_ARG(heard), SPAN_ARG(buf_span(&k.log)));
            fail();
        }
        stop();
    }
}

static void test_s05_recipients_behind_a_refused_sender(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    assert_span(say("MAIL FROM:<bad@x.example>\r\nRCPT TO:<b@y.example>\r\nNOOP\r\n"),
                "550 5.7.1 Not from you\r\n503 5.5.1 The sender was refused\r\n"
                "250 2.0.0 Yes\r\n");
    assert_has(buf_span(&k.log), "RESET\n");
    assert_has(say(ENVELOPE), "250 2.1.0 Go on\r\n250 2.1.5 Welcome\r\n");
    stop();
}

static void test_s05_after_a_refused_message(void **state)
{
    (void)state;
    start_data("smtp_received_max = 1\n");
    struct span heard = say("Received: a\r\nRECEIVED: b\r\n\r\n.\r\nRCPT TO:<z@y.example>\r\n");

    assert_has(heard, "554 5.4.6 ");
    assert_has(heard, "\r\n503 5.5.1 Say MAIL first\r\n");
    assert_has(buf_span(&k.log), "RESET\n");
    assert_int_equal(k.messages, 0);
    stop();
}

// ---- S06: BDAT ----------------------------------------------------------------------------------

static void test_s06_chunks(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    struct span heard = say(ENVELOPE "BDAT 5\r\nSub: \r\nBDAT 0\r\n");

    // CR LF behind the five bytes is a command of its own.
    assert_has(heard, "250 2.0.0 More\r\n500 5.5.2 ");
    assert_has(heard, "\r\n250 2.0.0 More\r\n");
    heard = say("BDAT 3\r\nx\r\nBDAT 0 LAST\r\nNOOP\r\n");
    assert_span(heard, "250 2.0.0 More\r\n250 2.0.0 Kept or not\r\n250 2.0.0 Yes\r\n");
    assert_span(buf_span(&k.bytes), "Sub: x\r\n");
    stop();
}

static void test_s06_bad_chunks(void **state)
{
    static const struct {
        const char *said, *want;
        bool closes;
    } cases[] = {
        {ENVELOPE "BDAT 18446744073709551616\r\nx", "501 5.5.4 ", true},
        {ENVELOPE "BDAT -1\r\nx", "501 5.5.4 ", true},
        {ENVELOPE "BDAT\r\nx", "501 5.5.4 ", true},
        {ENVELOPE "BDAT 1 FIRST\r\nx", "501 5.5.4 ", true},
        {ENVELOPE "BDAT 18446744073709551615\r\nx", "552 5.3.4 ", true},
        {"BDAT 2\r\nxyNOOP\r\n", "503 5.5.1 Say MAIL and RCPT first\r\n250 2.0.0 Yes\r\n", false},
        {"BDAT 18446744073709551615 LAST\r\nxyNOOP\r\n", "503 5.5.1 ", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(&smtp_protocol, "message_max = 64 KB\n");
        say("EHLO c.example\r\n");
        struct span heard = say(cases[i].said);

        if (!has(heard, cases[i].want) || (r.d.step == DIALOGUE_CLOSE) != cases[i].closes) {
            print_error("case %zu: %.*s\n", i, SPAN_ARG(heard));
            fail();
        }
        assert_int_equal(k.messages, 0);
        stop();
    }
}

static void test_s06_a_million_small_chunks(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 1u << 20);
    start(&smtp_protocol, "smtp_text_line_max = 1 GB\n");
    say("EHLO c.example\r\n");
    say(ENVELOPE);
    for (unsigned i = 0; i < 1000; i++) {
        buf_put_str(&text, "BDAT 1\r\nx");
    }
    for (unsigned i = 0; i < 1000; i++) {
        smtp_keep_send(&k, &r, buf_span(&text), 4096);
        assert_true(r.d.out.cap <= 256u << 10 && r.d.pair.out.cap <= 512u << 10);
        driver_hear(&r);
    }
    assert_span(say("BDAT 0 LAST\r\n"), "250 2.0.0 Kept or not\r\n");
    assert_int_equal(k.bytes.n, 1000000);
    buf_finish(&text);
    stop();
}

// ---- S08, S12: sizes and limits -----------------------------------------------------------------

static struct span repeat(char c, size_t n)
{
    static char text[200000];

    assert_true(n <= sizeof(text));
    memset(text, c, n);
    return span_of(text, n);
}

static void test_s08_lines(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("NOOP ");
    say_span(repeat('x', 2041));
    assert_span(say("\r\n"), "250 2.0.0 Yes\r\n"); // 2,048 with CR LF
    say("NOOP ");
    assert_true(span_starts(say_span(repeat('x', 3000)), SPAN("500 5.5.6 ")));
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    stop();
    start_data("smtp_text_line_max = 998\n");
    say("A: b\r\n\r\n");
    say_span(repeat('x', 998));
    assert_span(say("\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    say(ENVELOPE "DATA\r\n");
    say_span(repeat('x', 999));
    assert_true(span_starts(say("\r\n.\r\n"), SPAN("550 5.6.0 A line")));
    stop();
}

static void test_s08_headers(void **state)
{
    (void)state;
    start_data("smtp_text_line_max = 1 MB\n");
    say("A: ");
    say_span(repeat('x', 110000));
    assert_true(span_starts(say("\r\n\r\n.\r\n"), SPAN("554 5.6.0 A header field")));
    say(ENVELOPE "DATA\r\n");
    for (unsigned i = 0; i <= 1000; i++) {
        say("A: b\r\n");
    }
    assert_true(span_starts(say("\r\nx\r\n.\r\n"), SPAN("554 5.6.0 The message has too many")));
    say(ENVELOPE "DATA\r\n");
    for (unsigned i = 0; i <= 1100; i++) { // no header, a body with colons
        say("plain text\r\nA: b\r\n");
    }
    assert_span(say(".\r\n"), "250 2.0.0 Kept or not\r\n");
    stop();
}

static void test_q01_fifty_servers(void **state)
{
    (void)state;
    for (unsigned n = 50; n <= 51; n++) {
        start_data("");
        for (unsigned i = 0; i < n; i++) {
            say("Received: from a\r\n\tby b; x\r\n");
        }
        struct span heard = say("\r\nx\r\n.\r\n");

        assert_true(span_starts(heard, n == 50 ? SPAN("250 ") : SPAN("554 5.4.6 ")));
        stop();
    }
}

static void test_s12_size(void **state)
{
    (void)state;
    start(&smtp_protocol, "message_max = 64 KB\n");
    say("EHLO c.example\r\n");
    assert_true(span_starts(say("MAIL FROM:<a@x.example> SIZE=65537\r\n"), SPAN("552 5.3.4 ")));
    assert_true(span_starts(say("MAIL FROM:<a@x.example> SIZE=99999999999999999999\r\n"),
                            SPAN("552 5.3.4 ")));
    assert_span(buf_span(&k.log), "");
    // A lie about the size helps nobody.
    say("MAIL FROM:<a@x.example> SIZE=1\r\nRCPT TO:<b@y.example>\r\nDATA\r\n");
    for (unsigned i = 0; i < 100; i++) {
        say("012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n"
            "012345678901234567890123456789012345678901234567890123456789\r\n");
    }
    assert_span(say("\r\n.\r\n"), "552 5.3.4 The message is too large\r\n");
    assert_int_equal(k.messages, 0);
    assert_span(buf_span(&k.log), "MAIL\nFROM a@x.example\nRCPT b@y.example\nRESET\n");
    // And who goes on for ever is hung up on.
    say(ENVELOPE "DATA\r\n");
    for (unsigned i = 0; i < 20 && r.d.step == DIALOGUE_READ; i++) {
        say_span(repeat('x', 60000));
    }
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    stop();
    start(&smtp_protocol, "message_max = 64 KB\n");
    say("EHLO c.example\r\n");
    struct span heard = say(ENVELOPE "BDAT 40000\r\n");

    say_span(repeat('x', 40000));
    say("BDAT 40000\r\n");
    heard = say_span(repeat('x', 40000));
    assert_span(heard, "552 5.3.4 The message is too large\r\n");
    assert_span(say("BDAT 1 LAST\r\nx"), "552 5.3.4 The message is too large\r\n");
    assert_true(span_starts(say("DATA\r\n"), SPAN("503 5.5.1 ")));
    assert_int_equal(k.messages, 0);
    stop();
}

static void test_s12_recipients(void **state)
{
    unsigned good = 0, many = 0;

    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    say("MAIL FROM:<a@x.example>\r\n");
    for (unsigned i = 0; i < 200; i++) {
        struct span heard = say("RCPT TO:<b@y.example>\r\n");

        good += span_starts(heard, SPAN("250 "));
        many += span_starts(heard, SPAN("452 4.5.3 "));
    }
    assert_int_equal(good, 100);
    assert_int_equal(many, 100);
    say("DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    stop();
}

static void test_s12_nonsense_idling_and_guessing(void **state)
{
    static const struct {
        const char *line;
        unsigned times;
        const char *last;
    } cases[] = {
        {"FROB\r\n", 20, "421 4.7.0 Too many errors\r\n"},
        {"NOOP\r\n", 101, "421 4.7.0 Too many commands and no mail\r\n"},
        {"RSET\r\n", 101, "421 4.7.0 Too many commands and no mail\r\n"},
        {"MAIL FROM:<bad@x.example>\r\n", 101, "421 4.7.0 Too many commands and no mail\r\n"},
        {"RCPT TO:<no@y.example>\r\n", 50, "421 4.7.0 Too many recipients that are none\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span heard = SPAN("");
        unsigned n = 0;

        start(&smtp_protocol, "");
        if (cases[i].line[0] == 'R' && cases[i].line[1] == 'C') {
            say("EHLO c.example\r\n");
            say("MAIL FROM:<a@x.example>\r\n");
        } else if (cases[i].line[0] == 'M') {
            say("EHLO c.example\r\n"); // one of the hundred
            n++;
        }
        for (; r.d.step == DIALOGUE_READ && n < 1000; n++) {
            heard = say(cases[i].line);
        }
        if (n != cases[i].times || !has(heard, cases[i].last)) {
            print_error("%s%u times: %.*s\n", cases[i].line, n, SPAN_ARG(heard));
            fail();
        }
        stop();
    }
}

static void test_messages_of_a_connection(void **state)
{
    (void)state;
    start(&smtp_protocol, "smtp_messages_max = 2\n");
    say("EHLO c.example\r\n");
    for (unsigned i = 0; i < 2; i++) {
        say(ENVELOPE "DATA\r\n");
        say("x\r\n.\r\n");
    }
    assert_int_equal(k.messages, 2);
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("421 4.7.0 ")));
    stop();
}

// ---- S09, S10, S11: addresses -------------------------------------------------------------------

static void test_s10_addresses(void **state)
{
    static const struct {
        const char *path, *want, *log;
    } cases[] = {
        {"<\"\"@x.example>", "501 5.1.3 ", ""},
        {"<@a.example,@b.example:c@d.example>", "250 ", "RCPT c@d.example\n"},
        {"<a@[IPv6:::1]>", "250 ", "RCPT a@[IPv6:::1]\n"},
        {"<\"a b\"@x.example>", "250 ", "RCPT \"a b\"@x.example\n"},
        {"<a@x..y>", "501 5.1.3 ", ""},
        {"<a%b@x.example>", "250 ", "RCPT a%b@x.example\n"},
        {"<b!a@x.example>", "250 ", "RCPT b!a@x.example\n"},
        {"<|sh@x.example>", "250 ", "RCPT |sh@x.example\n"},
        {"<../../a@x.example>", "501 5.1.3 ", ""},
        {"<postmaster>", "250 ", "RCPT postmaster\n"},
        {"<>", "501 5.1.3 ", ""},
        {"<\xc3\xa9@x.example>", "553 5.6.7 ", ""},
        {"a@x.example", "501 5.1.3 ", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[200];

        start(&smtp_protocol, "");
        say("EHLO c.example\r\n");
        say("MAIL FROM:<a@x.example>\r\n");
        buf_clear(&k.log);
        snprintf(line, sizeof(line), "RCPT TO:%s\r\n", cases[i].path);
        struct span heard = say(line);

        if (!span_starts(heard, span_from_str(cases[i].want)) ||
            !span_eq(buf_span(&k.log), span_from_str(cases[i].log))) {
            print_error("%s: %.*s %.*s\n", cases[i].path, SPAN_ARG(heard),
                        SPAN_ARG(buf_span(&k.log)));
            fail();
        }
        stop();
    }
}

static void test_s11_utf8(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    say("MAIL FROM:<\xc3\xa9@x.example> SMTPUTF8\r\nRCPT TO:<\xc3\xbc@b\xc3\xbc"
        "cher.example>\r\n");
    assert_has(buf_span(&k.log), "FROM \xc3\xa9@x.example\nRCPT \xc3\xbc@b\xc3\xbc"
                                 "cher.example\n");
    assert_int_equal(k.flags, 1);
    // A character that turns the reading order around.
    assert_true(span_starts(say("RCPT TO:<a\xe2\x80\xae@x.example>\r\n"), SPAN("501 5.1.3 ")));
    // An A-label that is none.
    assert_true(span_starts(say("RCPT TO:<a@xn--a.example>\r\n"), SPAN("553 5.6.7 ")));
    stop();
}

static void test_s09_control_bytes(void **state)
{
    const struct span lines[] = {
        SPAN("MAIL FROM:<a\x01"
             "b@x.example>\r\n"),
        SPAN("MAIL FROM:<a@x.example> ENVID=a+0D+0A\r\n"),
        SPAN("MAIL FROM:<a@x.example>\tSIZE=1\r\n"),
        SPAN("RCPT TO:<b@y.example> ORCPT=rfc822;a+0D+0AX\r\n"),
        SPAN("RCPT TO:<b\x7f@y.example>\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        start(&smtp_protocol, "");
        say("EHLO c.example\r\n");
        assert_true(span_starts(say_span(lines[i]), SPAN("501 5.")));
        assert_span(buf_span(&k.log), "");
        stop();
    }
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
    r.d.checker = &checker;
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
    assert_int_equal(k.messages, 0); // not before it is known
    assert_span(buf_span(&k.bytes), "A: \r\n\r\nb\r\nheld");
    dialogue_checked(&r.d, &junk);
    smtp_keep_play(&k, &r.d);
    assert_span(driver_hear(&r), "250 2.0.0 Kept or not\r\n250 2.0.0 Yes\r\n");
    assert_int_equal(k.messages, 1);
    assert_has(buf_span(&k.prefix), "+0000\r\nA-R: x\r\n");
    assert_int_equal(checks.destroyed, 1);
    // The next one inherits nothing of it, and is refused.
    say(ENVELOPE "BDAT 2 LAST\r\nhi");
    assert_int_equal(checks.begun, 2);
    dialogue_checked(&r.d, &refused);
    smtp_keep_play(&k, &r.d);
    assert_span(driver_hear(&r), "550 5.7.1 Not so\r\n");
    assert_int_equal(k.messages, 1);
    assert_int_equal(checks.destroyed, 2);
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
    r.d.pair.is_open = r.d.pair.is_spent = false;
    k.in_mail = false;
    dialogue_pair_lost(&r.d);
    assert_true(span_starts(driver_hear(&r), SPAN("451 4.3.0 ")));
    assert_int_equal(checks.destroyed, 1);
    stop();
    start_checked(); // it does not keep up
    checks.is_full = true;
    say("half\r\n");
    say("more\r\n");
    assert_int_equal(r.d.step, DIALOGUE_WAIT);
    checks.is_full = false;
    dialogue_resume(&r.d);
    assert_int_equal(r.d.step, DIALOGUE_READ);
    stop();
}

// ---- keep is away -------------------------------------------------------------------------------

static void lose(void)
{
    r.d.pair.is_open = r.d.pair.is_spent = false;
    k.in_mail = false;
    buf_clear(&k.owed);
    dialogue_pair_lost(&r.d);
}

static void test_keep_is_lost(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    // While it owes answers.
    k.is_silent = true;
    assert_span(say(ENVELOPE), "");
    lose();
    struct span heard = driver_hear(&r);

    assert_true(span_starts(heard, SPAN("451 4.3.0 ")));
    assert_has(heard, "\r\n451 4.3.0 ");
    k.is_silent = false;
    // Between RCPT and DATA: nothing for good is said.
    say(ENVELOPE);
    lose();
    assert_span(driver_hear(&r), "");
    assert_true(span_starts(say("RCPT TO:<c@y.example>\r\n"), SPAN("451 4.3.0 ")));
    assert_true(span_starts(say("DATA\r\n"), SPAN("451 4.3.0 ")));
    assert_true(span_starts(say("RSET\r\n"), SPAN("250 ")));
    // In the message.
    say(ENVELOPE "DATA\r\n");
    say("half\r\n");
    lose();
    assert_span(driver_hear(&r), "");
    assert_true(span_starts(say("more\r\n.\r\n"), SPAN("451 4.3.0 ")));
    // Between chunks.
    say(ENVELOPE "BDAT 1\r\nx");
    lose();
    assert_true(span_starts(say("BDAT 1\r\nx"), SPAN("451 4.3.0 ")));
    assert_true(span_starts(say("BDAT 1 LAST\r\nx"), SPAN("451 4.3.0 ")));
    // After the end: nobody knows.
    say(ENVELOPE "DATA\r\n");
    k.is_silent = true;
    say("x\r\n.\r\n");
    lose();
    assert_true(span_starts(driver_hear(&r), SPAN("451 4.3.0 ")));
    k.is_silent = false;
    k.messages = 0;
    // And then all is well again.
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    assert_int_equal(k.messages, 1);
    stop();
}

// ---- LMTP ---------------------------------------------------------------------------------------

static void test_lmtp_answers_for_each(void **state)
{
    (void)state;
    start(&smtp_lmtp_protocol, "smtp_received_max = 1\n");
    dialogue_greet(&r.d);
    assert_span(driver_hear(&r), "220 mail.example.org LMTP Mailkeep\r\n");
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

// ---- submission, AUTH ---------------------------------------------------------------------------

static void test_submission_wants_a_login(void **state)
{
    (void)state;
    start(&smtp_submission_protocol, "");
    struct span heard = say("EHLO c.example\r\n");

    assert_false(has(heard, "AUTH")); // in the clear
    assert_has(heard, "FUTURERELEASE 2592000 ");
    assert_true(span_starts(say("AUTH PLAIN AGEAYg==\r\n"), SPAN("502 5.5.1 ")));
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("530 5.7.0 ")));
    assert_span(buf_span(&k.log), "");
    r.d.has_tls = true;
    assert_has(say("EHLO c.example\r\n"), "250-AUTH PLAIN LOGIN\r\n");
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("530 5.7.0 ")));
    assert_span(say("AUTH PLAIN\r\n"), "334 \r\n");
    assert_span(say("AGEAYg==\r\n"), "");
    assert_int_equal(r.d.step, DIALOGUE_ASK);
    assert_span(r.d.question.user, "a");
    assert_span(r.d.question.password, "b");
    dialogue_accepted(&r.d, SPAN("ticket-1"));
    smtp_keep_play(&k, &r.d);
    assert_span(driver_hear(&r), "235 2.7.0 You are logged in\r\n");
    assert_span(buf_span(&k.log), "MAIL ticket-1\n"); // at once
    assert_false(has(say("EHLO c.example\r\n"), "AUTH"));
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    assert_has(buf_span(&k.prefix), " with ESMTPA\r\n");
    // Keep knew who it was; without keep nobody does.
    say(ENVELOPE);
    lose();
    assert_has(driver_hear(&r), "421 4.3.0 Log in again\r\n");
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    stop();
}

static void test_auth_ends(void **state)
{
    static const struct {
        const char *said, *want;
    } cases[] = {
        {"AUTH CRAM-MD5\r\n", "504 5.5.4 "},
        {"AUTH PLAIN !!\r\n", "501 5.5.2 "},
        {"AUTH PLAIN =\r\n", "501 5.5.2 "},
        {"AUTH PLAIN\r\n*\r\n", "501 5.5.2 AUTH was cancelled\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span rest = span_from_str(cases[i].said), heard = SPAN("");

        start(&smtp_submission_protocol, "");
        r.d.has_tls = true;
        say("EHLO c.example\r\n");
        while (rest.n) { // line by line: a client waits
            size_t n = span_find_byte(rest, '\n') + 1;

            heard = say_span(span_first(rest, n));
            rest = span_skip(rest, n);
        }
        assert_true(span_starts(heard, span_from_str(cases[i].want)));
        stop();
    }
    start(&smtp_submission_protocol, "login_failures_max = 2\n");
    r.d.has_tls = true;
    say("EHLO c.example\r\n");
    assert_span(say("AUTH LOGIN\r\n"), "334 VXNlcm5hbWU6\r\n");
    assert_span(say("YQ==\r\n"), "334 UGFzc3dvcmQ6\r\n");
    say("Yg==\r\n");
    dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    assert_true(span_starts(driver_hear(&r), SPAN("535 5.7.8 ")));
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_refused(&r.d, DIALOGUE_UNAVAILABLE, SPAN(""));
    assert_true(span_starts(driver_hear(&r), SPAN("454 4.7.0 ")));
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    assert_has(driver_hear(&r), "421 4.7.0 Too many failed logins\r\n");
    stop();
}

static void test_hold(void **state)
{
    (void)state;
    clock_test_fix_real(1764000000);
    start(&smtp_submission_protocol, "");
    r.d.has_tls = true;
    say("EHLO c.example\r\n");
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_accepted(&r.d, SPAN("t"));
    assert_has(say("MAIL FROM:<a@x.example> HOLDFOR=60\r\n"), "250 2.1.0 ");
    assert_int_equal(k.hold_until_ms, 1764000060000);
    say("RSET\r\n");
    assert_has(say("MAIL FROM:<a@x.example> HOLDUNTIL=2025-11-24T16:10:00Z\r\n"), "250 2.1.0 ");
    assert_int_equal(k.hold_until_ms, 1764000600000);
    say("RSET\r\n");
    assert_has(say("MAIL FROM:<a@x.example> HOLDFOR=2592001\r\n"), "501 5.5.4 ");
    assert_has(say("MAIL FROM:<a@x.example> HOLDUNTIL=9999-01-01T00:00:00Z\r\n"), "501 5.5.4 ");
    clock_test_fix_real(-1);
    stop();
}

// ---- T01 to T04: TLS ----------------------------------------------------------------------------

static void test_t01_t02_starttls(void **state)
{
    static const struct {
        const char *said;
        enum dialogue_step step;
    } cases[] = {
        {"STARTTLS\r\n", DIALOGUE_START_TLS},
        {"starttls\r\n", DIALOGUE_START_TLS},
        {"STARTTLS \r\n", DIALOGUE_START_TLS},
        {"STARTTLS\r\nNOOP\r\n", DIALOGUE_DROP},
        {"starttls \r\nEHLO x.example\r\n", DIALOGUE_DROP},
        {"STARTTLS\r\n\r\n", DIALOGUE_DROP},
        {"NOOP\r\nSTARTTLS\r\nX", DIALOGUE_DROP},
        {"STARTTLS x\r\n", DIALOGUE_READ},
        {"STARTTLS\t\r\n", DIALOGUE_READ},
        {"STARTTLS\n", DIALOGUE_CLOSE},
        {"STARTTLS\nNOOP\r\n", DIALOGUE_CLOSE},
    };
    static const struct dialogue_protocol *const protocols[] = {
        &smtp_protocol, &smtp_submission_protocol, &smtp_lmtp_protocol};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 3; i++) {
        const struct dialogue_protocol *p = protocols[i % 3];

        start(p, "");
        say(p == &smtp_lmtp_protocol ? "LHLO c.example\r\n" : "EHLO c.example\r\n");
        struct span heard = say(cases[i / 3].said);
        enum dialogue_step want = cases[i / 3].step;
        bool granted = want == DIALOGUE_START_TLS || want == DIALOGUE_DROP;

        if (r.d.step != want || has(heard, "220 2.0.0 Begin TLS now\r\n") != granted) {
            print_error("case %zu: step %d, %.*s\n", i, r.d.step, SPAN_ARG(heard));
            fail();
        }
        stop();
    }
}

static void test_t03_all_is_forgotten(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    say(ENVELOPE);
    say("STARTTLS\r\n");
    assert_int_equal(r.d.step, DIALOGUE_START_TLS);
    dialogue_tls_started(&r.d);
    assert_false(r.d.pair.is_wanted);
    smtp_keep_play(&k, &r.d);
    assert_false(r.d.pair.is_open);
    assert_span(driver_hear(&r), "");
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("503 5.5.1 Say EHLO")));
    assert_true(span_starts(say("STARTTLS\r\n"), SPAN("502 5.5.1 ")));
    say("EHLO c.example\r\n");
    assert_true(span_starts(say("DATA\r\n"), SPAN("503 5.5.1 ")));
    assert_true(span_starts(say("RCPT TO:<c@y.example>\r\n"), SPAN("503 5.5.1 ")));
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    stop();
}

// The pair of the clear conversation is not the one of the next, however fast that comes, and a
// login does not go along.
static void test_t03_a_pair_of_its_own(void **state)
{
    (void)state;
    start(&smtp_submission_protocol, "clear_login_loopback = yes\n");
    r.d.is_loopback = true;
    say("EHLO c.example\r\n");
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_accepted(&r.d, SPAN("ticket-1"));
    say(ENVELOPE);
    say("STARTTLS\r\n");
    dialogue_tls_started(&r.d);
    assert_int_equal(r.d.ticket_bytes, 0);
    driver_send(&r, SPAN("EHLO c.example\r\n"), 0); // keep has not moved yet
    driver_send(&r, SPAN("AUTH PLAIN AGEAYg==\r\n"), 0);
    dialogue_accepted(&r.d, SPAN("ticket-2"));
    driver_send(&r, SPAN("MAIL FROM:<a@x.example>\r\n"), 0);
    smtp_keep_play(&k, &r.d);
    assert_has(driver_hear(&r), "250 2.1.0 Go on\r\n");
    assert_has(buf_span(&k.log), "MAIL ticket-2\nFROM a@x.example\n");
    stop();
}

static void test_t10_http(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    assert_span(say("GET / HTTP/1.1\r\nEHLO x.example\r\n"), "554 5.5.1 This is a mail server\r\n");
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    stop();
}

// ---- fronts -------------------------------------------------------------------------------------

static void test_s16_xclient(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    r.d.peer.may_rename = true;
    assert_has(say("EHLO c.example\r\n"), "250-XCLIENT ");
    say("XCLIENT ADDR=198.51.100.9 PORT=77 NAME=x.example LOGIN=root HELO=y.example\r\n");
    assert_int_equal(r.d.step, DIALOGUE_RENAME);
    assert_string_equal(r.d.claim.address, "198.51.100.9");
    assert_int_equal(r.d.claim.port, 77);
    r.d.peer = r.d.claim;
    r.d.peer.may_rename = false;
    dialogue_renamed(&r.d, true);
    assert_span(driver_hear(&r), "220 mail.example.org ESMTP Mailkeep\r\n");
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("503 5.5.1 Say EHLO")));
    assert_true(span_starts(say("XCLIENT ADDR=192.0.2.1\r\n"), SPAN("502 5.5.1 ")));
    stop();
}

static void test_last_words(void **state)
{
    (void)state;
    for (int why = DIALOGUE_STOPPING; why < DIALOGUE_END__COUNT; why++) {
        start(&smtp_protocol, "");
        dialogue_end(&r.d, why);
        struct span heard = driver_hear(&r);

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
        cmocka_unit_test(test_s01_smuggling),
        cmocka_unit_test(test_s01_bdat),
        cmocka_unit_test(test_s01_commands),
        cmocka_unit_test(test_s04_who_does_not_wait),
        cmocka_unit_test(test_s05_nothing_is_inherited),
        cmocka_unit_test(test_s05_recipients_behind_a_refused_sender),
        cmocka_unit_test(test_s05_after_a_refused_message),
        cmocka_unit_test(test_s06_chunks),
        cmocka_unit_test(test_s06_bad_chunks),
        cmocka_unit_test(test_s06_a_million_small_chunks),
        cmocka_unit_test(test_s08_lines),
        cmocka_unit_test(test_s08_headers),
        cmocka_unit_test(test_q01_fifty_servers),
        cmocka_unit_test(test_s12_size),
        cmocka_unit_test(test_s12_recipients),
        cmocka_unit_test(test_s12_nonsense_idling_and_guessing),
        cmocka_unit_test(test_messages_of_a_connection),
        cmocka_unit_test(test_s10_addresses),
        cmocka_unit_test(test_s11_utf8),
        cmocka_unit_test(test_s09_control_bytes),
        cmocka_unit_test(test_a_message_is_checked),
        cmocka_unit_test(test_a_check_that_comes_to_nothing),
        cmocka_unit_test(test_keep_is_lost),
        cmocka_unit_test(test_lmtp_answers_for_each),
        cmocka_unit_test(test_submission_wants_a_login),
        cmocka_unit_test(test_auth_ends),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_t01_t02_starttls),
        cmocka_unit_test(test_t03_all_is_forgotten),
        cmocka_unit_test(test_t03_a_pair_of_its_own),
        cmocka_unit_test(test_t10_http),
        cmocka_unit_test(test_s16_xclient),
        cmocka_unit_test(test_last_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
