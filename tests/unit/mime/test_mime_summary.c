// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "base/bytes.h"
#include "mime/mime_header.h"
#include "mime/mime_imap.h"
#include "mime/mime_reader.h"
#include "mime/mime_summary.h"

#define HEADER                                                                                     \
    "Received: a\r\nFrom: joe@example.org\r\nX-Odd: 1\r\nto: ann@example.org,\r\n bob@example.org" \
    "\r\nSubject: hi\r\nX-Odd: 2\r\nDate: Thu, 1 Jan 1970 01:00:10 +0100\r\nTo: c@d\r\n"           \
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define MESSAGE                                                                                    \
    HEADER "--b\r\n\r\nhello you\r\n--b\r\nContent-Type: a/b; name=x\r\nContent-Transfer-Encoding" \
           ": base64\r\n\r\nYQ==\r\n--b--\r\n"

static void build(const char *message, size_t n, struct buf *out)
{
    struct arena arena;
    struct mime_message m;

    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    assert_ok(mime_read(span_of(message, n), NULL, &arena, &m));
    buf_init(out, 2 * MIME_SUMMARY_BYTES_MAX);
    assert_ok(mime_summary_build(out, &m));
    arena_finish(&arena);
}

static void test_everything_is_read_back(void **state)
{
    struct buf b;
    struct mime_summary s;
    struct mime_summary_facts facts;
    struct span got;

    (void)state;
    build(MESSAGE, strlen(MESSAGE), &b);
    assert_ok(mime_summary_open(buf_span(&b), &s));
    assert_ok(mime_summary_envelope(&s, &got));
    assert_true(span_starts(got, SPAN("(\"Thu, 1 Jan 1970 01:00:10 +0100\" \"hi\" ((NIL NIL \"j")));
    assert_true(got.p >= b.p && got.p + got.n <= b.p + b.n);
    assert_ok(mime_summary_preview(&s, &got));
    assert_span(got, "hello you");
    assert_ok(mime_summary_body(&s, &got));
    assert_span(got, "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 9 0)(\"a\" \"b\" (\"name\" \"x\") "
                     "NIL NIL \"base64\" 4) \"mixed\")");
    assert_ok(mime_summary_bodystructure(&s, &got));
    assert_true(span_ends(got, SPAN("\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)")));
    assert_ok(mime_summary_facts(&s, &facts));
    assert_int_equal(facts.message_size, strlen(MESSAGE));
    assert_int_equal(facts.header_size, strlen(HEADER));
    assert_true(facts.has_sent);
    assert_int_equal(facts.sent_seconds, 10);
    assert_int_equal(facts.zone_minutes, 60);
    assert_true(facts.has_attachment);
    assert_int_equal(facts.part_count, 3);
    buf_finish(&b);
}

static void test_sections_from_the_table(void **state)
{
    struct buf b;
    struct mime_summary s;
    struct mime_table table;
    struct mime_range r;
    uint32_t path[] = {2, 1};
    struct mime_section section = {path, 1, MIME_SECTION_ALL};

    (void)state;
    build(MESSAGE, strlen(MESSAGE), &b);
    assert_ok(mime_summary_open(buf_span(&b), &s));
    assert_ok(mime_summary_table(&s, &table));
    assert_ok(mime_section_find(table, &section, &r));
    assert_span(span_of(&MESSAGE[r.offset], r.size), "YQ==");
    assert_int_equal(r.encoding, MIME_BASE64);
    section.path_n = 2;
    assert_err(mime_section_find(table, &section, &r), ERR_NOT_FOUND);
    buf_finish(&b);
}

// What the summary gives for a set of names must be what filtering the message gives.
static void check_fields(const char *message, const struct span *names, size_t n)
{
    struct buf b, got, want;
    struct mime_summary s;
    mime_fields fields = 0;
    struct arena arena;
    struct mime_message m;

    build(message, strlen(message), &b);
    buf_init(&got, 10000);
    buf_init(&want, 10000);
    for (size_t i = 0; i < n; i++) {
        assert_int_not_equal(mime_fields_bit(names[i]), 0);
        fields |= mime_fields_bit(names[i]);
    }
    assert_ok(mime_summary_open(buf_span(&b), &s));
    assert_ok(mime_summary_fields(&s, fields, &got));
    arena_init(&arena, MIME_MESSAGE_BYTES_MAX);
    assert_ok(mime_read(span_from_str(message), NULL, &arena, &m));
    mime_header_filter(&want, span_first(span_from_str(message), m.parts[0].header_size), names, n,
                       false);
    if (!span_eq(buf_span(&got), buf_span(&want))) {
        fail_msg("got \"%.*s\"", SPAN_ARG(buf_span(&got)));
    }
    buf_finish(&b);
    buf_finish(&got);
    buf_finish(&want);
    arena_finish(&arena);
}

static void test_header_fields_are_those_of_the_message(void **state)
{
    const struct span all[] = {SPAN("TO"),   SPAN("subject"),      SPAN("From"),
                               SPAN("Date"), SPAN("Content-Type"), SPAN("Cc")};

    (void)state;
    for (size_t n = 0; n <= sizeof(all) / sizeof(all[0]); n++) {
        check_fields(MESSAGE, all, n);
        check_fields("To: a\nSubject: b\n c\nTo: d\n\nbody", all, n);
        check_fields("To: a", all, n);
        check_fields("To: a\nbody text\nand more", all, n);
        check_fields("\r\nbody", all, n);
        check_fields("", all, n);
    }
    check_fields(MESSAGE, all + 1, 1);
    check_fields(MESSAGE, all + 3, 2);
}

static void test_neighbours_are_one_span(void **state)
{
    struct buf b;
    struct mime_summary s;
    struct mime_summary_cursor cursor = {0};
    struct span got;
    mime_fields fields = mime_fields_bit(SPAN("To")) | mime_fields_bit(SPAN("Subject"));

    (void)state;
    build(MESSAGE, strlen(MESSAGE), &b);
    assert_ok(mime_summary_open(buf_span(&b), &s));
    assert_ok(mime_summary_fields_next(&s, fields, &cursor, &got));
    assert_span(got, "to: ann@example.org,\r\n bob@example.org\r\nSubject: hi\r\n");
    assert_ok(mime_summary_fields_next(&s, fields, &cursor, &got));
    assert_span(got, "To: c@d\r\n");
    assert_ok(mime_summary_fields_next(&s, fields, &cursor, &got));
    assert_span(got, "\r\n");
    assert_err(mime_summary_fields_next(&s, fields, &cursor, &got), ERR_EOF);
    assert_err(mime_summary_fields_next(&s, fields, &cursor, &got), ERR_EOF);
    buf_finish(&b);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; mime_fields_name(i).n; i++) {
        assert_true(mime_fields_bit(mime_fields_name(i)) == (mime_fields)1 << i);
    }
    assert_int_equal(mime_fields_bit(SPAN("Received")), 0);
    assert_int_equal(mime_fields_bit(SPAN("")), 0);
    assert_int_equal(mime_fields_name(64).n, 0);
}

// Reads everything; the sanitizers watch. Any result is fine.
static void read_all(struct span bytes)
{
    char *copy = malloc(bytes.n ? bytes.n : 1); // its end is guarded
    struct mime_summary s;
    struct mime_summary_facts facts;
    struct mime_table table;
    struct span got;

    memcpy(copy, bytes.p, bytes.n);
    if (mime_summary_open(span_of(copy, bytes.n), &s) == ERR_OK) {
        struct buf out;

        buf_init(&out, 1 << 20);
        (void)mime_summary_facts(&s, &facts);
        if (mime_summary_envelope(&s, &got) == ERR_OK) {
            buf_put(&out, got);
        }
        (void)mime_summary_fields(&s, UINT64_MAX, &out);
        if (mime_summary_table(&s, &table) == ERR_OK) {
            for (uint32_t i = 0; i < 9; i++) {
                uint32_t path[] = {i % 3, i / 3};
                struct mime_section section = {path, 2, MIME_SECTION_ALL};
                struct mime_range r;

                (void)mime_section_find(table, &section, &r);
            }
        }
        buf_finish(&out);
    }
    free(copy);
}

static void test_damage_is_told_or_harmless(void **state)
{
    struct buf b;
    struct mime_summary s;

    (void)state;
    build(MESSAGE, strlen(MESSAGE), &b);
    for (size_t n = 0; n < b.n; n++) {
        assert_err(mime_summary_open(span_of(b.p, n), &s), ERR_CORRUPT);
    }
    for (size_t i = 0; i < b.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
            read_all(buf_span(&b));
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
        }
    }
    b.p[1] = 99;
    assert_err(mime_summary_open(buf_span(&b), &s), ERR_UNSUPPORTED);
    buf_finish(&b);
}

static void test_ten_thousand_parts_fit_or_are_left_out(void **state)
{
    struct buf message, b;
    struct mime_summary s;
    struct mime_table table;
    struct span got;

    (void)state;
    buf_init(&message, 64 << 20);
    buf_put_str(&message, HEADER);
    for (int i = 0; i < 20000; i++) {
        buf_put_str(&message, "--b\nContent-Type: text/plain; charset=us-ascii; name=averagename\n"
                              "Content-Description: something of average length\n\nx\n");
    }
    build(message.p, message.n, &b);
    assert_true(b.n <= MIME_SUMMARY_BYTES_MAX);
    assert_ok(mime_summary_open(buf_span(&b), &s));
    assert_ok(mime_summary_envelope(&s, &got));
    assert_ok(mime_summary_table(&s, &table));
    assert_err(mime_summary_bodystructure(&s, &got), ERR_LIMIT);
    assert_ok(mime_summary_fields(&s, UINT64_MAX, &message));
    buf_finish(&message);
    buf_finish(&b);
}

static void test_what_does_not_fit_is_left_out(void **state)
{
    struct buf message, b;
    struct mime_summary s;
    struct span got;

    (void)state;
    buf_init(&message, 64 << 20);
    for (int i = 0; i < 60000; i++) {
        buf_put_str(&message, "To: a@b, c@d\n");
    }
    buf_put_str(&message, "\nhello");
    build(message.p, message.n, &b);
    assert_ok(mime_summary_open(buf_span(&b), &s));
    assert_err(mime_summary_envelope(&s, &got), ERR_LIMIT);
    assert_ok(mime_summary_preview(&s, &got));
    assert_span(got, "hello");
    buf_finish(&b);
    buf_clear(&message);
    for (int i = 0; i < 100000; i++) { // over the header limit: lines cannot be trusted
        buf_put_str(&message, "Subject: a b c\n");
    }
    build(message.p, message.n, &b);
    assert_ok(mime_summary_open(buf_span(&b), &s));
    assert_err(mime_summary_fields(&s, 1, &message), ERR_LIMIT);
    buf_finish(&b);
    buf_finish(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_read_back),
        cmocka_unit_test(test_sections_from_the_table),
        cmocka_unit_test(test_header_fields_are_those_of_the_message),
        cmocka_unit_test(test_neighbours_are_one_span),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_damage_is_told_or_harmless),
        cmocka_unit_test(test_ten_thousand_parts_fit_or_are_left_out),
        cmocka_unit_test(test_what_does_not_fit_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
