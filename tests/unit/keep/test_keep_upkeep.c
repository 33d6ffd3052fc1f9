// SPDX-License-Identifier: Apache-2.0
//
// What is looked after every hour: suspended accounts whose time is up go, and no others.
#include <unistd.h>

#include "../store/support.h"
#include "base/clock.h"
#include "base/log.h"
#include "keep/keep_upkeep.h"

static struct bench bench;
static struct bench *const b = &bench;

static int setup(void **state)
{
    log_set_level(LOG_ERROR);
    bench_choose(state);
    bench_open(b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

static account_id add(int number)
{
    char name[40];
    account_id id;

    snprintf(name, sizeof(name), "p%d@example.org", number);
    assert_ok(directory_account_add(b->store, &tester, span_from_str(name), SPAN(""), false, &id));
    return id;
}

static void suspend(account_id id, int64_t remove_at)
{
    struct account_suspension how = {.remove_at = remove_at};

    assert_ok(directory_account_suspend(b->store, &tester, id, &how));
}

static bool is_there(account_id id)
{
    struct account account;

    arena_reset(&b->arena);
    return directory_account_by_id(b->store, id, &b->arena, &account) == ERR_OK;
}

// One round; it is over when the accounts that must go have gone.
static void round_until_gone(const account_id *gone, size_t n, size_t left)
{
    struct keep_upkeep *u;
    size_t there = n;

    assert_ok(keep_upkeep_start(b->store, 3600, &u));
    for (int i = 0; i < 3000 && there > left; i++) {
        usleep(10000);
        there = 0;
        for (size_t k = 0; k < n; k++) {
            there += is_there(gone[k]);
        }
    }
    keep_upkeep_stop(u); // waits for the round
    there = 0;
    for (size_t k = 0; k < n; k++) {
        there += is_there(gone[k]);
    }
    assert_int_equal(there, left);
}

static void test_who_is_due_goes(void **state)
{
    int64_t now = clock_real_s();
    account_id due = add(1), later = add(2), never = add(3), resumed = add(4), active = add(5);

    (void)state;
    suspend(due, now - 5);
    suspend(later, now + 3600);
    suspend(never, 0);
    suspend(resumed, now - 5);
    assert_ok(directory_account_set_state(b->store, &tester, resumed, ACCOUNT_ACTIVE));
    round_until_gone(&due, 1, 0);
    assert_true(is_there(later) && is_there(never) && is_there(resumed) && is_there(active));
    // Suspended anew without a time: the old one is forgotten.
    suspend(later, now - 5);
    suspend(later, 0);
    suspend(active, now - 5);
    round_until_gone(&active, 1, 0);
    assert_true(is_there(later));
}

static void test_a_clock_that_jumps_is_no_flood(void **state)
{
    account_id ids[14];

    (void)state;
    for (int i = 0; i < 14; i++) {
        ids[i] = add(i);
        suspend(ids[i], clock_real_s() - 5);
    }
    round_until_gone(ids, 14, 4);
    round_until_gone(ids, 14, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_who_is_due_goes),
        T(test_a_clock_that_jumps_is_no_flood),
    };

    return BENCH_RUN("keep-upkeep", tests);
}
