// SPDX-License-Identifier: Apache-2.0
//
// How often an address may come, by a clock of the test's.
#include "../test.h"
#include "gate/rates.h"

static struct address peer(const char *text)
{
    struct address a;

    assert_ok(address_parse(span_from_str(text), &a));
    return a;
}

static unsigned admitted(struct rates *r, const struct address *a, unsigned tries, int64_t now_ms)
{
    unsigned n = 0;

    for (unsigned i = 0; i < tries; i++) {
        n += rates_admit(r, a, 10, now_ms);
    }
    return n;
}

static void test_s12_so_many_a_minute(void **state)
{
    struct address a = peer("192.0.2.1:1"), b = peer("192.0.2.2:1");
    struct rates r;

    (void)state;
    rates_init(&r);
    assert_int_equal(admitted(&r, &a, 100, 1000000), 10);
    assert_int_equal(admitted(&r, &b, 5, 1000000), 5); // others are not touched
    assert_int_equal(admitted(&r, &a, 100, 1059999), 0);
    assert_int_equal(admitted(&r, &a, 100, 1060000), 0); // the minute before counts in full
    assert_int_equal(admitted(&r, &a, 100, 1090000), 5); // and in half
    assert_int_equal(admitted(&r, &a, 100, 2000000), 10);
    rates_finish(&r);
}

static void test_one_network_counts_as_one(void **state)
{
    struct address a = peer("[2001:db8::1]:1"), b = peer("[2001:db8::2]:1"),
                   c = peer("[2001:db8:0:1::1]:1");
    struct rates r;

    (void)state;
    rates_init(&r);
    assert_int_equal(admitted(&r, &a, 6, 5), 6);
    assert_int_equal(admitted(&r, &b, 6, 5), 4);
    assert_int_equal(admitted(&r, &c, 6, 5), 6);
    rates_finish(&r);
}

static void test_memory_is_bounded(void **state)
{
    struct rates r;
    struct address a = peer("10.0.0.0:1");

    (void)state;
    rates_init(&r);
    for (uint32_t i = 0; i < RATES_ADDRESSES_MAX + 1000; i++) {
        a.u.in4.sin_addr.s_addr = i;
        assert_true(rates_admit(&r, &a, 1, 7));
    }
    assert_int_equal(r.now.n, RATES_ADDRESSES_MAX);
    a.u.in4.sin_addr.s_addr = 0;
    assert_false(rates_admit(&r, &a, 1, 7)); // who is counted stays counted
    rates_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s12_so_many_a_minute),
        cmocka_unit_test(test_one_network_counts_as_one),
        cmocka_unit_test(test_memory_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
