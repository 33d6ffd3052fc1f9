// SPDX-License-Identifier: Apache-2.0
//
// SCRAM in the four dialogues: when it is offered, what keep is asked, what is said to the client
// in between, and what is no exchange (L06).
#include "../test.h"
#include "base/encode.h"
#include "dialogue_driver.h"
#include "gate/imap/imap_login.h"
#include "gate/managesieve/managesieve_login.h"
#include "gate/pop3/pop3_login.h"
#include "gate/smtp/smtp.h"

#define ON    "auth_scram = devices\n"
#define PROOF "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

// How each protocol says it; a `%s` is base64, `%m` the mechanism.
static const struct way {
    const struct dialogue_protocol *protocol;
    const char *hello, *ask, *offered, *begin, *begin_bare, *challenge, *answer, *no, *bad;
    const char *cancel;
} ways[] = {
    {&imap_login_protocol, "", "a CAPABILITY\r\n",
     "AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS", "b AUTHENTICATE %m %s\r\n",
     "b AUTHENTICATE %m\r\n", "+ %s\r\n", "%s\r\n", "b NO ", "b BAD ", "*\r\n"},
    {&pop3_login_protocol, "", "CAPA\r\n", "\r\nSASL PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n",
     "AUTH %m %s\r\n", "AUTH %m\r\n", "+ %s\r\n", "%s\r\n", "-ERR ", "-ERR ", "*\r\n"},
    {&smtp_submission_protocol, "EHLO c.example\r\n", "EHLO c.example\r\n",
     "AUTH PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n", "AUTH %m %s\r\n", "AUTH %m\r\n",
     "334 %s\r\n", "%s\r\n", "535 5.7.8 ", "501 5.5.2 ", "*\r\n"},
    {&managesieve_login_protocol, "", "CAPABILITY\r\n",
     "\"SASL\" \"PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\"\r\n", "AUTHENTICATE \"%m\" \"%s\"\r\n",
     "AUTHENTICATE \"%m\"\r\n", "\"%s\"\r\n", "\"%s\"\r\n", "NO ", "NO ", "\"*\"\r\n"},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct driver r;

static void start(const struct way *w, const char *conf, bool has_channel)
{
    driver_open(&r, w->protocol, conf);
    r.d.host = SPAN("mail.example.org");
    r.d.has_certificate = true;
    r.d.has_tls = true;
    if (has_channel) {
        memcpy(r.d.channel.exporter, "exporter", 8);
        r.d.channel.exporter_n = 8;
    }
    driver_send(&r, span_from_str(w->hello), 0);
    driver_hear(&r);
}

static bool has(struct span text, const char *part)
{
    return span_find(text, span_from_str(part)) < text.n;
}

static void put_line(struct buf *out, const char *form, const char *mechanism, const char *message)
{
    for (const char *p = form; *p; p++) {
        if (p[0] == '%' && p[1] == 'm') {
            buf_put_str(out, mechanism);
            p++;
        } else if (p[0] == '%' && p[1] == 's') {
            base64_encode(out, span_from_str(message));
            p++;
        } else {
            buf_put_byte(out, *p);
        }
    }
}

static struct span say(const char *form, const char *mechanism, const char *message)
{
    struct buf line;

    buf_init(&line, 1u << 16);
    put_line(&line, form, mechanism, message);
    driver_send(&r, buf_span(&line), 7);
    buf_finish(&line);
    return driver_hear(&r);
}

static void assert_heard(struct span heard, const char *form, const char *message)
{
    struct buf want;

    buf_init(&want, 1u << 16);
    put_line(&want, form, "", message);
    assert_true(span_eq(heard, buf_span(&want)));
    buf_finish(&want);
}

static void test_what_is_offered(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        start(&ways[i], ON, true);
        assert_true(has(say(ways[i].ask, "", ""), ways[i].offered));
        driver_close(&r);
        start(&ways[i], ON, false); // nothing to bind to
        struct span heard = say(ways[i].ask, "", "");

        assert_true(has(heard, "SCRAM-SHA-256") && !has(heard, "-PLUS"));
        say(ways[i].begin, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=anna,r=x");
        assert_int_equal(r.d.step, DIALOGUE_READ);
        driver_close(&r);
        start(&ways[i], "", true);
        assert_false(has(say(ways[i].ask, "", ""), "SCRAM"));
        say(ways[i].begin, "SCRAM-SHA-256", "n,,n=anna,r=x");
        assert_int_equal(r.d.step, DIALOGUE_READ);
        driver_close(&r);
    }
}

static void first_question(const struct way *w, const char *mechanism, const char *message,
                           const char *binding)
{
    say(w->begin, mechanism, message);
    assert_int_equal(r.d.step, DIALOGUE_ASK);
    assert_string_equal(r.d.question.mechanism, mechanism);
    assert_span(r.d.question.user, "anna");
    assert_span(r.d.question.message, message);
    assert_span(r.d.question.binding, binding);
    assert_int_equal(r.d.question.password.n, 0);
    assert_false(r.d.question.is_response);
}

static void test_a_whole_exchange(void **state)
{
    static const char last[] = "c=biws,r=xy," PROOF;

    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *w = &ways[i];

        start(w, ON, true);
        assert_heard(say(w->begin_bare, "SCRAM-SHA-256", ""), w->challenge, "");
        say(w->answer, "", "n,,n=anna,r=x");
        assert_int_equal(r.d.step, DIALOGUE_ASK);
        assert_span(r.d.question.message, "n,,n=anna,r=x");
        dialogue_forget_password(&r.d);
        dialogue_challenged(&r.d, SPAN("r=xy,s=AAAA,i=4096"), false);
        assert_heard(driver_hear(&r), w->challenge, "r=xy,s=AAAA,i=4096");
        say(w->answer, "", last);
        assert_int_equal(r.d.step, DIALOGUE_ASK);
        assert_true(r.d.question.is_response);
        assert_span(r.d.question.message, last);
        if (w->protocol == &imap_login_protocol) {
            assert_span(r.d.question.tag, "b");
        }
        if (!w->protocol->says_last_with_yes) {
            dialogue_forget_password(&r.d);
            dialogue_challenged(&r.d, SPAN("v=proof"), true);
            assert_heard(driver_hear(&r), w->challenge, "v=proof");
            assert_int_equal(r.d.step, DIALOGUE_READ);
            say(w->answer, "", "");
            assert_int_equal(r.d.step, DIALOGUE_ADMIT);
        }
        driver_close(&r);
    }
}

// A06c
static void test_what_is_bound(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        start(&ways[i], ON, true);
        first_question(&ways[i], "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=anna,r=x", "exporter");
        dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
        assert_true(span_starts(driver_hear(&r), span_from_str(ways[i].no)));
        first_question(&ways[i], "SCRAM-SHA-256", "n,a=anna,n=anna,r=x", "");
        assert_span(r.d.question.authzid, "anna");
        driver_close(&r);
    }
}

static void test_what_is_refused_at_once(void **state)
{
    static const struct {
        const char *mechanism, *message;
        bool is_no; // a sign-in that failed, not a rule that was broken
    } rows[] = {
        {"SCRAM-SHA-256", "y,,n=anna,r=x", true}, // somebody has hidden -PLUS
        {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=anna,r=x", true},
        {"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=anna,r=x", true},
        {"SCRAM-SHA-256-PLUS", "n,,n=anna,r=x", false},
        {"SCRAM-SHA-256", "p=tls-exporter,,n=anna,r=x", false},
        {"SCRAM-SHA-256", "n,,n=,r=x", false},
        {"SCRAM-SHA-256", "n,,m=1,n=anna,r=x", false},
        {"SCRAM-SHA-256", "\xff", false},
    };

    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        start(&ways[i], ON "login_bad_commands_max = 100\nsmtp_bad_commands_max = 100\n", true);
        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
            struct span heard = say(ways[i].begin, rows[k].mechanism, rows[k].message);
            const char *want = rows[k].is_no ? ways[i].no : ways[i].bad;

            if (!span_starts(heard, span_from_str(want)) || r.d.step != DIALOGUE_READ) {
                fail_msg("way %zu row %zu: %.*s", i, k, SPAN_ARG(heard));
            }
        }
        driver_close(&r);
    }
}

static void test_given_up_and_begun_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *w = &ways[i];

        start(w, ON, true);
        first_question(w, "SCRAM-SHA-256", "n,,n=anna,r=x", "");
        dialogue_challenged(&r.d, SPAN("r=xy,s=AAAA,i=4096"), false);
        driver_hear(&r);
        assert_true(span_starts(say(w->cancel, "", ""), span_from_str(w->bad)));
        first_question(w, "SCRAM-SHA-256", "n,,n=anna,r=x", "");
        dialogue_challenged(&r.d, SPAN("r=xy,s=AAAA,i=4096"), false);
        driver_hear(&r);
        assert_true(span_starts(say(w->answer, "", "c=biws,r=xy"), span_from_str(w->bad)));
        first_question(w, "SCRAM-SHA-256", "n,,n=anna,r=x", "");
        if (!w->protocol->says_last_with_yes) { // what is said to the proof is nothing
            dialogue_challenged(&r.d, SPAN("v=proof"), true);
            driver_hear(&r);
            assert_true(span_starts(say(w->answer, "", "more"), span_from_str(w->bad)));
            assert_int_equal(r.d.step, DIALOGUE_READ);
        }
        driver_close(&r);
    }
}

// L07. EXTERNAL, with what the owner has found in the certificate.
static void test_certificates(void **state)
{
    (void)state;
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *w = &ways[i];

        start(w, "", true);
        assert_false(has(say(w->ask, "", ""), "EXTERNAL"));
        say(w->begin, "EXTERNAL", "anna@x.example");
        assert_int_equal(r.d.step, DIALOGUE_READ);
        driver_close(&r);

        start(w, "", true);
        memset(r.d.certificate.digest, 'd', sizeof(r.d.certificate.digest));
        r.d.certificate.names[0] = SPAN("anna@x.example");
        r.d.certificate.names[1] = SPAN("office@x.example");
        r.d.certificate.name_count = 2;
        assert_true(has(say(w->ask, "", ""), "EXTERNAL"));
        say(w->begin, "EXTERNAL", "berta@x.example");
        assert_int_equal(r.d.step, DIALOGUE_READ); // not in it
        say(w->begin_bare, "EXTERNAL", "");
        say(w->answer, "", "");
        assert_int_equal(r.d.step, DIALOGUE_ASK);
        assert_span(r.d.question.user, "anna@x.example");
        assert_int_equal(r.d.question.message.n, 32);
        assert_int_equal(r.d.question.password.n, 0);
        dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
        say(w->begin, "EXTERNAL", "Office@x.example");
        assert_int_equal(r.d.step, DIALOGUE_ASK);
        assert_span(r.d.question.user, "office@x.example");
        r.d.has_tls = false; // another connection
        dialogue_refused(&r.d, DIALOGUE_BAD_PASSWORD, SPAN(""));
        driver_hear(&r);
        assert_false(has(say(w->ask, "", ""), "EXTERNAL"));
        driver_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_what_is_offered),
        cmocka_unit_test(test_a_whole_exchange),
        cmocka_unit_test(test_what_is_bound),
        cmocka_unit_test(test_what_is_refused_at_once),
        cmocka_unit_test(test_given_up_and_begun_anew),
    };

    return cmocka_run_group_tests_name("gate_scram", tests, NULL, NULL);
}
