// SPDX-License-Identifier: Apache-2.0
//
// Locking guessers out (L03).
#include "../test.h"
#include "auth/throttle.h"

#define MINUTE 60000

static int64_t now_ms = 1000000;

static struct throttle *make(unsigned failures_max)
{
    struct throttle_limits limits = {
        .failures_max = failures_max, .network_max = 100000, .time_ms = 10 * MINUTE};
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

// A02a
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

// A02e
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

// One wrong password; true when it locks.
static bool wrong(struct throttle *t, const char *name, const char *remote, int number)
{
    char password[32];

    snprintf(password, sizeof(password), "guess %d", number);
    return throttle_failed(t, span_from_str(name), span_from_str(remote), span_from_str(password),
                           now_ms);
}

static int64_t wait_of(struct throttle *t, const char *name, const char *remote)
{
    return throttle_wait(t, span_from_str(name), span_from_str(remote), now_ms);
}

static struct throttle *make_with(unsigned failures_max, unsigned network_max, const char *trusted)
{
    struct throttle_limits limits = {
        .failures_max = failures_max, .network_max = network_max, .time_ms = 10 * MINUTE};
    struct throttle *t;

    if (trusted) {
        assert_ok(network_parse(span_from_str(trusted), &limits.trusted[0].items[0]));
        limits.trusted[0].n = 1;
    }
    assert_ok(throttle_create(&limits, &t));
    return t;
}

static void test_one_password_for_many_names_locks_the_network(void **state)
{
    struct throttle *t = make_with(10, 20, NULL);
    char name[32];

    (void)state;
    throttle_passed(t, SPAN("anna"), SPAN("192.0.2.7"));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "name%d", i);
        assert_int_equal(wrong(t, name, "192.0.2.1", 0), i == 19);
    }
    assert_int_equal(wait_of(t, "berta", "192.0.2.9"), 10 * MINUTE);
    assert_int_equal(wait_of(t, "berta", "192.0.3.9"), 0);
    assert_int_equal(wait_of(t, "anna", "192.0.2.7"), 0);  // has been here
    assert_int_equal(wait_of(t, "anna", "192.0.2.99"), 0); // with another address of it, too
    throttle_destroy(t);
}

static void test_a_neighbour_does_not_lock_out_who_is_known(void **state)
{
    struct throttle *t = make_with(3, 100000, NULL);

    (void)state;
    throttle_passed(t, SPAN("anna"), SPAN("192.0.2.7"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wrong(t, "anna", "192.0.2.1", i), i == 2);
    }
    assert_int_equal(wait_of(t, "anna", "192.0.2.1"), 10 * MINUTE);
    assert_int_equal(wait_of(t, "anna", "192.0.2.7"), 0);
    for (int i = 0; i < 30; i++) { // ten times as many, but not without end
        assert_int_equal(wrong(t, "anna", "192.0.2.7", i), i == 29);
    }
    assert_int_equal(wait_of(t, "anna", "192.0.2.7"), 10 * MINUTE);
    throttle_destroy(t);
}

static void test_a_name_guessed_from_many_networks_gives_each_few_tries(void **state)
{
    struct throttle *t = make_with(5, 100000, NULL);
    char remote[32];

    (void)state;
    throttle_passed(t, SPAN("anna"), SPAN("198.51.100.7"));
    for (int i = 0; i < 5; i++) {
        snprintf(remote, sizeof(remote), "10.0.%d.1", i);
        assert_false(wrong(t, "anna", remote, 0));
    }
    assert_int_equal(wait_of(t, "anna", "10.9.9.1"), 0); // a right password would do anywhere
    assert_false(wrong(t, "anna", "10.9.9.1", 1));
    assert_true(wrong(t, "anna", "10.9.9.1", 2));
    for (int i = 0; i < 4; i++) { // nothing changes where they have been
        assert_false(wrong(t, "anna", "198.51.100.7", i));
    }
    assert_false(wrong(t, "berta", "10.9.9.2", 1)); // nor for others
    assert_false(wrong(t, "berta", "10.9.9.2", 2));
    throttle_destroy(t);
}

static void test_trusted_networks_are_never_locked(void **state)
{
    struct throttle *t = make_with(1, 1, "127.0.0.0/8");

    (void)state;
    assert_false(wrong(t, "anna", "127.3.4.5", 1));
    assert_int_equal(wait_of(t, "anna", "127.3.4.5"), 0);
    assert_true(wrong(t, "anna", "128.3.4.5", 1));
    assert_int_equal(wait_of(t, "anna", "128.3.4.5"), 10 * MINUTE);
    throttle_destroy(t);
}

static void test_who_has_failed_waits_behind_who_has_not(void **state)
{
    struct throttle *t = make_with(10, 100, NULL);

    (void)state;
    throttle_passed(t, SPAN("anna"), SPAN("192.0.2.7"));
    wrong(t, "berta", "192.0.2.7", 1);
    assert_int_equal(throttle_rank(t, SPAN("anna"), SPAN("192.0.2.8"), now_ms), THROTTLE_KNOWN);
    assert_int_equal(throttle_rank(t, SPAN("carla"), SPAN("192.0.2.8"), now_ms), THROTTLE_SUSPECT);
    assert_int_equal(throttle_rank(t, SPAN("carla"), SPAN("192.0.3.8"), now_ms), THROTTLE_CLEAN);
    now_ms += 10 * MINUTE + 1;
    assert_int_equal(throttle_rank(t, SPAN("carla"), SPAN("192.0.2.8"), now_ms), THROTTLE_CLEAN);
    throttle_destroy(t);
}

static void test_what_is_locked_is_listed_and_lifted(void **state)
{
    struct throttle *t = make_with(2, 3, NULL);
    struct throttle_ban *bans;
    struct arena a;
    size_t n;

    (void)state;
    arena_init(&a, 65536);
    wrong(t, "anna", "192.0.2.1", 1);
    assert_true(wrong(t, "anna", "192.0.2.1", 2));
    now_ms += MINUTE;
    assert_true(wrong(t, "berta", "192.0.2.1", 3)); // the third of the network
    wrong(t, "anna", "2001:db8::1", 1);
    assert_true(wrong(t, "anna", "2001:db8::1", 2)); // and the second network of the name
    assert_ok(throttle_bans(t, now_ms, &a, &bans, &n));
    assert_int_equal(n, 4);
    assert_int_equal(bans[0].kind, THROTTLE_PAIR);
    assert_span(bans[0].name, "anna");
    assert_span(bans[0].network, "192.0.2.0/24");
    assert_int_equal(bans[0].left_ms, 9 * MINUTE);
    assert_int_equal(bans[0].length_ms, 10 * MINUTE);
    assert_int_equal(bans[0].failures, 2);
    assert_int_equal(bans[2].kind, THROTTLE_NETWORK);
    assert_int_equal(bans[2].name.n, 0);
    assert_int_equal(throttle_lift(t, SPAN("nobody"), SPAN(""), now_ms), 0);
    assert_int_equal(throttle_lift(t, SPAN(""), SPAN("no address"), now_ms), 0);
    assert_int_equal(throttle_lift(t, SPAN("anna"), SPAN("192.0.2.77"), now_ms), 1);
    assert_int_equal(wait_of(t, "anna", "192.0.2.1"), 9 * MINUTE + MINUTE); // the network's
    assert_int_equal(throttle_lift(t, SPAN(""), SPAN("192.0.2.0/24"), now_ms), 1);
    assert_int_equal(wait_of(t, "anna", "192.0.2.1"), 0);
    assert_int_equal(throttle_lift(t, SPAN(""), SPAN(""), now_ms), 2);
    assert_int_equal(wait_of(t, "anna", "2001:db8::1"), 0);
    assert_ok(throttle_bans(t, now_ms, &a, &bans, &n));
    assert_int_equal(n, 0);
    throttle_destroy(t);
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_wrong_ones_lock_that_network),
        cmocka_unit_test(test_each_lock_is_twice_as_long),
        cmocka_unit_test(test_an_old_password_again_and_again_locks_nobody),
        cmocka_unit_test(test_slow_and_right_ones_do_not_add_up),
        cmocka_unit_test(test_it_remembers_so_many),
        cmocka_unit_test(test_one_password_for_many_names_locks_the_network),
        cmocka_unit_test(test_a_neighbour_does_not_lock_out_who_is_known),
        cmocka_unit_test(test_a_name_guessed_from_many_networks_gives_each_few_tries),
        cmocka_unit_test(test_trusted_networks_are_never_locked),
        cmocka_unit_test(test_who_has_failed_waits_behind_who_has_not),
        cmocka_unit_test(test_what_is_locked_is_listed_and_lifted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
