// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include "../test.h"
#include "auth/auth.h"
#include "engine/memory/memory.h"

#define THREADS 10

struct fixture {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    account_id anna;
};

static const struct password_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};
static const struct actor admin = {.kind = ACTOR_ADMIN};

static void set_password(struct fixture *f, struct span password)
{
    struct buf hash;

    buf_init(&hash, PASSWORD_HASH_MAX);
    assert_ok(password_hash(password, &cheap, &hash));
    assert_ok(directory_account_set_password(f->store, &admin, f->anna, buf_span(&hash)));
    buf_finish(&hash);
}

static int setup(void **state)
{
    static struct fixture f;
    struct store_options so;
    struct auth_options ao;

    assert_ok(engine_memory_open(&f.engine));
    store_options_default(&so);
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    assert_ok(
        directory_account_add(f.store, &admin, SPAN("anna@example.org"), SPAN(""), false, &f.anna));
    auth_options_default(&ao);
    ao.params = cheap;
    ao.default_domain = SPAN("example.org");
    ao.hashes_max = 2;
    assert_ok(auth_create(f.store, &ao, &f.auth));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    auth_destroy(f->auth);
    store_close(f->store);
    engine_close(f->engine);
    return 0;
}

static void test_right_wrong_unknown(void **state)
{
    struct fixture *f = *state;
    account_id id = 0;
    uint64_t mark;

    // No password was set yet: nothing opens the account, the empty password least of all.
    assert_err(
        auth_password(f->auth, SPAN("anna@example.org"), SPAN(""), SPAN("192.0.2.1"), &id, &mark),
        ERR_DENIED);
    set_password(f, SPAN("correct horse"));
    assert_ok(auth_password(f->auth, SPAN("anna@example.org"), SPAN("correct horse"),
                            SPAN("192.0.2.1"), &id, &mark));
    assert_true(id == f->anna);
    assert_ok(auth_password(f->auth, SPAN("ANNA@Example.ORG"), SPAN("correct horse"),
                            SPAN("192.0.2.1"), &id, &mark));
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    static const char *const wrong[] = {"", "correct hors", "correct horse ", "Correct horse"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_err(auth_password(f->auth, SPAN("anna"), span_from_str(wrong[i]), SPAN("192.0.2.1"),
                                 &id, &mark),
                   ERR_DENIED);
    }
    assert_err(
        auth_password(f->auth, SPAN("berta"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
        ERR_DENIED);
    assert_err(auth_password(f->auth, SPAN("a b@@c"), SPAN("correct horse"), SPAN("192.0.2.1"), &id,
                             &mark),
               ERR_DENIED);
    assert_err(auth_password(f->auth, SPAN(""), SPAN(""), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
}

static void test_unknown_names_cost_as_much(void **state)
{
    struct fixture *f = *state;
    account_id id;
    uint64_t mark;
    uint64_t before = auth_hashes(f->auth);

    assert_err(auth_password(f->auth, SPAN("nobody"), SPAN("x"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_err(auth_password(f->auth, SPAN("nobody"), SPAN("x"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_int_equal(auth_hashes(f->auth), before + 2);
}

static void *login(void *arg)
{
    struct fixture *f = arg;
    account_id id = 0;
    uint64_t mark;

    return auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id,
                         &mark) == ERR_OK &&
                   id == f->anna
               ? f
               : NULL;
}

static void test_ten_connections_pay_once(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];

    set_password(f, SPAN("correct horse"));
    uint64_t before = auth_hashes(f->auth);

    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, login, f), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *ok;

        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
    assert_int_equal(auth_hashes(f->auth), before + 1);
}

static void test_a_change_counts_at_once(void **state)
{
    struct fixture *f = *state;
    account_id id;
    uint64_t mark;

    set_password(f, SPAN("correct horse"));
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    set_password(f, SPAN("another one"));
    assert_err(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
        ERR_DENIED);
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("another one"), SPAN("192.0.2.1"), &id, &mark));
    assert_ok(directory_account_set_state(f->store, &admin, f->anna, ACCOUNT_SUSPENDED));
    assert_err(
        auth_password(f->auth, SPAN("anna"), SPAN("another one"), SPAN("192.0.2.1"), &id, &mark),
        ERR_DENIED);
    assert_ok(directory_account_set_state(f->store, &admin, f->anna, ACCOUNT_ACTIVE));
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("another one"), SPAN("192.0.2.1"), &id, &mark));
}

static void test_each_password_has_its_mark(void **state)
{
    struct fixture *f = *state;
    account_id id;
    uint64_t first, again, second;

    set_password(f, SPAN("correct horse"));
    assert_ok(auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id,
                            &first));
    assert_ok(auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id,
                            &again));
    assert_int_equal(first, again);
    set_password(f, SPAN("correct horse"));
    assert_ok(auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id,
                            &second));
    assert_int_not_equal(first, second);
}

static void test_new_options_count_at_once(void **state)
{
    struct fixture *f = *state;
    struct auth_options o;
    account_id id;
    uint64_t mark, hashes;

    set_password(f, SPAN("correct horse"));
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    auth_options_default(&o);
    o.params = (struct password_params){.memory_kib = 128, .passes = 1, .lanes = 1};
    o.remember_ms = 0;
    assert_ok(auth_set_options(f->auth, &o));
    hashes = auth_hashes(f->auth);
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    assert_int_equal(auth_hashes(f->auth), hashes + 2); // it has a hash of the new cost now
    for (int i = 0; i < 3; i++) { // what was remembered is forgotten, and nothing is from now on
        hashes = auth_hashes(f->auth);
        assert_ok(auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"),
                                &id, &mark));
        assert_int_equal(auth_hashes(f->auth), hashes + 1);
    }
    assert_err(auth_password(f->auth, SPAN("nobody"), SPAN("x"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    o.waiting_max = 0;
    assert_ok(auth_set_options(f->auth, &o));
    assert_err(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
        ERR_UNAVAILABLE);
    o.params.lanes = 0; // refused, and nothing has changed
    o.waiting_max = 10;
    assert_err(auth_set_options(f->auth, &o), ERR_INVALID);
    assert_err(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
        ERR_UNAVAILABLE);
    auth_options_default(&o);
    o.params = (struct password_params){.memory_kib = 64, .passes = 1, .lanes = 1};
    assert_ok(auth_set_options(f->auth, &o));
}

static void stored_hash(struct fixture *f, struct arena *arena, struct account *out)
{
    assert_ok(directory_account_by_id(f->store, f->anna, arena, out));
}

static const struct span foreign = {
    "{SSHA512}p9ITaK/WEuThxilrH5oFtNYqF6jDHYvrRHcVAD6Xt/fKPyOy/qSG283HLytjKZDXA2AiucVfXL0ZefcSZ3CJ"
    "80vArMs=",
    101};

static void test_a_hash_from_elsewhere_becomes_ours(void **state)
{
    struct fixture *f = *state;
    struct account account;
    struct arena arena;
    account_id id;
    uint64_t mark, hashes;

    arena_init(&arena, 65536);
    assert_ok(directory_account_set_password(f->store, &admin, f->anna, foreign));
    hashes = auth_hashes(f->auth);
    assert_err(auth_password(f->auth, SPAN("anna"), SPAN("wrong"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_int_equal(auth_hashes(f->auth), hashes + 2); // as slow as for an unknown name
    stored_hash(f, &arena, &account);
    assert_true(span_eq(account.password_hash, foreign));
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    stored_hash(f, &arena, &account);
    assert_false(password_needs_rehash(account.password_hash, &cheap));
    assert_true(auth_mark(&account) == mark); // and so nobody is turned away at the next door
    assert_ok(
        auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    assert_true(auth_mark(&account) == mark);
    assert_err(auth_password(f->auth, SPAN("anna"), SPAN("wrong"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    arena_finish(&arena);
}

static void *login_mark(void *arg)
{
    struct fixture *f = arg;
    account_id id = 0;
    uint64_t *mark = malloc(sizeof(*mark));

    if (auth_password(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, mark) !=
        ERR_OK) {
        *mark = 0;
    }
    return mark;
}

static void test_all_who_come_at_once_get_the_new_mark(void **state)
{
    struct fixture *f = *state;
    struct account account;
    struct arena arena;
    pthread_t threads[THREADS];

    arena_init(&arena, 65536);
    assert_ok(directory_account_set_password(f->store, &admin, f->anna, foreign));
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, login_mark, f), 0);
    }
    uint64_t marks[THREADS];

    for (int i = 0; i < THREADS; i++) {
        void *mark;

        pthread_join(threads[i], &mark);
        marks[i] = *(uint64_t *)mark;
        free(mark);
    }
    stored_hash(f, &arena, &account);
    for (int i = 0; i < THREADS; i++) {
        assert_true(marks[i] == auth_mark(&account));
    }
    arena_finish(&arena);
}

static void test_a_new_password_is_not_renewed_away(void **state)
{
    struct fixture *f = *state;
    struct account account;
    struct arena arena;

    arena_init(&arena, 65536);
    set_password(f, SPAN("another one"));
    assert_err(directory_account_renew_hash(f->store, &admin, f->anna, foreign, SPAN("x")),
               ERR_CONFLICT);
    stored_hash(f, &arena, &account);
    assert_ok(password_verify(SPAN("another one"), account.password_hash));
    arena_finish(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_wrong_unknown),
        cmocka_unit_test(test_unknown_names_cost_as_much),
        cmocka_unit_test(test_ten_connections_pay_once),
        cmocka_unit_test(test_a_change_counts_at_once),
        cmocka_unit_test(test_each_password_has_its_mark),
        cmocka_unit_test(test_new_options_count_at_once),
        cmocka_unit_test(test_a_hash_from_elsewhere_becomes_ours),
        cmocka_unit_test(test_all_who_come_at_once_get_the_new_mark),
        cmocka_unit_test(test_a_new_password_is_not_renewed_away),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
