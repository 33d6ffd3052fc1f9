// SPDX-License-Identifier: Apache-2.0
#include "admin_driver.h"

#define NOW_S 1800000000
#define NOW   (NOW_S * 1000ll)

static struct admin_bench bench;
static struct admin_bench *const b = &bench;
static queue_id first, second;

static queue_id submit(const char *from, const char *const *to, size_t count)
{
    struct queue_recipient r[4];
    struct queue_message m = {.expires_ms = NOW + 432000000,
                              .sender = span_from_str(from),
                              .message_id = SPAN("<1@example.org>"),
                              .submitter = b->store.account};
    struct body_writer *w;
    queue_id id;

    for (size_t i = 0; i < count; i++) {
        struct span a = span_from_str(to[i]);

        r[i] = (struct queue_recipient){.address = a,
                                        .destination = span_skip(a, span_find_byte(a, '@') + 1)};
    }
    assert_ok(body_begin(b->store.engine, &w));
    assert_ok(body_write(w, SPAN("Subject: hello\r\n\r\nhello\r\n")));
    assert_ok(body_finish(w, SPAN(""), &m.body));
    m.body_bytes = 25;
    assert_ok(queue_submit(b->queue, &m, r, count, &id));
    body_writer_destroy(w);
    return id;
}

static int setup(void **state)
{
    bench_choose(state);
    clock_test_fix_real(NOW_S);
    admin_bench_open(b);
    first = submit("anna@example.org",
                   (const char *const[]){"x@example.net", "y@example.net", "z@example.com"}, 3);
    second = submit("", (const char *const[]){"x@example.net"}, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    admin_bench_close(b);
    clock_test_fix_real(-1);
    return 0;
}

// All of one destination's due mail gets this answer.
static void answer(const char *destination, enum queue_outcome outcome, const char *reply)
{
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
    struct queue_job *others[16], *j;
    size_t n = 0;
    int64_t next;

    while (queue_take(b->queue, NOW, &j, &next) == ERR_OK) {
        if (!span_eq(j->recipients[0].destination, span_from_str(destination))) {
            others[n++] = j;
            continue;
        }
        for (size_t i = 0; i < j->count; i++) {
            results[i] = (struct queue_result){outcome, SPAN("mx.test"), span_from_str(reply)};
        }
        assert_ok(queue_done(b->queue, j, results, NOW));
    }
    for (size_t i = 0; i < n; i++) {
        queue_abandon(b->queue, others[i]);
    }
}

static size_t list(const char *name, const char *value)
{
    assert_ok(
        admin_bench_run(b, "queue list", value ? json_pack("{s:s}", name, value) : json_object()));
    assert_int_equal(admin_bench_number(b, -1, "recipients"), json_array_size(b->items));
    return json_array_size(b->items);
}

static json_int_t act(const char *verb, json_t *args)
{
    assert_ok(admin_bench_run(b, verb, args));
    return admin_bench_number(b, -1, "recipients");
}

static void test_list_says_who_and_why(void **state)
{
    (void)state;
    assert_int_equal(list(NULL, NULL), 4);
    assert_string_equal(admin_bench_text(b, 0, "id"), queue_id_text(first).s);
    assert_string_equal(admin_bench_text(b, 0, "from"), "anna@example.org");
    assert_string_equal(admin_bench_text(b, 0, "to"), "x@example.net");
    assert_string_equal(admin_bench_text(b, 0, "state"), "waiting");
    assert_string_equal(admin_bench_text(b, 0, "since"), "2027-01-15T08:00:00Z");
    assert_non_null(strstr(admin_bench_text(b, 0, "why"), "not been tried yet"));
    assert_string_equal(admin_bench_text(b, 3, "id"), queue_id_text(second).s);
    answer("example.net", QUEUE_OUT_DEFERRED, "452 4.2.2 mailbox full");
    assert_int_equal(list("to", "x@example.net"), 2);
    assert_non_null(strstr(admin_bench_text(b, 0, "why"), "The mailbox is full."));
    assert_string_equal(admin_bench_text(b, 0, "reply"), "452 4.2.2 mailbox full");
    assert_string_equal(admin_bench_text(b, 0, "host"), "mx.test");
    assert_int_equal(admin_bench_number(b, 0, "attempts"), 1);
    assert_string_equal(admin_bench_text(b, 0, "last_try"), "2027-01-15T08:00:00Z");
    assert_true(strcmp(admin_bench_text(b, 0, "next_try"), "2027-01-15T08:00:00Z") > 0);
}

static void test_filters(void **state)
{
    (void)state;
    assert_int_equal(list("to", "example.net"), 3);
    assert_int_equal(list("to", "Z@Example.COM"), 1);
    assert_int_equal(list("to", "ple.net"), 0);
    assert_int_equal(list("from", "example.org"), 3);
    assert_int_equal(list("from", "<>"), 1);
    assert_int_equal(list("state", "held"), 0);
}

static void test_unreachable(void **state)
{
    (void)state;
    answer("example.net", QUEUE_OUT_UNTRIED, "451 4.4.1 no connection");
    assert_int_equal(list("to", "example.net"), 3);
    assert_non_null(strstr(admin_bench_text(b, 0, "why"), "could not be reached"));
    assert_true(strcmp(admin_bench_text(b, 0, "next_try"), "2027-01-15T08:00:00Z") > 0);
    assert_ok(admin_bench_run(b, "queue destinations", json_object()));
    assert_int_equal(json_array_size(b->items), 2);
    assert_string_equal(admin_bench_text(b, 0, "destination"), "example.com");
    assert_string_equal(admin_bench_text(b, 1, "destination"), "example.net");
    assert_non_null(strstr(admin_bench_text(b, 1, "why"), "could not be reached"));
}

static void test_show(void **state)
{
    (void)state;
    assert_ok(admin_bench_run(b, "queue show", json_pack("{s:s}", "id", queue_id_text(first).s)));
    assert_int_equal(json_array_size(b->items), 3);
    assert_string_equal(admin_bench_text(b, -1, "account"), "u1@example.org");
    assert_string_equal(admin_bench_text(b, -1, "message_id"), "<1@example.org>");
    assert_int_equal(admin_bench_number(b, -1, "recipients_left"), 3);
    assert_err(admin_bench_run(b, "queue show", json_pack("{s:s}", "id", "0000000000000010")),
               ERR_NOT_FOUND);
    assert_true(admin_bench_said(b, "The queue has no message"));
    assert_err(admin_bench_run(b, "queue show", json_pack("{s:s}", "id", "12")), ERR_INVALID);
    assert_err(admin_bench_run(b, "queue show", json_object()), ERR_INVALID);
}

static void test_hold_and_release(void **state)
{
    (void)state;
    assert_int_equal(act("queue hold", json_pack("{s:s}", "id", queue_id_text(first).s)), 3);
    assert_int_equal(admin_bench_number(b, -1, "messages"), 1);
    assert_int_equal(act("queue hold", json_pack("{s:s}", "id", queue_id_text(first).s)), 0);
    assert_int_equal(list("state", "held"), 3);
    assert_non_null(strstr(admin_bench_text(b, 0, "why"), "held back"));
    assert_string_equal(admin_bench_text(b, 0, "next_try"), "");
    assert_int_equal(act("queue release", json_pack("{s:s, s:s}", "id", queue_id_text(first).s,
                                                    "to", "y@example.net")),
                     1);
    assert_int_equal(list("state", "held"), 2);
    assert_int_equal(act("queue release", json_pack("{s:b}", "all", 1)), 2);
    assert_int_equal(list("state", "held"), 0);
    assert_err(admin_bench_run(b, "queue release",
                               json_pack("{s:s, s:s}", "id", queue_id_text(first).s, "to",
                                         "nobody@example.net")),
               ERR_NOT_FOUND);
    assert_true(admin_bench_said(b, "has no recipient"));
}

static void test_retry_makes_it_due(void **state)
{
    struct queue_job *j;
    int64_t next;

    (void)state;
    answer("example.net", QUEUE_OUT_UNTRIED, "451 4.4.1 no connection");
    answer("example.com", QUEUE_OUT_DEFERRED, "451 4.7.1 later");
    assert_err(queue_take(b->queue, NOW, &j, &next), ERR_NOT_FOUND);
    assert_int_equal(act("queue retry", json_pack("{s:s}", "to", "example.com")), 1);
    assert_ok(queue_take(b->queue, NOW, &j, &next));
    assert_span(j->recipients[0].address, "z@example.com");
    queue_abandon(b->queue, j);
}

static void test_remove_is_silent_unless_told_otherwise(void **state)
{
    struct queue_job *j;

    (void)state;
    assert_err(admin_bench_run(b, "queue remove", json_object()), ERR_INVALID);
    assert_true(admin_bench_said(b, "Which mail?"));
    assert_int_equal(act("queue remove", json_pack("{s:s, s:s}", "id", queue_id_text(first).s, "to",
                                                   "x@example.net")),
                     1);
    assert_err(queue_notice_take(b->queue, &j), ERR_NOT_FOUND);
    assert_int_equal(
        act("queue remove", json_pack("{s:s, s:b}", "id", queue_id_text(first).s, "notify", 1)), 2);
    assert_ok(queue_notice_take(b->queue, &j));
    assert_int_equal(j->count, 2);
    assert_int_equal(list(NULL, NULL), 3);
    assert_non_null(strstr(admin_bench_text(b, 0, "why"), "about to be told"));
    assert_ok(queue_notice_done(b->queue, j, true));
    assert_int_equal(act("queue remove", json_pack("{s:b}", "all", 1)), 1);
    assert_int_equal(list(NULL, NULL), 0);
}

static void test_pause(void **state)
{
    (void)state;
    assert_ok(admin_bench_run(
        b, "queue pause",
        json_pack("{s:s, s:s}", "destination", "Example.NET", "reason", "they moved")));
    assert_string_equal(admin_bench_text(b, -1, "destination"), "example.net");
    assert_int_equal(list("to", "example.net"), 3);
    assert_string_equal(admin_bench_text(b, 0, "why"),
                        "Mail to example.net is paused: they moved.");
    assert_string_equal(admin_bench_text(b, 0, "next_try"), "");
    assert_ok(admin_bench_run(b, "queue destinations", json_object()));
    assert_string_equal(admin_bench_text(b, 1, "why"), "paused: they moved");
    assert_string_equal(admin_bench_text(b, 1, "paused_since"), "2027-01-15T08:00:00Z");
    assert_ok(admin_bench_run(b, "queue resume", json_pack("{s:s}", "destination", "example.net")));
    assert_err(admin_bench_run(b, "queue resume", json_pack("{s:s}", "destination", "example.net")),
               ERR_NOT_FOUND);
    assert_true(admin_bench_said(b, "not paused"));
    assert_err(admin_bench_run(b, "queue pause", json_pack("{s:s}", "destination", "a@b.c")),
               ERR_INVALID);
}

// More messages than one page or shard holds, in order of age.
static void test_pages(void **state)
{
    const char *before = "";
    char last[20];

    (void)state;
    for (int i = 0; i < 150; i++) {
        submit("anna@example.org", (const char *const[]){"p@example.net"}, 1);
    }
    assert_int_equal(list("to", "p@example.net"), 150);
    for (int i = 0; i < 150; i++) {
        assert_true(strcmp(before, admin_bench_text(b, i, "id")) < 0);
        snprintf(last, sizeof(last), "%s", admin_bench_text(b, i, "id"));
        before = last;
    }
    assert_int_equal(act("queue hold", json_pack("{s:s}", "from", "anna@example.org")), 153);
    assert_int_equal(admin_bench_number(b, -1, "messages"), 151);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_list_says_who_and_why),
        TEST(test_filters),
        TEST(test_unreachable),
        TEST(test_show),
        TEST(test_hold_and_release),
        TEST(test_retry_makes_it_due),
        TEST(test_remove_is_silent_unless_told_otherwise),
        TEST(test_pause),
        TEST(test_pages),
    };

    return BENCH_RUN("admin-queue", tests);
}
