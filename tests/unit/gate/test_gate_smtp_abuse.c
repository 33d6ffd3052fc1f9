// SPDX-License-Identifier: Apache-2.0
//
// SMTP against those who break its rules, with keep played by the test: smuggling, order and state,
// chunks, sizes, limits, addresses. The ids (S01 ...) are those of the project's list of
// attacks and faults.
#include "smtp_talk.h"

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
            smtp_keep_send(&keep, &client, buf_span(&text), piece);
            struct span heard = driver_hear(&client);

            if (!span_starts(heard, SPAN("550 5.6.0 The message has ")) ||
                client.d.step != DIALOGUE_CLOSE || keep.messages ||
                has(buf_span(&keep.log), "evil")) {
                print_error("case %zu, piece %zu: %.*s\n%.*s\n", i, piece, SPAN_ARG(heard),
                            SPAN_ARG(buf_span(&keep.log)));
                fail();
            }
            assert_has(buf_span(&keep.log), "RESET 550 5.6.0\n");
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
    assert_int_equal(client.d.step, DIALOGUE_CLOSE);
    assert_int_equal(keep.messages, 0);
    stop();
    // Binary is taken as it is, when it was said to come.
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    heard = say("MAIL FROM:<a@x.example> BODY=BINARYMIME\r\nRCPT TO:<b@y.example>\r\n"
                "BDAT 4 LAST\r\nx\n.\n");
    assert_has(heard, "250 2.0.0 Kept or not\r\n");
    assert_span(buf_span(&keep.bytes), "x\n.\n");
    assert_int_equal(keep.flags, 4 | 2);
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
        assert_int_equal(client.d.step, DIALOGUE_CLOSE);
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
        assert_int_equal(client.d.step, DIALOGUE_CLOSE);
        stop();
    }
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    struct span heard = say(ENVELOPE "DATA\r\nSubject: x\r\n\r\n.\r\n");

    assert_has(heard, "\r\n554 5.5.0 Wait");
    assert_false(has(heard, "354"));
    assert_int_equal(keep.messages, 0);
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
            (cases[i].log[0] && !has(buf_span(&keep.log), cases[i].log)) || keep.messages) {
            print_error("case %zu: %.*s\n%.*s\n", i, SPAN_ARG(heard),
                        SPAN_ARG(buf_span(&keep.log)));
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
    assert_has(buf_span(&keep.log), "RESET\n");
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
    assert_has(buf_span(&keep.log), "RESET 554 5.4.6\n");
    assert_int_equal(keep.messages, 0);
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
    assert_span(buf_span(&keep.bytes), "Sub: x\r\n");
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

        if (!has(heard, cases[i].want) || (client.d.step == DIALOGUE_CLOSE) != cases[i].closes) {
            print_error("case %zu: %.*s\n", i, SPAN_ARG(heard));
            fail();
        }
        assert_int_equal(keep.messages, 0);
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
        smtp_keep_send(&keep, &client, buf_span(&text), 4096);
        assert_true(client.d.out.cap <= 256u << 10 && client.d.pair.out.cap <= 512u << 10);
        driver_hear(&client);
    }
    assert_span(say("BDAT 0 LAST\r\n"), "250 2.0.0 Kept or not\r\n");
    assert_int_equal(keep.bytes.n, 1000000);
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
    assert_int_equal(client.d.step, DIALOGUE_CLOSE);
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
    assert_span(buf_span(&keep.log), "");
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
    assert_int_equal(keep.messages, 0);
    assert_span(buf_span(&keep.log), "MAIL\nFROM a@x.example\nRCPT b@y.example\nRESET 552 5.3.4\n");
    // And who goes on for ever is hung up on.
    say(ENVELOPE "DATA\r\n");
    for (unsigned i = 0; i < 20 && client.d.step == DIALOGUE_READ; i++) {
        say_span(repeat('x', 60000));
    }
    assert_int_equal(client.d.step, DIALOGUE_CLOSE);
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
    assert_int_equal(keep.messages, 0);
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
        for (; client.d.step == DIALOGUE_READ && n < 1000; n++) {
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
    assert_int_equal(keep.messages, 2);
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
        buf_clear(&keep.log);
        snprintf(line, sizeof(line), "RCPT TO:%s\r\n", cases[i].path);
        struct span heard = say(line);

        if (!span_starts(heard, span_from_str(cases[i].want)) ||
            !span_eq(buf_span(&keep.log), span_from_str(cases[i].log))) {
            print_error("%s: %.*s %.*s\n", cases[i].path, SPAN_ARG(heard),
                        SPAN_ARG(buf_span(&keep.log)));
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
    assert_has(buf_span(&keep.log), "FROM \xc3\xa9@x.example\nRCPT \xc3\xbc@b\xc3\xbc"
                                    "cher.example\n");
    assert_int_equal(keep.flags, 1);
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
        assert_span(buf_span(&keep.log), "");
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
