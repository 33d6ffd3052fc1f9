// SPDX-License-Identifier: Apache-2.0
//
// The courier's questions about people: each kind goes to its authority, in threads, and every
// question is answered once, whatever happens.
#include <pthread.h>
#include <semaphore.h>

#include "../test.h"
#include "courier/vouch/vouch.h"

static struct {
    struct loop *loop;
    struct vouch *vouch;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned done, ended; // ended: without an answer
    struct {
        uint64_t id;
        uint8_t result;
        char name[64], words[64];
    } answers[64];
    sem_t running, go_on; // of the authority that holds
} w = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_done(void *arg, const struct ipc_vouch_answer *m)
{
    (void)arg;
    pthread_mutex_lock(&w.lock);
    if (m) {
        w.answers[w.done].id = m->id;
        w.answers[w.done].result = m->result;
        snprintf(w.answers[w.done].name, 64, "%.*s", SPAN_ARG(m->name));
        snprintf(w.answers[w.done].words, 64, "%.*s", SPAN_ARG(m->words));
        w.done++;
    } else {
        w.ended++;
    }
    pthread_cond_broadcast(&w.changed);
    pthread_mutex_unlock(&w.lock);
}

static void wait_for_done(unsigned n)
{
    pthread_mutex_lock(&w.lock);
    while (w.done < n) {
        pthread_cond_wait(&w.changed, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
}

// Says yes to whoever's secret is their name.
static void answer_at_once(void *arg, const struct vouch_question *q, struct arena *a,
                           struct vouch_answer *out)
{
    (void)arg;
    out->result = span_eq(q->name, q->secret) ? IPC_VOUCH_YES : IPC_VOUCH_NO;
    out->name = arena_dup(a, q->name);
    snprintf(out->words, sizeof(out->words), "kind %d", (int)q->kind);
}

static void answer_when_told(void *arg, const struct vouch_question *q, struct arena *a,
                             struct vouch_answer *out)
{
    sem_post(&w.running);
    sem_wait(&w.go_on);
    answer_at_once(arg, q, a, out);
}

static void *run_loop(void *arg)
{
    (void)arg;
    loop_run(w.loop);
    return NULL;
}

struct ask_task {
    struct loop_task task;
    struct ipc_vouch_ask ask;
};

static void on_ask_task(struct loop_task *t)
{
    struct ask_task *a = (struct ask_task *)t; // its first member

    vouch_ask(w.vouch, &a->ask, on_done, NULL);
    free(a);
}

static void ask(uint64_t id, uint8_t kind, const char *name, const char *secret)
{
    struct ask_task *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    a->task.run = on_ask_task;
    a->ask = (struct ipc_vouch_ask){.id = id,
                                    .kind = kind,
                                    .timeout_ms = UINT32_MAX,
                                    .name = span_from_str(name),
                                    .secret = span_from_str(secret),
                                    .remote = SPAN("192.0.2.1")};
    loop_post(w.loop, &a->task);
}

static int setup(void **state)
{
    const struct vouch_authority quick = {
        .answer = answer_at_once, .threads = 2, .waiting_max = 64};
    const struct vouch_authority slow = {
        .answer = answer_when_told, .threads = 1, .waiting_max = 1};

    (void)state;
    w.done = w.ended = 0;
    sem_init(&w.running, 0, 0);
    sem_init(&w.go_on, 0, 0);
    assert_ok(loop_create(&w.loop));
    assert_ok(vouch_create(w.loop, &w.vouch));
    assert_ok(vouch_set(w.vouch, 1u << IPC_VOUCH_PASSWORD | 1u << IPC_VOUCH_STILL_THERE, &quick));
    assert_ok(vouch_set(w.vouch, 1u << IPC_VOUCH_TOKEN, &slow));
    assert_int_equal(pthread_create(&w.thread, NULL, run_loop, NULL), 0);
    return 0;
}

static void stop_loop(void)
{
    loop_stop(w.loop);
    pthread_join(w.thread, NULL);
}

static int teardown(void **state)
{
    (void)state;
    vouch_destroy(w.vouch);
    loop_destroy(w.loop);
    sem_destroy(&w.running);
    sem_destroy(&w.go_on);
    return 0;
}

static void test_by_kind(void **state)
{
    (void)state;
    ask(1, IPC_VOUCH_PASSWORD, "anna", "anna");
    wait_for_done(1);
    ask(2, IPC_VOUCH_STILL_THERE, "anna", "");
    wait_for_done(2);
    ask(3, 0, "anna", "anna"); // kinds that nobody answers
    wait_for_done(3);
    ask(4, VOUCH_KINDS, "anna", "anna");
    wait_for_done(4);
    ask(5, 255, "anna", "anna");
    wait_for_done(5);
    assert_int_equal(w.answers[0].id, 1);
    assert_int_equal(w.answers[0].result, IPC_VOUCH_YES);
    assert_string_equal(w.answers[0].name, "anna");
    assert_string_equal(w.answers[0].words, "kind 2");
    assert_int_equal(w.answers[1].result, IPC_VOUCH_NO);
    assert_string_equal(w.answers[1].words, "kind 3");
    for (unsigned i = 2; i < 5; i++) {
        assert_int_equal(w.answers[i].id, i + 1);
        assert_int_equal(w.answers[i].result, IPC_VOUCH_UNAVAILABLE);
    }
    stop_loop();
}

static void test_one_that_is_slow_holds_up_nobody_else(void **state)
{
    (void)state;
    ask(1, IPC_VOUCH_TOKEN, "anna", "anna"); // runs
    sem_wait(&w.running);
    ask(2, IPC_VOUCH_TOKEN, "anna", "anna"); // waits
    ask(3, IPC_VOUCH_TOKEN, "anna", "anna"); // finds no place
    wait_for_done(1);
    assert_int_equal(w.answers[0].id, 3);
    assert_int_equal(w.answers[0].result, IPC_VOUCH_UNAVAILABLE);
    ask(4, IPC_VOUCH_PASSWORD, "bert", "bert");
    wait_for_done(2);
    assert_int_equal(w.answers[1].id, 4);
    sem_post(&w.go_on);
    sem_post(&w.go_on);
    wait_for_done(4);
    assert_int_equal(w.answers[2].result, IPC_VOUCH_YES);
    assert_int_equal(w.answers[3].result, IPC_VOUCH_YES);
    stop_loop();
}

static void test_the_end(void **state)
{
    (void)state;
    ask(1, IPC_VOUCH_TOKEN, "anna", "anna");
    sem_wait(&w.running);
    ask(2, IPC_VOUCH_TOKEN, "anna", "anna");
    ask(3, IPC_VOUCH_PASSWORD, "anna", "anna"); // answered: so the two before are with the pool
    wait_for_done(1);
    vouch_stop(w.vouch);
    ask(4, IPC_VOUCH_PASSWORD, "anna", "anna");
    wait_for_done(2);
    assert_int_equal(w.answers[1].id, 4);
    assert_int_equal(w.answers[1].result, IPC_VOUCH_UNAVAILABLE);
    stop_loop();
    sem_post(&w.go_on); // 1 ends, 2 is not begun
    vouch_destroy(w.vouch);
    w.vouch = NULL;
    assert_int_equal(w.done, 2);
    assert_int_equal(w.ended, 2); // nobody is left without a word
    assert_int_equal(sem_trywait(&w.running), -1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_by_kind),
        TEST(test_one_that_is_slow_holds_up_nobody_else),
        TEST(test_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
