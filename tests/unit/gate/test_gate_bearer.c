// SPDX-License-Identifier: Apache-2.0
//
// Tokens of OAuth (RFC 7628) in the four dialogues: when they are offered, what keep is asked, and
// the step more that there is when it says no.
#include "../test.h"
#include "base/encode.h"
#include "dialogue_driver.h"
#include "gate/imap/imap_login.h"
#include "gate/managesieve/managesieve_login.h"
#include "gate/pop3/pop3_login.h"
#include "gate/smtp/smtp.h"

#define ISSUER "oauth_issuers = \"https://id.example.org aud=mail\"\n"
#define ERROR_JSON                                                                                 \
    "{\"status\":\"invalid_token\",\"openid-configuration\":"                                      \
    "\"https://id.example.org/.well-known/openid-configuration\"}"
#define XOAUTH2_JSON                                                                               \
    "{\"status\":\"401\",\"schemes\":\"bearer\",\"openid-configuration\":"                         \
    "\"https://id.example.org/.well-known/openid-configuration\"}"

// How each protocol says it; a `%s` is base64.
static const struct way {
    const struct dialogue_protocol *protocol;
    const char *hello;         // before anything else
    const char *ask, *offered; // what is there?
    const char *begin;         // with an initial response
    const char *challenge;     // the server's
    const char *answer;        // the client's, once begun
    const char *no, *busy, *cancelled, *unknown;
} ways[] = {
    {&imap_login_protocol, "", "a CAPABILITY\r\n", " AUTH=OAUTHBEARER AUTH=XOAUTH2",
     "b AUTHENTICATE %m %s\r\n", "+ %s\r\n", "%s\r\n", "b NO [AUTHENTICATIONFAILED] ",
     "b NO [UNAVAILABLE] ", "b BAD ", "b NO [CANNOT] "},
    {&pop3_login_protocol, "", "CAPA\r\n", "\r\nSASL PLAIN OAUTHBEARER XOAUTH2", "AUTH %m %s\r\n",
     "+ %s\r\n", "%s\r\n", "-ERR [AUTH] ", "-ERR [SYS/TEMP] ", "-ERR ", "-ERR "},
    {&smtp_submission_protocol, "EHLO c.example\r\n", "EHLO c.example\r\n",
     "AUTH PLAIN OAUTHBEARER XOAUTH2", "AUTH %m %s\r\n", "334 %s\r\n", "%s\r\n", "535 5.7.8 ",
     "454 4.7.0 ", "501 5.5.2 ", "504 5.5.4 "},
    {&managesieve_login_protocol, "", "CAPABILITY\r\n", "\"SASL\" \"PLAIN OAUTHBEARER XOAUTH2",
     "AUTHENTICATE \"%m\" \"%s\"\r\n", "\"%s\"\r\n", "\"%s\"\r\n", "NO \"The name",
     "NO (TRYLATER) ", "NO ", "NO "},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct driver r;

static void start(const struct way *w, const char *conf, bool has_tls)
{
    driver_open(&r, w->protocol, conf);
    r.d.host = SPAN("mail.example.org");
    r.d.has_certificate = true;
    r.d.is_loopback = true;
    r.d.has_tls = has_tls;
    driver_send(&r, span_from_str(w->hello), 0);
    driver_hear(&r);
}

static bool has(struct span text, const char *part)
{
    return span_find(text, span_from_str(part)) < text.n;
}

// "%m" is the mechanism, "%s" the message in base64.
static void put_line(struct buf *out, const char *form, const char *mechanism, struct span message)
{
    for (const char *p = form; *p; p++) {
        if (p[0] == '%' && p[1] == 'm') {
            buf_put_str(out, mechanism);
            p++;
        } else if (p[0] == '%' && p[1] == 's') {
            base64_encode(out, message);
            p++;
        } else {
            buf_put_byte(out, *p);
        }
    }
}

static struct span say(const char *form, const char *mechanism, struct span message)
{
    struct buf line;

    buf_init(&line, 1u << 16);
    put_line(&line, form, mechanism, message);
    driver_send(&r, buf_span(&line), 7);
    buf_finish(&line);
    return driver_hear(&r);
}

static void test_offered_over_tls_with_an_issuer_only(void **state)
{
    static const struct {
        bool has_tls, want;
        const char *conf;
    } cases[] = {
        {true, true, ISSUER},
        {true, false, ""},
        {false, false, ISSUER},
        {false, false, ISSUER "clear_login_loopback = yes\n"},
    };

    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
            start(&ways[i], cases[k].conf, cases[k].has_tls);
            struct span heard = say(ways[i].ask, "", SPAN(""));

            assert_int_equal(has(heard, ways[i].offered), cases[k].want);
            assert_int_equal(has(heard, "XOAUTH2"), cases[k].want);
            if (!cases[k].want) { // nor taken
                heard = say(ways[i].begin, "OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1\1"));
                assert_int_equal(r.d.step, DIALOGUE_READ);
                assert_true(heard.n > 0 && !has(heard, "334 ") && !has(heard, "+ "));
            }
            driver_close(&r);
        }
    }
}

static void test_question(void **state)
{
    static const struct {
        const char *mechanism, *message, *user, *token;
    } cases[] = {
        {"OAUTHBEARER", "n,a=anna@example.org,\1host=x\1port=143\1auth=Bearer ab.c-d\1\1",
         "anna@example.org", "ab.c-d"},
        {"OAUTHBEARER", "n,,\1auth=Bearer mkt_abc\1\1", "", "mkt_abc"},
        {"XOAUTH2", "user=anna\1auth=Bearer x\1\1", "anna", "x"},
    };

    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
            start(&ways[i], ISSUER, true);
            say(ways[i].begin, cases[k].mechanism, span_from_str(cases[k].message));
            assert_int_equal(r.d.step, DIALOGUE_ASK);
            assert_string_equal(r.d.question.mechanism, cases[k].mechanism);
            assert_span(r.d.question.authzid, "");
            assert_span(r.d.question.user, cases[k].user);
            assert_span(r.d.question.password, cases[k].token);
            driver_close(&r);
        }
    }
}

// As long as a token may be, in one line: longer than other commands (RFC 4959 section 3).
static void test_longest_token(void **state)
{
    static char message[9000];
    size_t n = 0;

    (void)state;
    n = (size_t)snprintf(message, sizeof(message), "n,,\1auth=Bearer ");
    memset(message + n, 'x', 8192);
    memcpy(message + n + 8192, "\1\1", 2);
    for (size_t i = 0; i < WAYS; i++) {
        bool is_sieve = ways[i].protocol == &managesieve_login_protocol;

        start(&ways[i], ISSUER, true);
        if (is_sieve) { // a quoted string is of 1024 bytes at most (RFC 5804 section 4)
            say("AUTHENTICATE \"OAUTHBEARER\" {10948+}\r\n%s\r\n", "", span_of(message, n + 8194));
        } else {
            say(ways[i].begin, "OAUTHBEARER", span_of(message, n + 8194));
        }
        assert_int_equal(r.d.step, DIALOGUE_ASK);
        assert_int_equal(r.d.question.password.n, 8192);
        driver_close(&r);
        start(&ways[i], ISSUER, true);
        memset(message + n, 'x', 8193);
        memcpy(message + n + 8193, "\1\1", 2);
        struct span heard =
            say(is_sieve ? "AUTHENTICATE \"OAUTHBEARER\" {10948+}\r\n%s\r\n" : ways[i].begin,
                "OAUTHBEARER", span_of(message, n + 8195));

        assert_true(span_starts(heard, span_from_str(ways[i].cancelled)));
        memcpy(message + n + 8192, "\1\1", 2);
        driver_close(&r);
    }
}

static void assert_challenged(const struct way *w, const char *json)
{
    struct buf want;

    buf_init(&want, 4096);
    put_line(&want, w->challenge, "", span_from_str(json));
    assert_true(span_eq(driver_hear(&r), buf_span(&want)));
    buf_finish(&want);
}

// RFC 7628 section 3.2.3: the reason, a word of the client that means nothing, the end.
static void test_refusal_has_one_step_more(void **state)
{
    static const struct span answers[] = {{"\1", 1}, {"", 0}, {"anything else", 13}};

    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        for (size_t k = 0; k < 3; k++) {
            const struct way *w = &ways[i];

            start(w, ISSUER, true);
            say(w->begin, "OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1\1"));
            dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
            assert_challenged(w, ERROR_JSON);
            assert_int_equal(r.d.step, DIALOGUE_READ);
            struct span heard = say(w->answer, "", answers[k]);

            assert_true(span_starts(heard, span_from_str(w->no)));
            // The next exchange is a new one.
            say(w->begin, "XOAUTH2", SPAN("user=a\1auth=Bearer y\1\1"));
            assert_int_equal(r.d.step, DIALOGUE_ASK);
            dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN("Not here"));
            assert_challenged(w, XOAUTH2_JSON);
            assert_true(has(say(w->answer, "", SPAN("")), "Not here"));
            driver_close(&r);
        }
    }
}

static void test_other_refusals_have_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *w = &ways[i];

        start(w, ISSUER, true);
        say(w->begin, "OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1\1"));
        dialogue_refused(&r.d, DIALOGUE_UNAVAILABLE, SPAN(""));
        assert_true(span_starts(driver_hear(&r), span_from_str(w->busy)));
        // A password is a password, also after a token.
        say(w->begin, "PLAIN", SPAN("\0a\0b"));
        assert_int_equal(r.d.step, DIALOGUE_ASK);
        dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
        assert_true(span_starts(driver_hear(&r), span_from_str(w->no)));
        assert_true(span_starts(say(w->begin, "OAUTHBEARER", SPAN("n,,\1auth=Basic x\1\1")),
                                span_from_str(w->cancelled)));
        assert_true(span_starts(say(w->begin, "GSSAPI", SPAN("x")), span_from_str(w->unknown)));
        driver_close(&r);
    }
}

// IMAP's command with a password in between, which is no SASL at all.
static void test_login_after_a_token(void **state)
{
    (void)state;
    start(&ways[0], ISSUER, true);
    say(ways[0].begin, "OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1\1"));
    dialogue_refused(&r.d, DIALOGUE_UNAVAILABLE, SPAN(""));
    driver_hear(&r);
    say("c LOGIN a b\r\n", "", SPAN(""));
    dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
    assert_true(span_starts(driver_hear(&r), SPAN("c NO [AUTHENTICATIONFAILED] ")));
    driver_close(&r);
}

static void test_too_many_refusals_end_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        start(&ways[i], ISSUER "login_failures_max = 1\n", true);
        say(ways[i].begin, "OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1\1"));
        dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
        assert_int_equal(r.d.step, DIALOGUE_CLOSE);
        assert_true(has(driver_hear(&r), "Too many failed logins"));
        driver_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offered_over_tls_with_an_issuer_only),
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_longest_token),
        cmocka_unit_test(test_refusal_has_one_step_more),
        cmocka_unit_test(test_other_refusals_have_not),
        cmocka_unit_test(test_login_after_a_token),
        cmocka_unit_test(test_too_many_refusals_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
