// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "keep/imap/imap_orders.h"

static uint32_t *numbers(size_t n, uint32_t first)
{
    uint32_t *p = malloc(n * sizeof(*p));

    for (size_t i = 0; i < n; i++) {
        p[i] = first + (uint32_t)i;
    }
    return p;
}

static struct imap_order *put(struct imap_orders *o, const char *key, size_t n, uint32_t first)
{
    struct imap_order *order =
        imap_orders_put(o, span_from_str(key), first + n, numbers(n, first), n);

    assert_non_null(order);
    return order;
}

static bool has(struct imap_orders *o, const char *key, uint32_t first)
{
    struct imap_order *order = imap_orders_get(o, span_from_str(key));
    bool found = order != NULL;

    if (order) {
        assert_int_equal(order->numbers[0], first);
        assert_int_equal(order->mark, first + order->n);
    }
    imap_orders_release(o, order);
    return found;
}

// The least lately used go; what somebody holds stays readable.
static void test_room(void **state)
{
    struct imap_orders *o;
    size_t bytes;

    (void)state;
    assert_err(imap_orders_create(10000, &o), ERR_OK);
    struct imap_order *a = put(o, "a", 700, 1);

    imap_orders_release(o, put(o, "b", 700, 2));
    imap_orders_release(o, put(o, "c", 700, 3));
    assert_true(has(o, "a", 1)); // now "b" is the oldest
    imap_orders_release(o, put(o, "d", 700, 4));
    assert_false(has(o, "b", 2));
    assert_true(has(o, "a", 1) && has(o, "c", 3) && has(o, "d", 4));
    imap_orders_release(o, put(o, "e", 700, 5));
    imap_orders_release(o, put(o, "f", 700, 6));
    imap_orders_release(o, put(o, "g", 700, 7));
    assert_false(has(o, "a", 1));
    assert_int_equal(a->numbers[699], 700);
    assert_int_equal(imap_orders_count(o, &bytes), 3);
    assert_true(bytes <= 10000);
    imap_orders_release(o, a);
    imap_orders_destroy(o);
}

static void test_replace(void **state)
{
    struct imap_orders *o;
    size_t bytes;

    (void)state;
    assert_err(imap_orders_create(10000, &o), ERR_OK);
    struct imap_order *old = put(o, "a", 10, 1), *now = put(o, "a", 10, 2);

    assert_int_equal(old->numbers[0], 1);
    assert_true(has(o, "a", 2));
    assert_int_equal(imap_orders_count(o, &bytes), 1);
    imap_orders_release(o, old);
    imap_orders_release(o, now);
    assert_true(has(o, "a", 2));
    imap_orders_release(o, NULL);
    imap_orders_destroy(o);
}

// What would take more than half of the room is only lent.
static void test_too_large(void **state)
{
    struct imap_orders *o;
    size_t bytes;

    (void)state;
    assert_err(imap_orders_create(10000, &o), ERR_OK);
    struct imap_order *large = put(o, "a", 2000, 1);

    assert_int_equal(large->numbers[1999], 2000);
    assert_false(has(o, "a", 1));
    assert_int_equal(imap_orders_count(o, &bytes), 0);
    imap_orders_release(o, large);
    imap_orders_destroy(o);
}

static void test_sorting(void **state)
{
    struct imap_orders *o;

    (void)state;
    assert_err(imap_orders_create(10000, &o), ERR_OK);
    assert_true(imap_orders_begin(o, IMAP_SORTING_BYTES_MAX * 2ul)); // alone always
    assert_false(imap_orders_begin(o, 1));
    imap_orders_end(o, IMAP_SORTING_BYTES_MAX * 2ul);
    assert_true(imap_orders_begin(o, IMAP_SORTING_BYTES_MAX));
    assert_true(imap_orders_begin(o, 0));
    assert_false(imap_orders_begin(o, 1));
    imap_orders_end(o, 1000);
    assert_true(imap_orders_begin(o, 1000));
    imap_orders_end(o, IMAP_SORTING_BYTES_MAX);
    imap_orders_destroy(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_sorting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
