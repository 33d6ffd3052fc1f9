// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <semaphore.h>

#include "../test.h"
#include "keep/keep_chore.h"

#define AN_HOUR 3600000

static sem_t turns;
static struct keep_chore *chore;

static void turn(void *arg)
{
    (void)arg;
    sem_post(&turns);
}

static void start(int64_t interval_ms, bool at_once)
{
    const struct keep_chore_options o = {
        .name = "chore", .run = turn, .interval_ms = interval_ms, .at_once = at_once};

    sem_init(&turns, 0, 0);
    assert_ok(keep_chore_start(&o, &chore));
}

static void stop(void)
{
    keep_chore_stop(chore);
    sem_destroy(&turns);
}

// A turn that does not come hangs here, and the test with it.
static void await(unsigned n)
{
    while (n) {
        n -= sem_wait(&turns) == 0;
    }
}

static unsigned so_far(void)
{
    int n = -1;

    assert_int_equal(sem_getvalue(&turns, &n), 0);
    return (unsigned)n;
}

static void test_at_once_and_again(void **state)
{
    (void)state;
    start(1, true);
    await(3);
    stop();
    start(AN_HOUR, true);
    await(1);
    stop();
}

static void test_only_when_woken(void **state)
{
    (void)state;
    start(0, false);
    keep_chore_wake(chore, 0);
    await(1);
    keep_chore_wake(chore, 1);
    await(1);
    keep_chore_stop(chore);
    assert_int_equal(so_far(), 0);
    sem_destroy(&turns);
}

static void test_another_interval(void **state)
{
    (void)state;
    start(AN_HOUR, false);
    keep_chore_set_interval(chore, 1);
    await(3);
    keep_chore_set_interval(chore, 0);
    assert_false(keep_chore_is_stopping(chore));
    stop();
    keep_chore_stop(NULL);
}

static bool saw_the_end;

static void long_turn(void *arg)
{
    struct keep_chore **c = arg;

    sem_post(&turns);
    while (!keep_chore_is_stopping(*c)) {
        sched_yield();
    }
    saw_the_end = true;
}

static void test_a_long_turn_hears_of_the_end(void **state)
{
    const struct keep_chore_options o = {
        .name = "chore", .run = long_turn, .arg = &chore, .at_once = true};

    (void)state;
    saw_the_end = false;
    sem_init(&turns, 0, 0);
    assert_ok(keep_chore_start(&o, &chore));
    await(1);
    stop();
    assert_true(saw_the_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_once_and_again),
        cmocka_unit_test(test_only_when_woken),
        cmocka_unit_test(test_another_interval),
        cmocka_unit_test(test_a_long_turn_hears_of_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
