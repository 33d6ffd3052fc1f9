// SPDX-License-Identifier: Apache-2.0
//
// The IMAP dialogue before login, and through it the rules that hold for every protocol.
#include "../test.h"
#include "dialogue_driver.h"
#include "gate/imap/imap_login.h"

#define CLEAR_ALLOWED "clear_login_loopback = yes\n"

static struct driver r;

static void start(const char *conf, bool tls)
{
    driver_open(&r, &imap_login_protocol, conf);
    r.d.has_tls = tls;
    r.d.has_certificate = true;
}

static struct span say(const char *text)
{
    driver_send(&r, span_from_str(text), 0);
    return driver_hear(&r);
}

static bool has(struct span text, const char *part)
{
    return span_find(text, span_from_str(part)) < text.n;
}

// ---- greeting and capabilities ------------------------------------------------------------------

static void test_greeting_says_what_may_be_done(void **state)
{
    static const struct {
        bool tls, certificate, loopback;
        const char *conf, *want;
    } cases[] = {
        {true, true, false, "", "ENABLE AUTH=PLAIN]"},
        {true, true, false, "auth_login = yes\n", "ENABLE AUTH=PLAIN AUTH=LOGIN]"},
        {false, true, false, "auth_login = yes\n", "ENABLE STARTTLS LOGINDISABLED]"},
        {false, true, false, "", "ENABLE STARTTLS LOGINDISABLED]"},
        {false, false, false, "", "ENABLE LOGINDISABLED]"},
        {false, true, true, "", "ENABLE STARTTLS LOGINDISABLED]"},
        {false, true, true, CLEAR_ALLOWED, "ENABLE STARTTLS AUTH=PLAIN]"},
        {false, true, false, CLEAR_ALLOWED, "ENABLE STARTTLS LOGINDISABLED]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].conf, cases[i].tls);
        r.d.has_certificate = cases[i].certificate;
        r.d.is_loopback = cases[i].loopback;
        dialogue_greet(&r.d);
        struct span heard = driver_hear(&r);

        if (!span_starts(heard, SPAN("* OK [CAPABILITY IMAP4rev1 ")) ||
            !has(heard, cases[i].want)) {
            print_error("case %zu: %.*s\n", i, SPAN_ARG(heard));
            fail();
        }
        driver_close(&r);
    }
}

static void test_every_command_in_every_cut(void **state)
{
    static const char script[] = "a NOOP\r\nb CAPABILITY\r\nc id (\"name\" {3+}\r\nx y)\r\n"
                                 "d SELECT INBOX\r\ne LOGIN u p\r\nf AUTHENTICATE PLAIN\r\n"
                                 "g LOGOUT\r\nh NOOP\r\n";
    struct buf whole;

    (void)state;
    buf_init(&whole, 1u << 20);
    for (size_t piece = 0; piece <= sizeof(script); piece++) {
        start("", false);
        driver_send(&r, span_from_str(script), piece);
        struct span heard = driver_hear(&r);

        if (piece == 0) {
            buf_put(&whole, heard);
            assert_true(has(heard, "a OK NOOP done\r\n"));
            assert_true(has(heard, "c OK ID done\r\n"));
            assert_true(has(heard, "d BAD "));
            assert_true(has(heard, "e NO [PRIVACYREQUIRED] "));
            assert_true(has(heard, "f NO [PRIVACYREQUIRED] "));
            assert_true(has(heard, "* BYE Goodbye\r\ng OK LOGOUT done\r\n"));
            assert_false(has(heard, "h "));
        }
        assert_true(span_eq(heard, buf_span(&whole)));
        assert_int_equal(r.d.step, DIALOGUE_CLOSE);
        driver_close(&r);
    }
    buf_finish(&whole);
}

// ---- passwords ----------------------------------------------------------------------------------

static void test_questions(void **state)
{
    static const struct {
        const char *said, *mechanism, *authzid, *user, *password;
    } cases[] = {
        {"t1 LOGIN anna secret\r\n", "LOGIN", "", "anna", "secret"},
        {"t1 login {4+}\r\nanna \"se\\\"cret\"\r\n", "LOGIN", "", "anna", "se\"cret"},
        {"t1 AUTHENTICATE PLAIN AGFubmEAc2VjcmV0\r\n", "PLAIN", "", "anna", "secret"},
        {"t1 AUTHENTICATE plain\r\nYgBhbm5hAHNlY3JldA==\r\n", "PLAIN", "b", "anna", "secret"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start("", true);
        say("i ID (\"name\" \"x\")\r\n");
        say(cases[i].said);
        assert_int_equal(r.d.step, DIALOGUE_ASK);
        assert_string_equal(r.d.question.mechanism, cases[i].mechanism);
        assert_span(r.d.question.authzid, cases[i].authzid);
        assert_span(r.d.question.user, cases[i].user);
        assert_span(r.d.question.password, cases[i].password);
        dialogue_forget_password(&r.d);
        assert_span(r.d.question.password, "");
        assert_span(r.d.question.tag, "t1");
        assert_span(r.d.question.client_id, "(\"name\" \"x\")");
        driver_close(&r);
    }
}

static void test_input_behind_a_login_waits(void **state)
{
    (void)state;
    start("", true);
    assert_span(say("a LOGIN u p\r\nb SELECT INBOX\r\n"), "");
    assert_int_equal(r.d.step, DIALOGUE_ASK);
    assert_span(buf_span(&r.d.in), "b SELECT INBOX\r\n"); // goes along to keep
    dialogue_refused(&r.d, DIALOGUE_UNAVAILABLE, SPAN(""));
    struct span heard = driver_hear(&r);

    assert_true(span_starts(heard, SPAN("a NO [UNAVAILABLE] ")));
    assert_true(has(heard, "\r\nb BAD "));
    driver_close(&r);
}

static void test_refusals(void **state)
{
    (void)state;
    start("login_failures_max = 3\n", true);
    say("a LOGIN u p\r\n");
    dialogue_refused(&r.d, DIALOGUE_TOO_MANY, SPAN("Wait a minute"));
    assert_span(driver_hear(&r), "a NO [LIMIT] Wait a minute\r\n");
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(r.d.step, DIALOGUE_READ);
        say("b LOGIN u p\r\n");
        dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
        assert_int_equal(has(driver_hear(&r), "* BYE Too many failed logins\r\n"), i == 3);
    }
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    driver_close(&r);
}

// Failures count on through STARTTLS, or it would buy new guesses.
static void test_tls_does_not_forgive_failures(void **state)
{
    (void)state;
    start(CLEAR_ALLOWED "login_failures_max = 2\n", false);
    r.d.is_loopback = true;
    say("b LOGIN u p\r\n");
    dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    say("c STARTTLS\r\n");
    dialogue_tls_started(&r.d);
    say("d LOGIN u p\r\n");
    dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    driver_close(&r);
}

static void test_sasl_ends(void **state)
{
    (void)state;
    start("", true);
    assert_span(say("a AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    assert_span(say("*\r\n"), "a BAD AUTHENTICATE was cancelled\r\n");
    assert_span(say("b AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    assert_span(say("!!!!\r\n"), "b BAD The SASL message is not base64\r\n");
    assert_span(say("c AUTHENTICATE PLAIN\r\n"), "+ \r\n");
    driver_send(&r, span_of("ab\0c\r\n", 6), 0);
    assert_span(driver_hear(&r), "c BAD A line has a NUL or a bare CR in it\r\n");
    assert_span(say("d AUTHENTICATE CRAM-MD5\r\n"),
                "d NO [CANNOT] There is no such mechanism here\r\n");
    assert_span(say("e NOOP\r\n"), "e OK NOOP done\r\n");
    driver_close(&r);
}

static void test_a_tag_too_long_for_keep(void **state)
{
    char line[400];

    (void)state;
    for (unsigned n = 254; n <= 257; n++) {
        start("", true);
        memset(line, 't', n);
        snprintf(line + n, sizeof(line) - n, " LOGIN u p\r\n");
        struct span heard = say(line);

        assert_int_equal(r.d.step, n <= 255 ? DIALOGUE_ASK : DIALOGUE_READ);
        assert_int_equal(has(heard, "tt BAD The tag is too long\r\n"), n > 255);
        driver_close(&r);
    }
}

// ---- STARTTLS -----------------------------------------------------------------------------------

static void test_starttls_in_every_spelling(void **state)
{
    static const struct {
        const char *said;
        enum dialogue_step step;
    } cases[] = {
        {"a STARTTLS\r\n", DIALOGUE_START_TLS},
        {"a starttls\r\n", DIALOGUE_START_TLS},
        {"a StartTLS\n", DIALOGUE_START_TLS},
        {"a STARTTLS\r\nb NOOP\r\n", DIALOGUE_DROP},
        {"a starttls\r\nb LOGIN u p\r\n", DIALOGUE_DROP},
        {"a STARTTLS\nb NOOP\r\n", DIALOGUE_DROP},
        {"a STARTTLS\r\nb", DIALOGUE_DROP},
        {"a STARTTLS\r\n\r\n", DIALOGUE_DROP},
        {"a STARTTLS\r\n\n", DIALOGUE_DROP},
        {"a NOOP\r\nb STARTTLS\r\nc STARTTLS\r\n", DIALOGUE_DROP},
        {"a STARTTLS \r\n", DIALOGUE_START_TLS},
        {"a STARTTLS \r\nb NOOP\r\n", DIALOGUE_DROP},
        {"a  STARTTLS\r\n", DIALOGUE_READ},
        {"a STARTTLS\t\r\n", DIALOGUE_READ},
        {"a STARTTLS x\r\n", DIALOGUE_READ},
        {"a STARTTLS {3+}\r\nabc\r\n", DIALOGUE_READ},
        {"a STARTTLS{3+}\r\nabc\r\n", DIALOGUE_READ},
        {"a STARTTLS\r\r\n", DIALOGUE_READ},
        {"STARTTLS\r\n", DIALOGUE_READ},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start("", false);
        struct span heard = say(cases[i].said);
        bool granted = cases[i].step != DIALOGUE_READ;

        if (r.d.step != cases[i].step || has(heard, "OK Begin TLS now\r\n") != granted ||
            has(heard, "c ") || (granted && has(heard, "b BAD"))) {
            print_error("case %zu: step %d, \"%.*s\"\n", i, r.d.step, SPAN_ARG(heard));
            fail();
        }
        driver_close(&r);
    }
}

// Nothing is said over TLS that was asked for in the clear, and nothing is remembered of it.
static void test_no_state_survives_starttls(void **state)
{
    (void)state;
    start("", false);
    say("i ID (\"name\" \"spy\")\r\n");
    say("a STARTTLS\r\n");
    assert_int_equal(r.d.step, DIALOGUE_START_TLS);
    dialogue_tls_started(&r.d);
    assert_span(driver_hear(&r), "");
    assert_int_equal(r.d.step, DIALOGUE_READ);
    struct span heard = say("b CAPABILITY\r\n");

    assert_true(has(heard, "AUTH=PLAIN") && !has(heard, "STARTTLS"));
    assert_span(say("c STARTTLS\r\n"), "c BAD TLS is on already\r\n");
    say("d LOGIN u p\r\n");
    assert_int_equal(r.d.step, DIALOGUE_ASK);
    assert_span(r.d.question.client_id, "");
    driver_close(&r);
}

static void test_no_words_once_tls_is_granted(void **state)
{
    (void)state;
    start("", false);
    say("a STARTTLS\r\n");
    dialogue_end(&r.d, DIALOGUE_TIMEOUT);
    assert_int_equal(r.d.step, DIALOGUE_DROP);
    assert_span(driver_hear(&r), "");
    driver_close(&r);
    start("", false);
    r.d.has_certificate = false;
    assert_true(has(say("a STARTTLS\r\n"), "a BAD The server has no certificate"));
    assert_int_equal(r.d.step, DIALOGUE_READ);
    driver_close(&r);
}

// ---- limits and last words ----------------------------------------------------------------------

static void test_limits(void **state)
{
    static char long_line[70000];
    static const struct {
        const char *said, *want;
        enum dialogue_step step;
    } cases[] = {
        {long_line, "* BYE The line is too long\r\n", DIALOGUE_CLOSE},
        {"a LOGIN {4097}\r\n", "a NO [TOOBIG] The literal is too big before login\r\n",
         DIALOGUE_READ},
        {"a LOGIN {4097+}\r\n",
         "* BYE The literal is too big for a client that has not logged in\r\n", DIALOGUE_CLOSE},
        {"a LOGIN {4294967296}\r\n", "a NO [TOOBIG] The literal is too big before login\r\n",
         DIALOGUE_READ},
        {"a LOGIN {99999999999999999999+}\r\n",
         "* BYE The literal is too big for a client that has not logged in\r\n", DIALOGUE_CLOSE},
        {"a LOGIN {4096}\r\n", "+ OK\r\n", DIALOGUE_READ},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "* BYE This is a mail server\r\n", DIALOGUE_CLOSE},
        {"POST /x HTTP/1.0\r\na LOGIN u p\r\n", "* BYE This is a mail server\r\n", DIALOGUE_CLOSE},
    };

    (void)state;
    memset(long_line, 'x', sizeof(long_line) - 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start("", true);
        assert_span(say(cases[i].said), cases[i].want);
        assert_int_equal(r.d.step, cases[i].step);
        assert_true(r.d.in.cap < 64u << 10);
        driver_close(&r);
    }
}

static void test_nonsense_ends_it(void **state)
{
    (void)state;
    start("login_bad_commands_max = 3\n", true);
    say("x\r\n");
    say("a FROB\r\n");
    assert_int_equal(r.d.step, DIALOGUE_READ);
    assert_true(has(say("b SELECT x\r\nc NOOP\r\n"), "* BYE Too many commands that make no sense"));
    assert_int_equal(r.d.step, DIALOGUE_CLOSE);
    assert_false(has(driver_hear(&r), "c "));
    driver_close(&r);
}

static void test_last_words(void **state)
{
    (void)state;
    for (int why = DIALOGUE_STOPPING; why <= DIALOGUE_OTHER_PROTOCOL; why++) {
        start("", true);
        dialogue_end(&r.d, why);
        struct span heard = driver_hear(&r);

        assert_true(span_starts(heard, SPAN("* BYE ")) && heard.n > 10);
        assert_true(span_find(heard, SPAN("\r\n")) == heard.n - 2);
        dialogue_end(&r.d, DIALOGUE_TIMEOUT); // once is enough
        assert_span(driver_hear(&r), "");
        assert_span(say("a NOOP\r\n"), "");
        driver_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting_says_what_may_be_done),
        cmocka_unit_test(test_every_command_in_every_cut),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_input_behind_a_login_waits),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_tls_does_not_forgive_failures),
        cmocka_unit_test(test_sasl_ends),
        cmocka_unit_test(test_a_tag_too_long_for_keep),
        cmocka_unit_test(test_starttls_in_every_spelling),
        cmocka_unit_test(test_no_state_survives_starttls),
        cmocka_unit_test(test_no_words_once_tls_is_granted),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_nonsense_ends_it),
        cmocka_unit_test(test_last_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
