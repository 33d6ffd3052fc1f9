// SPDX-License-Identifier: Apache-2.0
#include "../test.h"
#include "auth/password.h"

static const struct password_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};

static void test_hash_and_verify(void **state)
{
    struct buf one, two;

    (void)state;
    buf_init(&one, PASSWORD_HASH_MAX);
    buf_init(&two, PASSWORD_HASH_MAX);
    assert_ok(password_hash(SPAN("correct horse"), &cheap, &one));
    assert_ok(password_hash(SPAN("correct horse"), &cheap, &two));
    assert_false(span_eq(buf_span(&one), buf_span(&two))); // salted
    assert_ok(password_verify(SPAN("correct horse"), buf_span(&one)));
    assert_err(password_verify(SPAN("correct hors"), buf_span(&one)), ERR_DENIED);
    assert_err(password_verify(SPAN(""), buf_span(&one)), ERR_DENIED);
    buf_finish(&one);
    buf_finish(&two);
}

static void test_nul_bytes_count(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, PASSWORD_HASH_MAX);
    assert_ok(password_hash(SPAN("secret\0one"), &cheap, &b));
    assert_err(password_verify(SPAN("secret\0two"), buf_span(&b)), ERR_DENIED);
    buf_finish(&b);
}

static void test_junk_is_no_hash(void **state)
{
    static const char *const junk[] = {
        "",           "secret",
        "$argon2id$", "$argon2id$v=19$m=1",
        "$1$a$b",     "$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"};

    (void)state;
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        assert_err(password_verify(SPAN("secret"), span_from_str(junk[i])), ERR_INVALID);
    }
}

static void test_rehash_when_the_cost_changes(void **state)
{
    struct password_params dearer = cheap;
    struct buf b;

    (void)state;
    dearer.passes = 2;
    buf_init(&b, PASSWORD_HASH_MAX);
    assert_ok(password_hash(SPAN("x"), &cheap, &b));
    assert_false(password_needs_rehash(buf_span(&b), &cheap));
    assert_true(password_needs_rehash(buf_span(&b), &dearer));
    buf_finish(&b);
}

static void test_weak_passwords_are_named(void **state)
{
    static const struct {
        const char *password;
        bool good;
    } rows[] = {
        {"correct horse battery", true},
        {"short", false},
        {"PASSWORD1", false},
        {"anna@example.org", false},
        {"aaaaaaaaaaaa", false},
        {"tab\there!", false},
        {"bad\xff utf8 here", false},
        {"\xc3\xa4\xc3\xb6\xc3\xbc", false},
        {"P@ssw0rd!", false},
        {"passw0rd2026", false},
        {"$ecret2026!!", false},
        {"2026Summer", false},
        {"summer of 2026", true},
        {"anna2026", false},
        {"Ann@!!!!", false},
        {"example.org1", false},
        {"Example1!", false},
        {"annotated-42", true},
        {"qweasdzxc", false},
        {"1q2w3e4r", false},
        {"lkjhgfds", false},
        {"abcdefgh", false},
        {"hgfedcba", false},
        {"abcabcabcab", false},
        {"19560704", false},
        {"195607041234", true},
        {"12345678901234567890", false},
        {"xk7-plum-tractor", true},
        {"gate-keeper-77", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *why =
            password_weakness(span_from_str(rows[i].password), SPAN("anna@example.org"));

        if ((why == NULL) != rows[i].good) {
            fail_msg("row %zu: %s", i, why ? why : "accepted");
        }
    }
    assert_non_null(password_weakness(SPAN("annabella"), SPAN("annabella@example.org")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_and_verify),
        cmocka_unit_test(test_nul_bytes_count),
        cmocka_unit_test(test_junk_is_no_hash),
        cmocka_unit_test(test_rehash_when_the_cost_changes),
        cmocka_unit_test(test_weak_passwords_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
