// SPDX-License-Identifier: Apache-2.0
//
// The second factor as it is kept: begun, confirmed, codes used once, wrong ones slowed down,
// recovery codes, rows that are damaged.
#include <pthread.h>

#include "store/access/totp_row.h"
#include "store/store_internal.h"
#include "support.h"

#define NOW INT64_C(1800000000)

static struct bench bench;
static struct bench *const b = &bench;
static const unsigned char secret[TOTP_ROW_SECRET_BYTES + 1] = "12345678901234567890";
static unsigned char digests[TOTP_ROW_CODES_MAX][TOTP_ROW_DIGEST_BYTES];

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    for (unsigned i = 0; i < TOTP_ROW_CODES_MAX; i++) {
        memset(digests[i], (int)i + 1, TOTP_ROW_DIGEST_BYTES);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_check(b);
    bench_close(b);
    return 0;
}

// The "code" is the step itself: what is tried here is the bookkeeping.
static enum err find_step(void *arg, struct span got, uint64_t after, uint64_t *out_step)
{
    const uint64_t *step = arg;

    if (got.n != TOTP_ROW_SECRET_BYTES || memcmp(got.p, secret, got.n) != 0 || *step <= after) {
        return ERR_NOT_FOUND;
    }
    *out_step = *step;
    return ERR_OK;
}

static enum totp_answer try_at(uint64_t step, int64_t now)
{
    struct totp_attempt a = {.find = find_step, .arg = &step, .now = now};
    enum totp_answer answer;

    assert_ok(totp_row_try(b->store, b->account, &a, &answer, NULL));
    return answer;
}

static enum totp_answer try_recovery(unsigned i, unsigned *left)
{
    struct totp_attempt a = {.recovery = digests[i], .now = NOW};
    enum totp_answer answer;

    assert_ok(totp_row_try(b->store, b->account, &a, &answer, left));
    return answer;
}

static enum err confirm_with(uint64_t step)
{
    struct totp_attempt a = {.find = find_step, .arg = &step, .now = NOW};

    return totp_row_confirm(b->store, b->account, &tester, &a,
                            (const unsigned char(*)[TOTP_ROW_DIGEST_BYTES])digests,
                            TOTP_ROW_CODES_MAX);
}

static void turn_on(void)
{
    assert_ok(totp_row_begin(b->store, b->account, &tester, secret));
    assert_ok(confirm_with(10));
}

static struct totp_row row(void)
{
    struct totp_row r;

    assert_ok(totp_row_get(b->store, b->account, &r));
    return r;
}

// L14: a secret that nobody has confirmed asks nothing of anybody.
static void test_first_a_secret_then_a_code(void **state)
{
    struct totp_attempt a = {.recovery = digests[0], .now = NOW};
    enum totp_answer answer;
    struct totp_row r;

    (void)state;
    assert_err(totp_row_get(b->store, b->account, &r), ERR_NOT_FOUND);
    assert_err(totp_row_try(b->store, b->account, &a, &answer, NULL), ERR_NOT_FOUND);
    assert_err(confirm_with(10), ERR_NOT_FOUND);
    assert_ok(totp_row_begin(b->store, b->account, &tester, digests[0]));
    assert_ok(totp_row_begin(b->store, b->account, &tester, secret)); // begun anew
    assert_err(totp_row_try(b->store, b->account, &a, &answer, NULL), ERR_NOT_FOUND);
    assert_int_equal(row().state, TOTP_PENDING);
    assert_err(confirm_with(0), ERR_DENIED);
    assert_ok(confirm_with(10));
    r = row();
    assert_true(r.state == TOTP_ON && r.on_since > 0 && r.last_step == 10);
    assert_int_equal(r.code_count, TOTP_ROW_CODES_MAX);
    assert_err(confirm_with(11), ERR_EXISTS);
    assert_err(totp_row_begin(b->store, b->account, &tester, secret), ERR_EXISTS);
    assert_err(totp_row_begin(b->store, 0, &tester, secret), ERR_NOT_FOUND);
}

// L10, A08a: what was used counts no more, nor what came before it; also after a restart.
static void test_a_code_counts_once(void **state)
{
    (void)state;
    turn_on();
    assert_int_equal(try_at(10, NOW), TOTP_REPLAYED); // the one that turned it on
    assert_int_equal(try_at(12, NOW), TOTP_RIGHT);
    assert_int_equal(try_at(12, NOW), TOTP_REPLAYED);
    bench_reopen(b);
    assert_int_equal(try_at(12, NOW), TOTP_REPLAYED);
    assert_int_equal(try_at(11, NOW), TOTP_REPLAYED);
    assert_int_equal(row().wrong, 0);
    assert_int_equal(try_at(13, NOW), TOTP_RIGHT);
}

#define THREADS 8

static void *try_it(void *arg)
{
    *(enum totp_answer *)arg = try_at(20, NOW);
    return NULL;
}

static void test_of_many_at_once_one_gets_in(void **state)
{
    enum totp_answer answers[THREADS];
    pthread_t threads[THREADS];
    unsigned right = 0;

    (void)state;
    turn_on();
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, try_it, &answers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        right += answers[i] == TOTP_RIGHT;
        assert_true(answers[i] == TOTP_RIGHT || answers[i] == TOTP_REPLAYED);
    }
    assert_int_equal(right, 1);
}

// L11, A08b: wrong codes are free five times, then each costs twice the time of the one before.
static void test_guessing_is_slowed_down(void **state)
{
    int64_t now = NOW, pause = TOTP_ROW_PAUSE_S;

    (void)state;
    turn_on();
    for (unsigned i = 0; i < TOTP_ROW_WRONG_FREE; i++) {
        assert_int_equal(try_at(0, now), TOTP_WRONG);
    }
    for (unsigned i = 0; i < 14; i++) {
        assert_int_equal(try_at(20, now), TOTP_SHUT); // not even the right one
        assert_int_equal(try_at(20, now + pause - 1), TOTP_SHUT);
        assert_int_equal(row().wrong, TOTP_ROW_WRONG_FREE + i);
        bench_reopen(b);
        now += pause;
        assert_int_equal(try_at(0, now), TOTP_WRONG);
        pause = pause * 2 < TOTP_ROW_PAUSE_MAX_S ? pause * 2 : TOTP_ROW_PAUSE_MAX_S;
    }
    assert_int_equal(try_at(20, now + pause), TOTP_RIGHT);
    assert_int_equal(row().wrong, 0);
    assert_int_equal(try_at(21, now), TOTP_RIGHT);
}

// L14: a clock that was years ahead for a moment keeps nobody out.
static void test_a_clock_that_was_wrong(void **state)
{
    (void)state;
    turn_on();
    for (unsigned i = 0; i < TOTP_ROW_WRONG_FREE; i++) {
        assert_int_equal(try_at(0, NOW + 400000000), TOTP_WRONG);
    }
    assert_int_equal(try_at(0, NOW + 400000000), TOTP_SHUT);
    assert_int_equal(try_at(20, NOW), TOTP_RIGHT);
}

// L13
static void test_recovery_codes_count_once(void **state)
{
    unsigned char unknown[TOTP_ROW_DIGEST_BYTES] = {0}, fresh[1][TOTP_ROW_DIGEST_BYTES] = {{9, 9}};
    unsigned left = 0;

    (void)state;
    turn_on();
    for (unsigned i = 0; i < TOTP_ROW_WRONG_FREE; i++) {
        assert_int_equal(try_at(0, NOW), TOTP_WRONG);
    }
    assert_int_equal(try_at(20, NOW), TOTP_SHUT);
    assert_int_equal(try_recovery(3, &left), TOTP_RIGHT_RECOVERY); // gets in all the same
    assert_int_equal(left, TOTP_ROW_CODES_MAX - 1);
    assert_int_equal(try_at(20, NOW), TOTP_RIGHT);
    bench_reopen(b);
    assert_int_equal(try_recovery(3, &left), TOTP_REPLAYED);
    assert_int_equal(left, TOTP_ROW_CODES_MAX - 1);
    struct totp_attempt a = {.recovery = unknown, .now = NOW};
    enum totp_answer answer;

    assert_ok(totp_row_try(b->store, b->account, &a, &answer, NULL));
    assert_int_equal(answer, TOTP_WRONG);
    assert_ok(totp_row_codes(b->store, b->account, &tester,
                             (const unsigned char(*)[TOTP_ROW_DIGEST_BYTES])fresh, 1));
    assert_int_equal(try_recovery(4, &left), TOTP_WRONG);
    assert_int_equal(left, 1);
    assert_int_equal(row().last_step, 20); // codes of the app go on as before
}

static void *recover_it(void *arg)
{
    *(enum totp_answer *)arg = try_recovery(5, NULL);
    return NULL;
}

static void test_a_recovery_code_gets_one_of_many_in(void **state)
{
    enum totp_answer answers[THREADS];
    pthread_t threads[THREADS];
    unsigned right = 0;

    (void)state;
    turn_on();
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, recover_it, &answers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        right += answers[i] == TOTP_RIGHT_RECOVERY;
    }
    assert_int_equal(right, 1);
}

static void test_removed(void **state)
{
    struct totp_row r;

    (void)state;
    assert_err(totp_row_remove(b->store, b->account, &tester), ERR_NOT_FOUND);
    turn_on();
    assert_ok(totp_row_remove(b->store, b->account, &tester));
    assert_err(totp_row_get(b->store, b->account, &r), ERR_NOT_FOUND);
    assert_err(totp_row_codes(b->store, b->account, &tester,
                              (const unsigned char(*)[TOTP_ROW_DIGEST_BYTES])digests, 1),
               ERR_NOT_FOUND);
    turn_on();
}

// The owner reads what became of it, and nobody reads a secret there.
static void test_history(void **state)
{
    static const char *const want[] = {
        "second factor: a secret was made; a first code turns it on",
        "second factor: on",
        "second factor: a recovery code was used; 9 left",
        "second factor: removed",
    };
    struct change_scan *scan;
    struct change c;
    struct view *v;
    size_t n = 0;

    (void)state;
    turn_on();
    assert_int_equal(try_at(12, NOW), TOTP_RIGHT);
    assert_int_equal(try_recovery(0, NULL), TOTP_RIGHT_RECOVERY);
    assert_ok(totp_row_remove(b->store, b->account, &tester));
    assert_ok(view_open(b->store, b->account, &v));
    assert_ok(change_scan_open(v, 0, false, &scan));
    while (change_next(scan, &c) == ERR_OK) {
        if (c.kind == CHANGE_ACCOUNT && span_starts(c.after, SPAN("second factor"))) {
            assert_true(n < sizeof(want) / sizeof(want[0]));
            assert_span(c.after, want[n++]);
        }
    }
    change_scan_close(scan);
    view_close(v);
    assert_int_equal(n, sizeof(want) / sizeof(want[0]));
}

static void test_damaged_rows(void **state)
{
    static const struct {
        const char *key, *value;
        size_t n;
        enum err want;
    } rows[] = {
#define ROW(value) "y", value, sizeof(value) - 1
#define SECRET                                                                                     \
    "\x14"                                                                                         \
    "12345678901234567890"
#define DIGEST                                                                                     \
    "\x20"                                                                                         \
    "12345678901234567890123456789012"
        {ROW("\1\2\2\2" SECRET "\5\0\0\1" DIGEST "\0"), ERR_OK},
        {ROW("\1\1\2\0" SECRET "\0\0\0\0"), ERR_OK},
        {ROW("\1\1\2\0" SECRET "\0\0\0\0more"), ERR_OK}, // of a later release
        {ROW("\2\1\2\0" SECRET "\0\0\0\0"), ERR_UNSUPPORTED},
        {ROW(""), ERR_CORRUPT},
        {ROW("\1\0\2\0" SECRET "\0\0\0\0"), ERR_CORRUPT}, // no such state
        {ROW("\1\3\2\2" SECRET "\0\0\0\0"), ERR_CORRUPT},
        {ROW("\1\2\2\0" SECRET "\0\0\0\0"), ERR_CORRUPT},             // on since never
        {ROW("\1\1\2\2" SECRET "\0\0\0\0"), ERR_CORRUPT},             // pending since when it is on
        {ROW("\1\1\2\0\1x\0\0\0\0"), ERR_CORRUPT},                    // a short secret
        {ROW("\1\1\2\0" SECRET "\0\0\0"), ERR_CORRUPT},               // cut
        {ROW("\1\1\2\0" SECRET "\0\0\0\1" DIGEST "\0"), ERR_CORRUPT}, // codes while pending
        {ROW("\1\2\2\2" SECRET "\0\0\0\1" DIGEST), ERR_CORRUPT},
        {ROW("\1\2\2\2" SECRET "\0\0\0\1\1x\0"), ERR_CORRUPT},
        {ROW("\1\2\2\2" SECRET "\0\0\0\1" DIGEST "\1"), ERR_CORRUPT}, // used before 1970
        {ROW("\1\2\2\2" SECRET "\0\0\0\x0b"), ERR_CORRUPT},
        {"y1", "\1\1\2\0" SECRET "\0\0\0\0", 29, ERR_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct totp_row r;

        assert_err(
            totp_row_decode(span_from_str(rows[i].key), span_of(rows[i].value, rows[i].n), &r),
            rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_a_secret_then_a_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_code_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_many_at_once_one_gets_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guessing_is_slowed_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_clock_that_was_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recovery_codes_count_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_recovery_code_gets_one_of_many_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_history, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_rows, setup, teardown),
    };

    return BENCH_RUN("store-totp-row", tests);
}
