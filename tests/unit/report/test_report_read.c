// SPDX-License-Identifier: Apache-2.0
//
// Reports as strangers write them: read in any pieces, bounded however much comes out of few bytes,
// without entities; what is in them stays text.
#include <stdio.h>
#include <zlib.h>

#include "../test.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "report/report_message.h"
#include "report/report_read.h"
#include "report/report_unpack.h"

#define META                                                                                       \
    "<report_metadata><org_name>Example Inc.</org_name><email>dmarc@example.net</email>"           \
    "<report_id>17</report_id><date_range><begin>1700000000</begin><end>1700086399</end>"          \
    "</date_range></report_metadata>"                                                              \
    "<policy_published><domain>example.org</domain><adkim>r</adkim><p>reject</p><pct>100</pct>"    \
    "</policy_published>"
#define RECORD(ip, count, dkim, spf)                                                               \
    "<record><row><source_ip>" ip "</source_ip><count>" count "</count><policy_evaluated>"         \
    "<disposition>quarantine</disposition><dkim>" dkim "</dkim><spf>" spf "</spf>"                 \
    "<reason><type>mailing_list</type><comment>a list</comment></reason></policy_evaluated></row>" \
    "<identifiers><header_from>example.org</header_from><envelope_from>e.example</envelope_from>"  \
    "</identifiers><auth_results><dkim><domain>example.org</domain><selector>s1</selector>"        \
    "<result>pass</result></dkim><spf><domain>e.example</domain><result>softfail</result></spf>"   \
    "</auth_results></record>"
#define XML(inner) "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback>" inner "</feedback>\n"
#define GOOD                                                                                       \
    XML(META RECORD("192.0.2.1", "3", "pass", "fail") RECORD("2001:db8::1", "4", "fail", "fail"))

// ---- a sink that writes rows down ---------------------------------------------------------------

struct rows {
    struct buf text;
    unsigned n, fail_at; // 0: never
};

static enum err put_row(void *arg, const struct report_row *w)
{
    struct rows *r = arg;

    r->n++;
    if (r->n == r->fail_at) {
        return ERR_NOSPACE;
    }
    buf_printf(&r->text, "%llu %d%d%d%d", (unsigned long long)w->count, w->disposition,
               w->is_dkim_pass, w->is_spf_pass, w->is_good);
    for (unsigned i = 1; i < REPORT_TEXTS; i++) {
        if (w->texts[i].n) {
            buf_printf(&r->text, " %u=%.*s", i, SPAN_ARG(w->texts[i]));
        }
    }
    buf_put_byte(&r->text, '\n');
    return ERR_OK;
}

struct read {
    struct rows rows;
    struct arena arena;
    struct report report;
    enum err e;
};

static void read_begin(struct read *r)
{
    *r = (struct read){.e = ERR_OK};
    buf_init(&r->rows.text, 1u << 20);
    arena_init(&r->arena, REPORT_MESSAGE_ARENA_MAX);
}

static void read_finish(struct read *r)
{
    buf_finish(&r->rows.text);
    arena_finish(&r->arena);
}

static void read_xml(struct read *r, struct span xml, size_t step, unsigned fail_at)
{
    struct dmarc_reader *reader;
    const struct report_sink sink = {put_row, &r->rows};

    read_begin(r);
    r->rows.fail_at = fail_at;
    assert_ok(dmarc_reader_create(&sink, &reader));
    while (xml.n && r->e == ERR_OK) {
        r->e = dmarc_reader_feed(reader, span_first(xml, step));
        xml = span_skip(xml, step);
    }
    r->e = r->e == ERR_OK ? dmarc_reader_end(reader, &r->arena, &r->report) : r->e;
    dmarc_reader_destroy(reader);
}

// ---- DMARC --------------------------------------------------------------------------------------

static void test_dmarc_report_is_read_in_any_pieces(void **state)
{
    static const size_t steps[] = {1, 2, 7, 100, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct read r;

        read_xml(&r, SPAN(GOOD), steps[i], 0);
        assert_ok(r.e);
        assert_int_equal(r.report.kind, REPORT_DMARC);
        assert_int_equal(r.report.good, 3);
        assert_int_equal(r.report.bad, 4);
        assert_int_equal(r.report.rows, 2);
        assert_int_equal(r.report.begin_s, 1700000000);
        assert_int_equal(r.report.end_s, 1700086399);
        assert_span(r.report.texts[REPORT_ORGANIZATION], "Example Inc.");
        assert_span(r.report.texts[REPORT_CONTACT], "dmarc@example.net");
        assert_span(r.report.texts[REPORT_ID], "17");
        assert_span(r.report.texts[REPORT_DOMAIN], "example.org");
        assert_span(r.report.texts[REPORT_POLICY], "p=reject pct=100 adkim=r");
        assert_span(buf_span(&r.rows.text),
                    "3 1100 7=192.0.2.1 8=example.org 9=e.example 10=dkim=pass example.org (s1), "
                    "spf=softfail e.example 11=mailing_list (a list)\n"
                    "4 1000 7=2001:db8::1 8=example.org 9=e.example 10=dkim=pass example.org (s1), "
                    "spf=softfail e.example 11=mailing_list (a list)\n");
        read_finish(&r);
    }
}

static void test_dmarc_reports_as_others_write_them(void **state)
{
    static const struct {
        const char *xml;
        enum err e;
        unsigned rows;
    } cases[] = {
        {XML(META), ERR_OK, 0},
        {"<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">" META "</feedback>", ERR_OK, 0},
        {"<a:feedback xmlns:a=\"x\">" META "</a:feedback>", ERR_OK, 0}, // prefixes do not matter
        {XML(META RECORD("not an address", "1", "pass", "pass")), ERR_OK, 0},
        {XML(META RECORD("192.0.2.1", "-5", "pass", "pass")), ERR_OK, 0},
        {XML(META RECORD("192.0.2.1", "99999999999999999999", "pass", "pass")), ERR_OK, 0},
        {XML(META RECORD("192.0.2.1", " 5 ", "PASS", "x")), ERR_OK, 1},
        {XML(RECORD("192.0.2.1", "5", "pass", "x")), ERR_INVALID, 1}, // who, when, whose?
        {"<other>" META "</other>", ERR_INVALID, 0},
        {"<feedback>" META, ERR_INVALID, 0},
        {"", ERR_INVALID, 0},
        {"no XML", ERR_INVALID, 0},
        {GOOD "<more/>", ERR_INVALID, 2},
        {"<?xml version=\"1.0\" encoding=\"x-unknown\"?><feedback/>", ERR_INVALID, 0},
        {XML(META "<report_metadata><date_range><end>later</end></date_range></report_metadata>"),
         ERR_INVALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct read r;

        read_xml(&r, span_from_str(cases[i].xml), 1000, 0);
        if (r.e != cases[i].e || r.rows.n != cases[i].rows) {
            fail_msg("%s: %s, %u rows", cases[i].xml, err_name(r.e), r.rows.n);
        }
        read_finish(&r);
    }
}

static void test_what_takes_rows_may_stop(void **state)
{
    struct read r;

    (void)state;
    read_xml(&r, SPAN(GOOD), 1000, 2);
    assert_err(r.e, ERR_NOSPACE);
    assert_int_equal(r.rows.n, 2);
    read_finish(&r);
}

static void test_n08_entities_are_refused(void **state)
{
    static const char *const cases[] = {
        "<!DOCTYPE f [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
        "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><feedback><x>&c;</x>" META "</feedback>",
        "<!DOCTYPE f [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><feedback>&a;" META "</feedback>",
        "<!DOCTYPE f [<!ENTITY % a SYSTEM \"http://127.0.0.1/x\"> %a;]><feedback>" META
        "</feedback>",
        "<!DOCTYPE feedback SYSTEM \"http://127.0.0.1/feedback.dtd\"><feedback>" META "</feedback>",
        "<!DOCTYPE feedback><feedback>" META "</feedback>",
        "<feedback>&unknown;" META "</feedback>",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct read r;

        read_xml(&r, span_from_str(cases[i]), 10, 0);
        if (r.e != ERR_INVALID) {
            fail_msg("%s: %s", cases[i], err_name(r.e));
        }
        read_finish(&r);
    }
}

static void test_n08_depth_and_length_are_bounded(void **state)
{
    struct buf xml;
    struct read r;

    (void)state;
    buf_init(&xml, 8u << 20);
    for (int i = 0; i < 100000; i++) {
        buf_put_str(&xml, "<feedback>");
    }
    read_xml(&r, buf_span(&xml), 4096, 0);
    assert_err(r.e, ERR_LIMIT);
    read_finish(&r);
    // An endless name, an endless text, and what is known behind both.
    buf_clear(&xml);
    buf_put_str(&xml, "<feedback><");
    for (int i = 0; i < 100000; i++) {
        buf_put_byte(&xml, 'n');
    }
    buf_put_str(&xml, "/><report_metadata><org_name>");
    for (int i = 0; i < 100000; i++) {
        buf_put_str(&xml, "\xc3\xa9");
    }
    buf_put_str(&xml, "</org_name></report_metadata>" META "</feedback>");
    read_xml(&r, buf_span(&xml), 4096, 0);
    assert_ok(r.e);
    assert_span(r.report.texts[REPORT_ORGANIZATION], "Example Inc.");
    read_finish(&r);
    buf_finish(&xml);
}

static void test_n08_text_is_only_text(void **state)
{
    struct read r;

    (void)state;
    read_xml(&r,
             SPAN("<feedback>" META "<report_metadata><org_name>\n &lt;script&gt;alert(1)&#10;"
                  "&lt;/script&gt;\t</org_name><email><![CDATA[a\rb]]></email></report_metadata>"
                  "</feedback>"),
             1000, 0);
    assert_ok(r.e);
    assert_span(r.report.texts[REPORT_ORGANIZATION], "<script>alert(1) </script>");
    assert_span(r.report.texts[REPORT_CONTACT], "a b");
    read_finish(&r);
}

static void test_clean_text(void **state)
{
    char room[8];

    (void)state;
    assert_span(span_of(room, report_clean(SPAN("  a\x1b\xff "), room, sizeof(room))), "a ?");
    assert_span(span_of(room, report_clean(SPAN("\xc2\x9b"
                                                "1\x7f"),
                                           room, sizeof(room))),
                "1");
    assert_span(span_of(room, report_clean(SPAN("123456789"), room, sizeof(room))), "12345");
}

// ---- TLS ----------------------------------------------------------------------------------------

#define TLS                                                                                        \
    "{\"organization-name\":\"Example Inc.\",\"date-range\":{\"start-datetime\":"                  \
    "\"2026-11-25T00:00:00Z\",\"end-datetime\":\"2026-11-25T23:59:59.5+00:00\"},"                  \
    "\"contact-info\":\"tls@example.net\",\"report-id\":\"2026-11-25_example.org\",\"policies\":"  \
    "[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\"],"                \
    "\"policy-domain\":\"example.org\"},\"summary\":{\"total-successful-session-count\":5326,"     \
    "\"total-failure-session-count\":303},\"failure-details\":[{\"result-type\":"                  \
    "\"certificate-expired\",\"sending-mta-ip\":\"192.0.2.1\",\"receiving-mx-hostname\":"          \
    "\"mx.example.org\",\"failed-session-count\":100},{\"result-type\":\"starttls-not-"            \
    "supported\","                                                                                 \
    "\"failed-session-count\":200,\"failure-reason-code\":\"502\",\"additional-information\":"     \
    "\"none\\u0007here\"}]}]}"

static void read_tls(struct read *r, struct span json)
{
    const struct report_sink sink = {put_row, &r->rows};

    read_begin(r);
    r->e = tls_report_read(json, &sink, &r->arena, &r->report);
}

static void test_tls_report_is_read(void **state)
{
    struct read r;

    (void)state;
    read_tls(&r, SPAN(TLS));
    assert_ok(r.e);
    assert_int_equal(r.report.kind, REPORT_TLS);
    assert_int_equal(r.report.good, 5326);
    assert_int_equal(r.report.bad, 303);
    assert_int_equal(r.report.begin_s, 1795564800);
    assert_int_equal(r.report.end_s, 1795651199);
    assert_span(r.report.texts[REPORT_DOMAIN], "example.org");
    assert_span(r.report.texts[REPORT_ID], "2026-11-25_example.org");
    assert_span(buf_span(&r.rows.text),
                "5326 0001 14=sts\n"
                "100 0000 7=192.0.2.1 12=certificate-expired 13=mx.example.org 14=sts\n"
                "200 0000 12=starttls-not-supported 14=sts 15=502: none here\n");
    read_finish(&r);
}

static void test_tls_reports_that_are_none(void **state)
{
#define HEAD(org, start, policies)                                                                 \
    "{\"organization-name\":" org ",\"date-range\":{\"start-datetime\":" start                     \
    ",\"end-datetime\":\"2026-11-25T23:59:59Z\"},\"policies\":" policies "}"
#define DAY    "\"2026-11-25t00:00:00z\""
#define POLICY "[{\"policy\":{\"policy-domain\":\"example.org\"}}]"
    static const struct {
        const char *json;
        enum err e;
    } cases[] = {
        {HEAD("\"A\"", DAY, POLICY), ERR_OK},
        {HEAD("\"A\"", "\"2026-11-25T00:00:00+02:00\"", POLICY), ERR_OK},
        {HEAD("\"\"", DAY, POLICY), ERR_INVALID},
        {HEAD("5", DAY, POLICY), ERR_INVALID},
        {HEAD("\"A\"", "\"yesterday\"", POLICY), ERR_INVALID},
        {HEAD("\"A\"", "\"2026-13-25T00:00:00Z\"", POLICY), ERR_INVALID},
        {HEAD("\"A\"", "\"2026-11-25T00:00:00\"", POLICY), ERR_INVALID},
        {HEAD("\"A\"", DAY, "[]"), ERR_INVALID},
        {HEAD("\"A\"", DAY, "{}"), ERR_INVALID},
        {HEAD("\"A\"", DAY, "[5, null, []]"), ERR_INVALID},
        {"[]", ERR_INVALID},
        {"{", ERR_INVALID},
        {"", ERR_INVALID},
        {"{\"organization-name\":\"a\\u0000b\"}", ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct read r;

        read_tls(&r, span_from_str(cases[i].json));
        if (r.e != cases[i].e) {
            fail_msg("%s: %s", cases[i].json, err_name(r.e));
        }
        read_finish(&r);
    }
}

// ---- unpacking ----------------------------------------------------------------------------------

struct counted {
    struct buf kept;
    uint64_t n;
};

static enum err count(void *arg, struct span bytes)
{
    struct counted *c = arg;

    c->n += bytes.n;
    if (c->kept.n < 65536) {
        buf_put(&c->kept, bytes);
    }
    return ERR_OK;
}

static enum err unpack(struct span packed, size_t step, struct counted *c)
{
    struct report_unpack *u;
    enum err e = ERR_OK;

    *c = (struct counted){.n = 0};
    buf_init(&c->kept, 1u << 20);
    assert_ok(report_unpack_create(count, c, &u));
    while (packed.n && e == ERR_OK) {
        e = report_unpack_feed(u, span_first(packed, step));
        packed = span_skip(packed, step);
    }
    e = e == ERR_OK ? report_unpack_end(u) : e;
    report_unpack_destroy(u);
    return e;
}

static void deflate_to(struct buf *out, struct span bytes, int window_bits)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)bytes.p, .avail_in = (uInt)bytes.n};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, bytes.n);

    z.next_out = (unsigned char *)buf_reserve(out, room);
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->n += z.total_out;
    deflateEnd(&z);
}

static void zip_head(struct buf *out, const char *name, uint16_t flags, uint16_t method,
                     size_t bytes)
{
    char head[30] = {'P', 'K', 3, 4, 20};

    put_le16(head + 6, flags);
    put_le16(head + 8, method);
    put_le32(head + 18, (uint32_t)bytes);
    put_le16(head + 26, (uint16_t)strlen(name));
    put_le16(head + 28, 3);
    buf_put(out, span_of(head, sizeof(head)));
    buf_put_str(out, name);
    buf_put_str(out, "ext");
}

static void zip_deflated(struct buf *out, struct span text)
{
    struct buf packed;

    buf_init(&packed, 1u << 20);
    deflate_to(&packed, text, -15);
    zip_head(out, "../../../../etc/cron.d/x", 8, 8, 0);
    buf_put(out, buf_span(&packed));
    buf_put_str(out, "PK\x01\x02 a directory that is not looked at");
    buf_finish(&packed);
}

static void test_every_way_of_packing(void **state)
{
    static const size_t steps[] = {1, 3, 29, 100000};
    struct span text = SPAN(GOOD);

    (void)state;
    for (unsigned way = 0; way < 5; way++) {
        struct buf packed;

        buf_init(&packed, 1u << 20);
        if (way == 0) {
            buf_put(&packed, text);
        } else if (way == 1) {
            deflate_to(&packed, text, 15 + 16);
            buf_put_str(&packed, "junk behind it");
        } else if (way == 2) {
            zip_deflated(&packed, text);
        } else {
            if (way == 4) {
                zip_head(&packed, "folder/", 0, 0, 0);
            }
            zip_head(&packed, "report.xml", 0, 0, text.n);
            buf_put(&packed, text);
            buf_put_str(&packed, "PK\x01\x02");
        }
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            struct counted c;

            assert_ok(unpack(buf_span(&packed), steps[i], &c));
            assert_true(span_eq(buf_span(&c.kept), text));
            buf_finish(&c.kept);
        }
        buf_finish(&packed);
    }
}

static void test_packing_that_is_broken(void **state)
{
    struct span text = SPAN(GOOD);
    struct counted c;
    struct buf packed;

    (void)state;
    buf_init(&packed, 1u << 20);
    deflate_to(&packed, text, 15 + 16);
    for (size_t n = 2; n < packed.n; n++) { // cut anywhere
        assert_err(unpack(span_first(buf_span(&packed), n), 100, &c), ERR_INVALID);
        buf_finish(&c.kept);
    }
    packed.p[packed.n - 6] ^= 1; // the sum
    assert_err(unpack(buf_span(&packed), 100, &c), ERR_INVALID);
    buf_finish(&c.kept);
    static const struct {
        uint16_t flags, method;
    } heads[] = {{1, 8}, {64, 8}, {8, 0}, {0, 12}, {0, 99}};

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        buf_clear(&packed);
        zip_head(&packed, "x", heads[i].flags, heads[i].method, text.n);
        buf_put(&packed, text);
        assert_err(unpack(buf_span(&packed), 7, &c), ERR_INVALID);
        buf_finish(&c.kept);
    }
    buf_clear(&packed);
    zip_head(&packed, "folder/", 0, 0, 0);
    buf_put_str(&packed, "neither a file");
    assert_err(unpack(buf_span(&packed), 100, &c), ERR_INVALID);
    buf_finish(&c.kept);
    buf_finish(&packed);
}

static void test_n08_what_comes_out_is_bounded(void **state)
{
    struct buf zeros, once, twice;
    struct counted c;

    (void)state;
    buf_init(&zeros, 64u << 20);
    buf_init(&once, 80u << 20);
    buf_init(&twice, 80u << 20);
    memset(buf_reserve(&zeros, 64u << 20), ' ', 64u << 20);
    zeros.n = 64u << 20;
    deflate_to(&once, buf_span(&zeros), 15 + 16);
    assert_true(once.n < 100000);
    assert_err(unpack(buf_span(&once), 4096, &c), ERR_LIMIT);
    assert_true(c.n <= REPORT_INFLATED_BYTES_MAX);
    buf_finish(&c.kept);
    // Packed twice: it is taken out once.
    deflate_to(&twice, buf_span(&once), 15 + 16);
    assert_ok(unpack(buf_span(&twice), 4096, &c));
    assert_int_equal(c.n, once.n);
    buf_finish(&c.kept);
    // Not packed at all it has the same limit.
    assert_err(unpack(buf_span(&zeros), 65536, &c), ERR_LIMIT);
    buf_finish(&c.kept);
    buf_finish(&zeros);
    buf_finish(&once);
    buf_finish(&twice);
}

// ---- messages -----------------------------------------------------------------------------------

static enum err read_text(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    buf_put(out, span_first(span_skip(*(struct span *)arg, offset), n));
    return buf_result(out);
}

static void read_message(struct read *r, struct span message)
{
    const struct report_sink sink = {put_row, &r->rows};
    const struct report_bytes bytes = {read_text, &message};

    read_begin(r);
    r->e = report_message_read(&bytes, &sink, &r->arena, &r->report);
}

static void test_reports_in_messages(void **state)
{
#define HEADER               "From: a@example.net\r\nMIME-Version: 1.0\r\n"
#define MULTI                HEADER "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n"
#define ATTACHED(type, body) MULTI "--b\r\nContent-Type: " type "\r\n\r\n" body "\r\n--b--\r\n"
    static const struct {
        const char *message;
        enum err e;
        enum report_kind kind;
    } cases[] = {
        {ATTACHED("text/xml", GOOD), ERR_OK, REPORT_DMARC},
        {ATTACHED("application/octet-stream", "\r\n\r\n" GOOD), ERR_OK, REPORT_DMARC},
        {ATTACHED("application/tlsrpt+json", TLS), ERR_OK, REPORT_TLS},
        {ATTACHED("application/tlsrpt+gzip", "\xef\xbb\xbf" TLS), ERR_OK, REPORT_TLS},
        {HEADER "Content-Type: application/xml\r\n\r\n" GOOD, ERR_OK, REPORT_DMARC},
        {ATTACHED("text/plain; name=r.xml\r\nContent-Disposition: attachment", GOOD), ERR_OK,
         REPORT_DMARC},
        {ATTACHED("text/plain", GOOD), ERR_NOT_FOUND, 0},
        {ATTACHED("image/png", GOOD), ERR_NOT_FOUND, 0},
        {ATTACHED("application/pdf", "%PDF-1.4"), ERR_NOT_FOUND, 0},
        {ATTACHED("application/zip", "PK\x03\x04 cut"), ERR_NOT_FOUND, 0},
        {ATTACHED("text/xml", "<svg/>"), ERR_INVALID, 0},
        {HEADER "\r\nhello\r\n", ERR_NOT_FOUND, 0},
        {"", ERR_NOT_FOUND, 0},
        // The signature in front is no report, and what is behind it is.
        {MULTI "--b\r\nContent-Type: application/pgp-keys\r\n\r\nabc\r\n--b\r\nContent-Type: "
               "application/xml\r\n\r\n" GOOD "\r\n--b--\r\n",
         ERR_OK, REPORT_DMARC},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct read r;

        read_message(&r, span_from_str(cases[i].message));
        if (r.e != cases[i].e || (r.e == ERR_OK && r.report.kind != cases[i].kind)) {
            fail_msg("%zu: %s", i, err_name(r.e));
        }
        read_finish(&r);
    }
}

static void test_n08_json_is_bounded(void **state)
{
    struct buf m;
    struct read r;

    (void)state;
    buf_init(&m, 16u << 20);
    buf_put_str(&m, HEADER "Content-Type: application/json\r\n\r\n{\"policies\":[");
    for (size_t i = 0; i < 6u << 20; i++) {
        buf_put_str(&m, "[");
    }
    read_message(&r, buf_span(&m));
    assert_err(r.e, ERR_LIMIT);
    read_finish(&r);
    buf_clear(&m); // within the limit, deeper than any stack
    buf_put_str(&m, HEADER "Content-Type: application/json\r\n\r\n{\"policies\":");
    for (size_t i = 0; i < 3u << 20; i++) {
        buf_put_str(&m, "[");
    }
    read_message(&r, buf_span(&m));
    assert_err(r.e, ERR_INVALID);
    read_finish(&r);
    buf_finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dmarc_report_is_read_in_any_pieces),
        cmocka_unit_test(test_dmarc_reports_as_others_write_them),
        cmocka_unit_test(test_what_takes_rows_may_stop),
        cmocka_unit_test(test_n08_entities_are_refused),
        cmocka_unit_test(test_n08_depth_and_length_are_bounded),
        cmocka_unit_test(test_n08_text_is_only_text),
        cmocka_unit_test(test_clean_text),
        cmocka_unit_test(test_tls_report_is_read),
        cmocka_unit_test(test_tls_reports_that_are_none),
        cmocka_unit_test(test_every_way_of_packing),
        cmocka_unit_test(test_packing_that_is_broken),
        cmocka_unit_test(test_n08_what_comes_out_is_bounded),
        cmocka_unit_test(test_reports_in_messages),
        cmocka_unit_test(test_n08_json_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
