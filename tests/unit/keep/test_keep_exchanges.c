// SPDX-License-Identifier: Apache-2.0
//
// Exchanges that wait for a client: as many as there may be, and as long (L06).
#include "../test.h"
#include "engine/memory/memory.h"
#include "keep/login/keep_exchanges.h"

static struct {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
} w;

static int setup(void **state)
{
    struct store_options so;
    struct auth_options ao;

    (void)state;
    store_options_default(&so);
    auth_options_default(&ao);
    ao.params = (struct password_params){.memory_kib = 64, .passes = 1, .lanes = 1};
    ao.default_domain = SPAN("example.org");
    assert_ok(engine_memory_open(&w.engine));
    assert_ok(store_open(w.engine, &so, &w.store));
    assert_ok(auth_create(w.store, &ao, &w.auth));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    auth_destroy(w.auth);
    store_close(w.store);
    engine_close(w.engine);
    return 0;
}

static struct auth_scram *exchange(void)
{
    struct auth_claim claim = {
        .password = SPAN(""), .remote = SPAN("192.0.2.1"), .service = AUTH_IMAP};
    struct auth_scram *x;

    assert_ok(auth_scram_begin(w.auth, &claim, SPAN("n,,n=anna,r=x"), SPAN(""), &x));
    return x;
}

static void test_taken_once(void **state)
{
    struct keep_exchanges *t;
    struct auth_scram *one = exchange(), *two = exchange();

    (void)state;
    assert_ok(keep_exchanges_create(&t));
    assert_ok(keep_exchanges_put(t, 1, one, 0));
    assert_null(keep_exchanges_take(t, 2, 0));
    assert_ptr_equal(keep_exchanges_take(t, 1, 0), one);
    assert_null(keep_exchanges_take(t, 1, 0));
    assert_ok(keep_exchanges_put(t, 1, one, 0));
    assert_ok(keep_exchanges_put(t, 1, two, 0)); // begun anew: the first is gone
    assert_ptr_equal(keep_exchanges_take(t, 1, 0), two);
    assert_int_equal(keep_exchanges_count(t), 0);
    auth_scram_destroy(two);
    keep_exchanges_destroy(t);
}

static void test_not_for_ever(void **state)
{
    struct keep_exchanges *t;

    (void)state;
    assert_ok(keep_exchanges_create(&t));
    assert_ok(keep_exchanges_put(t, 1, exchange(), 0));
    assert_ok(keep_exchanges_put(t, 2, exchange(), 10));
    assert_null(keep_exchanges_take(t, 1, KEEP_EXCHANGE_LIFE_MS));
    assert_int_equal(keep_exchanges_count(t), 1);
    struct auth_scram *x = keep_exchanges_take(t, 2, KEEP_EXCHANGE_LIFE_MS + 9);

    assert_non_null(x);
    auth_scram_destroy(x);
    assert_ok(keep_exchanges_put(t, 3, exchange(), 0));
    keep_exchanges_clear(t);
    assert_int_equal(keep_exchanges_count(t), 0);
    keep_exchanges_destroy(t);
}

static void test_not_without_end(void **state)
{
    struct keep_exchanges *t;

    (void)state;
    assert_ok(keep_exchanges_create(&t));
    for (uint64_t i = 1; i <= KEEP_EXCHANGES_MAX + 5; i++) {
        assert_ok(keep_exchanges_put(t, i, exchange(), 0));
    }
    assert_int_equal(keep_exchanges_count(t), KEEP_EXCHANGES_MAX);
    assert_null(keep_exchanges_take(t, 5, 0)); // the oldest have given way
    struct auth_scram *x = keep_exchanges_take(t, 6, 0);

    assert_non_null(x);
    auth_scram_destroy(x);
    keep_exchanges_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_taken_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_without_end, setup, teardown),
    };

    return cmocka_run_group_tests_name("keep_exchanges", tests, NULL, NULL);
}
