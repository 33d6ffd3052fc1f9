// SPDX-License-Identifier: Apache-2.0
#include "support.h"

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

static struct queue_job *take(int64_t now_ms)
{
    struct queue_job *j = NULL;
    int64_t next;
    enum err e = queue_take(b->queue, now_ms, &j, &next);

    assert_true(e == ERR_OK || e == ERR_NOT_FOUND);
    return e == ERR_OK ? j : NULL;
}

static void finish(struct queue_job *j, enum queue_outcome outcome, int64_t now_ms)
{
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];

    for (size_t i = 0; i < j->count; i++) {
        results[i] =
            (struct queue_result){outcome, SPAN("mx.example.net"), SPAN("451 4.3.0 not now")};
    }
    assert_ok(queue_done(b->queue, j, results, now_ms));
}

static void counts(uint64_t messages, uint64_t recipients)
{
    struct queue_counts c;

    for (int i = 0; i < 2; i++) { // in memory, and as read from the disk
        queue_count(b->queue, &c);
        assert_int_equal(c.messages, messages);
        assert_int_equal(c.recipients, recipients);
        assert_int_equal(c.running, 0);
        bench_reopen(b);
    }
}

static struct queue_recipient seen;
static unsigned seen_count;

static bool look(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    (void)arg;
    (void)m;
    seen = *r;
    seen_count++;
    return true;
}

static struct queue_recipient only(queue_id id)
{
    seen_count = 0;
    assert_ok(queue_list(b->queue, id, look, NULL));
    assert_int_equal(seen_count, 1);
    return seen;
}

static void test_a_message_is_delivered_and_gone(void **state)
{
    struct queue_recipient r[] = {to("a@example.net", "example.net"),
                                  to("b@example.net", "example.net"),
                                  to("c@example.com", "example.com")};

    (void)state;
    queue_id id = submit(b, "me@example.org", r, 3);

    assert_int_equal(bodies(b), 1);
    struct queue_job *one = take(NOW), *two = take(NOW);

    assert_non_null(one);
    assert_non_null(two);
    assert_null(take(NOW));
    assert_int_equal(one->count + two->count, 3); // one job a destination
    assert_int_equal(one->message.id, id);
    assert_span(one->message.sender, "me@example.org");
    finish(one, QUEUE_OUT_DELIVERED, NOW);
    assert_int_equal(bodies(b), 1);
    finish(two, QUEUE_OUT_DELIVERED, NOW);
    assert_int_equal(bodies(b), 0);
    counts(0, 0);
    assert_err(queue_list(b->queue, id, look, NULL), ERR_NOT_FOUND);
}

static void test_a_deferred_one_waits_longer_each_time(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    int64_t now = NOW, waited = 0;

    (void)state;
    queue_id id = submit(b, "me@example.org", &r, 1);

    for (uint32_t i = 0; i < 5; i++) {
        struct queue_job *j = take(now);
        int64_t next;

        assert_non_null(j);
        assert_int_equal(j->recipients[0].attempts, i);
        finish(j, QUEUE_OUT_DEFERRED, now);
        assert_null(take(now));
        assert_err(queue_take(b->queue, now, &j, &next), ERR_NOT_FOUND);
        assert_int_equal(next, only(id).due_ms);
        assert_true(next - now >= (48000ll << i) && next - now <= (72000ll << i));
        assert_true(next - now > waited);
        waited = (next - now) * 5 / 6; // a fifth either way
        now = next;
    }
    assert_span(only(id).reply, "451 4.3.0 not now");
    assert_span(only(id).host, "mx.example.net");
    counts(1, 1);
    finish(take(now), QUEUE_OUT_DELIVERED, now); // due after a restart as well
}

static void test_unreachable_destination_is_left_alone(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");

    (void)state;
    for (int i = 0; i < 10; i++) {
        submit(b, "me@example.org", &r, 1);
    }
    struct queue_job *j = take(NOW);

    finish(j, QUEUE_OUT_UNTRIED, NOW);
    assert_null(take(NOW)); // the other nine were not even tried
    r = to("x@example.com", "example.com");
    submit(b, "me@example.org", &r, 1);
    j = take(NOW); // others are served meanwhile
    assert_span(j->recipients[0].destination, "example.com");
    finish(j, QUEUE_OUT_DELIVERED, NOW);
    j = take(NOW + 72001);
    assert_non_null(j);
    assert_null(take(NOW + 72001)); // one at a time, to see whether it is back
    finish(j, QUEUE_OUT_DELIVERED, NOW + 72001);
    finish(take(NOW + 72001), QUEUE_OUT_DELIVERED, NOW + 72001);
}

// Q04: however many wait for it, a dead domain is tried seldom, by one message, and others never
// wait for it.
static void test_a_dead_domain_with_very_many(void **state)
{
    enum { WAITING = 3000, SECONDS = 3600 };
    struct queue_recipient dead = to("a@dead.example", "dead.example"),
                           other = to("b@other.example", "other.example");
    unsigned tries = 0, delivered = 0;

    (void)state;
    for (int i = 0; i < WAITING; i++) {
        submit(b, "me@example.org", &dead, 1);
    }
    for (int64_t t = NOW; t < NOW + SECONDS * 1000LL; t += 1000) {
        bool is_due = (t / 1000) % 60 == 0, came = false;
        struct queue_job *j;

        if (is_due) {
            submit(b, "me@example.org", &other, 1);
        }
        while ((j = take(t)) != NULL) {
            bool is_dead = span_eq(j->recipients[0].destination, SPAN("dead.example"));

            tries += is_dead;
            came |= !is_dead;
            finish(j, is_dead ? QUEUE_OUT_UNTRIED : QUEUE_OUT_DELIVERED, t);
        }
        assert_true(came == is_due);
        delivered += came;
    }
    assert_int_equal(delivered, SECONDS / 60);
    assert_in_range(tries, 3, 40);
    counts(WAITING, WAITING);
}

static void test_concurrency_grows_with_success(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    struct queue_job *jobs[64];
    size_t n = 0, most = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        submit(b, "me@example.org", &r, 1);
    }
    for (int round = 0; round < 300; round++) {
        struct queue_job *j = take(NOW);

        if (j) {
            jobs[n++] = j;
            most = n > most ? n : most;
        } else if (n) {
            finish(jobs[--n], QUEUE_OUT_DELIVERED, NOW);
        }
    }
    while (n) {
        finish(jobs[--n], QUEUE_OUT_DELIVERED, NOW);
    }
    assert_true(most > 4 && most <= b->options.destination_jobs_max);
}

static void test_who_is_told_of_what(void **state)
{
    static const struct {
        const char *sender;
        unsigned notify;
        enum queue_outcome outcome;
        int64_t after_ms; // since it was accepted
        bool told, stays;
    } rows[] = {
        {"me@example.org", 0, QUEUE_OUT_DELIVERED, 0, false, false},
        {"me@example.org", QUEUE_NOTIFY_SUCCESS, QUEUE_OUT_DELIVERED, 0, true, false},
        {"me@example.org", 0, QUEUE_OUT_FAILED, 0, true, false},
        {"me@example.org", QUEUE_NOTIFY_NEVER, QUEUE_OUT_FAILED, 0, false, false},
        {"me@example.org", QUEUE_NOTIFY_SUCCESS, QUEUE_OUT_FAILED, 0, false, false},
        {"me@example.org", QUEUE_NOTIFY_FAILURE, QUEUE_OUT_FAILED, 0, true, false},
        {"", 0, QUEUE_OUT_FAILED, 0, false, false}, // never a notice about a notice
        {"", QUEUE_NOTIFY_SUCCESS, QUEUE_OUT_DELIVERED, 0, false, false},
        {"me@example.org", 0, QUEUE_OUT_DEFERRED, 3600000, false, true},
        {"me@example.org", 0, QUEUE_OUT_DEFERRED, 4 * 3600000, true, true},
        {"me@example.org", QUEUE_NOTIFY_FAILURE, QUEUE_OUT_DEFERRED, 4 * 3600000, false, true},
        {"me@example.org", QUEUE_NOTIFY_DELAY, QUEUE_OUT_UNTRIED, 4 * 3600000, true, true},
        {"", 0, QUEUE_OUT_DEFERRED, 4 * 3600000, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct queue_recipient r = to("a@example.net", "example.net");
        struct queue_job *j;

        r.notify = rows[i].notify;
        queue_id id = submit(b, rows[i].sender, &r, 1);

        finish(take(NOW + rows[i].after_ms), rows[i].outcome, NOW + rows[i].after_ms);
        bench_reopen(b);
        enum err e = queue_notice_take(b->queue, &j);

        assert_err(e, rows[i].told ? ERR_OK : ERR_NOT_FOUND);
        if (rows[i].told) {
            struct queue_job *again;

            assert_int_equal(j->count, 1);
            assert_err(queue_notice_take(b->queue, &again), ERR_NOT_FOUND); // one at a time
            assert_ok(queue_notice_done(b->queue, j, false));
            assert_ok(queue_notice_take(b->queue, &j)); // not sent: still owed
            assert_ok(queue_notice_done(b->queue, j, true));
            assert_err(queue_notice_take(b->queue, &j), ERR_NOT_FOUND);
        }
        counts(rows[i].stays, rows[i].stays);
        if (rows[i].stays) {
            uint32_t n;

            assert_int_equal(only(id).is_delay_told, rows[i].told);
            assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_REMOVE, &n));
        }
        assert_int_equal(bodies(b), 0);
    }
}

// Q06: only after its time and several tries: a clock that jumps fails nothing.
static void test_expiry(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    struct queue_job *j;
    int64_t now = NOW + 4000 * DAYS;

    (void)state;
    queue_id id = submit(b, "me@example.org", &r, 1);

    finish(take(now), QUEUE_OUT_DEFERRED, now);
    assert_int_equal(only(id).state, QUEUE_WAITING);
    for (int i = 0; i < 2; i++) {
        now += DAYS;
        finish(take(now), QUEUE_OUT_UNTRIED, now);
    }
    assert_int_equal(only(id).state, QUEUE_FAILED);
    assert_ok(queue_notice_take(b->queue, &j));
    assert_int_equal(j->recipients[0].state, QUEUE_FAILED);
    assert_ok(queue_notice_done(b->queue, j, true));
    counts(0, 0);
}

static void test_actions(void **state)
{
    struct queue_recipient r[] = {to("a@example.net", "example.net"),
                                  to("b@example.net", "example.net")};
    uint32_t n;
    struct queue_job *j;

    (void)state;
    queue_id id = submit(b, "me@example.org", r, 2);

    assert_err(queue_act(b->queue, id + 16, UINT32_MAX, QUEUE_HOLD, &n), ERR_NOT_FOUND);
    assert_err(queue_act(b->queue, id, 2, QUEUE_HOLD, &n), ERR_NOT_FOUND);
    assert_ok(queue_act(b->queue, id, 1, QUEUE_HOLD, &n));
    assert_int_equal(n, 1);
    bench_reopen(b);
    j = take(NOW);
    assert_int_equal(j->count, 1);
    assert_span(j->recipients[0].address, "a@example.net");
    finish(j, QUEUE_OUT_DEFERRED, NOW);
    assert_null(take(NOW));
    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_RELEASE, &n));
    assert_int_equal(n, 1);
    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_RETRY, &n));
    assert_int_equal(n, 2);
    j = take(NOW);
    assert_int_equal(j->count, 2);
    // Held while it is being tried: the result keeps to it, but what was delivered is delivered.
    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_HOLD, &n));
    struct queue_result results[] = {{QUEUE_OUT_DELIVERED, SPAN(""), SPAN("250 ok")},
                                     {QUEUE_OUT_DEFERRED, SPAN(""), SPAN("451 later")}};

    assert_ok(queue_done(b->queue, j, results, NOW));
    assert_int_equal(only(id).state, QUEUE_HELD);
    assert_span(only(id).address, "b@example.net");
    assert_null(take(NOW + DAYS));
    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_FAIL, &n));
    assert_ok(queue_notice_take(b->queue, &j));
    assert_int_equal(j->count, 1);
    assert_ok(queue_notice_done(b->queue, j, true));
    counts(0, 0);
    assert_int_equal(bodies(b), 0);
}

static void test_removed_while_it_is_tried(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    uint32_t n;

    (void)state;
    queue_id id = submit(b, "me@example.org", &r, 1);
    struct queue_job *j = take(NOW);

    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_REMOVE, &n));
    finish(j, QUEUE_OUT_DEFERRED, NOW);
    assert_null(take(NOW + DAYS));
    counts(0, 0);
}

static void test_pause(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");

    (void)state;
    assert_err(queue_pause(b->queue, SPAN(""), SPAN("")), ERR_INVALID);
    assert_ok(queue_pause(b->queue, SPAN("example.net"), SPAN("their server is being moved")));
    submit(b, "me@example.org", &r, 1);
    assert_null(take(NOW));
    bench_reopen(b);
    assert_null(take(NOW));
    assert_ok(queue_resume(b->queue, SPAN("example.net")));
    struct queue_job *j = take(NOW);

    assert_non_null(j);
    finish(j, QUEUE_OUT_DELIVERED, NOW);
}

static void test_held_until(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");

    (void)state;
    r.due_ms = NOW + 3600000; // FUTURERELEASE
    submit(b, "me@example.org", &r, 1);
    assert_null(take(NOW));
    r.due_ms = 0;
    submit(b, "me@example.org", &r, 1); // later, and due earlier
    struct queue_job *j = take(NOW);

    assert_non_null(j);
    finish(j, QUEUE_OUT_DELIVERED, NOW);
    assert_null(take(NOW));
    j = take(NOW + 3600000);
    assert_non_null(j);
    finish(j, QUEUE_OUT_DELIVERED, NOW + 3600000);
}

static void test_bad_input(void **state)
{
    struct queue_message m = {.body = 1};
    struct queue_recipient r = to("a@example.net", "example.net");
    char *long_text = calloc(1, QUEUE_PREFIX_BYTES_MAX + 1);
    queue_id id;

    (void)state;
    assert_err(queue_submit(b->queue, &m, &r, 0, &id), ERR_INVALID);
    assert_err(queue_submit(b->queue, &m, &r, QUEUE_RECIPIENTS_MAX + 1, &id), ERR_INVALID);
    m.prefix = span_of(long_text, QUEUE_PREFIX_BYTES_MAX + 1);
    assert_err(queue_submit(b->queue, &m, &r, 1, &id), ERR_LIMIT);
    m.prefix = SPAN("");
    r.destination = span_of("a\0b", 3);
    assert_err(queue_submit(b->queue, &m, &r, 1, &id), ERR_LIMIT);
    r.destination = span_of(long_text, 300);
    assert_err(queue_submit(b->queue, &m, &r, 1, &id), ERR_LIMIT);
    r = to("", "example.net");
    assert_err(queue_submit(b->queue, &m, &r, 1, &id), ERR_LIMIT);
    r = to("a@example.net", "example.net");
    assert_err(queue_submit(b->queue, &m, &r, 1, &id), ERR_NOT_FOUND); // no such body
    free(long_text);
    counts(0, 0);
}

// What could not be stored is stored later; meanwhile nothing is sent, and nothing twice.
static void test_a_failing_disk(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net"),
                           s = to("b@example.com", "example.com");
    struct engine_memory_faults faults = {
        .commit_after = 1, .commit_error = ERR_UNAVAILABLE, .commit_forever = true};
    struct queue_result result = {QUEUE_OUT_DELIVERED, SPAN(""), SPAN("")};

    (void)state;
    submit(b, "me@example.org", &r, 1);
    struct queue_job *j = take(NOW);

    submit(b, "me@example.org", &s, 1);
    engine_memory_set_faults(b->engine, &faults);
    assert_err(queue_done(b->queue, j, &result, NOW), ERR_UNAVAILABLE);
    assert_null(take(NOW)); // also what is due for others waits
    assert_null(take(NOW + 1000));
    assert_null(take(NOW + 86400000));
    engine_memory_set_faults(b->engine, &(struct engine_memory_faults){0});
    assert_null(take(NOW + 86400500)); // stored once a second
    j = take(NOW + 86401000);
    assert_non_null(j);
    assert_span(j->recipients[0].address, "b@example.com");
    finish(j, QUEUE_OUT_DELIVERED, NOW + 86401000);
    counts(0, 0);
}

// While no commit is taken, nothing is sent that could not be put on record.
static void test_a_broken_disk(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    struct engine_memory_faults faults = {.state = ENGINE_READ_ONLY};
    struct queue_job *j;
    int64_t next;

    (void)state;
    submit(b, "me@example.org", &r, 1);
    engine_memory_set_faults(b->engine, &faults);
    assert_err(queue_take(b->queue, NOW, &j, &next), ERR_NOT_FOUND);
    assert_int_equal(next, NOW + 1000);
    engine_memory_set_faults(b->engine, &(struct engine_memory_faults){0});
    finish(take(NOW + 1000), QUEUE_OUT_DELIVERED, NOW + 1000);
    counts(0, 0);
}

// Closed with results that are owed: the next start tries again.
static void test_the_end_with_a_failing_disk(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    struct engine_memory_faults faults = {
        .commit_after = 1, .commit_error = ERR_UNAVAILABLE, .commit_forever = true};
    struct queue_result result = {QUEUE_OUT_DEFERRED, SPAN("mx.example.net"), SPAN("451 later")};

    (void)state;
    submit(b, "me@example.org", &r, 1);
    struct queue_job *j = take(NOW);

    engine_memory_set_faults(b->engine, &faults);
    assert_err(queue_done(b->queue, j, &result, NOW), ERR_UNAVAILABLE);
    engine_memory_set_faults(b->engine, &(struct engine_memory_faults){0});
    bench_reopen(b);
    finish(take(NOW), QUEUE_OUT_DELIVERED, NOW);
    counts(0, 0);
}

static void test_ids(void **state)
{
    queue_id id;

    (void)state;
    assert_string_equal(queue_id_text(0x123).s, "0000000000000123");
    assert_true(queue_id_read(SPAN("0000000000000123"), &id) && id == 0x123);
    assert_false(queue_id_read(SPAN("000000000000012"), &id));
    assert_false(queue_id_read(SPAN("000000000000012x"), &id));
    assert_false(queue_id_read(SPAN("0000000000000000"), &id));
}

static void test_many_recipients(void **state)
{
    enum { N = 1234 };
    struct queue_recipient *r = calloc(N, sizeof(*r));
    char(*addresses)[32] = calloc(N, sizeof(*addresses));
    size_t got = 0;
    struct queue_job *j;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        snprintf(addresses[i], sizeof(addresses[i]), "u%zu@example.net", i);
        r[i] = to(addresses[i], "example.net");
    }
    submit(b, "me@example.org", r, N);
    while ((j = take(NOW))) {
        assert_true(j->count <= QUEUE_JOB_RECIPIENTS_MAX);
        got += j->count;
        finish(j, QUEUE_OUT_DELIVERED, NOW);
    }
    assert_int_equal(got, N);
    counts(0, 0);
    free(r);
    free(addresses);
}

// ---- q05: a message that stops whoever works on it ----------------------------------------------

static void print_problem(void *arg, const char *problem)
{
    (void)arg;
    print_message("%s\n", problem);
}

static void assert_sound(void)
{
    uint64_t problems = 1;

    assert_ok(queue_check(b->engine, true, print_problem, NULL, &problems));
    assert_int_equal(problems, 0);
}

static void test_q05_lost_three_times_is_held(void **state)
{
    struct queue_recipient bad = to("a@example.net", "example.net"),
                           good = to("b@example.net", "example.net");
    uint32_t changed;
    int64_t now = NOW;

    (void)state;
    queue_id id = submit(b, "me@example.org", &bad, 1);

    for (int i = 0; i < 3; i++) {
        struct queue_job *j = take(now);

        assert_non_null(j);
        finish(j, QUEUE_OUT_LOST, now);
        assert_sound();
        bench_reopen(b); // it is counted on the disk
        assert_int_equal(only(id).state, i < 2 ? QUEUE_WAITING : QUEUE_HELD);
        now += DAYS;
    }
    assert_null(take(now));
    assert_true(span_starts(only(id).reply, SPAN("4.3.0 set aside")));
    submit(b, "me@example.org", &good, 1); // the queue goes on
    finish(take(now), QUEUE_OUT_DELIVERED, now);
    counts(1, 1);
    // A person lets it go; it has three more.
    assert_ok(queue_act(b->queue, id, UINT32_MAX, QUEUE_RELEASE, &changed));
    assert_int_equal(changed, 1);
    finish(take(now), QUEUE_OUT_LOST, now);
    assert_int_equal(only(id).state, QUEUE_WAITING);
    now += DAYS;
    finish(take(now), QUEUE_OUT_DELIVERED, now);
    counts(0, 0);
    assert_sound();
}

static void test_q05_only_in_a_row(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    int64_t now = NOW;

    (void)state;
    queue_id id = submit(b, "me@example.org", &r, 1);

    for (int i = 0; i < 8; i++, now += DAYS / 4) {
        finish(take(now), i % 3 == 2 ? QUEUE_OUT_DEFERRED : QUEUE_OUT_LOST, now);
        assert_int_equal(only(id).state, QUEUE_WAITING);
    }
}

// The process ends while it works: what the job was is known from the disk alone.
static void test_q05_begun_three_times_and_never_done(void **state)
{
    struct queue_recipient bad = to("a@example.org", "here"), good = to("b@example.org", "here");
    struct queue_job *j;

    (void)state;
    queue_id id = submit(b, "me@example.org", &bad, 1);

    for (int i = 0; i < 3; i++) {
        j = take(NOW);
        assert_int_equal(j->message.id, id);
        assert_ok(queue_try(b->queue, j));
        assert_sound();
        bench_reopen(b);
        arena_finish(&j->arena); // its process is gone
        free(j);
    }
    j = take(NOW);
    assert_err(queue_try(b->queue, j), ERR_DENIED);
    assert_int_equal(only(id).state, QUEUE_HELD);
    assert_sound();
    submit(b, "me@example.org", &good, 1);
    j = take(NOW + 2000);
    assert_ok(queue_try(b->queue, j));
    finish(j, QUEUE_OUT_DELIVERED, NOW + 2000);
    counts(1, 1);
    assert_sound();
}

static void test_q05_notice_that_cannot_be_written(void **state)
{
    struct queue_recipient r = to("a@example.net", "example.net");
    struct queue_job *j;
    uint32_t changed;

    (void)state;
    queue_id bad = submit(b, "me@example.org", &r, 1), other = submit(b, "me@example.org", &r, 1);

    assert_ok(queue_act(b->queue, bad, UINT32_MAX, QUEUE_FAIL, &changed));
    for (int i = 0; i < 3; i++) {
        assert_ok(queue_notice_take(b->queue, &j));
        assert_ok(queue_notice_try(b->queue, j));
        bench_reopen(b);
        arena_finish(&j->arena);
        free(j);
    }
    assert_ok(queue_act(b->queue, other, UINT32_MAX, QUEUE_FAIL, &changed));
    for (int i = 0; i < 2; i++) {
        assert_ok(queue_notice_take(b->queue, &j));
        bool is_bad = j->message.id == bad;

        assert_err(queue_notice_try(b->queue, j), is_bad ? ERR_DENIED : ERR_OK);
        if (!is_bad) {
            assert_ok(queue_notice_done(b->queue, j, true));
        }
    }
    assert_err(queue_notice_take(b->queue, &j), ERR_NOT_FOUND);
    assert_sound();
    assert_ok(queue_act(b->queue, bad, UINT32_MAX, QUEUE_REMOVE, &changed));
    assert_sound();
    counts(0, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_message_is_delivered_and_gone),
        T(test_a_deferred_one_waits_longer_each_time),
        T(test_unreachable_destination_is_left_alone),
        T(test_a_dead_domain_with_very_many),
        T(test_concurrency_grows_with_success),
        T(test_who_is_told_of_what),
        T(test_expiry),
        T(test_actions),
        T(test_removed_while_it_is_tried),
        T(test_pause),
        T(test_held_until),
        T(test_bad_input),
        T(test_a_failing_disk),
        T(test_a_broken_disk),
        T(test_the_end_with_a_failing_disk),
        T(test_q05_lost_three_times_is_held),
        T(test_q05_only_in_a_row),
        T(test_q05_begun_three_times_and_never_done),
        T(test_q05_notice_that_cannot_be_written),
        T(test_ids),
        T(test_many_recipients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
