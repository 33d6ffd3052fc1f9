// SPDX-License-Identifier: Apache-2.0
//
// Reports for other domains: what was seen is added up and told once a day to whom the domain's
// record names, when they want it. The DNS is the test's.
#include <stdio.h>

#include "../store/support.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "delivery/report_send.h"
#include "mime/mime_header.h"
#include "report/report_message.h"
#include "report/report_session.h"
#include "senderauth/dkim.h"
#include "store/secret.h"

#define DAY     20000
#define NOW_S   (DAY * 86400ll + 1000)
#define DNS_MAX 10

static struct bench bench;
static struct bench *const b = &bench;
static struct queue *queue;
static struct trail *trail;
static struct reports *reports;
static struct delivery *delivery;
static struct {
    const char *name, *text; // text NULL: it cannot be said now
} dns[DNS_MAX];
static unsigned dns_n, asked;
static struct report_send_result result;

static int setup(void **state)
{
    struct queue_options qo;

    bench_choose(state);
    bench_open(b);
    clock_test_fix_real(NOW_S);
    queue_options_default(&qo);
    assert_ok(trail_open(b->engine, &trail));
    assert_ok(reports_open(b->engine, trail, &reports));
    qo.trail = trail;
    assert_ok(queue_open(b->engine, &qo, &queue));
    const struct delivery_options o = {.server = SPAN("mail.example.net"),
                                       .separators = SPAN("+"),
                                       .expire_s = 432000,
                                       .trail = trail,
                                       .report_address = SPAN("postmaster"),
                                       .reports = reports};

    assert_ok(delivery_create(b->store, queue, &o, &delivery));
    dns_n = asked = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    delivery_destroy(delivery);
    queue_close(queue);
    reports_close(reports);
    trail_close(trail);
    clock_test_fix_real(-1);
    bench_close(b);
    return 0;
}

// ---- the world ----------------------------------------------------------------------------------

static void publish(const char *name, const char *text)
{
    assert_true(dns_n < DNS_MAX);
    dns[dns_n].name = name;
    dns[dns_n++].text = text;
}

static enum err ask(void *arg, struct span name, struct arena *a, struct span *out)
{
    char room[4096];

    (void)arg;
    asked++;
    *out = SPAN("");
    for (unsigned i = 0; i < dns_n; i++) {
        if (span_eq(name, span_from_str(dns[i].name))) {
            if (!dns[i].text) {
                return ERR_AGAIN;
            }
            size_t n = strlen(dns[i].text);

            put_le16(room, (uint16_t)n);
            memcpy(room + 2, dns[i].text, n);
            *out = arena_dup(a, span_of(room, 2 + n));
        }
    }
    return ERR_OK;
}

static bool is_stopping(void *arg)
{
    (void)arg;
    return false;
}

static unsigned send_all(uint32_t today)
{
    const struct report_send_options o = {.ask = ask,
                                          .is_stopping = is_stopping,
                                          .from = SPAN("postmaster@example.net"),
                                          .server = SPAN("mail.example.net"),
                                          .today = today};

    assert_ok(report_send_all(delivery, reports, &o, &result));
    return result.sent;
}

static struct report_seen seen_of(const char *domain, const char *source)
{
    return (struct report_seen){.domain = span_from_str(domain),
                                .policy = REPORT_POLICY_REJECT,
                                .percent = 100,
                                .disposition = REPORT_POLICY_QUARANTINE,
                                .aligned = 1,
                                .source = span_from_str(source),
                                .header_from = SPAN("news.owner.example"),
                                .envelope_from = SPAN("b.example"),
                                .reason = SPAN("mailing_list"),
                                .checks = SPAN("spf\tfail\tb.example\tmfrom\n"
                                               "dkim\tpass\towner.example\ts<1>\n")};
}

// A message that came on that day.
static void see(const struct report_seen *s, uint32_t day, unsigned number)
{
    char room[REPORT_SEEN_BYTES_MAX];
    struct span key, value;
    struct batch *batch;

    assert_true(report_seen_row(s, day * 86400000000ull + number, room, &key, &value));
    assert_ok(trail_batch(&batch));
    assert_ok(batch_put(batch, key, value));
    assert_ok(engine_commit(b->engine, batch, ENGINE_ANY_VERSION));
    batch_destroy(batch);
}

static void see_some(const char *domain, uint32_t day, unsigned count)
{
    struct report_seen s = seen_of(domain, "192.0.2.1");

    for (unsigned i = 0; i < count; i++) {
        see(&s, day, i);
    }
}

static unsigned owed(void)
{
    struct report_owed o, after;
    unsigned n = 0;
    enum err e;

    while ((e = report_owed_next(reports, REPORT_DMARC, n ? &after : NULL, UINT32_MAX, &o)) ==
           ERR_OK) {
        after = o;
        n++;
    }
    assert_err(e, ERR_NOT_FOUND);
    return n;
}

// ---- what goes out ------------------------------------------------------------------------------

static struct buf listed;
static body_id body;
static unsigned flags;

static bool list_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    (void)arg;
    buf_printf(&listed, "<%.*s>%.*s ", SPAN_ARG(m->sender), SPAN_ARG(r->address));
    flags = m->flags;
    body = m->body;
    return true;
}

static void assert_queued(const char *want)
{
    buf_init(&listed, 65536);
    assert_ok(queue_list(queue, 0, list_one, NULL));
    assert_span(buf_span(&listed), want);
    buf_finish(&listed);
}

static enum err read_body(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    return body_read(arg, body, offset, n, out);
}

static enum err put_row(void *arg, const struct report_row *w)
{
    buf_printf(arg, "%llu %d%d%d %.*s %.*s %.*s [%.*s] %.*s\n", (unsigned long long)w->count,
               w->disposition, w->is_dkim_pass, w->is_spf_pass, SPAN_ARG(w->texts[REPORT_SOURCE]),
               SPAN_ARG(w->texts[REPORT_HEADER_FROM]), SPAN_ARG(w->texts[REPORT_ENVELOPE_FROM]),
               SPAN_ARG(w->texts[REPORT_CHECKS]), SPAN_ARG(w->texts[REPORT_REASON]));
    return ERR_OK;
}

static void assert_header(const char *name, const char *part)
{
    struct snapshot *s;
    struct buf text;

    buf_init(&text, 65536);
    assert_ok(snapshot_open(b->engine, &s));
    assert_ok(body_read(s, body, 0, 8000, &text));
    struct span field = mime_header_get(buf_span(&text), span_from_str(name));

    if (span_find(field, span_from_str(part)) == field.n) {
        fail_msg("%s: %.*s", name, SPAN_ARG(field));
    }
    snapshot_close(s);
    buf_finish(&text);
}

// The report that was queued last, read as we would read it.
static void read_sent(struct report *out, struct buf *rows)
{
    struct snapshot *s;
    const struct report_sink sink = {put_row, rows};

    assert_ok(snapshot_open(b->engine, &s));
    const struct report_bytes bytes = {read_body, s};

    assert_ok(report_message_read(&bytes, &sink, &b->arena, out));
    snapshot_close(s);
}

static void test_a_day_is_told_and_read_again(void **state)
{
    struct report_seen other = seen_of("owner.example", "2001:db8::1");
    struct report r;
    struct buf rows;

    (void)state;
    publish("_dmarc.owner.example",
            "v=DMARC1; p=none; rua=mailto:d@owner.example,mailto:e@owner.example");
    see_some("owner.example", DAY - 1, 3);
    other.aligned = 2;
    see(&other, DAY - 1, 10);
    see_some("owner.example", DAY, 1); // this day is not over
    assert_int_equal(send_all(DAY), 1);
    assert_queued("<>d@owner.example <>e@owner.example ");
    assert_true(flags & QUEUE_INTERNAL);
    buf_init(&rows, 65536);
    read_sent(&r, &rows);
    assert_span(buf_span(&rows),
                "3 110 192.0.2.1 news.owner.example b.example [dkim=pass owner.example (s<1>), "
                "spf=fail b.example] mailing_list\n"
                "1 101 2001:db8::1 news.owner.example b.example [dkim=pass owner.example (s<1>), "
                "spf=fail b.example] mailing_list\n");
    assert_span(r.texts[REPORT_DOMAIN], "owner.example");
    assert_span(r.texts[REPORT_ORGANIZATION], "mail.example.net");
    assert_span(r.texts[REPORT_CONTACT], "postmaster@example.net");
    assert_span(r.texts[REPORT_POLICY], "p=reject sp=none pct=100 adkim=r aspf=r fo=0");
    assert_int_equal(r.begin_s, (DAY - 1) * 86400);
    assert_int_equal(r.end_s, DAY * 86400 - 1);
    buf_finish(&rows);
    assert_header("Subject", "Report Domain: owner.example\r\n Submitter: mail.example.net\r\n "
                             "Report-ID: <19999.");
    assert_header("From", "<postmaster@example.net>");
    assert_header("To", "<d@owner.example>,\r\n <e@owner.example>");
    assert_header("Auto-Submitted", "auto-generated");
    assert_int_equal(owed(), 1);
}

static void test_n07_one_report_a_day(void **state)
{
    uint64_t problems = 0;

    (void)state;
    publish("_dmarc.owner.example", "v=DMARC1; p=none; rua=mailto:d@owner.example");
    see_some("owner.example", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 1);
    see_some("owner.example", DAY - 1, 2); // as after a crash, before they were forgotten
    assert_int_equal(send_all(DAY), 0);
    assert_int_equal(owed(), 0);
    assert_queued("<>d@owner.example ");
    assert_ok(reports_check(b->engine, NULL, NULL, &problems));
    assert_int_equal(problems, 0);
    assert_ok(report_trim_sent(reports, REPORT_DMARC, DAY)); // it is not known any more
    see_some("owner.example", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 1);
}

static void test_n07_foreign_addresses_must_want_it(void **state)
{
    (void)state;
    publish(
        "_dmarc.owner.example",
        "v=DMARC1; p=none; rua=mailto:a@no.example,mailto:b@yes.example,mailto:c@odd.example,"
        "mailto:d@owner.example,https://x.example/,mailto:D@owner.example,mailto:<x>@owner.example,"
        "mailto:x%0d%0aBcc:y@owner.example,mailto:nobody");
    publish("owner.example._report._dmarc.yes.example", "v=DMARC1");
    publish("owner.example._report._dmarc.odd.example", "yes");
    see_some("owner.example", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 1);
    assert_queued("<>b@yes.example <>d@owner.example ");
}

static void test_n07_many_addresses(void **state)
{
    struct buf rua;

    (void)state;
    buf_init(&rua, 4000);
    buf_put_str(&rua, "v=DMARC1; p=none; rua=mailto:a0@owner.example");
    for (int i = 1; i < 100; i++) {
        buf_printf(&rua, ",mailto:a%d@x%d.owner.example", i, i);
    }
    buf_put_byte(&rua, '\0');
    publish("_dmarc.owner.example", rua.p);
    see_some("owner.example", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 1);
    assert_queued(
        "<>a0@owner.example <>a1@x1.owner.example <>a2@x2.owner.example <>a3@x3.owner.example "
        "<>a4@x4.owner.example <>a5@x5.owner.example <>a6@x6.owner.example "
        "<>a7@x7.owner.example <>a8@x8.owner.example <>a9@x9.owner.example ");
    buf_clear(&rua);
    buf_put_str(&rua, "v=DMARC1; p=none; rua=mailto:a0@f0.example");
    for (int i = 1; i < 150; i++) { // all of them foreign, none of which wants it
        buf_printf(&rua, ",mailto:a@f%d.example", i);
    }
    buf_put_byte(&rua, '\0');
    dns[0].text = rua.p;
    dns[0].name = "_dmarc.example.com";
    asked = 0;
    see_some("example.com", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 0);
    assert_int_equal(asked, 101);
    buf_finish(&rua);
}

static void test_n07_sizes(void **state)
{
    (void)state;
    publish("_dmarc.owner.example",
            "v=DMARC1; p=none; rua=mailto:small@owner.example!1,mailto:k@owner.example!1k,"
            "mailto:none@owner.example");
    see_some("owner.example", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 1);
    assert_queued("<>k@owner.example <>none@owner.example ");
}

static void test_nobody_wants_it(void **state)
{
    static const char *const records[] = {"v=DMARC1; p=none", "v=spf1 -all",
                                          "v=DMARC1; p=none; rua=mailto:x@owner.example!1"};

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        dns_n = 0;
        publish("_dmarc.owner.example", records[i]);
        see_some("owner.example", DAY + i, 1);
        assert_int_equal(send_all(DAY + i + 1), 0);
        assert_int_equal(owed(), 0);
    }
    dns_n = 0;
    publish("_dmarc.owner.example", "v=DMARC1; p=none; rua=mailto:x@owner.example");
    publish("_dmarc.owner.example", NULL);
    assert_queued("");
}

static void test_the_dns_is_asked_again(void **state)
{
    (void)state;
    publish("_dmarc.owner.example", NULL);
    publish("_dmarc.example.com", "v=DMARC1; p=none; rua=mailto:x@example.com");
    publish("_dmarc.example.edu", "v=DMARC1; p=none; rua=mailto:x@foreign.example");
    publish("example.edu._report._dmarc.foreign.example", NULL);
    see_some("owner.example", DAY - 1, 1);
    see_some("example.com", DAY - 1, 1);
    see_some("example.edu", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 1);
    assert_queued("<>x@example.com ");
    assert_int_equal(result.waiting, 2);
    assert_int_equal(owed(), 2);
    assert_int_equal(send_all(DAY + 2), 0);
    assert_int_equal(owed(), 2);
    dns[0].text = "v=DMARC1; p=none; rua=mailto:x@owner.example";
    assert_int_equal(send_all(DAY + 2), 1);
    assert_int_equal(owed(), 1);
    assert_int_equal(send_all(DAY + 3), 0); // nobody could be found in three days
    assert_int_equal(owed(), 0);
}

static void test_reports_are_signed(void **state)
{
    struct dkim_private_key *key;
    struct buf pem;

    (void)state;
    buf_init(&pem, 8192);
    assert_ok(dkim_key_generate(DKIM_ED25519_SHA256, 0, &key));
    assert_ok(dkim_key_put_pem(&pem, key));
    const struct signing_key k = {.domain = SPAN("example.net"),
                                  .selector = SPAN("s"),
                                  .algorithm = DKIM_ED25519_SHA256,
                                  .pem = buf_span(&pem),
                                  .record = SPAN("v=DKIM1; ...")};

    assert_ok(signing_key_add(b->store, &tester, &k));
    assert_ok(
        signing_key_set_state(b->store, &tester, SPAN("example.net"), SPAN("s"), SIGNING_ACTIVE));
    dkim_key_destroy(key);
    buf_finish(&pem);
    publish("_dmarc.owner.example", "v=DMARC1; p=none; rua=mailto:d@owner.example");
    see_some("owner.example", DAY - 1, 1);
    assert_int_equal(send_all(DAY), 1);
    struct queue_job *job;
    int64_t next;

    assert_ok(queue_take(queue, NOW_S * 1000, &job, &next));
    assert_true(span_find(job->message.prefix, SPAN("d=example.net")) < job->message.prefix.n);
    queue_abandon(queue, job);
}

static void test_many_rows(void **state)
{
    struct report_seen s = seen_of("owner.example", "");
    struct report_day day;
    struct report_owed o;
    char source[20];

    (void)state;
    s.source.p = source;
    for (unsigned i = 0; i < REPORT_ROWS_MAX + 5; i++) {
        s.source.n = (size_t)snprintf(source, sizeof(source), "192.0.%u.%u", i / 256, i % 256);
        see(&s, DAY - 1, i);
    }
    assert_ok(report_owed_next(reports, REPORT_DMARC, NULL, DAY, &o));
    assert_ok(report_day_read(reports, &o, &day));
    assert_int_equal(day.n, REPORT_ROWS_MAX);
    assert_int_equal(day.left_out, 5);
    assert_int_equal(day.messages, REPORT_ROWS_MAX + 5);
    report_day_finish(&day);
    publish("_dmarc.owner.example", "v=DMARC1; p=none; rua=mailto:d@owner.example");
    assert_int_equal(send_all(DAY), 1);
    assert_int_equal(owed(), 0);
}

// ---- TLS ----------------------------------------------------------------------------------------

static void see_session(unsigned policy, unsigned fared, const char *host, unsigned number)
{
    const struct report_session s = {.domain = SPAN("owner.example"),
                                     .policy = policy,
                                     .result = fared,
                                     .policy_text =
                                         policy == 2 ? SPAN("version: STSv1\nmx: a.b") : SPAN(""),
                                     .host = span_from_str(host),
                                     .address = SPAN("192.0.2.1"),
                                     .source = SPAN("192.0.2.2"),
                                     .reason = fared == 1 ? SPAN("") : SPAN("why")};
    char room[REPORT_SEEN_BYTES_MAX];
    struct span key, value;

    assert_true(report_session_row(&s, (DAY - 1) * 86400000000ull + number, room, &key, &value));
    trail_collect(trail, key, value);
    assert_ok(trail_flush(trail));
}

static enum err put_session(void *arg, const struct report_row *w)
{
    buf_printf(arg, "%llu %d %.*s %.*s %.*s %.*s\n", (unsigned long long)w->count, w->is_good,
               SPAN_ARG(w->texts[REPORT_POLICY_TYPE]), SPAN_ARG(w->texts[REPORT_RESULT]),
               SPAN_ARG(w->texts[REPORT_HOST]), SPAN_ARG(w->texts[REPORT_DETAILS]));
    return ERR_OK;
}

static void test_tls_is_told_and_read_again(void **state)
{
    uint64_t problems = 0;
    struct snapshot *s;
    struct report r;
    struct buf rows;

    (void)state;
    publish("_smtp._tls.owner.example", "v=TLSRPTv1; rua=https://x.example/,mailto:t@else.example");
    for (unsigned i = 0; i < 3; i++) {
        see_session(2, 1, "mx.owner.example", i);
    }
    see_session(2, 4, "mx.owner.example", 5);
    see_session(0, 2, "mx.owner.example", 6);
    assert_ok(reports_check(b->engine, NULL, NULL, &problems));
    assert_int_equal(problems, 0);
    assert_int_equal(send_all(DAY), 1);
    assert_queued("<>t@else.example "); // RFC 8460 asks for nobody's permission
    buf_init(&rows, 65536);
    const struct report_sink sink = {put_session, &rows};

    assert_ok(snapshot_open(b->engine, &s));
    const struct report_bytes bytes = {read_body, s};

    assert_ok(report_message_read(&bytes, &sink, &b->arena, &r));
    snapshot_close(s);
    assert_span(buf_span(&rows), "0 1 no-policy-found   \n"
                                 "1 0 no-policy-found starttls-not-supported mx.owner.example why\n"
                                 "3 1 sts   \n"
                                 "1 0 sts certificate-expired mx.owner.example why\n");
    assert_span(r.texts[REPORT_DOMAIN], "owner.example");
    assert_int_equal(r.good, 3);
    assert_int_equal(r.bad, 2);
    assert_int_equal(r.begin_s, (DAY - 1) * 86400);
    assert_header("TLS-Report-Domain", "owner.example");
    assert_header("TLS-Report-Submitter", "mail.example.net");
    assert_header("Content-Type", "report-type=\"tlsrpt\"");
    buf_finish(&rows);
    see_session(2, 1, "mx.owner.example", 9);
    assert_int_equal(send_all(DAY), 0); // one a day
    assert_queued("<>t@else.example ");
}

static void test_nobody_wants_to_hear_of_tls(void **state)
{
    static const char *const records[] = {"v=TLSRPTv1", "v=TLSRPTv2; rua=mailto:a@owner.example",
                                          "v=TLSRPTv1; rua=https://x.example/", "v=spf1"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        dns_n = 0;
        publish("_smtp._tls.owner.example", records[i]);
        see_session(0, 1, "mx.owner.example", i);
        assert_int_equal(send_all(DAY), 0);
        assert_ok(report_trim_sent(reports, REPORT_TLS, DAY));
    }
    assert_queued("");
}

// ---- with a delivery ----------------------------------------------------------------------------

static enum err read_text(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    buf_put(out, span_first(span_skip(*(struct span *)arg, offset), n));
    return buf_result(out);
}

static void deliver(const char *to, const struct report_seen *seen)
{
    struct span text = SPAN("Subject: hello\r\nMessage-ID: <1@owner.example>\r\n\r\nhello\r\n");
    struct delivery_recipient recipient = {.address = span_from_str(to)};
    struct delivery_envelope env = {.sender = SPAN("a@owner.example"),
                                    .one_answer = true,
                                    .recipients = &recipient,
                                    .count = 1,
                                    .seen = seen};
    const struct delivery_message m = {
        .prefix = SPAN(""), .read = read_text, .arg = &text, .bytes = text.n, .header = text};

    assert_ok(delivery_run(delivery, &env, &m));
    assert_int_equal(recipient.answer.outcome, DELIVERY_ACCEPTED);
}

static void test_n07_reports_on_reports_never_loop(void **state)
{
    struct report_seen s = seen_of("owner.example", "192.0.2.1");
    account_id id;

    (void)state;
    assert_ok(directory_account_add(b->store, &tester, SPAN("postmaster@example.org"), SPAN("$"),
                                    true, &id));
    deliver("postmaster@example.org", &s);
    deliver("postmaster+x@example.org", &s);
    deliver("u1@example.org", NULL);
    assert_int_equal(owed(), 0);
    deliver("u1@example.org", &s);
    assert_int_equal(owed(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_day_is_told_and_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n07_one_report_a_day, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n07_foreign_addresses_must_want_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n07_many_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n07_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_wants_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_dns_is_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reports_are_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tls_is_told_and_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_wants_to_hear_of_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n07_reports_on_reports_never_loop, setup, teardown),
    };

    return BENCH_RUN("report_send", tests);
}
