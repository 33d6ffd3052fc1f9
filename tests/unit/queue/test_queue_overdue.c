// SPDX-License-Identifier: Apache-2.0
//
// Q06: very many messages that are due, or have waited too long, at the same moment.
#include "base/log.h"
#include "support.h"

#define DEAD "dead.example"

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

static void submit_many(size_t n, const char *destination)
{
    struct queue_recipient r = to("a@dead.example", destination);

    for (size_t i = 0; i < n; i++) {
        submit(b, "me@example.org", &r, 1);
    }
}

static struct queue_job *take(int64_t now_ms)
{
    struct queue_job *j = NULL;
    int64_t next;

    return queue_take(b->queue, now_ms, &j, &next) == ERR_OK ? j : NULL;
}

static void finish(struct queue_job *j, enum queue_outcome outcome, int64_t now_ms)
{
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];

    for (size_t i = 0; i < j->count; i++) {
        results[i] = (struct queue_result){.outcome = outcome,
                                           .host = SPAN("mx.dead.example"),
                                           .reply = SPAN("4.4.1 nobody answers there")};
    }
    assert_ok(queue_done(b->queue, j, results, now_ms));
}

struct seen {
    size_t waiting, failed, delayed, with_reply;
    int64_t first_due_ms, last_due_ms;
};

static bool see(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    struct seen *s = arg;

    (void)m;
    s->waiting += r->state == QUEUE_WAITING;
    s->failed += r->state == QUEUE_FAILED;
    s->delayed += r->is_delay_due;
    s->with_reply += span_eq(r->reply, SPAN("4.4.1 nobody answers there"));
    s->first_due_ms = r->due_ms < s->first_due_ms ? r->due_ms : s->first_due_ms;
    s->last_due_ms = r->due_ms > s->last_due_ms ? r->due_ms : s->last_due_ms;
    return true;
}

static struct seen seen(void)
{
    struct seen s = {.first_due_ms = INT64_MAX};

    assert_ok(queue_list(b->queue, 0, see, &s));
    return s;
}

// The destination cannot be reached `times` times in a row. When that was at last.
static int64_t unreached_each(int64_t now_ms, unsigned times, int64_t gap_ms)
{
    for (unsigned i = 0; i < times; i++) {
        struct queue_job *j = take(now_ms);

        assert_non_null(j);
        finish(j, QUEUE_OUT_UNTRIED, now_ms);
        assert_null(take(now_ms)); // the others wait for it
        now_ms += i + 1 < times ? gap_ms : 0;
    }
    return now_ms;
}

static int64_t unreached(int64_t now_ms, unsigned times)
{
    return unreached_each(now_ms, times, 3 * 3600000);
}

// Calls until there is nothing more to do; how often.
static size_t see_to_all(int64_t now_ms)
{
    size_t n = 0;

    while (queue_overdue(b->queue, now_ms) == ERR_OK) {
        n++;
    }
    return n;
}

static bool is_paused(void)
{
    struct queue_counts c;

    queue_count(b->queue, &c);
    return c.is_expiry_paused;
}

static void fix_clock(int64_t now_ms)
{
    clock_test_fix_real(now_ms / 1000);
}

// One of them is tried now and then; the others expire all the same, with its reply.
static void test_all_expire_that_wait_for_a_dead_domain(void **state)
{
    (void)state;
    submit_many(500, DEAD);
    assert_err(queue_overdue(b->queue, NOW), ERR_NOT_FOUND);
    int64_t now = unreached(NOW + 6 * DAYS, 2);

    assert_err(queue_overdue(b->queue, now), ERR_NOT_FOUND); // it may have been the clock
    now = unreached(now + 3 * 3600000, 1);
    assert_in_range(see_to_all(now), 490, 520);
    assert_int_equal(seen().failed, 500);
    assert_int_equal(seen().with_reply, 500);
    assert_err(queue_overdue(b->queue, now), ERR_NOT_FOUND);
}

static void test_nothing_expires_before_its_time(void **state)
{
    (void)state;
    submit_many(600, DEAD);
    int64_t now = unreached(NOW + 3600, 3); // some six hours

    see_to_all(now);
    assert_int_equal(seen().failed, 0);
    assert_int_equal(seen().waiting, 600);
    assert_int_equal(seen().delayed, 600); // but all senders hear that it takes long
    now = unreached(now + 3 * 3600000, 1);
    assert_in_range(see_to_all(now), 0, 5); // and once
}

static void test_a_call_does_a_bounded_piece(void **state)
{
    (void)state;
    submit_many(1500, DEAD);
    int64_t now = unreached_each(NOW, 3, 200000);

    // Nothing of it is overdue yet: it is only read, in pieces.
    assert_in_range(see_to_all(now), 1500 / 256, 1500 / 256 + 16);
    assert_int_equal(seen().last_due_ms > NOW + 3600000, 0);
    assert_int_equal(seen().delayed + seen().failed, 0);
}

// The end of a long outage, or a clock that jumps: no flood of notices.
static void test_only_so_many_expire_within_an_hour(void **state)
{
    (void)state;
    submit_many(2500, DEAD);
    int64_t now = unreached(NOW + 3650 * DAYS, 3), hour = 3600000;

    fix_clock(now);
    assert_false(is_paused());
    see_to_all(now);
    assert_int_equal(seen().failed, QUEUE_EXPIRIES_MAX);
    assert_int_equal(seen().waiting, 2500 - QUEUE_EXPIRIES_MAX);
    assert_true(is_paused());
    assert_err(queue_overdue(b->queue, now + hour - 1), ERR_NOT_FOUND);
    see_to_all(now + hour);
    assert_int_equal(seen().failed, 2 * QUEUE_EXPIRIES_MAX);
    see_to_all(now + 2 * hour);
    assert_int_equal(seen().failed, 2500);
    fix_clock(now + 2 * hour);
    assert_false(is_paused());
    // Back it goes: mail that comes now is not taken for late.
    fix_clock(NOW);
    assert_false(is_paused());
}

// The same when each of them was tried: what may not expire yet waits for its next try.
static void test_tried_ones_wait_for_their_turn(void **state)
{
    enum { MANY = 1200 };
    struct queue_recipient r = to("a@dead.example", DEAD);
    struct queue_job *j;
    int64_t now = NOW + 6 * DAYS;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        submit(b, "me@example.org", &r, 1);
    }
    for (int round = 0; round < 3; round++) {
        while ((j = take(now)) != NULL) {
            finish(j, QUEUE_OUT_DEFERRED, now);
        }
        now += round < 2 ? 3 * 3600000 : 0;
    }
    struct seen s = seen();

    assert_int_equal(s.failed, QUEUE_EXPIRIES_MAX);
    assert_int_equal(s.waiting, MANY - QUEUE_EXPIRIES_MAX);
    assert_null(take(now));
    for (now = s.last_due_ms + 3600000; (j = take(now)) != NULL;) {
        finish(j, QUEUE_OUT_DEFERRED, now);
    }
    assert_int_equal(seen().failed, MANY);
}

// Those that fail for good are no expiries: nobody waits for a notice about them.
static void test_failures_are_not_counted(void **state)
{
    struct queue_job *j;

    (void)state;
    submit_many(1200, DEAD);
    while ((j = take(NOW)) != NULL) {
        finish(j, QUEUE_OUT_FAILED, NOW);
    }
    assert_int_equal(seen().failed, 1200);
    assert_false(is_paused());
}

static void test_what_is_being_tried_held_or_paused_is_left_alone(void **state)
{
    uint32_t n;

    (void)state;
    submit_many(3, DEAD);
    struct queue_recipient r = to("h@dead.example", DEAD);
    queue_id held = submit(b, "me@example.org", &r, 1);
    int64_t now = unreached(NOW + 6 * DAYS, 2) + 3 * 3600000;

    assert_ok(queue_act(b->queue, held, UINT32_MAX, QUEUE_HOLD, &n));
    struct queue_job *failing = take(now);

    assert_non_null(failing);
    finish(failing, QUEUE_OUT_UNTRIED, now);
    assert_ok(queue_pause(b->queue, SPAN(DEAD), SPAN("a test")));
    assert_err(queue_overdue(b->queue, now), ERR_NOT_FOUND);
    assert_ok(queue_resume(b->queue, SPAN(DEAD)));
    now += 3 * 3600000;
    failing = take(now);
    assert_non_null(failing);
    finish(failing, QUEUE_OUT_UNTRIED, now);
    see_to_all(now);
    assert_int_equal(seen().failed, 3);
}

// What could not be stored is stored later, and only then the rest goes on.
static void test_a_disk_that_fails(void **state)
{
    (void)state;
    submit_many(40, DEAD);
    int64_t now = unreached(NOW + 6 * DAYS, 3);

    struct engine_memory_faults faults = {.commit_after = 1, .commit_error = ERR_IO};

    engine_memory_set_faults(b->engine, &faults);
    assert_true(queue_overdue(b->queue, now) != ERR_OK);
    assert_err(queue_overdue(b->queue, now), ERR_NOT_FOUND);
    see_to_all(now + 2000);
    assert_int_equal(seen().failed, 40);
}

static void test_a_destination_that_comes_back(void **state)
{
    struct queue_job *j;
    size_t delivered = 0;

    (void)state;
    submit_many(300, DEAD);
    int64_t now = unreached(NOW + 6 * DAYS, 3);

    assert_ok(queue_overdue(b->queue, now));
    size_t failed = seen().failed;

    now += 3 * 3600000;
    j = take(now);
    assert_non_null(j);
    finish(j, QUEUE_OUT_DELIVERED, now);
    assert_err(queue_overdue(b->queue, now), ERR_NOT_FOUND); // it is reached: they are tried
    for (delivered = 1; (j = take(now)) != NULL; delivered++) {
        finish(j, QUEUE_OUT_DELIVERED, now);
    }
    assert_int_equal(delivered + failed, 300);
}

static void test_one_message_to_many_is_one_job(void **state)
{
    struct queue_recipient r[250];
    struct queue_job *j;
    size_t told = 0;

    (void)state;
    for (size_t i = 0; i < 250; i++) {
        r[i] = to("a@dead.example", DEAD);
    }
    submit(b, "me@example.org", r, 250);
    int64_t now = unreached(NOW + 6 * DAYS, 3);

    assert_in_range(see_to_all(now), 1, 8);
    assert_int_equal(seen().failed, 250);
    while (queue_notice_take(b->queue, &j) == ERR_OK) {
        told += j->count;
        assert_ok(queue_notice_done(b->queue, j, true));
    }
    assert_int_equal(told, 250);
    assert_int_equal(bodies(b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_expire_that_wait_for_a_dead_domain, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_nothing_expires_before_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_call_does_a_bounded_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_so_many_expire_within_an_hour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tried_ones_wait_for_their_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_are_not_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_being_tried_held_or_paused_is_left_alone,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_disk_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_destination_that_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_message_to_many_is_one_job, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
