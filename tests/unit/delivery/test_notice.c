// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "base/buf.h"
#include "delivery/delivery.h"
#include "delivery/notice.h"
#include "mime/mime_reader.h"

#define HOUR 3600000ll

static struct queue_job job;
static struct notice_facts facts;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    memset(&job, 0, sizeof(job));
    job.message.accepted_ms = 1800000000000;
    job.message.expires_ms = job.message.accepted_ms + 120 * HOUR;
    job.message.sender = SPAN("anna@example.org");
    job.message.envid = SPAN("QQ+314");
    job.count = 1;
    job.recipients[0] = (struct queue_recipient){
        .state = QUEUE_FAILED,
        .address = SPAN("bob@example.net"),
        .orcpt = SPAN("rfc822;bob@example.net"),
        .tried_ms = 1800000060000,
        .host = SPAN("mx.example.net"),
        .reply = SPAN("550 5.1.1 no such user here"),
    };
    facts = (struct notice_facts){
        .server = SPAN("mail.example.org"),
        .message_id = SPAN("<n1@mail.example.org>"),
        .now_ms = 1800000060000,
        .header = SPAN("Subject: =?utf-8?q?caf=C3=A9?=\r\nMessage-ID: <1@example.org>\r\n\r\n"),
    };
    buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_finish(&out);
    return 0;
}

static bool has(const char *text)
{
    return span_find(buf_span(&out), span_from_str(text)) < out.n;
}

static void write_notice(void)
{
    buf_clear(&out);
    assert_ok(notice_write(&job, &facts, &out));
    for (size_t i = 0; i < out.n; i++) {
        assert_true(out.p[i] != '\n' || (i && out.p[i - 1] == '\r'));
        assert_true(out.p[i] != '\r' || (i + 1 < out.n && out.p[i + 1] == '\n'));
        assert_true(out.p[i] != '\0');
    }
}

// The parts as our own reader finds them.
static unsigned parts(const char *want[], unsigned n)
{
    struct mime_message m;
    struct arena arena;

    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    assert_ok(mime_read(buf_span(&out), NULL, &arena, &m));
    unsigned count = (unsigned)m.part_count;

    for (unsigned i = 0; i < n && i < count; i++) {
        print_message("%.*s/%.*s\n", SPAN_ARG(m.parts[i].type), SPAN_ARG(m.parts[i].subtype));
        assert_true(span_eq_nocase(m.parts[i].subtype, span_from_str(want[i])));
    }
    arena_finish(&arena);
    return count;
}

static void test_failed(void **state)
{
    const char *want[] = {"report", "plain", "delivery-status", "rfc822-headers"};

    (void)state;
    write_notice();
    assert_int_equal(parts(want, 4), 4);
    assert_true(has("To: <anna@example.org>\r\n"));
    assert_true(has("Subject: =?utf-8?"));
    assert_true(has("In-Reply-To: <1@example.org>\r\n"));
    assert_true(has("Auto-Submitted: auto-replied\r\n"));
    assert_true(has("There is no mailbox with this address there.\r\n"));
    assert_true(has("The words of mx.example.net: 550 5.1.1 no such user here\r\n"));
    assert_true(has("Original-Envelope-Id: QQ+2B314\r\n"));
    assert_true(has("Original-Recipient: rfc822;bob@example.net\r\n"
                    "Final-Recipient: rfc822;bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
                    "Remote-MTA: dns;mx.example.net\r\n"
                    "Diagnostic-Code: smtp;550 5.1.1 no such user here\r\n"));
}

static void test_late_and_delivered(void **state)
{
    (void)state;
    job.recipients[0].state = QUEUE_WAITING;
    job.recipients[0].is_delay_due = true;
    facts.now_ms = job.message.accepted_ms + 5 * HOUR;
    facts.header = SPAN("Subject: hello\r\n");
    write_notice();
    assert_true(has("Subject: Delayed: hello\r\n"));
    assert_true(has("Tried for 5 hours, and not given up: the server tries again by itself for 4 "
                    "days more.\r\n"));
    assert_true(has("Action: delayed\r\nStatus: 4.1.1\r\n"));
    assert_true(has("Will-Retry-Until: "));
    job.count = 2;
    job.recipients[1] = job.recipients[0];
    job.recipients[1].state = QUEUE_DELIVERED;
    job.recipients[1].reply = SPAN("250 2.0.0 ok");
    write_notice();
    assert_true(has("Action: relayed\r\nStatus: 2.0.0\r\n"));
    assert_true(has("Your message has not arrived yet at:") && has("As you asked to be told"));
}

// Nothing that came from outside adds a line, and addresses in UTF-8 have their own form.
static void test_hostile_texts(void **state)
{
    const char *want[] = {"report", "plain", "global-delivery-status", "global-headers"};

    (void)state;
    job.recipients[0].address = SPAN("j\xc3\xb6rg@example.net");
    job.recipients[0].host = SPAN("mx\r\nX-Evil: 1");
    job.recipients[0].reply = SPAN("550 5.1.1 a\r\nX-Evil: 2\r\n\r\n--x\0y\xff");
    job.recipients[0].orcpt = SPAN("rfc822;a\nX-Evil: 3");
    facts.header = SPAN("Subject: a\r\n b\xc3\xa9\r\n\rX: y\n--=_notice\r\n\0");
    write_notice();
    assert_int_equal(parts(want, 4), 4);
    assert_false(has("\nX-Evil"));
    assert_true(has("Final-Recipient: utf-8;j\xc3\xb6rg@example.net\r\n"));
}

static void test_whole_message(void **state)
{
    const char *want[] = {"report", "plain", "delivery-status", "rfc822", "plain"};

    (void)state;
    facts.whole = SPAN("Subject: x\r\n\r\nhello\r\n");
    write_notice();
    assert_false(has("hello\r\n"));
    job.message.flags = QUEUE_RET_FULL;
    write_notice();
    assert_true(has("hello\r\n"));
    assert_int_equal(parts(want, 5), 5);
}

static void test_words(void **state)
{
    static const struct {
        const char *reply, *what;
    } rows[] = {
        {"552 5.2.2 over quota", "The mailbox is full."},
        {"550-5.7.1 blocked", "The other server did not accept the message."},
        {"550 5.7.1 blocked", "The other server refused the message because of its rules, often "
                              "against spam."},
        {"4.4.1 no answer", "The other server could not be reached."},
        {"550 no", "The other server did not accept the message."},
        {"", "The other server did not accept the message."},
        {"5.9999.1 x", "The other server did not accept the message."},
    };
    const char *what, *advice;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        notice_explain(span_from_str(rows[i].reply), &what, &advice);
        assert_string_equal(what, rows[i].what);
        assert_true(strlen(advice) > 10);
    }
}

// To the byte, but for the boundary, which is a secret: it is written "B" here.
static void assert_whole(const char *wanted)
{
    static char text[16384];
    struct span rest = buf_span(&out);
    size_t n = 0;

    while (rest.n) {
        size_t here = span_find(rest, SPAN("=_notice_"));

        assert_true(n + here + 1 < sizeof(text));
        memcpy(text + n, rest.p, here);
        n += here;
        if (here == rest.n) {
            break;
        }
        text[n++] = 'B';
        rest = span_skip(rest, here + strlen("=_notice_0123456789abcdef_0123456789abcdef"));
    }
    assert_span(span_of(text, n), wanted);
}

#define HEAD(subject, thread)                                                                      \
    "Date: Fri, 15 Jan 2027 13:00:00 +0000\r\nFrom: Mail delivery "                                \
    "<postmaster@mail.example.org>\r\nTo: <anna@example.org>\r\nSubject: " subject                 \
    "\r\nMessage-ID: <n1@mail.example.org>\r\n" thread                                             \
    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"                                        \
    "Content-Type: multipart/report;\r\n report-type=delivery-status;\r\n boundary=\"B\"\r\n\r\n"  \
    "--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
#define STATUS                                                                                     \
    "\r\nThis note was written by the mail server mail.example.org, not by a person.\r\n"          \
    "Below is, for mail programs, the same once more, and what you had sent.\r\n\r\n--B\r\n"       \
    "Content-Type: message/delivery-status\r\n\r\n"
#define REPORT                                                                                     \
    "Reporting-MTA: dns;mail.example.org\r\nArrival-Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
#define RETURNED                                                                                   \
    "\r\n--B\r\nContent-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"

static void test_a_whole_failure(void **state)
{
    (void)state;
    facts.now_ms = job.message.accepted_ms + 5 * HOUR;
    facts.header = SPAN("Subject: hello\nMessage-ID: <1@example.org>\n");
    write_notice();
    assert_whole(HEAD(
        "Not delivered: hello",
        "In-Reply-To: <1@example.org>\r\n"
        "References: <1@example.org>\r\n") "Your message could not be delivered to:\r\n\r\n  "
                                           "bob@example.net\r\n"
                                           "    There is no mailbox with this address there.\r\n"
                                           "    Look for typing mistakes in the address, or ask "
                                           "the person for the right one.\r\n"
                                           "    The words of mx.example.net: 550 5.1.1 no such "
                                           "user here\r\n" STATUS
                                           "Original-Envelope-Id: QQ+2B314\r\n" REPORT
                                           "\r\nOriginal-Recipient: rfc822;bob@example.net\r\n"
                                           "Final-Recipient: rfc822;bob@example.net\r\nAction: "
                                           "failed\r\nStatus: 5.1.1\r\n"
                                           "Remote-MTA: dns;mx.example.net\r\n"
                                           "Diagnostic-Code: smtp;550 5.1.1 no such user here\r\n"
                                           "Last-Attempt-Date: Fri, 15 Jan 2027 08:01:00 "
                                           "+0000\r\n" RETURNED "Subject: hello\r\nMessage-ID: "
                                           "<1@example.org>\r\n\r\n--B--\r\n");
}

// What the server says itself is no other server's words.
static void test_a_whole_failure_here(void **state)
{
    (void)state;
    facts.now_ms = job.message.accepted_ms + 5 * HOUR;
    facts.header = SPAN("Subject: hello\r\n");
    job.message.envid = SPAN("");
    job.recipients[0] = (struct queue_recipient){.state = QUEUE_FAILED,
                                                 .address = SPAN("bob@example.net"),
                                                 .reply = SPAN("5.2.2 the mailbox is full")};
    write_notice();
    assert_whole(HEAD(
        "Not delivered: hello",
        "") "Your message could not be delivered to:\r\n\r\n  bob@example.net\r\n"
            "    The mailbox is full.\r\n"
            "    Try again later, or reach the person another way so that room can be made.\r\n"
            "    The reason in full: 5.2.2 the mailbox is full\r\n" STATUS REPORT
            "\r\nFinal-Recipient: rfc822;bob@example.net\r\nAction: failed\r\nStatus: "
            "5.2.2\r\n" RETURNED "Subject: hello\r\n\r\n--B--\r\n");
}

static void test_a_whole_report_of_all_kinds(void **state)
{
    static const char *const destinations[] = {DELIVERY_HERE, DELIVERY_GROUP, "example.net"};

    (void)state;
    facts.now_ms = job.message.accepted_ms + 5 * HOUR;
    facts.header = SPAN("Subject: hello\r\n");
    job.message.envid = SPAN("");
    job.count = 4;
    job.recipients[0] = (struct queue_recipient){.state = QUEUE_WAITING,
                                                 .is_delay_due = true,
                                                 .address = SPAN("late@example.net"),
                                                 .reply = SPAN("451 4.7.1 greylisted")};
    for (unsigned i = 0; i < 3; i++) {
        job.recipients[1 + i] = (struct queue_recipient){
            .state = QUEUE_DELIVERED,
            .address = SPAN("bob@example.net"),
            .destination = span_from_str(destinations[i]),
        };
    }
    write_notice();
#define THERE "\r\nFinal-Recipient: rfc822;bob@example.net\r\nAction: "
    assert_whole(
        HEAD("Delayed: hello",
             "") "Your message has not arrived yet at:\r\n\r\n  late@example.net\r\n"
                 "    Tried for 5 hours, and not given up: the server tries again by itself for 4 "
                 "days more.\r\n    You need not send it again.\r\n"
                 "    The reason so far: 451 4.7.1 greylisted\r\n\r\n"
                 "As you asked to be told: your message was delivered to:\r\n\r\n"
                 "  bob@example.net\r\n    It is in the mailbox.\r\n\r\n  bob@example.net\r\n"
                 "    This address stands for several; the message was sent on to them, and there"
                 "\r\n    will be no word from each.\r\n\r\n  bob@example.net\r\n    It arrived "
                 "at the server that is responsible for this address.\r\n" STATUS REPORT
                 "\r\nFinal-Recipient: rfc822;late@example.net\r\nAction: delayed\r\n"
                 "Status: 4.7.1\r\nDiagnostic-Code: smtp;451 4.7.1 greylisted\r\n"
                 "Will-Retry-Until: Wed, 20 Jan 2027 08:00:00 +0000\r\n" THERE
                 "delivered\r\nStatus: 2.0.0\r\n" THERE "expanded\r\nStatus: 2.0.0\r\n" THERE
                 "relayed\r\nStatus: 2.0.0\r\n" RETURNED "Subject: hello\r\n\r\n--B--\r\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_failed),
        T(test_late_and_delivered),
        T(test_hostile_texts),
        T(test_whole_message),
        T(test_words),
        T(test_a_whole_failure),
        T(test_a_whole_failure_here),
        T(test_a_whole_report_of_all_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
