// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "base/buf.h"
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_failed), T(test_late_and_delivered), T(test_hostile_texts), T(test_whole_message),
        T(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
