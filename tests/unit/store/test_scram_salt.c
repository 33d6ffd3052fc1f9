// SPDX-License-Identifier: Apache-2.0
//
// An account's salt for SCRAM and the keys of its own password: given once, kept, forgotten.
#include "store/access/scram_salt.h"
#include "store/rules_internal.h"
#include "support.h"

static struct bench bench;
static struct bench *const b = &bench;

static int setup(void **state)
{
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

static struct scram_salt salt_of(const char salt[SCRAM_SALT_BYTES])
{
    struct scram_salt s = {.iterations = 4096};

    memcpy(s.salt, salt, sizeof(s.salt));
    return s;
}

static void test_one_salt_for_good(void **state)
{
    struct scram_salt one = salt_of("0123456789abcde"), other = salt_of("the other salt "), got;

    (void)state;
    assert_err(scram_salt_get(b->store, b->account, &got), ERR_NOT_FOUND);
    assert_ok(scram_salt_need(b->store, b->account, &one, &got));
    assert_memory_equal(got.salt, one.salt, sizeof(one.salt));
    assert_ok(scram_salt_need(b->store, b->account, &other, &got));
    assert_memory_equal(got.salt, one.salt, sizeof(one.salt));
    bench_reopen(b);
    assert_ok(scram_salt_get(b->store, b->account, &got));
    assert_memory_equal(got.salt, one.salt, sizeof(one.salt));
    assert_int_equal(got.iterations, 4096);
    assert_false(got.has_keys);
    assert_err(scram_salt_need(b->store, 0, &one, &got), ERR_NOT_FOUND);
    assert_err(scram_salt_need(b->store, b->account + 9, &one, &got), ERR_NOT_FOUND);
}

static void test_keys_go_with_their_salt(void **state)
{
    struct scram_salt one = salt_of("0123456789abcde"), other = salt_of("the other salt "), got;

    (void)state;
    one.has_keys = other.has_keys = true;
    one.mark = UINT64_MAX;
    memset(one.keys, 'k', sizeof(one.keys));
    assert_err(scram_salt_set_keys(b->store, b->account, &one), ERR_NOT_FOUND);
    assert_ok(scram_salt_need(b->store, b->account, &one, &got));
    assert_false(got.has_keys); // not by that way
    assert_err(scram_salt_set_keys(b->store, b->account, &other), ERR_EXISTS);
    assert_ok(scram_salt_set_keys(b->store, b->account, &one));
    bench_reopen(b);
    assert_ok(scram_salt_get(b->store, b->account, &got));
    assert_true(got.has_keys && got.mark == UINT64_MAX);
    assert_memory_equal(got.keys, one.keys, sizeof(one.keys));
    assert_ok(scram_salt_drop_keys(b->store, b->account));
    assert_ok(scram_salt_drop_keys(b->store, b->account));
    assert_ok(scram_salt_get(b->store, b->account, &got));
    assert_true(!got.has_keys && got.mark == 0);
    assert_memory_equal(got.salt, one.salt, sizeof(one.salt));
}

// A06d: counts out of bounds among them.
static void test_rows_that_are_none(void **state)
{
    const struct {
        struct span value;
        enum err want;
    } rows[] = {
        {SPAN("\x01\x10"
              "0123456789abcdef\x80\x20\0\0"),
         ERR_OK},
        {SPAN("\x01\x0f"
              "0123456789abcde\x80\x20\0\0"),
         ERR_CORRUPT},
        {SPAN("\x01\x10"
              "0123456789abcdef\xff\x1f\0\0"), // 4,095
         ERR_CORRUPT},
        {SPAN("\x01\x10"
              "0123456789abcdef\xc1\x84\x3d\0\0"), // 1,000,001
         ERR_CORRUPT},
        {SPAN("\x01\x10"
              "0123456789abcdef\x80\x20\x02kk\0"),
         ERR_CORRUPT},
        {SPAN("\x01\x10"
              "0123456789abcdef\x80\x20\0"),
         ERR_CORRUPT},
        {SPAN("\x02\x10"
              "0123456789abcdef\x80\x20\0\0"),
         ERR_UNSUPPORTED},
        {SPAN(""), ERR_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scram_salt s;
        enum err e = scram_salt_decode(rows[i].value, &s);

        if (e != rows[i].want) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_salt_for_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_go_with_their_salt, setup, teardown),
        cmocka_unit_test(test_rows_that_are_none),
    };

    return BENCH_RUN("scram_salt", tests);
}
