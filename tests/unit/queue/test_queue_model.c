// SPDX-License-Identifier: Apache-2.0
//
// A random walk over the queue, by several threads, compared with what each recipient's way must
// be: every recipient is, at the end, delivered, told of, removed by hand or still there; exactly
// one of them. MK_SEED repeats a walk.
#include <pthread.h>
#include <stdatomic.h>

#include "support.h"

#define THREADS  4
#define STEPS    1500
#define DOMAINS  7
#define REOPENS  3
#define MESSAGES (THREADS * STEPS * REOPENS)

static struct bench bench;
static struct bench *const b = &bench;
static _Atomic uint64_t submitted, delivered, told, removed;
static _Atomic int64_t now_ms = NOW;

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 33;
}

static void step_submit(uint64_t *seed)
{
    static const char *const domains[DOMAINS] = {"a.example",  "b.example", "c.example",
                                                 "d.example",  "e.example", "f.example",
                                                 "route:smart"};
    struct queue_recipient r[8];
    size_t n = 1 + next_random(seed) % 8;

    for (size_t i = 0; i < n; i++) {
        r[i] = to("someone@example.net", domains[next_random(seed) % DOMAINS]);
        r[i].notify = (unsigned)(next_random(seed) % 9);
        r[i].due_ms = next_random(seed) % 4 ? 0 : now_ms + (int64_t)(next_random(seed) % 100000);
    }
    submit(b, next_random(seed) % 4 ? "me@example.org" : "", r, n);
    atomic_fetch_add(&submitted, n);
}

static void step_deliver(uint64_t *seed)
{
    struct queue_result results[QUEUE_JOB_RECIPIENTS_MAX];
    struct queue_job *j;
    int64_t next;

    if (queue_take(b->queue, now_ms, &j, &next) != ERR_OK) {
        atomic_fetch_add(&now_ms, 10000);
        return;
    }
    uint64_t dice = next_random(seed) % 10;

    for (size_t i = 0; i < j->count; i++) {
        results[i].outcome = dice == 0   ? QUEUE_OUT_UNTRIED
                             : dice == 1 ? QUEUE_OUT_FAILED
                             : dice < 4  ? QUEUE_OUT_DEFERRED
                                         : QUEUE_OUT_DELIVERED;
        results[i].host = results[i].reply = SPAN("x");
        // Those who want no notice are gone at once.
        const struct queue_recipient *r = &j->recipients[i];
        bool success = r->notify & QUEUE_NOTIFY_SUCCESS, has_sender = j->message.sender.n > 0;
        bool failure = !r->notify || r->notify & QUEUE_NOTIFY_FAILURE;

        if ((dice >= 4 && !(success && has_sender)) || (dice == 1 && !(failure && has_sender))) {
            atomic_fetch_add(&delivered, 1);
        }
    }
    assert_ok(queue_done(b->queue, j, results, now_ms));
}

static void step_notice(void)
{
    struct queue_job *j;

    if (queue_notice_take(b->queue, &j) != ERR_OK) {
        return;
    }
    for (size_t i = 0; i < j->count; i++) {
        if (j->recipients[i].state == QUEUE_FAILED || j->recipients[i].state == QUEUE_DELIVERED) {
            atomic_fetch_add(&told, 1);
        }
    }
    assert_ok(queue_notice_done(b->queue, j, true));
}

static void *walk(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;

    for (int i = 0; i < STEPS; i++) {
        uint64_t dice = next_random(&seed) % 10;

        if (dice < 3) {
            step_submit(&seed);
        } else if (dice < 9) {
            step_deliver(&seed);
        } else {
            step_notice();
        }
    }
    return NULL;
}

struct recount {
    uint64_t recipients;
    queue_id last;
    uint64_t messages, in_message, claimed;
};

static bool recount_one(void *arg, const struct queue_message *m, const struct queue_recipient *r)
{
    struct recount *c = arg;

    (void)r;
    if (m->id != c->last) {
        assert_int_equal(c->in_message, c->claimed);
        c->last = m->id;
        c->messages++;
        c->in_message = 0;
        c->claimed = m->recipients;
    }
    c->in_message++;
    c->recipients++;
    return true;
}

static void check(void)
{
    struct recount c = {0};
    struct queue_counts counts;

    assert_ok(queue_list(b->queue, 0, recount_one, &c));
    assert_int_equal(c.in_message, c.claimed);
    queue_count(b->queue, &counts);
    assert_int_equal(counts.recipients, c.recipients);
    assert_int_equal(counts.messages, c.messages);
    assert_int_equal(bodies(b), c.messages);
    assert_int_equal(submitted, delivered + told + removed + c.recipients);
}

// Everything that is left can be brought to its end.
static void drain(uint64_t seed)
{
    struct queue_counts c;

    for (int i = 0; i < 1000000; i++) {
        step_deliver(&seed);
        step_notice();
        queue_count(b->queue, &c);
        if (c.recipients == 0) {
            break;
        }
    }
    check();
    queue_count(b->queue, &c);
    assert_int_equal(c.recipients, 0);
    assert_int_equal(bodies(b), 0);
}

static void test_random_walk(void **state)
{
    const char *text = getenv("MK_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 1, seeds[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    bench_start(b);
    for (int round = 0; round < REOPENS; round++) {
        for (size_t i = 0; i < THREADS; i++) {
            seeds[i] = seed * 1000 + (uint64_t)round * 10 + i;
            assert_int_equal(pthread_create(&threads[i], NULL, walk, &seeds[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
        check();
        bench_reopen(b);
        check();
    }
    drain(seed);
    bench_stop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_walk)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
