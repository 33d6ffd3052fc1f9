// SPDX-License-Identifier: Apache-2.0
//
// Letters with reports on an engine in memory: noted, read once, kept, forgotten, checked.
#include <stdio.h>

#include "../test.h"
#include "base/clock.h"
#include "engine/memory/memory.h"
#include "report/report.h"
#include "report/report_schema_internal.h"

#define NOW_S 1800000000
#define NOW   (NOW_S * 1000ll)
#define OWNER 7 // the account that keeps the letters

struct world {
    struct engine *engine;
    struct trail *trail;
    struct reports *reports;
    unsigned wakes, problems;
    char problem[300];
    struct report_read_result result;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    clock_test_fix_real(NOW_S);
    assert_ok(engine_memory_open(&w->engine));
    assert_ok(trail_open(w->engine, &w->trail));
    assert_ok(reports_open(w->engine, w->trail, &w->reports));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    reports_close(w->reports);
    trail_close(w->trail);
    engine_close(w->engine);
    clock_test_fix_real(-1);
    free(w);
    return 0;
}

// ---- letters ------------------------------------------------------------------------------------

static void put_record(struct buf *b, unsigned i, const char *dkim)
{
    buf_printf(b,
               "<record><row><source_ip>192.0.2.%u</source_ip><count>2</count><policy_evaluated>"
               "<disposition>none</disposition><dkim>%s</dkim><spf>fail</spf></policy_evaluated>"
               "</row><identifiers><header_from>example.org</header_from></identifiers></record>",
               i % 250 + 1, dkim);
}

static void put_letter(struct buf *b, const char *org, const char *id, unsigned rows)
{
    buf_printf(b,
               "From: a@example.net\r\nContent-Type: application/xml\r\n\r\n<feedback>"
               "<report_metadata><org_name>%s</org_name><report_id>%s</report_id><date_range>"
               "<begin>1</begin><end>2</end></date_range></report_metadata><policy_published>"
               "<domain>example.org</domain></policy_published>",
               org, id);
    for (unsigned i = 0; i < rows; i++) {
        put_record(b, i, i % 2 ? "pass" : "fail");
    }
    buf_put_str(b, "</feedback>\r\n");
}

// Stores a body as a mailbox would, with the letter riding; `is_kept`: and keeps it.
static void deliver(struct world *w, struct span text, const char *sender, bool is_kept)
{
    struct report_letter l = {.mail = 99,
                              .sender = span_from_str(sender),
                              .recipient = SPAN("postmaster@example.org"),
                              .bytes = text.n};
    struct batch *b, *rider;
    struct body_writer *writer;

    assert_ok(body_begin(w->engine, &writer));
    assert_ok(body_write(writer, text));
    assert_ok(body_finish(writer, SPAN(""), &l.body));
    assert_ok(batch_create(OWNER, &b));
    assert_ok(trail_batch(&rider));
    assert_ok(report_letter_add(w->reports, rider, &l));
    assert_ok(batch_put(b, SPAN("k"), SPAN("v")));
    assert_ok(batch_use_body(b, l.body));
    batch_set_rider(b, rider);
    assert_ok(engine_commit(w->engine, b, ENGINE_ANY_VERSION));
    batch_destroy(b);
    batch_destroy(rider);
    body_writer_destroy(writer);
    if (!is_kept) {
        assert_ok(batch_create(OWNER, &b));
        assert_ok(batch_drop_body(b, l.body));
        assert_ok(engine_commit(w->engine, b, ENGINE_ANY_VERSION));
        batch_destroy(b);
    }
}

static void send(struct world *w, const char *org, const char *id, unsigned rows)
{
    struct buf b;

    buf_init(&b, 64u << 20);
    put_letter(&b, org, id, rows);
    assert_ok(buf_result(&b));
    deliver(w, buf_span(&b), "bounce-1@example.net", true);
    buf_finish(&b);
}

static bool read_one(struct world *w)
{
    assert_ok(reports_read_next(w->reports, &w->result));
    return w->result.is_kept;
}

static void assert_read_all(struct world *w)
{
    assert_err(reports_read_next(w->reports, &w->result), ERR_NOT_FOUND);
}

// ---- what is kept -------------------------------------------------------------------------------

static bool list(void *arg, uint64_t number, const struct report *r)
{
    struct buf *b = arg;

    (void)number;
    buf_printf(b, "%.*s %.*s %llu/%llu rows %llu+%llu mail %llu\n",
               SPAN_ARG(r->texts[REPORT_ORGANIZATION]), SPAN_ARG(r->texts[REPORT_ID]),
               (unsigned long long)r->good, (unsigned long long)r->bad, (unsigned long long)r->rows,
               (unsigned long long)r->rows_left_out, (unsigned long long)r->mail);
    return true;
}

static void assert_listed(struct world *w, int64_t since_ms, const char *want)
{
    struct buf b;

    buf_init(&b, 1u << 16);
    assert_ok(reports_each(w->engine, since_ms, list, &b));
    assert_span(buf_span(&b), want);
    buf_finish(&b);
}

static bool keep_number(void *arg, uint64_t number, const struct report *r)
{
    (void)r;
    *(uint64_t *)arg = number;
    return false;
}

static uint64_t newest(struct world *w)
{
    uint64_t number = 0;

    assert_ok(reports_each(w->engine, 0, keep_number, &number));
    assert_int_not_equal(number, 0);
    return number;
}

static bool count_rows(void *arg, const struct report_row *row)
{
    ++*(unsigned *)arg;
    return row->count == 2;
}

static void on_problem(void *arg, const char *problem)
{
    struct world *w = arg;

    w->problems++;
    snprintf(w->problem, sizeof(w->problem), "%s", problem);
}

static uint64_t check(struct world *w)
{
    uint64_t problems = 0, others = 0;

    w->problems = 0;
    w->problem[0] = '\0';
    assert_ok(reports_check(w->engine, on_problem, w, &problems));
    assert_int_equal(problems, w->problems);
    assert_ok(trail_check(w->engine, on_problem, w, &others));
    return problems + others;
}

static void test_a_letter_is_read_once(void **state)
{
    struct world *w = *state;
    unsigned rows = 0;
    struct report r;
    struct arena a;

    send(w, "Example Inc.", "1", 3);
    assert_int_equal(check(w), 0);
    assert_true(read_one(w));
    assert_string_equal(w->result.words, "Example Inc. reports on example.org");
    assert_read_all(w);
    assert_listed(w, 0, "Example Inc. 1 2/4 rows 3+0 mail 99\n");
    assert_listed(w, NOW + 1000, "");
    assert_ok(reports_rows(w->engine, newest(w), count_rows, &rows));
    assert_int_equal(rows, 3);
    arena_init(&a, 65536);
    assert_ok(reports_get(w->engine, newest(w), &a, &r));
    assert_span(r.texts[REPORT_SENDER], "bounce-1@example.net");
    assert_int_equal(r.received_ms, NOW);
    assert_err(reports_get(w->engine, 5, &a, &r), ERR_NOT_FOUND);
    arena_finish(&a);
    assert_int_equal(check(w), 0);
}

static void test_a_report_that_comes_again_counts_once(void **state)
{
    struct world *w = *state;

    send(w, "Example Inc.", "1", 1);
    send(w, "EXAMPLE inc.", "1", 2);
    send(w, "Example Inc.", "2", 1);
    assert_true(read_one(w));
    assert_false(read_one(w));
    assert_non_null(strstr(w->result.words, "came before"));
    assert_true(read_one(w));
    assert_read_all(w);
    assert_listed(w, 0,
                  "Example Inc. 2 0/2 rows 1+0 mail 99\nExample Inc. 1 0/2 rows 1+0 mail 99\n");
    assert_int_equal(check(w), 0);
}

static void test_letters_without_a_report(void **state)
{
    struct world *w = *state;

    deliver(w, SPAN("From: a@example.net\r\n\r\nhello\r\n"), "me@example.net", true);
    deliver(w, SPAN("Content-Type: application/xml\r\n\r\n<feedback>"), "me@example.net", true);
    deliver(w, SPAN("Content-Type: application/xml\r\n\r\n<feedback>"), "", false);
    assert_false(read_one(w));
    assert_string_equal(w->result.words, "the letter of me@example.net to postmaster@example.org "
                                         "is not read: it has no report attached");
    assert_false(read_one(w));
    assert_non_null(strstr(w->result.words, "broken, or no report"));
    assert_false(read_one(w));
    assert_non_null(strstr(w->result.words, "nobody kept the message"));
    assert_read_all(w);
    assert_int_equal(check(w), 0);
}

static void put(struct world *w, struct report_key k, struct span value)
{
    struct batch *b;

    assert_ok(trail_batch(&b));
    assert_ok(value.p ? batch_put(b, report_key_span(&k), value)
                      : batch_delete(b, report_key_span(&k)));
    assert_ok(engine_commit(w->engine, b, ENGINE_ANY_VERSION));
    batch_destroy(b);
}

// As a letter looks like that brought the process down so often.
static void test_n08_a_letter_is_not_tried_for_ever(void **state)
{
    struct report_letter l = {
        .body = 1, .attempts = REPORT_ATTEMPTS, .sender = SPAN("a@b.example")};
    struct world *w = *state;
    char room[REPORT_VALUE_BYTES_MAX];

    put(w, report_key_of('P', 1), report_letter_encode(&l, room));
    put(w, report_key_of('P', 2), SPAN("\x01zz"));
    assert_false(read_one(w));
    assert_non_null(strstr(w->result.words, "of a@b.example to "));
    assert_non_null(strstr(w->result.words, "never came to its end"));
    assert_false(read_one(w));
    assert_read_all(w);
    assert_int_equal(check(w), 0);
}

static void test_n08_rows_are_bounded(void **state)
{
    struct world *w = *state;

    send(w, "Example Inc.", "1", REPORT_ROWS_MAX + 3);
    assert_true(read_one(w));
    assert_listed(w, 0, "Example Inc. 1 10002/10004 rows 10000+3 mail 99\n");
    assert_int_equal(check(w), 0);
}

static void test_what_is_old_goes_whole(void **state)
{
    struct world *w = *state;
    bool more = true;

    send(w, "A", "1", 2);
    assert_true(read_one(w));
    clock_test_fix_real(NOW_S + 100);
    send(w, "B", "1", 2);
    assert_true(read_one(w));
    assert_ok(reports_trim(w->reports, NOW, &more));
    assert_false(more);
    assert_listed(w, 0, "B 1 2/2 rows 2+0 mail 99\nA 1 2/2 rows 2+0 mail 99\n");
    assert_ok(reports_trim(w->reports, NOW + 50000, &more));
    assert_listed(w, 0, "B 1 2/2 rows 2+0 mail 99\n");
    assert_int_equal(check(w), 0); // no rows and no key are left of it
    send(w, "A", "1", 2);          // and it is not known any more
    assert_true(read_one(w));
}

static void test_check_names_what_is_wrong(void **state)
{
    struct world *w = *state;
    char room[REPORT_VALUE_BYTES_MAX];
    struct report_row row = {.count = 2, .is_dkim_pass = true};
    struct report r;
    struct arena a;

    arena_init(&a, 65536);
    send(w, "A", "1", 2);
    assert_true(read_one(w));
    uint64_t n = newest(w);

    assert_ok(reports_get(w->engine, n, &a, &r));
    const struct {
        struct report_key key;
        struct span value, back;
        const char *words;
    } cases[] = {
        {report_key_of('X', report_hash(&r)),
         {NULL, 0},
         report_known_encode(n, room),
         "would not be known again"},
        {report_key_of('X', 5), SPAN("\x01\x05"), {NULL, 0}, "not there or another one"},
        {report_key_of('X', 5), SPAN("\x02"), {NULL, 0}, "cannot be read"},
        {report_key_row(n, 2), SPAN("\x01\x01\0\0\0"), {NULL, 0}, "are not what it says"},
        {report_key_row(n + 1, 0), SPAN("\x01\x01\0\0\0"), {NULL, 0}, "which is not there"},
        {report_key_row(n, 7), SPAN("\x01"), {NULL, 0}, "the rows of report"},
        {report_key_of('P', n), SPAN("\x01\x01"), {NULL, 0}, "a letter"},
        {report_key_of('R', n + 1), SPAN("\x01\x09"), {NULL, 0}, "a report cannot be read"},
        {report_key_of('Q', n), SPAN("\x01"), {NULL, 0}, "an unknown kind"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(w, cases[i].key, cases[i].value);
        if (!check(w) || !strstr(w->problem, cases[i].words)) {
            fail_msg("%zu: %s", i, w->problem);
        }
        put(w, cases[i].key, cases[i].back);
        assert_int_equal(check(w), 0);
    }
    row.count = 3; // more than the report's sum
    put(w, report_key_row(n, 1), report_row_encode(&row, room));
    assert_int_equal(check(w), 1);
    arena_finish(&a);
}

static void test_numbers_of_reports_are_not_given_again(void **state)
{
    struct world *w = *state;
    struct trail *t;

    put(w, report_key_of('P', 3000000000000000ull), SPAN("x"));
    assert_ok(trail_open(w->engine, &t));
    assert_true(trail_number(t) > 3000000000000000ull);
    trail_close(t);
    put(w, report_key_of('R', 4000000000000000ull), SPAN("x"));
    assert_ok(trail_open(w->engine, &t));
    assert_true(trail_number(t) > 4000000000000000ull);
    trail_close(t);
}

static void on_wake(void *arg)
{
    ((struct world *)arg)->wakes++;
}

static void test_who_reads_is_woken(void **state)
{
    struct world *w = *state;

    reports_wake(w->reports);
    reports_set_wake(w->reports, on_wake, w);
    reports_wake(w->reports);
    assert_int_equal(w->wakes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_letter_is_read_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_report_that_comes_again_counts_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_letters_without_a_report, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n08_a_letter_is_not_tried_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(test_n08_rows_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_old_goes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_names_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_of_reports_are_not_given_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_who_reads_is_woken, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
