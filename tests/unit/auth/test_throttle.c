// SPDX-License-Identifier: Apache-2.0
//
// Locking guessers out.
#include "../test.h"
#include "auth/throttle.h"

#define MINUTE 60000

static int64_t now_ms = 1000000;

static struct throttle *make(unsigned failures_max)
{
    struct throttle_limits limits = {.failures_max = failures_max, .time_ms = 10 * MINUTE};
    struct throttle *t;

    assert_ok(throttle_create(&limits, &t));
    return t;
}

// `n` passwords nobody has tried before; true when the last one locks.
static bool fail_times(struct throttle *t, struct span remote, int n)
{
    static int number;
    bool is_locked = false;
    char password[32];

    for (int i = 0; i < n; i++) {
        snprintf(password, sizeof(password), "wrong %d", number++);
        assert_false(is_locked);
        is_locked = throttle_failed(t, SPAN("anna"), remote, span_from_str(password), now_ms);
    }
    return is_locked;
}

static void test_ten_wrong_ones_lock_that_network(void **state)
{
    struct throttle *t = make(10);

    (void)state;
    assert_false(fail_times(t, SPAN("192.0.2.1"), 9));
    assert_int_equal(throttle_wait(t, SPAN("anna"), SPAN("192.0.2.1"), now_ms), 0);
    assert_true(fail_times(t, SPAN("192.0.2.200"), 1)); // the same /24
    assert_int_equal(throttle_wait(t, SPAN("anna"), SPAN("192.0.2.1"), now_ms), 10 * MINUTE);
    assert_int_equal(throttle_wait(t, SPAN("anna"), SPAN("192.0.3.1"), now_ms), 0);
    assert_int_equal(throttle_wait(t, SPAN("berta"), SPAN("192.0.2.1"), now_ms), 0);
    now_ms += 10 * MINUTE;
    assert_int_equal(throttle_wait(t, SPAN("anna"), SPAN("192.0.2.1"), now_ms), 0);
    throttle_destroy(t);
}

static void test_each_lock_is_twice_as_long(void **state)
{
    struct throttle *t = make(2);
    int64_t want = 10 * MINUTE;

    (void)state;
    for (int i = 0; i < 12; i++) {
        assert_true(fail_times(t, SPAN("2001:db8::1"), 2));
        assert_int_equal(throttle_wait(t, SPAN("anna"), SPAN("2001:db8::ffff"), now_ms), want);
        now_ms += want;
        want = want * 2 < THROTTLE_LOCK_MAX_MS ? want * 2 : THROTTLE_LOCK_MAX_MS;
    }
    now_ms += 2 * (int64_t)THROTTLE_LOCK_MAX_MS; // quiet for long enough: all is as at first
    assert_true(fail_times(t, SPAN("2001:db8::1"), 2));
    assert_int_equal(throttle_wait(t, SPAN("anna"), SPAN("2001:db8::1"), now_ms), 10 * MINUTE);
    throttle_destroy(t);
}

static void test_an_old_password_again_and_again_locks_nobody(void **state)
{
    struct throttle *t = make(3);

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_false(
            throttle_failed(t, SPAN("anna"), SPAN("192.0.2.1"), SPAN("last year's"), now_ms));
    }
    assert_false(fail_times(t, SPAN("192.0.2.1"), 1));
    assert_true(fail_times(t, SPAN("192.0.2.1"), 1));
    throttle_destroy(t);
}

static void test_slow_and_right_ones_do_not_add_up(void **state)
{
    struct throttle *t = make(3);

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_false(fail_times(t, SPAN("192.0.2.1"), 2));
        now_ms += 10 * MINUTE + 1;
    }
    for (int i = 0; i < 5; i++) {
        assert_false(fail_times(t, SPAN("192.0.2.1"), 2));
        throttle_passed(t, SPAN("anna"), SPAN("192.0.2.1"));
    }
    throttle_destroy(t);
}

static void test_it_remembers_so_many(void **state)
{
    struct throttle *t = make(1);
    char remote[40];

    (void)state;
    for (unsigned i = 0; i <= THROTTLE_NAMES_MAX; i++) {
        snprintf(remote, sizeof(remote), "10.%u.%u.1", i >> 8 & 255, i & 255);
        throttle_failed(t, i >> 16 ? SPAN("b") : SPAN("a"), span_from_str(remote), SPAN("x"),
                        now_ms);
    }
    assert_int_equal(throttle_wait(t, SPAN("a"), SPAN("10.0.0.1"), now_ms),
                     0); // the first has gone
    assert_int_equal(throttle_wait(t, SPAN("a"), SPAN("10.0.1.1"), now_ms), 10 * MINUTE);
    throttle_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_wrong_ones_lock_that_network),
        cmocka_unit_test(test_each_lock_is_twice_as_long),
        cmocka_unit_test(test_an_old_password_again_and_again_locks_nobody),
        cmocka_unit_test(test_slow_and_right_ones_do_not_add_up),
        cmocka_unit_test(test_it_remembers_so_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
