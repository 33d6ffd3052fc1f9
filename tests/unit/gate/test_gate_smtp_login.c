// SPDX-License-Identifier: Apache-2.0
//
// Submission, AUTH and STARTTLS as dialogues, with keep played by the test. The ids (T01 ...) are
// those of the project's list of attacks and faults.
#include "base/clock.h"
#include "smtp_talk.h"

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
    assert_span(buf_span(&keep.log), "");
    client.d.has_tls = true;
    assert_has(say("EHLO c.example\r\n"), "250-AUTH PLAIN\r\n");
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("530 5.7.0 ")));
    assert_span(say("AUTH PLAIN\r\n"), "334 \r\n");
    assert_span(say("AGEAYg==\r\n"), "");
    assert_int_equal(client.d.step, DIALOGUE_ASK);
    assert_span(client.d.question.user, "a");
    assert_span(client.d.question.password, "b");
    dialogue_accepted(&client.d, SPAN("ticket-1"));
    smtp_keep_play(&keep, &client.d);
    assert_span(driver_hear(&client), "235 2.7.0 You are logged in\r\n");
    assert_span(buf_span(&keep.log), "MAIL ticket-1\n"); // at once
    assert_false(has(say("EHLO c.example\r\n"), "AUTH"));
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    assert_has(buf_span(&keep.prefix), " with ESMTPA\r\n");
    // Keep knew who it was; without keep nobody does.
    say(ENVELOPE);
    lose();
    assert_has(driver_hear(&client), "421 4.3.0 Log in again\r\n");
    assert_int_equal(client.d.step, DIALOGUE_CLOSE);
    stop();
}

static void test_auth_ends(void **state)
{
    static const struct {
        const char *said, *want;
    } cases[] = {
        {"AUTH CRAM-MD5\r\n", "504 5.5.4 "},
        {"AUTH LOGIN\r\n", "504 5.5.4 "}, // off, as the settings come
        {"AUTH PLAIN !!\r\n", "501 5.5.2 "},
        {"AUTH PLAIN =\r\n", "501 5.5.2 "},
        {"AUTH PLAIN\r\n*\r\n", "501 5.5.2 AUTH was cancelled\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span rest = span_from_str(cases[i].said), heard = SPAN("");

        start(&smtp_submission_protocol, "");
        client.d.has_tls = true;
        say("EHLO c.example\r\n");
        while (rest.n) { // line by line: a client waits
            size_t n = span_find_byte(rest, '\n') + 1;

            heard = say_span(span_first(rest, n));
            rest = span_skip(rest, n);
        }
        assert_true(span_starts(heard, span_from_str(cases[i].want)));
        stop();
    }
    start(&smtp_submission_protocol, "login_failures_max = 2\nauth_login = yes\n");
    client.d.has_tls = true;
    assert_has(say("EHLO c.example\r\n"), "250-AUTH PLAIN LOGIN\r\n");
    assert_span(say("AUTH LOGIN\r\n"), "334 VXNlcm5hbWU6\r\n");
    assert_span(say("YQ==\r\n"), "334 UGFzc3dvcmQ6\r\n");
    say("Yg==\r\n");
    dialogue_refused(&client.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    assert_true(span_starts(driver_hear(&client), SPAN("535 5.7.8 ")));
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_refused(&client.d, DIALOGUE_UNAVAILABLE, SPAN(""));
    assert_true(span_starts(driver_hear(&client), SPAN("454 4.7.0 ")));
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_refused(&client.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    assert_has(driver_hear(&client), "421 4.7.0 Too many failed logins\r\n");
    stop();
}

static void test_hold(void **state)
{
    (void)state;
    clock_test_fix_real(1764000000);
    start(&smtp_submission_protocol, "");
    client.d.has_tls = true;
    say("EHLO c.example\r\n");
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_accepted(&client.d, SPAN("t"));
    assert_has(say("MAIL FROM:<a@x.example> HOLDFOR=60\r\n"), "250 2.1.0 ");
    assert_int_equal(keep.hold_until_ms, 1764000060000);
    say("RSET\r\n");
    assert_has(say("MAIL FROM:<a@x.example> HOLDUNTIL=2025-11-24T16:10:00Z\r\n"), "250 2.1.0 ");
    assert_int_equal(keep.hold_until_ms, 1764000600000);
    say("RSET\r\n");
    assert_has(say("MAIL FROM:<a@x.example> HOLDFOR=2592001\r\n"), "501 5.5.4 ");
    assert_has(say("MAIL FROM:<a@x.example> HOLDUNTIL=9999-01-01T00:00:00Z\r\n"), "501 5.5.4 ");
    clock_test_fix_real(-1);
    stop();
}

// ---- T01 to T04: TLS ----------------------------------------------------------------------------

// E03
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

        if (client.d.step != want || has(heard, "220 2.0.0 Begin TLS now\r\n") != granted) {
            print_error("case %zu: step %d, %.*s\n", i, client.d.step, SPAN_ARG(heard));
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
    assert_int_equal(client.d.step, DIALOGUE_START_TLS);
    dialogue_tls_started(&client.d);
    assert_false(client.d.pair.is_wanted);
    smtp_keep_play(&keep, &client.d);
    assert_false(client.d.pair.is_open);
    assert_span(driver_hear(&client), "");
    assert_true(span_starts(say("MAIL FROM:<a@x.example>\r\n"), SPAN("503 5.5.1 Say EHLO")));
    assert_true(span_starts(say("STARTTLS\r\n"), SPAN("502 5.5.1 ")));
    say("EHLO c.example\r\n");
    assert_true(span_starts(say("DATA\r\n"), SPAN("503 5.5.1 ")));
    assert_true(span_starts(say("RCPT TO:<c@y.example>\r\n"), SPAN("503 5.5.1 ")));
    say(ENVELOPE "DATA\r\n");
    assert_span(say("x\r\n.\r\n"), "250 2.0.0 Kept or not\r\n");
    stop();
}

// The pair of the clear conversation is not the one of the next, however fast that comes.
static void test_t03_a_pair_of_its_own(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    say("EHLO c.example\r\n");
    say(ENVELOPE);
    say("STARTTLS\r\n");
    dialogue_tls_started(&client.d);
    buf_clear(&keep.log);
    driver_send(&client, SPAN("EHLO c.example\r\n"), 0); // keep has not moved yet
    driver_send(&client, SPAN("MAIL FROM:<d@x.example>\r\n"), 0);
    smtp_keep_play(&keep, &client.d);
    assert_has(driver_hear(&client), "250 2.1.0 Go on\r\n");
    assert_has(buf_span(&keep.log), "MAIL\n"); // another pair
    assert_has(buf_span(&keep.log), "FROM d@x.example\n");
    stop();
}

// E06: whoever has signed in in the clear is not offered STARTTLS any more, and gets none.
static void test_e06_no_starttls_after_a_login(void **state)
{
    (void)state;
    start(&smtp_submission_protocol, "clear_login_loopback = yes\n");
    client.d.is_loopback = true;
    assert_has(say("EHLO c.example\r\n"), "STARTTLS\r\n");
    say("AUTH PLAIN AGEAYg==\r\n");
    dialogue_accepted(&client.d, SPAN("ticket-1"));
    driver_hear(&client);
    assert_false(has(say("EHLO c.example\r\n"), "STARTTLS"));
    assert_true(span_starts(say("STARTTLS\r\n"), SPAN("502 5.5.1 ")));
    assert_int_equal(client.d.step, DIALOGUE_READ);
    stop();
}

static void test_t10_http(void **state)
{
    (void)state;
    start(&smtp_protocol, "");
    assert_span(say("GET / HTTP/1.1\r\nEHLO x.example\r\n"), "554 5.5.1 This is a mail server\r\n");
    assert_int_equal(client.d.step, DIALOGUE_CLOSE);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submission_wants_a_login),
        cmocka_unit_test(test_auth_ends),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_t01_t02_starttls),
        cmocka_unit_test(test_t03_all_is_forgotten),
        cmocka_unit_test(test_t03_a_pair_of_its_own),
        cmocka_unit_test(test_e06_no_starttls_after_a_login),
        cmocka_unit_test(test_t10_http),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
