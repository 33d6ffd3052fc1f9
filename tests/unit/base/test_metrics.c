// SPDX-License-Identifier: Apache-2.0
//
// Figures and their text: escapes, labels, what is out of range, histograms.
#include "../test.h"
#include "base/metrics.h"

static const char *const fruit[] = {"apple", "pear"};
static const char *const colours[] = {"red", "green", "yellow"};
static _Atomic int64_t values[6];
static const struct metrics_family family = {"basket_total",         "What is in it.",
                                             METRICS_COUNTER,        {"fruit", fruit, 2},
                                             {"colour", colours, 3}, values};

static void test_a_sample_for_each_pair_of_words(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    metrics_add(&family, 1, 2, 5);
    metrics_add(&family, 0, 0, 2);
    metrics_add(&family, 0, 0, -1);
    metrics_add(&family, 2, 0, 100);
    metrics_add(&family, 0, 3, 100);
    metrics_add(&family, (size_t)-1, 0, 100);
    metrics_put(&out, &family);
    assert_span(buf_span(&out), "# HELP basket_total What is in it.\n# TYPE basket_total counter\n"
                                "basket_total{fruit=\"apple\",colour=\"red\"} 1\n"
                                "basket_total{fruit=\"apple\",colour=\"green\"} 0\n"
                                "basket_total{fruit=\"apple\",colour=\"yellow\"} 0\n"
                                "basket_total{fruit=\"pear\",colour=\"red\"} 0\n"
                                "basket_total{fruit=\"pear\",colour=\"green\"} 0\n"
                                "basket_total{fruit=\"pear\",colour=\"yellow\"} 5\n");
    buf_finish(&out);
}

static void test_words_cannot_break_the_line(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    metrics_put_sample(&out, "info", "version", "a\"b\\c\nd", 1);
    assert_span(buf_span(&out), "info{version=\"a\\\"b\\\\c\\nd\"} 1\n");
    buf_finish(&out);
}

static void test_times_are_added_up(void **state)
{
    struct metrics_times t = {0};
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    metrics_time(&t, 100);
    metrics_time(&t, 101);
    metrics_time(&t, 20000000);
    metrics_time(&t, -5);
    metrics_put_times(&out, "wait_seconds", "Waiting.", &t);
    assert_span(buf_span(&out),
                "# HELP wait_seconds Waiting.\n# TYPE wait_seconds histogram\n"
                "wait_seconds_bucket{le=\"0.0001\"} 2\nwait_seconds_bucket{le=\"0.0003\"} 3\n"
                "wait_seconds_bucket{le=\"0.001\"} 3\nwait_seconds_bucket{le=\"0.003\"} 3\n"
                "wait_seconds_bucket{le=\"0.01\"} 3\nwait_seconds_bucket{le=\"0.03\"} 3\n"
                "wait_seconds_bucket{le=\"0.1\"} 3\nwait_seconds_bucket{le=\"0.3\"} 3\n"
                "wait_seconds_bucket{le=\"1\"} 3\nwait_seconds_bucket{le=\"3\"} 3\n"
                "wait_seconds_bucket{le=\"10\"} 3\nwait_seconds_bucket{le=\"+Inf\"} 4\n"
                "wait_seconds_sum 20.000201\nwait_seconds_count 4\n");
    buf_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sample_for_each_pair_of_words),
        cmocka_unit_test(test_words_cannot_break_the_line),
        cmocka_unit_test(test_times_are_added_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
