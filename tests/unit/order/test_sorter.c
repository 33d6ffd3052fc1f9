// SPDX-License-Identifier: Apache-2.0
//
// The sorter against qsort, on numbers and texts of many shapes, two criteria deep, in steps of all
// sizes; and that its work grows as n log n.
#include "../test.h"
#include "order/sorter.h"

#define TEXT_MAX 40

struct item {
    char text[TEXT_MAX];
    int64_t number;
    uint32_t uid;
};

static bool text_reverse, number_reverse;
static uint64_t seed;

static uint64_t rnd(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return seed >> 33;
}

static int by_both(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    if (order) {
        return text_reverse ? -order : order;
    }
    if (x->number != y->number) {
        return (x->number < y->number ? -1 : 1) * (number_reverse ? -1 : 1);
    }
    return x->uid < y->uid ? -1 : 1;
}

static void run(struct sorter *s, size_t budget)
{
    while (!sorter_step(s, budget)) {
    }
}

// Texts with long common fronts, many equal ones, short ones, empty ones.
static void make(struct item *items, size_t n, unsigned kind)
{
    for (size_t i = 0; i < n; i++) {
        struct item *x = &items[i];
        size_t length = rnd() % (kind % 2 ? 12 : TEXT_MAX - 1);

        memset(x, 0, sizeof(*x));
        for (size_t k = 0; k < length; k++) {
            x->text[k] = (char)(k < 9 && kind > 1 ? 'x' : 'a' + rnd() % 2);
        }
        x->number = kind > 2 ? (int64_t)(rnd() % 5) - 2 : (int64_t)(rnd() - rnd());
        x->uid = (uint32_t)(i * 3 + 1);
    }
}

static void check_sort(size_t n, unsigned kind, size_t budget)
{
    struct item *items = calloc(n + 1, sizeof(*items));
    struct sorter s;

    make(items, n, kind);
    sorter_init(&s, 1u << 24);
    assert_err(sorter_reserve(&s, n), ERR_OK);
    sorter_criterion(&s, text_reverse);
    for (size_t i = 0; i < n; i++) {
        struct sort_entry *e = sorter_add(&s, items[i].uid);

        assert_err(sorter_set_text(&s, e, span_from_str(items[i].text)), ERR_OK);
    }
    sorter_begin(&s);
    run(&s, budget);
    if (sorter_rank(&s)) {
        sorter_begin_by_uid(&s);
        run(&s, budget);
        sorter_end_by_uid(&s);
        sorter_criterion(&s, number_reverse);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(s.entries[i].uid, items[i].uid);
            if (s.entries[i].is_tied) {
                sorter_set_number(&s, &s.entries[i], items[i].number);
            }
        }
        sorter_begin(&s);
        run(&s, budget);
    }
    qsort(items, n, sizeof(*items), by_both);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s.entries[i].uid, items[i].uid);
    }
    sorter_finish(&s);
    free(items);
}

static void test_against_qsort(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 24, 25, 100, 999, 3000};

    (void)state;
    for (unsigned turn = 0; turn < 16; turn++) {
        text_reverse = turn & 1;
        number_reverse = turn & 2;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
            seed = turn * 100 + i;
            check_sort(sizes[i], turn / 4, turn % 3 ? 100 : 1000000);
        }
    }
}

// Numbers at the ends of the range, both ways.
static void test_extremes(void **state)
{
    static const int64_t numbers[] = {INT64_MAX, 0, INT64_MIN, -1, 1};
    static const uint32_t rising[] = {3, 4, 2, 5, 1}, falling[] = {1, 5, 2, 4, 3};

    (void)state;
    for (int reverse = 0; reverse < 2; reverse++) {
        struct sorter s;

        sorter_init(&s, 100);
        assert_err(sorter_reserve(&s, 5), ERR_OK);
        sorter_criterion(&s, reverse);
        for (uint32_t i = 0; i < 5; i++) {
            sorter_set_number(&s, sorter_add(&s, i + 1), numbers[i]);
        }
        sorter_begin(&s);
        run(&s, 100);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(s.entries[i].uid, (reverse ? falling : rising)[i]);
        }
        assert_false(sorter_rank(&s));
        sorter_finish(&s);
    }
}

static void test_text_cap(void **state)
{
    struct sorter s;

    (void)state;
    sorter_init(&s, 20);
    assert_err(sorter_reserve(&s, 2), ERR_OK);
    sorter_criterion(&s, false);
    assert_err(sorter_set_text(&s, sorter_add(&s, 1), SPAN("0123456789abcdef")), ERR_OK);
    assert_err(sorter_set_text(&s, sorter_add(&s, 2), SPAN("0123456789abcdef")), ERR_LIMIT);
    sorter_finish(&s);
}

// Orders that are known to be bad for quicksorts: steps stay within n log n of looked-at entries.
static size_t steps_of(size_t n, unsigned shape)
{
    struct sorter s;
    size_t steps = 0;

    sorter_init(&s, 0);
    assert_err(sorter_reserve(&s, n), ERR_OK);
    sorter_criterion(&s, false);
    for (size_t i = 0; i < n; i++) {
        size_t organ = i < n / 2 ? i : n - i, saw = i % 1000;
        size_t key = shape == 0 ? n - i : shape == 1 ? organ : shape == 2 ? saw : 7;

        sorter_set_number(&s, sorter_add(&s, (uint32_t)i + 1), (int64_t)key);
    }
    s.entries[n / 3].key++; // not sorted already
    sorter_begin(&s);
    do {
        steps++;
    } while (!sorter_step(&s, 1));
    for (size_t i = 1; i < n; i++) {
        assert_true(
            s.entries[i - 1].key < s.entries[i].key ||
            (s.entries[i - 1].key == s.entries[i].key && s.entries[i - 1].uid < s.entries[i].uid));
    }
    sorter_finish(&s);
    return steps;
}

static void test_growth(void **state)
{
    (void)state;
    for (unsigned shape = 0; shape < 4; shape++) {
        size_t small = steps_of(20000, shape), large = steps_of(40000, shape);

        assert_true(large < small * 5 / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_qsort),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_text_cap),
        cmocka_unit_test(test_growth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
