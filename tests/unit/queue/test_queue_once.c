// SPDX-License-Identifier: Apache-2.0
//
// A message that is sent again because its client did not hear that it was taken in.
#include "queue/queue_internal.h"
#include "support.h"

#define HOUR 3600000ll

static struct bench bench;
static struct bench *const b = &bench;

static int setup(void **state)
{
    (void)state;
    bench_start(b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop(b);
    return 0;
}

static void count_problem(void *arg, const char *problem)
{
    snprintf(arg, 200, "%s", problem);
}

static void assert_sound(void)
{
    char problem[200] = "";
    uint64_t n;

    assert_ok(queue_check(b->engine, true, count_problem, problem, &n));
    assert_string_equal(problem, "");
}

static const char one[] = "0123456789abcdef", two[] = "1123456789abcdef";

// Known for an hour. 0: it was there.
static queue_id submit_to(const char *once, const struct queue_recipient *r, size_t count)
{
    struct queue_message m = {.expires_ms = NOW + 5 * DAYS,
                              .body_bytes = 5,
                              .sender = SPAN("me@example.org"),
                              .once = span_from_str(once),
                              .once_until_ms = clock_real_ms() + HOUR};
    struct body_writer *w;
    queue_id id;

    assert_ok(body_begin(b->engine, &w));
    assert_ok(body_write(w, SPAN("hello")));
    assert_ok(body_finish(w, SPAN(""), &m.body));
    assert_ok(queue_submit(b->queue, &m, r, count, &id));
    body_writer_destroy(w);
    assert_sound();
    return id;
}

static queue_id submit_once(const char *once, const char *address)
{
    struct queue_recipient r = to(address, "example.net");

    return submit_to(once, &r, 1);
}

static void finish_one(enum queue_outcome outcome, int64_t now_ms)
{
    struct queue_result result = {outcome, SPAN("mx.example.net"), SPAN("550 5.1.1 no"), SPAN("")};
    struct queue_job *j;
    int64_t next;

    assert_ok(queue_take(b->queue, now_ms, &j, &next));
    assert_ok(queue_done(b->queue, j, &result, now_ms));
    assert_sound();
}

static uint64_t messages(void)
{
    struct queue_counts c;

    queue_count(b->queue, &c);
    return c.messages;
}

static void test_the_same_is_taken_in_once(void **state)
{
    (void)state;
    queue_id id = submit_once(one, "a@example.net");

    assert_true(id != 0);
    assert_int_equal(submit_once(one, "a@example.net"), 0);
    bench_reopen(b); // the client comes back after a crash
    assert_int_equal(submit_once(one, "a@example.net"), 0);
    assert_true(submit_once(two, "a@example.net") != 0);
    assert_true(
        submit(b, "me@example.org",
               &(struct queue_recipient){.address = SPAN("a@b.example"), .destination = SPAN("b")},
               1) != 0);
    assert_int_equal(messages(), 3);
    assert_int_equal(bodies(b), 3); // those of the second times are gone
}

// Also when the first is delivered and gone; but not for ever.
static void test_it_is_known_for_a_time(void **state)
{
    (void)state;
    assert_true(submit_once(one, "a@example.net") != 0);
    finish_one(QUEUE_OUT_DELIVERED, NOW);
    assert_int_equal(messages(), 0);
    clock_test_fix_real(NOW_S + 3599);
    assert_int_equal(submit_once(one, "a@example.net"), 0);
    clock_test_fix_real(NOW_S + 3600);
    assert_true(submit_once(one, "a@example.net") != 0);
    assert_int_equal(submit_once(one, "a@example.net"), 0);
}

// Who sends it again then has been told, or knows it from the administrator.
static void test_what_failed_may_come_again(void **state)
{
    struct queue_job *j;
    uint32_t changed;

    (void)state;
    assert_true(submit_once(one, "a@example.net") != 0);
    finish_one(QUEUE_OUT_DEFERRED, NOW);
    assert_int_equal(submit_once(one, "a@example.net"), 0);
    finish_one(QUEUE_OUT_FAILED, NOW + HOUR / 2);
    assert_int_equal(submit_once(one, "a@example.net"), 0);
    assert_ok(queue_notice_take(b->queue, &j));
    assert_ok(queue_notice_done(b->queue, j, true));
    queue_id id = submit_once(one, "a@example.net");

    assert_true(id != 0);
    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_HOLD, &changed));
    assert_int_equal(submit_once(one, "a@example.net"), 0);
    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_REMOVE, &changed));
    assert_true(submit_once(one, "a@example.net") != 0);
}

// Its other recipients would have it twice.
static void test_what_arrived_does_not_come_again(void **state)
{
    struct queue_recipient r[] = {to("a@example.net", "example.net"),
                                  to("b@example.net", "example.net")};
    struct queue_result results[] = {{QUEUE_OUT_DELIVERED, SPAN("mx"), SPAN("250 ok"), SPAN("")},
                                     {QUEUE_OUT_FAILED, SPAN("mx"), SPAN("550 no"), SPAN("")}};
    struct queue_job *j;
    int64_t next;

    (void)state;
    assert_true(submit_to(one, r, 2) != 0);
    assert_ok(queue_take(b->queue, NOW, &j, &next));
    assert_ok(queue_done(b->queue, j, results, NOW));
    assert_ok(queue_notice_take(b->queue, &j));
    assert_ok(queue_notice_done(b->queue, j, true));
    assert_int_equal(messages(), 0);
    assert_int_equal(submit_to(one, r, 2), 0);
    assert_sound();
}

// How many keys of a kind the shard has.
static unsigned keys(unsigned shard, enum queue_key_kind kind)
{
    struct queue_key from = queue_key_plain(kind), to = queue_key_after(from);
    struct snapshot *s;
    struct scan *scan;
    struct span key, value;
    unsigned n = 0;

    assert_ok(snapshot_open(b->engine, &s));
    assert_ok(scan_open(s, queue_shard_account(shard), queue_key_span(&from), queue_key_span(&to),
                        false, &scan));
    while (scan_next(scan, &key, &value) == ERR_OK) {
        n++;
    }
    scan_close(scan);
    snapshot_close(s);
    return n;
}

static void test_they_do_not_pile_up(void **state)
{
    unsigned shard = queue_once_shard(span_from_str(one));
    char once[] = "0aaaaaaaaaaaaaaa";

    (void)state;
    for (int i = 0; i < 20; i++) {
        once[1] = (char)('a' + i);
        submit_once(once, "a@example.net");
    }
    assert_int_equal(keys(shard, QUEUE_KEY_ONCE), 20);
    assert_int_equal(keys(shard, QUEUE_KEY_UNTIL), 20);
    clock_test_fix_real(NOW_S + 2 * 3600);
    for (int i = 0; i < 3; i++) {
        once[1] = (char)('A' + i);
        submit_once(once, "a@example.net");
    }
    assert_int_equal(keys(shard, QUEUE_KEY_ONCE), 3);
    assert_int_equal(keys(shard, QUEUE_KEY_UNTIL), 3);
}

// A commit that fails leaves nothing known.
static void test_a_failing_commit(void **state)
{
    struct engine_memory_faults faults = {.commit_after = 1, .commit_error = ERR_UNAVAILABLE};
    struct queue_recipient r = to("a@example.net", "example.net");
    struct queue_message m = {.expires_ms = NOW + 5 * DAYS,
                              .body_bytes = 5,
                              .once = span_from_str(one),
                              .once_until_ms = NOW + HOUR};
    struct body_writer *w;
    queue_id id;

    (void)state;
    assert_ok(body_begin(b->engine, &w));
    assert_ok(body_write(w, SPAN("hello")));
    assert_ok(body_finish(w, SPAN(""), &m.body));
    engine_memory_set_faults(b->engine, &faults);
    assert_err(queue_submit(b->queue, &m, &r, 1, &id), ERR_UNAVAILABLE);
    faults = (struct engine_memory_faults){0};
    engine_memory_set_faults(b->engine, &faults);
    m.once = SPAN("short");
    assert_err(queue_submit(b->queue, &m, &r, 1, &id), ERR_INVALID);
    body_writer_destroy(w);
    assert_true(submit_once(one, "a@example.net") != 0);
}

static void put_raw(unsigned shard, struct span key, struct span value)
{
    struct batch *batch;

    assert_ok(batch_create(queue_shard_account(shard), &batch));
    assert_ok(batch_put(batch, key, value));
    assert_ok(engine_commit(b->engine, batch, ENGINE_ANY_VERSION));
    batch_destroy(batch);
}

static void test_check_names_what_is_wrong(void **state)
{
    static const char mark[] = {1};
    unsigned shard = queue_once_shard(span_from_str(one));
    struct queue_key o = queue_key_once(span_from_str(one)),
                     u = queue_key_until(NOW, span_from_str(two));
    char room[QUEUE_UNTIL_BYTES_MAX], problem[200] = "";
    uint64_t n;

    (void)state;
    put_raw(shard, queue_key_span(&o), queue_until_encode(NOW, room));
    assert_ok(queue_check(b->engine, true, count_problem, problem, &n));
    assert_int_equal(n, 1);
    assert_string_equal(problem,
                        "a message that the queue knows is never forgotten, or is filed in "
                        "another shard");
    put_raw(shard, queue_key_span(&u), span_of(mark, 1));
    assert_ok(queue_check(b->engine, true, count_problem, problem, &n));
    assert_int_equal(n, 2);
    assert_string_equal(problem, "the queue is to forget a message that it does not know");
    put_raw(shard, SPAN("ox"), queue_until_encode(NOW, room));
    put_raw(shard, SPAN("ux"), span_of(mark, 1));
    assert_ok(queue_check(b->engine, true, count_problem, problem, &n));
    assert_int_equal(n, 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_the_same_is_taken_in_once),  T(test_it_is_known_for_a_time),
        T(test_what_failed_may_come_again), T(test_what_arrived_does_not_come_again),
        T(test_they_do_not_pile_up),        T(test_a_failing_commit),
        T(test_check_names_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
