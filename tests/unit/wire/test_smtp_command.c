// SPDX-License-Identifier: Apache-2.0
//
// SMTP commands: the RFCs' examples, and what people send instead (S06, S09, S16).
#include "../test.h"
#include "smtp_dump.h"

struct row {
    struct span in;
    const char *want; // the dump, or "code enhanced at: why", "!" behind it: out of step
};

#define ROW(in, want)                                                                              \
    {                                                                                              \
        {in, sizeof(in) - 1}, want                                                                 \
    }
#define ALL 0xffffffffu

static void check_rows(const struct row *rows, size_t n, const struct smtp_parse_options *options)
{
    struct buf got;
    size_t wrong = 0;

    buf_init(&got, 1 << 16);
    for (size_t i = 0; i < n; i++) {
        struct arena arena;
        struct smtp_command cmd;
        struct smtp_parse_error error;

        arena_init(&arena, SMTP_ARENA_BYTES);
        buf_clear(&got);
        if (smtp_parse(rows[i].in, &arena, options, &cmd, &error)) {
            buf_printf(&got, "%u %s at %zu: %s%s", error.code, error.enhanced, error.position,
                       error.why, error.out_of_step ? "!" : "");
        } else {
            smtp_dump_command(&got, &cmd);
        }
        if (!span_eq(buf_span(&got), span_from_str(rows[i].want))) {
            print_error("row %zu \"%.*s\"\n    got  %.*s\n    want %s\n", i,
                        SPAN_ARG(span_first(rows[i].in, 100)), SPAN_ARG(buf_span(&got)),
                        rows[i].want);
            wrong++;
        }
        arena_finish(&arena);
    }
    buf_finish(&got);
    assert_int_equal(wrong, 0);
}

#define CHECK(rows, ...)                                                                           \
    check_rows(rows, sizeof(rows) / sizeof(rows[0]), &(struct smtp_parse_options){__VA_ARGS__})

static void test_simple_commands(void **state)
{
    static const struct row rows[] = {
        ROW("EHLO bar.example.com", "EHLO bar.example.com 1"),
        ROW("helo  mail_1.example.com ", "HELO mail_1.example.com 1"),
        ROW("EHLO [192.0.2.1]", "EHLO [192.0.2.1] 2"),
        ROW("EHLO [IPv6:2001:db8::1]", "EHLO [IPv6:2001:db8::1] 3"),
        ROW("EHLO \xc3\xa9.example", "EHLO \xc3\xa9.example 1"),
        ROW("EHLO", "501 5.5.4 at 4: expected the name of your host"),
        ROW("EHLO [127.0.0.1", "501 5.5.4 at 5: the address in brackets is broken"),
        ROW("EHLO a/b", "501 5.5.4 at 5: the domain has a character that is not allowed"),
        ROW("EHLO a b", "501 5.5.4 at 7: expected the end of the command"),
        ROW("LHLO a.example", "500 5.5.2 at 0: unknown command"),
        ROW("DATA", "DATA "),
        ROW("data ", "DATA "),
        ROW("DATA now", "501 5.5.4 at 5: expected the end of the command"),
        ROW("RSET", "RSET "),
        ROW("QUIT", "QUIT "),
        ROW("QUIT NOW", "501 5.5.4 at 5: expected the end of the command"),
        ROW("NOOP", "NOOP "),
        ROW("NOOP any\ttext", "NOOP any\ttext"),
        ROW("HELP MAIL", "HELP MAIL"),
        ROW("VRFY Crispin", "VRFY Crispin"),
        ROW("VRFY <a@b.example> SMTPUTF8", "VRFY <a@b.example> utf8"),
        ROW("VRFY \xc3\xa9", "553 5.6.7 at 5: characters above 127 need SMTPUTF8"),
        ROW("VRFY \xc3 SMTPUTF8", "553 5.6.7 at 5: characters above 127 need SMTPUTF8"),
        ROW("VRFY", "501 5.5.4 at 4: expected a name or an address"),
        ROW("EXPN Example-People", "EXPN Example-People"),
        ROW("STARTTLS", "STARTTLS "),
        ROW("STARTTLS x", "501 5.5.4 at 9: expected the end of the command"),
        ROW("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=", "AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ="),
        ROW("AUTH CRAM-MD5", "AUTH CRAM-MD5"),
        ROW("AUTH PLAIN =", "AUTH PLAIN ="),
        ROW("AUTH", "501 5.5.4 at 4: expected the name of a mechanism"),
        ROW("AUTH PL@IN", "501 5.5.4 at 10: expected the name of a mechanism"),
        ROW("AUTH PLAIN a b", "501 5.5.4 at 13: expected the end of the command"),
        ROW("ETRN example.com", "502 5.5.1 at 0: this command is not done here"),
        ROW("TURN", "502 5.5.1 at 0: this command is not done here"),
        ROW("SOML FROM:<a@b>", "502 5.5.1 at 0: this command is not done here"),
        ROW("GET / HTTP/1.1", "500 5.5.2 at 0: unknown command"),
        ROW("", "500 5.5.2 at 0: unknown command"),
        ROW(" NOOP", "500 5.5.2 at 0: unknown command"),
        ROW("NOOPX", "500 5.5.2 at 0: unknown command"),
        ROW("RSET\t", "500 5.5.2 at 0: unknown command"),
        ROW("\xff", "500 5.5.2 at 0: unknown command"),
    };

    (void)state;
    CHECK(rows, .offers = ALL);
}

static void test_chunks(void **state)
{
    static const struct row rows[] = {
        ROW("BDAT 1000", "BDAT 1000"),
        ROW("BDAT 86 LAST", "BDAT 86 last"),
        ROW("bdat 0 last", "BDAT 0 last"),
        ROW("BDAT 18446744073709551615", "BDAT 18446744073709551615"),
        ROW("BDAT 18446744073709551616", "501 5.5.4 at 5: expected the size of the chunk!"),
        ROW("BDAT -1", "501 5.5.4 at 5: expected the size of the chunk!"),
        ROW("BDAT", "501 5.5.4 at 4: expected the size of the chunk!"),
        ROW("BDAT LAST", "501 5.5.4 at 5: expected the size of the chunk!"),
        ROW("BDAT 5 LASTLY", "501 5.5.4 at 13: expected LAST or nothing after the size!"),
        ROW("BDAT 5 LAST x", "501 5.5.4 at 12: expected the end of the command!"),
        ROW("BDAT 5\tLAST", "501 5.5.2 at 6: a control character in the command!"),
    };

    (void)state;
    CHECK(rows, .offers = ALL);
}

static void test_mail(void **state)
{
    static const struct row rows[] = {
        ROW("MAIL FROM:<Smith@bar.com>", "MAIL (Smith|bar.com|name)"),
        ROW("mail from: <Smith@bar.com> ", "MAIL (Smith|bar.com|name)"),
        ROW("MAIL FROM:<>", "MAIL (||none)"),
        ROW("MAIL FROM:<> SIZE=500000", "MAIL (||none) size 500000"),
        ROW("MAIL FROM:<a@b> SIZE=99999999999999999999",
            "MAIL (a|b|name) size 18446744073709551615"),
        ROW("MAIL FROM:<a@b> SIZE=999999999999999999999",
            "501 5.5.4 at 16: SIZE is a number of at most 20 digits"),
        ROW("MAIL FROM:<a@b> SIZE=-1", "501 5.5.4 at 16: SIZE is a number of at most 20 digits"),
        ROW("MAIL FROM:<a@b> SIZE=", "501 5.5.4 at 16: the parameter needs a value"),
        ROW("MAIL FROM:<a@b> SIZE", "501 5.5.4 at 16: the parameter needs a value"),
        ROW("MAIL FROM:<a@b> SIZE=1 SIZE=2", "501 5.5.4 at 23: a parameter is given twice"),
        ROW("MAIL FROM:<a@b> BODY=8BITMIME", "MAIL (a|b|name) 8bit"),
        ROW("MAIL FROM:<a@b> body=7bit  RET=HDRS", "MAIL (a|b|name) 7bit hdrs"),
        ROW("MAIL FROM:<a@b> BODY=BINARYMIME", "MAIL (a|b|name) binary"),
        ROW("MAIL FROM:<a@b> BODY=9BIT", "501 5.5.4 at 16: this BODY is not known or not offered"),
        ROW("MAIL FROM:<a@b> RET=FULL ENVID=QQ314159", "MAIL (a|b|name) full envid QQ314159"),
        ROW("MAIL FROM:<a@b> ENVID=a+3Db+2B", "MAIL (a|b|name) envid a=b+"),
        ROW("MAIL FROM:<a@b> ENVID=a+0D+0ARCPT",
            "501 5.5.4 at 16: ENVID is xtext of at most 100 printable characters"),
        ROW("MAIL FROM:<a@b> ENVID=+C3+A9",
            "501 5.5.4 at 16: ENVID is xtext of at most 100 printable characters"),
        ROW("MAIL FROM:<a@b> ENVID=a+4",
            "501 5.5.4 at 16: ENVID is xtext of at most 100 printable characters"),
        ROW("MAIL FROM:<a@b> RET=SOME", "501 5.5.4 at 16: RET is FULL or HDRS"),
        ROW("MAIL FROM:<e=mc2@example.com> AUTH=e+3Dmc2@example.com",
            "MAIL (e=mc2|example.com|name) auth (e=mc2|example.com|name)"),
        ROW("MAIL FROM:<a@b> AUTH=<>", "MAIL (a|b|name) auth (||none)"),
        ROW("MAIL FROM:<a@b> AUTH=joe", "501 5.5.4 at 16: the address has no @ and domain"),
        ROW("MAIL FROM:<a@b> REQUIRETLS", "MAIL (a|b|name) requiretls"),
        ROW("MAIL FROM:<a@b> REQUIRETLS=yes", "501 5.5.4 at 16: the parameter takes no value"),
        ROW("MAIL FROM:<a@b> HOLDFOR=86400", "MAIL (a|b|name) for 86400"),
        ROW("MAIL FROM:<a@b> HOLDFOR=0",
            "501 5.5.4 at 16: HOLDFOR is a number of seconds, up to 9 digits"),
        ROW("MAIL FROM:<a@b> HOLDFOR=1000000000",
            "501 5.5.4 at 16: HOLDFOR is a number of seconds, up to 9 digits"),
        ROW("MAIL FROM:<a@b> HOLDUNTIL=1970-01-02T00:00:00Z", "MAIL (a|b|name) until 86400"),
        ROW("MAIL FROM:<a@b> HOLDUNTIL=2000-02-29t01:00:00.25+01:00",
            "MAIL (a|b|name) until 951782400"),
        ROW("MAIL FROM:<a@b> HOLDUNTIL=2001-02-29T00:00:00Z",
            "501 5.5.4 at 16: HOLDUNTIL is a date like 2026-11-25T15:00:00Z"),
        ROW("MAIL FROM:<a@b> HOLDUNTIL=2001-02-20T00:00:00",
            "501 5.5.4 at 16: HOLDUNTIL is a date like 2026-11-25T15:00:00Z"),
        ROW("MAIL FROM:<a@b> HOLDUNTIL=2001-02-20T00:00:00.Z",
            "501 5.5.4 at 16: HOLDUNTIL is a date like 2026-11-25T15:00:00Z"),
        ROW("MAIL FROM:<a@b> HOLDFOR=5 HOLDUNTIL=2001-02-20T00:00:00Z",
            "501 5.5.4 at 26: HOLDFOR and HOLDUNTIL do not go together"),
        ROW("MAIL FROM:<a@b> MT-PRIORITY=-9", "MAIL (a|b|name) priority -9"),
        ROW("MAIL FROM:<a@b> MT-PRIORITY=10",
            "501 5.5.4 at 16: MT-PRIORITY is a number from -9 to 9"),
        ROW("MAIL FROM:<a@b> BY=125;R",
            "555 5.5.4 at 16: this parameter is not known or not offered"),
        ROW("MAIL FROM:<a@b> X", "555 5.5.4 at 16: this parameter is not known or not offered"),
        ROW("MAIL FROM:<a@b> =x", "501 5.5.4 at 16: expected parameters like NAME or NAME=value"),
        ROW("MAIL FROM:<a@b> RET=FULL=x",
            "501 5.5.4 at 16: expected parameters like NAME or NAME=value"),
        ROW("MAIL FROM:<a@b>SIZE=1", "501 5.5.4 at 15: expected a space after the address"),
        ROW("MAIL FROM:a@b", "501 5.1.7 at 10: expected an address in angle brackets"),
        ROW("MAIL FROM:<postmaster>", "501 5.1.7 at 5: the address has no @ and domain"),
        ROW("MAIL FROM:<joe>", "501 5.1.7 at 14: the address has no @ and domain"),
        ROW("MAIL <a@b>", "501 5.5.4 at 5: expected FROM:<address>"),
        ROW("MAIL", "501 5.5.4 at 4: expected FROM:<address>"),
        ROW("MAIL FROM", "501 5.5.4 at 5: expected FROM:<address>"),
        ROW("MAIL FROM:<a@b", "501 5.1.7 at 14: expected > after the address"),
        ROW("MAIL FROM:<a@\tb>", "501 5.5.2 at 13: a control character in the command"),
        ROW("MAIL FROM:<\xc3\xa9@b>",
            "553 5.6.7 at 5: an address with characters above 127 needs SMTPUTF8"),
        ROW("MAIL FROM:<\xc3\xa9@b> SMTPUTF8", "MAIL (\xc3\xa9|b|name utf8) utf8"),
        ROW("MAIL FROM:<a@b> SMTPUTF8", "MAIL (a|b|name) utf8"),
    };

    (void)state;
    CHECK(rows, .offers = ALL);
}

static void test_rcpt(void **state)
{
    static const struct row rows[] = {
        ROW("RCPT TO:<Jones@foo.com>", "RCPT (Jones|foo.com|name)"),
        ROW("RCPT TO:<@hosta.int,@jkl.org:userc@d.bar.org>", "RCPT (userc|d.bar.org|name)"),
        ROW("RCPT TO:<Postmaster>", "RCPT (Postmaster||none)"),
        ROW("RCPT TO:<\"postmaster\">", "RCPT (postmaster||none)"),
        ROW("RCPT TO:<>", "501 5.1.3 at 5: <> is nobody's address"),
        ROW("RCPT TO:<joe>", "501 5.1.3 at 12: the address has no @ and domain"),
        ROW("RCPT FROM:<a@b>", "501 5.5.4 at 5: expected TO:<address>"),
        ROW("RCPT TO:<Dana@Ivory.EDU> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU",
            "RCPT (Dana|Ivory.EDU|name) notify 6 orcpt rfc822 Dana@Ivory.EDU"),
        ROW("RCPT TO:<a@b> NOTIFY=NEVER", "RCPT (a|b|name) notify 1"),
        ROW("RCPT TO:<a@b> NOTIFY=delay,delay", "RCPT (a|b|name) notify 8"),
        ROW("RCPT TO:<a@b> NOTIFY=NEVER,DELAY",
            "501 5.5.4 at 14: NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY"),
        ROW("RCPT TO:<a@b> NOTIFY=DELAY,",
            "501 5.5.4 at 14: NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY"),
        ROW("RCPT TO:<a@b> NOTIFY=,",
            "501 5.5.4 at 14: NOTIFY is NEVER, or some of SUCCESS,FAILURE,DELAY"),
        ROW("RCPT TO:<a@b> ORCPT=rfc822;a+2Bb@c", "RCPT (a|b|name) orcpt rfc822 a+b@c"),
        ROW("RCPT TO:<a@b> ORCPT=rfc822;a+0D+0ADATA",
            "501 5.5.4 at 14: the address in ORCPT is broken"),
        ROW("RCPT TO:<a@b> ORCPT=utf-8;\\x{E9}@c", "RCPT (a|b|name) orcpt utf-8 \xc3\xa9@c"),
        ROW("RCPT TO:<a@b> ORCPT=utf-8;a\\x{5C}\\x{2B}", "RCPT (a|b|name) orcpt utf-8 a\\+"),
        ROW("RCPT TO:<a@b> ORCPT=utf-8;\\x{0A}", "501 5.5.4 at 14: the address in ORCPT is broken"),
        ROW("RCPT TO:<a@b> ORCPT=utf-8;\\x{D800}",
            "501 5.5.4 at 14: the address in ORCPT is broken"),
        ROW("RCPT TO:<a@b> ORCPT=utf-8;\\x{E9", "501 5.5.4 at 14: the address in ORCPT is broken"),
        ROW("RCPT TO:<a@b> ORCPT=utf-8;\xc3\xa9@c",
            "553 5.6.7 at 14: an ORCPT above 127 needs SMTPUTF8"),
        ROW("RCPT TO:<a@b> ORCPT=a@b", "501 5.5.4 at 14: ORCPT is like rfc822;user@example.org"),
        ROW("RCPT TO:<a@b> ORCPT=rfc822;",
            "501 5.5.4 at 14: ORCPT is like rfc822;user@example.org"),
        ROW("RCPT TO:<\xc3\xa9@b>",
            "553 5.6.7 at 5: an address with characters above 127 needs SMTPUTF8"),
        ROW("RCPT TO:<a\0b@x>", "501 5.5.2 at 10: a control character in the command"),
        ROW("RCPT TO:<a\r\nDATA@x>", "501 5.5.2 at 10: a control character in the command"),
        ROW("RCPT TO:<a@b> SIZE=1", "555 5.5.4 at 14: this parameter is not known or not offered"),
    };
    static const struct row utf8[] = {
        ROW("RCPT TO:<\xc3\xa9@\xc3\xa9.example> ORCPT=utf-8;\xc3\xa9@c",
            "RCPT (\xc3\xa9|\xc3\xa9.example|name utf8) orcpt utf-8 \xc3\xa9@c"),
        ROW("RCPT TO:<\xc3@b>", "501 5.1.3 at 9: the address is not valid UTF-8"),
        ROW("RCPT TO:<a\xe2\x80\xae@b>", "501 5.1.3 at 10: the address has a hidden character"),
    };

    (void)state;
    CHECK(rows, .offers = ALL);
    CHECK(utf8, .offers = ALL, .utf8 = true);
}

static void test_what_is_not_offered(void **state)
{
    static const struct row rows[] = {
        ROW("BDAT 5", "502 5.5.1 at 0: this command is not offered now!"),
        ROW("AUTH PLAIN", "502 5.5.1 at 0: this command is not offered now"),
        ROW("STARTTLS", "502 5.5.1 at 0: this command is not offered now"),
        ROW("XCLIENT ADDR=1.2.3.4", "502 5.5.1 at 0: this command is not offered now"),
        ROW("MAIL FROM:<a@b> SMTPUTF8",
            "555 5.5.4 at 16: this parameter is not known or not offered"),
        ROW("MAIL FROM:<a@b> RET=FULL",
            "555 5.5.4 at 16: this parameter is not known or not offered"),
        ROW("MAIL FROM:<a@b> BODY=8BITMIME", "MAIL (a|b|name) 8bit"),
        ROW("MAIL FROM:<a@b> BODY=BINARYMIME",
            "501 5.5.4 at 16: this BODY is not known or not offered"),
    };
    static const struct row lmtp[] = {
        ROW("LHLO a.example", "LHLO a.example 1"),
        ROW("EHLO a.example", "500 5.5.2 at 0: unknown command"),
        ROW("HELO a.example", "500 5.5.2 at 0: unknown command"),
        ROW("MAIL FROM:<a@b>", "MAIL (a|b|name)"),
    };

    (void)state;
    CHECK(rows, .offers = SMTP_EXT_8BITMIME);
    CHECK(lmtp, .lmtp = true);
}

static void test_xclient(void **state)
{
    static const struct row rows[] = {
        ROW("XCLIENT NAME=spike.porcupine.org ADDR=168.100.189.2",
            "XCLIENT [0=spike.porcupine.org][1=168.100.189.2]"),
        ROW("XCLIENT addr=IPV6:2001:db8::1 port=65535 proto=ESMTP",
            "XCLIENT [1=2001:db8::1][2=65535][3=ESMTP]"),
        ROW("XCLIENT NAME=[UNAVAILABLE] LOGIN=[TEMPUNAVAIL] HELO=a+2Bb",
            "XCLIENT [0=][4=a+b][5t=]"),
        ROW("XCLIENT DESTADDR=127.0.0.1 DESTPORT=25", "XCLIENT [6=127.0.0.1][7=25]"),
        ROW("XCLIENT", "501 5.5.4 at 7: expected attributes like ADDR=192.0.2.1"),
        ROW("XCLIENT ADDR=1.2.3", "501 5.5.4 at 8: the value of this attribute is broken"),
        ROW("XCLIENT ADDR=2001:db8::1", "501 5.5.4 at 8: the value of this attribute is broken"),
        ROW("XCLIENT PORT=65536", "501 5.5.4 at 8: the value of this attribute is broken"),
        ROW("XCLIENT PROTO=HTTP", "501 5.5.4 at 8: the value of this attribute is broken"),
        ROW("XCLIENT HELO=a+0Ab", "501 5.5.4 at 8: the value of this attribute is broken"),
        ROW("XCLIENT HELO=", "501 5.5.4 at 8: the value of this attribute is broken"),
        ROW("XCLIENT FOO=x", "501 5.5.4 at 8: this attribute is not known or given twice"),
        ROW("XCLIENT NAME=x NAME=y", "501 5.5.4 at 15: this attribute is not known or given twice"),
    };

    (void)state;
    CHECK(rows, .offers = ALL);
}

static void test_memory_is_bounded(void **state)
{
    struct arena arena;
    struct smtp_command cmd;
    struct smtp_parse_error error;
    static char line[SMTP_LINE_BYTES] = "XCLIENT HELO=";

    (void)state;
    memset(line + 13, 'a', sizeof(line) - 13);
    arena_init(&arena, 64);
    assert_err(smtp_parse(span_of(line, sizeof(line)), &arena,
                          &(struct smtp_parse_options){.offers = ALL}, &cmd, &error),
               ERR_NOMEM);
    assert_int_equal(error.code, 452);
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple_commands),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_what_is_not_offered),
        cmocka_unit_test(test_xclient),
        cmocka_unit_test(test_memory_is_bounded),
    };

    return cmocka_run_group_tests_name("smtp_command", tests, NULL, NULL);
}
