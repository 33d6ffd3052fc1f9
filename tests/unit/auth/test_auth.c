// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include "../test.h"
#include "auth/app_password.h"
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

// With IMAP; `id` and `mark` are those of the grant when it is one.
static enum err sign_in(struct auth *a, struct span name, struct span password, struct span remote,
                        account_id *id, uint64_t *mark)
{
    struct auth_claim claim = {name, password, remote, AUTH_IMAP};
    struct auth_grant grant;
    enum err e = auth_password(a, &claim, &grant);

    if (e == ERR_OK) {
        assert_int_equal(grant.device, 0);
        *id = grant.account;
        *mark = grant.mark;
    }
    return e;
}

static void test_right_wrong_unknown(void **state)
{
    struct fixture *f = *state;
    account_id id = 0;
    uint64_t mark;

    // No password was set yet: nothing opens the account, the empty password least of all.
    assert_err(sign_in(f->auth, SPAN("anna@example.org"), SPAN(""), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    set_password(f, SPAN("correct horse"));
    assert_ok(sign_in(f->auth, SPAN("anna@example.org"), SPAN("correct horse"), SPAN("192.0.2.1"),
                      &id, &mark));
    assert_true(id == f->anna);
    assert_ok(sign_in(f->auth, SPAN("ANNA@Example.ORG"), SPAN("correct horse"), SPAN("192.0.2.1"),
                      &id, &mark));
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    static const char *const wrong[] = {"", "correct hors", "correct horse ", "Correct horse"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_err(
            sign_in(f->auth, SPAN("anna"), span_from_str(wrong[i]), SPAN("192.0.2.1"), &id, &mark),
            ERR_DENIED);
    }
    assert_err(
        sign_in(f->auth, SPAN("berta"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
        ERR_DENIED);
    assert_err(
        sign_in(f->auth, SPAN("a b@@c"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
        ERR_DENIED);
    assert_err(sign_in(f->auth, SPAN(""), SPAN(""), SPAN("192.0.2.1"), &id, &mark), ERR_DENIED);
}

// A01b
static void test_unknown_names_cost_as_much(void **state)
{
    struct fixture *f = *state;
    account_id id;
    uint64_t mark;
    uint64_t before = auth_hashes(f->auth);

    assert_err(sign_in(f->auth, SPAN("nobody"), SPAN("x"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_err(sign_in(f->auth, SPAN("nobody"), SPAN("x"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_int_equal(auth_hashes(f->auth), before + 2);
}

static void *login(void *arg)
{
    struct fixture *f = arg;
    account_id id = 0;
    uint64_t mark;

    return sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark) ==
                       ERR_OK &&
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

// A05b
static void test_a_change_counts_at_once(void **state)
{
    struct fixture *f = *state;
    account_id id;
    uint64_t mark;

    set_password(f, SPAN("correct horse"));
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    set_password(f, SPAN("another one"));
    assert_err(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("another one"), SPAN("192.0.2.1"), &id, &mark));
    assert_ok(directory_account_set_state(f->store, &admin, f->anna, ACCOUNT_SUSPENDED));
    assert_err(sign_in(f->auth, SPAN("anna"), SPAN("another one"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_ok(directory_account_set_state(f->store, &admin, f->anna, ACCOUNT_ACTIVE));
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("another one"), SPAN("192.0.2.1"), &id, &mark));
}

static void test_each_password_has_its_mark(void **state)
{
    struct fixture *f = *state;
    account_id id;
    uint64_t first, again, second;

    set_password(f, SPAN("correct horse"));
    assert_ok(
        sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &first));
    assert_ok(
        sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &again));
    assert_int_equal(first, again);
    set_password(f, SPAN("correct horse"));
    assert_ok(
        sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &second));
    assert_int_not_equal(first, second);
}

static void test_new_options_count_at_once(void **state)
{
    struct fixture *f = *state;
    struct auth_options o;
    account_id id;
    uint64_t mark, hashes;

    set_password(f, SPAN("correct horse"));
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    auth_options_default(&o);
    o.params = (struct password_params){.memory_kib = 128, .passes = 1, .lanes = 1};
    o.remember_ms = 0;
    assert_ok(auth_set_options(f->auth, &o));
    hashes = auth_hashes(f->auth);
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    assert_int_equal(auth_hashes(f->auth), hashes + 2); // it has a hash of the new cost now
    for (int i = 0; i < 3; i++) { // what was remembered is forgotten, and nothing is from now on
        hashes = auth_hashes(f->auth);
        assert_ok(
            sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
        assert_int_equal(auth_hashes(f->auth), hashes + 1);
    }
    assert_err(sign_in(f->auth, SPAN("nobody"), SPAN("x"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    o.waiting_max = 0;
    assert_ok(auth_set_options(f->auth, &o));
    assert_err(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
               ERR_UNAVAILABLE);
    o.params.lanes = 0; // refused, and nothing has changed
    o.waiting_max = 10;
    assert_err(auth_set_options(f->auth, &o), ERR_INVALID);
    assert_err(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark),
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
    assert_err(sign_in(f->auth, SPAN("anna"), SPAN("wrong"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    assert_int_equal(auth_hashes(f->auth), hashes + 2); // as slow as for an unknown name
    stored_hash(f, &arena, &account);
    assert_true(span_eq(account.password_hash, foreign));
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    stored_hash(f, &arena, &account);
    assert_false(password_needs_rehash(account.password_hash, &cheap));
    assert_true(auth_mark(&account) == mark); // and so nobody is turned away at the next door
    assert_ok(sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, &mark));
    assert_true(auth_mark(&account) == mark);
    assert_err(sign_in(f->auth, SPAN("anna"), SPAN("wrong"), SPAN("192.0.2.1"), &id, &mark),
               ERR_DENIED);
    arena_finish(&arena);
}

static void *login_mark(void *arg)
{
    struct fixture *f = arg;
    account_id id = 0;
    uint64_t *mark = malloc(sizeof(*mark));

    if (sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.1"), &id, mark) !=
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

// ---- devices (L04) ------------------------------------------------------------------------------

// Adds a device to anna and gives its app password.
static uint32_t add_device(struct fixture *f, const char *name, unsigned scope, int64_t until,
                           const char *network, char password[APP_PASSWORD_TEXT_BYTES])
{
    char chars[APP_PASSWORD_CHARS];
    unsigned char digest[DEVICE_DIGEST_BYTES];
    struct span networks[] = {span_from_str(network ? network : "")};
    uint32_t id;

    app_password_make(password);
    assert_true(app_password_read(span_of(password, APP_PASSWORD_TEXT_BYTES), chars));
    assert_ok(app_password_digest(chars, digest));
    struct device d = {.scope = scope,
                       .until = until,
                       .name = span_from_str(name),
                       .secret = span_of(digest, sizeof(digest)),
                       .networks = networks,
                       .network_count = network != NULL};

    assert_ok(device_add(f->store, f->anna, &admin, &d, &id));
    return id;
}

static enum err try_device(struct fixture *f, const char *name, const char *password,
                           enum auth_service service, struct auth_grant *out)
{
    struct auth_claim claim = {span_from_str(name), span_of(password, APP_PASSWORD_TEXT_BYTES),
                               SPAN("192.0.2.77"), service};

    return auth_password(f->auth, &claim, out);
}

static void test_a_device_gets_in_by_its_app_password(void **state)
{
    struct fixture *f = *state;
    char phone[APP_PASSWORD_TEXT_BYTES], laptop[APP_PASSWORD_TEXT_BYTES];
    char typed[APP_PASSWORD_CHARS];
    struct auth_identity who;
    struct auth_grant grant;
    struct arena arena;
    uint64_t hashes = auth_hashes(f->auth);

    arena_init(&arena, 64 << 10);
    uint32_t one = add_device(f, "phone", DEVICE_MAIL, 0, NULL, phone);
    uint32_t two = add_device(f, "laptop", DEVICE_MAIL | DEVICE_READ_ONLY, 0, NULL, laptop);

    assert_int_not_equal(one, two);
    assert_ok(try_device(f, "anna", phone, AUTH_IMAP, &grant));
    assert_int_equal(grant.account, f->anna);
    assert_int_equal(grant.device, one);
    assert_false(grant.is_read_only);
    assert_ok(auth_grant_holds(f->store, &grant, &arena, &who));
    assert_true(span_eq(who.user, SPAN("anna@example.org")));
    assert_true(span_eq(who.device_name, SPAN("phone")));
    assert_ok(try_device(f, "ANNA@example.org", laptop, AUTH_POP3, &grant));
    assert_int_equal(grant.device, two);
    assert_true(grant.is_read_only);

    // As people type it.
    for (size_t i = 0, n = 0; i < sizeof(phone); i++) {
        if (phone[i] != '-') {
            typed[n++] = phone[i] == '0' ? 'O' : phone[i] == '1' ? 'l' : phone[i];
        }
    }
    struct auth_claim claim = {SPAN("anna"), span_of(typed, sizeof(typed)), SPAN("192.0.2.77"),
                               AUTH_SUBMISSION};

    assert_ok(auth_password(f->auth, &claim, &grant));
    assert_int_equal(grant.device, one);
    // Another account's, and no slow hash in all of this, also for a wrong one of that shape.
    assert_err(try_device(f, "berta", phone, AUTH_IMAP, &grant), ERR_DENIED);
    assert_int_equal(auth_hashes(f->auth), hashes);
    arena_finish(&arena);
}

// A08d
static void test_a_device_is_kept_to_what_it_may(void **state)
{
    struct fixture *f = *state;
    char reader[APP_PASSWORD_TEXT_BYTES], old[APP_PASSWORD_TEXT_BYTES];
    char home[APP_PASSWORD_TEXT_BYTES], away[APP_PASSWORD_TEXT_BYTES];
    struct auth_grant grant;

    add_device(f, "reader", DEVICE_IMAP | DEVICE_SUBMISSION | DEVICE_READ_ONLY, 0, NULL, reader);
    add_device(f, "old", DEVICE_MAIL, 1000, NULL, old);
    add_device(f, "home", DEVICE_MAIL, 0, "192.0.2.0/25", home);
    add_device(f, "away", DEVICE_MAIL, 0, "2001:db8::/32", away);
    const struct {
        const char *password;
        enum auth_service service;
        bool may;
    } rows[] = {
        {reader, AUTH_IMAP, true}, {reader, AUTH_SUBMISSION, false}, {reader, AUTH_POP3, false},
        {reader, AUTH_WEB, false}, {old, AUTH_IMAP, false},          {home, AUTH_SIEVE, true},
        {home, AUTH_WEB, false},   {away, AUTH_IMAP, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum err e = try_device(f, "anna", rows[i].password, rows[i].service, &grant);

        if (rows[i].may) {
            assert_ok(e);
            assert_null(grant.why);
        } else {
            assert_err(e, ERR_DENIED);
            assert_non_null(grant.why); // whoever has the secret is told
        }
    }
}

static void test_a_blocked_device_is_out(void **state)
{
    struct fixture *f = *state;
    char phone[APP_PASSWORD_TEXT_BYTES];
    struct auth_identity who;
    struct auth_grant grant, again;
    struct arena arena;

    arena_init(&arena, 64 << 10);
    uint32_t id = add_device(f, "phone2", DEVICE_MAIL, 0, NULL, phone);

    assert_ok(try_device(f, "anna", phone, AUTH_IMAP, &grant));
    assert_ok(device_set_state(f->store, f->anna, &admin, id, DEVICE_BLOCKED));
    assert_err(auth_grant_holds(f->store, &grant, &arena, &who), ERR_DENIED);
    assert_err(try_device(f, "anna", phone, AUTH_IMAP, &again), ERR_DENIED);
    assert_string_equal(again.why, "This device has been blocked");
    assert_ok(device_set_state(f->store, f->anna, &admin, id, DEVICE_ACTIVE));
    assert_ok(auth_grant_holds(f->store, &grant, &arena, &who));
    // A new password of the account is nothing to it; a suspended account is.
    set_password(f, SPAN("correct horse"));
    assert_ok(auth_grant_holds(f->store, &grant, &arena, &who));
    assert_ok(directory_account_set_state(f->store, &admin, f->anna, ACCOUNT_SUSPENDED));
    assert_err(auth_grant_holds(f->store, &grant, &arena, &who), ERR_DENIED);
    assert_err(try_device(f, "anna", phone, AUTH_IMAP, &again), ERR_DENIED);
    assert_null(again.why);
    assert_ok(directory_account_set_state(f->store, &admin, f->anna, ACCOUNT_ACTIVE));
    assert_ok(device_remove(f->store, f->anna, &admin, id));
    assert_err(auth_grant_holds(f->store, &grant, &arena, &who), ERR_DENIED);
    assert_err(try_device(f, "anna", phone, AUTH_IMAP, &again), ERR_DENIED);
    assert_null(again.why);
    arena_finish(&arena);
}

// Who guesses the account's password locks its name out, not its devices.
static void test_a_device_gets_in_while_its_name_is_locked_out(void **state)
{
    struct fixture *f = *state;
    char phone[APP_PASSWORD_TEXT_BYTES], wrong[] = "wrong 00";
    struct auth_grant grant;
    account_id id;
    uint64_t mark;

    add_device(f, "phone3", DEVICE_MAIL, 0, NULL, phone);
    for (int i = 0; i < 20; i++) {
        wrong[6] = (char)('0' + i / 10);
        wrong[7] = (char)('0' + i % 10);
        sign_in(f->auth, SPAN("anna"), span_from_str(wrong), SPAN("192.0.2.77"), &id, &mark);
    }
    assert_err(
        sign_in(f->auth, SPAN("anna"), SPAN("correct horse"), SPAN("192.0.2.77"), &id, &mark),
        ERR_LIMIT);
    assert_ok(try_device(f, "anna", phone, AUTH_IMAP, &grant));
    phone[0] = phone[0] == '7' ? '8' : '7';
    assert_err(try_device(f, "anna", phone, AUTH_IMAP, &grant), ERR_LIMIT);
}

static void test_the_shape_of_an_app_password(void **state)
{
    char text[APP_PASSWORD_TEXT_BYTES], chars[APP_PASSWORD_CHARS];
    unsigned taken = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        app_password_make(text);
        assert_true(app_password_read(span_of(text, sizeof(text)), chars));
        assert_non_null(password_weakness(span_of(text, sizeof(text)), SPAN("anna@example.org")));
        text[i % 29] = text[i % 29] == 'z' ? 'y' : 'z'; // one wrong: the sum finds nearly all
        taken += app_password_read(span_of(text, sizeof(text)), chars);
    }
    assert_true(taken < 20);
    assert_false(app_password_read(SPAN(""), chars));
    assert_false(app_password_read(SPAN("-----"), chars));
    assert_false(app_password_read(SPAN("correct horse battery staple"), chars));
    assert_false(app_password_read(span_of(text, sizeof(text) - 1), chars));
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
        cmocka_unit_test(test_a_device_gets_in_by_its_app_password),
        cmocka_unit_test(test_a_device_is_kept_to_what_it_may),
        cmocka_unit_test(test_a_blocked_device_is_out),
        cmocka_unit_test(test_the_shape_of_an_app_password),
        cmocka_unit_test(test_a_device_gets_in_while_its_name_is_locked_out),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
