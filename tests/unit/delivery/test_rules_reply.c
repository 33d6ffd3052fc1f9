// SPDX-License-Identifier: Apache-2.0
//
// What a vacation answer and a notification look like, to the byte, and who gets one.
#include "../test.h"
#include "delivery/rules/rules_reply.h"

#define NOW 1800000000 // Fri, 15 Jan 2027 08:00:00 UTC

static const struct sieve_vacation plain = {.reason = {"I am away.\n", 11}};

static struct rules_reply reply_to(const char *header)
{
    return (struct rules_reply){.owner = SPAN("bob@example.org"),
                                .sender = SPAN("anna@example.net"),
                                .header = span_from_str(header),
                                .message_id = SPAN("<new@example.org>"),
                                .now_s = NOW,
                                .zone_minutes = 60};
}

static void assert_answer(const struct rules_reply *r, const struct sieve_vacation *v,
                          const char *wanted)
{
    struct buf out;

    buf_init(&out, RULES_REPLY_BYTES_MAX);
    assert_ok(rules_answer_write(r, v, &out));
    assert_span(buf_span(&out), wanted);
    buf_finish(&out);
}

static void assert_notice(const struct rules_reply *r, const struct sieve_notify *n,
                          const char *wanted)
{
    struct buf out;

    buf_init(&out, RULES_REPLY_BYTES_MAX);
    assert_ok(rules_notify_write(r, n, &out));
    assert_span(buf_span(&out), wanted);
    buf_finish(&out);
}

#define START                                                                                      \
    "Date: Fri, 15 Jan 2027 09:00:00 +0100\r\nFrom: <bob@example.org>\r\n"                         \
    "Message-ID: <new@example.org>\r\n"
#define TO   "To: anna@example.net\r\n"
#define AUTO "Auto-Submitted: auto-replied (vacation)\r\n"
#define TEXT                                                                                       \
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"                             \
    "Content-Transfer-Encoding: "

static void test_an_answer(void **state)
{
    struct rules_reply r = reply_to("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
                                    "Message-ID: <2@example.net>\r\n"
                                    "References: <0@example.net>\r\n <1@example.net>\r\n\r\n");

    (void)state;
    assert_answer(&r, &plain,
                  START TO
                  "Subject: =?UTF-8?b?QXV0bzogR3LDvMOfZQ==?=\r\n"
                  "In-Reply-To: <2@example.net>\r\n"
                  "References: <0@example.net> <1@example.net> <2@example.net>\r\n" AUTO TEXT
                  "7bit\r\n\r\nI am away.\r\n");
}

static void test_an_answer_to_a_message_without_an_id(void **state)
{
    struct rules_reply r = reply_to("Subject: Lunch\r\nMessage-ID: lunch\r\n"
                                    "References: <0@example.net>\r\n\r\n");

    (void)state;
    assert_answer(&r, &plain,
                  START TO "Subject: Auto: Lunch\r\n" AUTO TEXT "7bit\r\n\r\nI am away.\r\n");
}

// References that are no ASCII would make the answer's header no ASCII.
static void test_broken_references_are_left_out(void **state)
{
    struct rules_reply r =
        reply_to("Message-ID: <2@example.net>\r\nReferences: <\xc3\xbc@x>\r\n\r\n");

    (void)state;
    assert_answer(&r, &plain,
                  START TO "Subject: Auto:\r\nIn-Reply-To: <2@example.net>\r\n"
                           "References: <2@example.net>\r\n" AUTO TEXT
                           "7bit\r\n\r\nI am away.\r\n");
}

static void test_the_sender_a_script_gives(void **state)
{
    static const struct {
        const char *from, *written;
    } cases[] = {
        {"bob@example.org", "<bob@example.org>"},
        {"Bob Example <bob@example.org>", "\"Bob Example\" <bob@example.org>"},
        {"\"Bob \\\"B\\\" \\\\\" <bob@example.org>", "\"Bob \\\"B\\\" \\\\\" <bob@example.org>"},
        {"B\xc3\xb6"
         "b <bob@example.org>",
         "=?UTF-8?b?QsO2Yg==?= <bob@example.org>"},
    };
    struct rules_reply r = reply_to("\r\n");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sieve_vacation v = {
            .from = span_from_str(cases[i].from), .subject = SPAN("Away"), .reason = SPAN("x")};
        char wanted[600];

        snprintf(wanted, sizeof(wanted),
                 "Date: Fri, 15 Jan 2027 09:00:00 +0100\r\nFrom: %s\r\n"
                 "Message-ID: <new@example.org>\r\n" TO "Subject: Away\r\n" AUTO TEXT
                 "7bit\r\n\r\nx\r\n",
                 cases[i].written);
        assert_answer(&r, &v, wanted);
    }
}

// A script cannot put fields of its own into the header, nor a line that is too long.
static void test_a_subject_stays_one_field(void **state)
{
    struct rules_reply r = reply_to("\r\n");
    struct sieve_vacation v = {.subject = SPAN("a\r\nBcc: eve@example.net"), .reason = SPAN("x")};
    char word[900], wanted[1600];

    (void)state;
    assert_answer(&r, &v,
                  START TO "Subject: a Bcc: eve@example.net\r\n" AUTO TEXT "7bit\r\n\r\nx\r\n");
    v.subject = SPAN("one two three four five six seven eight nine ten eleven twelve thirteen "
                     "fourteen fifteen");
    assert_answer(&r, &v,
                  START TO "Subject: one two three four five six seven eight nine ten eleven "
                           "twelve\r\n thirteen fourteen fifteen\r\n" AUTO TEXT
                           "7bit\r\n\r\nx\r\n");
    memset(word, 'w', sizeof(word));
    v.subject = span_of(word, sizeof(word));
    snprintf(wanted, sizeof(wanted), START TO "Subject: %.900s\r\n" AUTO TEXT "7bit\r\n\r\nx\r\n",
             word);
    assert_answer(&r, &v, wanted);
}

static void assert_text(struct span text, const char *wanted)
{
    struct rules_reply r = reply_to("\r\n");
    struct sieve_vacation v = {.subject = SPAN("s"), .reason = text};
    char whole[8000];

    snprintf(whole, sizeof(whole), START TO "Subject: s\r\n" AUTO TEXT "%s", wanted);
    assert_answer(&r, &v, whole);
}

static void test_the_text_is_coded_only_when_it_must_be(void **state)
{
    char line[901], wanted[1100] = "quoted-printable\r\n\r\n";

    (void)state;
    assert_text(SPAN("a\r\nb\n\tc = d"), "7bit\r\n\r\na\r\nb\r\n\tc = d\r\n");
    assert_text(SPAN("\xc3\xbc = \t \nb "), "quoted-printable\r\n\r\n=C3=BC =3D \t=20\r\nb=20\r\n");
    assert_text(SPAN("a\rb"), "quoted-printable\r\n\r\na=0Db\r\n");
    assert_text(SPAN("a\r"), "quoted-printable\r\n\r\na\r\n");
    assert_text(SPAN("a\x01\x7f"), "quoted-printable\r\n\r\na=01=7F\r\n");
    memset(line, 'l', sizeof(line));
    for (size_t left = sizeof(line); left; left -= left > 75 ? 75 : left) {
        size_t n = strlen(wanted);

        snprintf(wanted + n, sizeof(wanted) - n, "%.*s%s", (int)(left > 75 ? 75 : left), line,
                 left > 75 ? "=\r\n" : "\r\n");
    }
    assert_text(span_of(line, sizeof(line)), wanted);
    line[600] = '\n'; // no line is too long
    snprintf(wanted, sizeof(wanted), "7bit\r\n\r\n%.600s\r\n%.300s\r\n", line, line);
    assert_text(span_of(line, sizeof(line)), wanted);
}

static void test_a_whole_entity_of_the_script(void **state)
{
    struct rules_reply r = reply_to("\r\n");
    struct sieve_vacation v = {.subject = SPAN("s"), .is_mime = true};
    static const char *const entities[] = {
        "Content-Type: text/html\r\nX-Mine: no\r\nBcc: eve@example.net\r\n\r\n<p>away</p>\r\n",
        "Content-Type: text/html\nX-Mine: no\n\n<p>away</p>\n",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        v.reason = span_from_str(entities[i]);
        assert_answer(&r, &v,
                      START TO "Subject: s\r\n" AUTO "MIME-Version: 1.0\r\n"
                               "Content-Type: text/html\r\n\r\n<p>away</p>\r\n");
    }
}

static const char *why_not(const struct rules_reply *r, const struct sieve_vacation *v)
{
    const char *why = "nobody said why";

    return rules_may_answer(r, v, &why) ? "it is answered" : why;
}

static void test_who_gets_an_answer(void **state)
{
    struct rules_reply r = reply_to("To: bob@example.org\r\n\r\n");
    struct span also[] = {SPAN("robert@example.org")};
    struct sieve_vacation v = {.addresses = {also, 1}};

    (void)state;
    assert_string_equal(why_not(&r, &v), "it is answered");
    r.sender = SPAN("");
    assert_string_equal(why_not(&r, &v), "no person sent it");
    r.sender = SPAN("MAILER-DAEMON@example.net");
    assert_string_equal(why_not(&r, &v), "no person sent it");
    r.sender = SPAN("Bob@example.org");
    assert_string_equal(why_not(&r, &v), "it is from the owner");
    r.sender = SPAN("bob+lists@example.org");
    r.recipient = SPAN("bob+lists@example.org");
    assert_string_equal(why_not(&r, &v), "it is from the owner");
    r.sender = SPAN("anna@example.net");
    assert_string_equal(why_not(&r, &v), "it is answered");
    r.header = SPAN("To: carol@example.org\r\nCc: bob+lists@example.org\r\n\r\n");
    assert_string_equal(why_not(&r, &v), "it is answered");
    r.header = SPAN("To: Robert@example.org\r\n\r\n");
    assert_string_equal(why_not(&r, &v), "it is answered");
    r.header = SPAN("To: carol@example.org\r\n\r\n");
    assert_string_equal(why_not(&r, &v), "it is not addressed to the owner");
    r.header = SPAN("To: bob@example.org\r\nList-Id: <l.example.net>\r\n\r\n");
    assert_string_equal(why_not(&r, &v), "it came from a mailing list");
    r.header = SPAN("To: bob@example.org\r\nAuto-Submitted: auto-replied\r\n\r\n");
    assert_string_equal(why_not(&r, &v), "a program sent it");
}

static void test_who_gets_a_notification(void **state)
{
    struct rules_reply r = reply_to("Subject: s\r\n\r\n");

    (void)state;
    assert_true(rules_may_notify(&r));
    r.header = SPAN("Auto-Submitted: no\r\n\r\n");
    assert_true(rules_may_notify(&r));
    r.header = SPAN("Auto-Submitted: Auto-Notified; owner-email=x\r\n\r\n");
    assert_false(rules_may_notify(&r));
    r.header = SPAN("Auto-Submitted: auto-replied (vacation)\r\n\r\n");
    assert_false(rules_may_notify(&r));
}

#define NOTIFIED "Auto-Submitted: auto-notified; owner-email=\"bob@example.org\"\r\nImportance: "

static void test_a_notification(void **state)
{
    struct rules_reply r = reply_to("Subject: Lunch\r\nFrom: Anna <anna@example.net>\r\n\r\n");
    struct span to[] = {SPAN("b@example.com"), SPAN("c@example.com")},
                cc[] = {SPAN("d@example.com")};
    struct span names[] = {SPAN("Keywords")}, values[] = {SPAN("mail")};
    struct sieve_notify n = {.importance = '2', .to = {to, 2}};

    (void)state;
    assert_notice(&r, &n,
                  START
                  "To: b@example.com,\r\n c@example.com\r\nSubject: New mail: Lunch\r\n" NOTIFIED
                  "normal\r\n" TEXT "7bit\r\n\r\nA message has arrived from Anna "
                  "<anna@example.net>.\r\n");
    n.cc = (struct sieve_strings){cc, 1};
    n.header_names = (struct sieve_strings){names, 1};
    n.header_values = (struct sieve_strings){values, 1};
    n.importance = '1';
    n.subject = SPAN("of the URI");
    n.body = SPAN("Look.");
    assert_notice(&r, &n,
                  START "To: b@example.com,\r\n c@example.com\r\nCc: d@example.com\r\n"
                        "Subject: of the URI\r\nKeywords: mail\r\n" NOTIFIED "high\r\n" TEXT
                        "7bit\r\n\r\nLook.\r\n");
    n.message = SPAN(""); // an empty :message is none
    n.importance = '3';
    assert_notice(&r, &n,
                  START "To: b@example.com,\r\n c@example.com\r\nCc: d@example.com\r\n"
                        "Subject: of the URI\r\nKeywords: mail\r\n" NOTIFIED "low\r\n" TEXT
                        "7bit\r\n\r\nLook.\r\n");
    n.message = SPAN("of the script");
    assert_notice(&r, &n,
                  START "To: b@example.com,\r\n c@example.com\r\nCc: d@example.com\r\n"
                        "Subject: of the script\r\nKeywords: mail\r\n" NOTIFIED "low\r\n" TEXT
                        "7bit\r\n\r\nLook.\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_an_answer_to_a_message_without_an_id),
        cmocka_unit_test(test_broken_references_are_left_out),
        cmocka_unit_test(test_the_sender_a_script_gives),
        cmocka_unit_test(test_a_subject_stays_one_field),
        cmocka_unit_test(test_the_text_is_coded_only_when_it_must_be),
        cmocka_unit_test(test_a_whole_entity_of_the_script),
        cmocka_unit_test(test_who_gets_an_answer),
        cmocka_unit_test(test_who_gets_a_notification),
        cmocka_unit_test(test_a_notification),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
