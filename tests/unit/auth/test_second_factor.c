// SPDX-License-Identifier: Apache-2.0
//
// The second factor in the way of a right password: what opens what, codes used once, what is told
// to whom, and what counts as guessing.
#include <time.h>

#include "../test.h"
#include "auth/app_password.h"
#include "auth/auth.h"
#include "auth/second_factor.h"
#include "auth/totp.h"
#include "engine/memory/memory.h"
#include "store/directory/factor_policy.h"
#include "store/directory/role.h"

#define HOME SPAN("192.0.2.77")

static const struct password_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};
static const struct actor admin = {.kind = ACTOR_ADMIN};
static const struct span password = {"correct horse battery", 21};

static struct fixture {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    account_id anna;
    unsigned char secret[TOTP_SECRET_BYTES];
    char recovery[RECOVERY_CODES][RECOVERY_TEXT_BYTES];
} f;

static int setup(void **state)
{
    struct store_options so;
    struct auth_options ao;
    struct buf hash;

    (void)state;
    assert_ok(engine_memory_open(&f.engine));
    store_options_default(&so);
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    buf_init(&hash, PASSWORD_HASH_MAX);
    assert_ok(password_hash(password, &cheap, &hash));
    assert_ok(directory_account_add(f.store, &admin, SPAN("anna@example.org"), buf_span(&hash),
                                    false, &f.anna));
    buf_finish(&hash);
    auth_options_default(&ao);
    ao.params = cheap;
    ao.throttle.failures_max = 3;
    assert_ok(auth_create(f.store, &ao, &f.auth));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    auth_destroy(f.auth);
    store_close(f.store);
    engine_close(f.engine);
    return 0;
}

static const char *code_at(uint64_t step)
{
    static char text[TOTP_DIGITS + 1];
    uint32_t code;

    assert_ok(hotp_code(span_of(f.secret, sizeof(f.secret)), step, TOTP_DIGITS, &code));
    snprintf(text, sizeof(text), "%06u", code);
    return text;
}

// The step of now, with most of it still to come: a test must not run over its end.
static uint64_t step_now(void)
{
    while (time(NULL) % TOTP_STEP_S > TOTP_STEP_S - 10) {
        usleep(100000);
    }
    return totp_step(time(NULL));
}

// Confirmed long ago, so that all codes of now are good.
static void turn_on(void)
{
    unsigned char digests[RECOVERY_CODES][TOTP_ROW_DIGEST_BYTES];
    struct second_factor_code c;
    struct totp_attempt first;

    totp_secret_make(f.secret);
    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        assert_ok(recovery_code_make(f.recovery[i], digests[i]));
    }
    assert_ok(totp_row_begin(f.store, f.anna, &admin, f.secret));
    assert_true(
        second_factor_attempt(span_from_str(code_at(1000)), 1000 * TOTP_STEP_S, &c, &first));
    assert_ok(totp_row_confirm(f.store, f.anna, &admin, &first,
                               (const unsigned char(*)[TOTP_ROW_DIGEST_BYTES])digests,
                               RECOVERY_CODES));
}

static enum err sign_in(enum auth_service service, struct span secret, struct span code,
                        struct auth_grant *out)
{
    struct auth_claim claim = {SPAN("anna@example.org"), secret, HOME, service, code};

    return auth_password(f.auth, &claim, out);
}

static struct span make_device(char text[APP_PASSWORD_TEXT_BYTES], unsigned scope)
{
    char chars[APP_PASSWORD_CHARS];
    unsigned char digest[DEVICE_DIGEST_BYTES];
    struct device d = {
        .scope = scope, .name = SPAN("phone"), .secret = span_of(digest, sizeof(digest))};
    uint32_t id;

    app_password_make(text);
    assert_true(app_password_read(span_of(text, APP_PASSWORD_TEXT_BYTES), chars));
    assert_ok(app_password_digest(chars, digest));
    assert_ok(device_add(f.store, f.anna, &admin, &d, &id));
    return span_of(text, APP_PASSWORD_TEXT_BYTES);
}

// L12: no mail protocol asks for a code, so none takes the password; a device gets in as before.
static void test_mail_programs_need_an_app_password(void **state)
{
    static const enum auth_service mail[] = {AUTH_IMAP, AUTH_SUBMISSION, AUTH_POP3, AUTH_SIEVE,
                                             AUTH_JMAP};
    char text[APP_PASSWORD_TEXT_BYTES];
    struct span phone = make_device(text, DEVICE_MAIL);
    struct auth_grant g;

    (void)state;
    for (size_t i = 0; i < sizeof(mail) / sizeof(mail[0]); i++) {
        assert_ok(sign_in(mail[i], password, SPAN(""), &g));
    }
    turn_on();
    for (size_t i = 0; i < sizeof(mail) / sizeof(mail[0]); i++) {
        struct span code = span_from_str(code_at(step_now()));

        assert_err(sign_in(mail[i], password, code, &g), ERR_DENIED); // not even with a code
        assert_non_null(strstr(g.why, "app password"));
        assert_err(sign_in(mail[i], SPAN("something else"), code, &g), ERR_DENIED);
        assert_null(g.why); // who does not know the password is told nothing
        assert_ok(sign_in(mail[i], phone, SPAN(""), &g));
        assert_true(g.device == 1 && !g.by_code);
    }
}

// A08a
static void test_pages_take_password_and_code(void **state)
{
    struct auth_grant g;

    (void)state;
    assert_ok(sign_in(AUTH_WEB, password, SPAN(""), &g));
    assert_false(g.by_code || g.wants_code);
    turn_on();
    uint64_t step = step_now();

    assert_err(sign_in(AUTH_WEB, password, SPAN(""), &g), ERR_DENIED);
    assert_true(g.wants_code && g.why && !g.by_code);
    assert_err(sign_in(AUTH_WEB, SPAN("wrong"), span_from_str(code_at(step)), &g), ERR_DENIED);
    assert_true(!g.wants_code && !g.why); // and the code was not used up:
    assert_ok(sign_in(AUTH_WEB, password, span_from_str(code_at(step)), &g));
    assert_true(g.by_code && !g.wants_code && !g.why && g.device == 0);
    // L10
    assert_err(sign_in(AUTH_WEB, password, span_from_str(code_at(step)), &g), ERR_DENIED);
    assert_true(g.wants_code && strstr(g.why, "has been used"));
    assert_err(sign_in(AUTH_WEB, password, span_from_str(code_at(step - 1)), &g), ERR_DENIED);
    assert_ok(sign_in(AUTH_WEB, password, span_from_str(code_at(step + 1)), &g));
    // L13
    struct span recovery = span_of(f.recovery[4], RECOVERY_TEXT_BYTES);

    assert_ok(sign_in(AUTH_WEB, password, recovery, &g));
    assert_true(g.by_code);
    assert_err(sign_in(AUTH_WEB, password, recovery, &g), ERR_DENIED);
    assert_non_null(strstr(g.why, "has been used"));
}

// L14
// A08c
static void test_clocks_that_differ(void **state)
{
    const char *why = NULL;

    (void)state;
    turn_on();
    for (int off = -2; off <= 2; off++) {
        int64_t now = 1800000000 + 1000 * (off + 3);
        struct span code = span_from_str(code_at(totp_step(now) + (uint64_t)off));
        enum err e = second_factor_check(f.store, f.anna, code, now, &why);

        assert_err(e, off >= -1 && off <= 1 ? ERR_OK : ERR_DENIED);
    }
}

// L11: the guesser is slowed down; the owner gets in by a recovery code, and devices go on.
// A08b
static void test_guessing(void **state)
{
    char text[APP_PASSWORD_TEXT_BYTES];
    struct span phone = make_device(text, DEVICE_MAIL);
    struct auth_grant g;

    (void)state;
    turn_on();
    uint64_t step = step_now();

    for (unsigned i = 0; i < TOTP_ROW_WRONG_FREE; i++) {
        char wrong[TOTP_DIGITS + 1];

        snprintf(wrong, sizeof(wrong), "%06u", i);
        assert_err(sign_in(AUTH_WEB, password, span_from_str(wrong), &g), ERR_DENIED);
        assert_non_null(strstr(g.why, "wrong"));
    }
    assert_err(sign_in(AUTH_WEB, password, span_from_str(code_at(step)), &g), ERR_DENIED);
    assert_non_null(strstr(g.why, "Too many wrong codes"));
    assert_ok(sign_in(AUTH_IMAP, phone, SPAN(""), &g));
    assert_ok(sign_in(AUTH_WEB, password, span_of(f.recovery[0], RECOVERY_TEXT_BYTES), &g));
    assert_ok(sign_in(AUTH_WEB, password, span_from_str(code_at(step)), &g));
}

// What cannot be a code costs nothing; and the right password is never counted as a wrong one.
static void test_what_does_not_count(void **state)
{
    struct auth_grant g;
    struct totp_row r;

    (void)state;
    turn_on();
    for (unsigned i = 0; i < 20; i++) {
        assert_err(sign_in(AUTH_WEB, password, SPAN("abc"), &g), ERR_DENIED);
        assert_err(sign_in(AUTH_IMAP, password, SPAN(""), &g), ERR_DENIED);
    }
    assert_ok(totp_row_get(f.store, f.anna, &r));
    assert_int_equal(r.wrong, 0);
    assert_ok(sign_in(AUTH_WEB, password, span_from_str(code_at(step_now())), &g));
    assert_true(auth_rank(f.auth, SPAN("anna@example.org"), HOME) == THROTTLE_KNOWN);
}

// Who only has the password is not somebody who has been here.
static void test_a_password_alone_makes_no_network_known(void **state)
{
    struct auth_grant g;

    (void)state;
    turn_on();
    assert_err(sign_in(AUTH_IMAP, password, SPAN(""), &g), ERR_DENIED);
    assert_err(sign_in(AUTH_WEB, password, SPAN(""), &g), ERR_DENIED);
    assert_true(auth_rank(f.auth, SPAN("anna@example.org"), HOME) == THROTTLE_CLEAN);
}

// L12: turned on between the right password and the session.
static void test_a_grant_of_before_holds_no_more(void **state)
{
    struct auth_grant by_password, by_code, by_token;
    struct auth_identity who;
    struct arena a;

    (void)state;
    arena_init(&a, 4096);
    assert_ok(sign_in(AUTH_IMAP, password, SPAN(""), &by_password));
    assert_ok(auth_grant_holds(f.store, &by_password, &a, &who));
    turn_on();
    assert_err(auth_grant_holds(f.store, &by_password, &a, &who), ERR_DENIED);
    by_token = by_password;
    by_token.is_by_token = true;
    assert_ok(auth_grant_holds(f.store, &by_token, &a, &who));
    assert_ok(sign_in(AUTH_WEB, password, span_from_str(code_at(step_now())), &by_code));
    assert_ok(auth_grant_holds(f.store, &by_code, &a, &who));
    assert_ok(totp_row_remove(f.store, f.anna, &admin));
    assert_ok(auth_grant_holds(f.store, &by_password, &a, &who));
    arena_finish(&a);
}

static bool is_required(const char *what)
{
    bool required = false;

    assert_ok(factor_policy_get(f.store, span_from_str(what), &required));
    return required;
}

static void require(const char *what, bool required)
{
    assert_ok(factor_policy_set(f.store, &admin, span_from_str(what), required));
}

// L12: who must have one and has none gets in nowhere, by a device neither.
static void test_where_one_is_required(void **state)
{
    char text[APP_PASSWORD_TEXT_BYTES];
    struct span phone = make_device(text, DEVICE_MAIL);
    struct auth_grant g;

    (void)state;
    require("@example.org", true);
    assert_err(sign_in(AUTH_IMAP, password, SPAN(""), &g), ERR_DENIED);
    assert_non_null(strstr(g.why, "must have a second factor"));
    assert_err(sign_in(AUTH_IMAP, phone, SPAN(""), &g), ERR_DENIED);
    assert_non_null(strstr(g.why, "must have a second factor"));
    assert_err(sign_in(AUTH_WEB, password, SPAN("123456"), &g), ERR_DENIED);
    assert_false(g.wants_code); // there is none that could be given
    assert_err(sign_in(AUTH_IMAP, SPAN("wrong"), SPAN(""), &g), ERR_DENIED);
    assert_null(g.why);
    turn_on();
    assert_ok(sign_in(AUTH_IMAP, phone, SPAN(""), &g));
    assert_err(sign_in(AUTH_IMAP, password, SPAN(""), &g), ERR_DENIED);
    assert_non_null(strstr(g.why, "app password"));
    assert_ok(sign_in(AUTH_WEB, password, span_from_str(code_at(step_now())), &g));
    assert_ok(totp_row_remove(f.store, f.anna, &admin));
    require("@example.org", false);
    assert_ok(sign_in(AUTH_IMAP, password, SPAN(""), &g));
}

static void test_where_a_role_requires_it(void **state)
{
    struct auth_grant g;
    struct role night = {.name = SPAN("night-shift"), .words = SPAN("x"), .rights = RIGHT_SEE};

    (void)state;
    assert_ok(role_add(f.store, &admin, &night));
    require("help-desk", true);
    require("night-shift", true);
    assert_ok(sign_in(AUTH_IMAP, password, SPAN(""), &g)); // it has no role
    assert_ok(role_grant(f.store, &admin, f.anna, SPAN("auditor"), NULL, 0, NULL));
    assert_ok(sign_in(AUTH_IMAP, password, SPAN(""), &g)); // another one
    assert_ok(role_grant(f.store, &admin, f.anna, SPAN("help-desk"), NULL, 0, NULL));
    assert_err(sign_in(AUTH_IMAP, password, SPAN(""), &g), ERR_DENIED);
    assert_non_null(strstr(g.why, "must have a second factor"));
    assert_ok(role_revoke(f.store, &admin, f.anna, SPAN("help-desk"), NULL, 0));
    assert_ok(sign_in(AUTH_IMAP, password, SPAN(""), &g));
}

// L65: required between the right password and the session, or while the session is open: by the
// domain, or by a role that the account gets.
static void test_a_grant_holds_no_more_where_one_is_required(void **state)
{
    char text[APP_PASSWORD_TEXT_BYTES];
    struct span phone = make_device(text, DEVICE_MAIL);
    struct auth_grant by_password, by_device, by_code, by_stranger;
    struct auth_identity who;
    struct arena a;

    (void)state;
    arena_init(&a, 65536);
    assert_ok(sign_in(AUTH_IMAP, password, SPAN(""), &by_password));
    assert_ok(sign_in(AUTH_IMAP, phone, SPAN(""), &by_device));
    by_code = by_stranger = by_password;
    by_code.by_code = true;
    by_stranger.is_by_token = true; // somebody else's token: what they ask for is theirs to require
    struct auth_grant own_token = by_device; // of our own: a device's

    own_token.is_by_token = true;
    for (int by_role = 0; by_role < 2; by_role++) {
        if (by_role) {
            assert_ok(role_grant(f.store, &admin, f.anna, SPAN("help-desk"), NULL, 0, NULL));
        }
        assert_ok(auth_grant_holds(f.store, &by_password, &a, &who));
        require(by_role ? "help-desk" : "@example.org", true);
        assert_err(auth_grant_holds(f.store, &by_password, &a, &who), ERR_DENIED);
        assert_err(auth_grant_holds(f.store, &by_device, &a, &who), ERR_DENIED);
        assert_err(auth_grant_holds(f.store, &own_token, &a, &who), ERR_DENIED);
        assert_ok(auth_grant_holds(f.store, &by_code, &a, &who));
        assert_ok(auth_grant_holds(f.store, &by_stranger, &a, &who));
        require(by_role ? "help-desk" : "@example.org", false);
    }
    require("help-desk", true);
    turn_on();
    assert_ok(auth_grant_holds(f.store, &by_device, &a, &who));
    assert_err(auth_grant_holds(f.store, &by_password, &a, &who), ERR_DENIED);
    arena_finish(&a);
}

// A domain or a role of the same name that comes later is another one.
static void test_policies_go_with_what_they_are_for(void **state)
{
    struct role night = {.name = SPAN("night-shift"), .words = SPAN("x"), .rights = RIGHT_SEE};

    (void)state;
    assert_err(factor_policy_set(f.store, &admin, SPAN("@example.net"), true), ERR_NOT_FOUND);
    assert_err(factor_policy_set(f.store, &admin, SPAN("night-shift"), true), ERR_NOT_FOUND);
    assert_err(factor_policy_set(f.store, &admin, SPAN("No Role"), true), ERR_NOT_FOUND);
    assert_err(factor_policy_set(f.store, &admin, SPAN("@"), true), ERR_NOT_FOUND);
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.net")));
    assert_ok(role_add(f.store, &admin, &night));
    require("@example.net", true);
    require("night-shift", true);
    assert_true(is_required("@example.net") && is_required("night-shift"));
    assert_ok(directory_domain_remove(f.store, &admin, SPAN("example.net")));
    assert_ok(role_remove(f.store, &admin, SPAN("night-shift")));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.net")));
    assert_ok(role_add(f.store, &admin, &night));
    assert_false(is_required("@example.net") || is_required("night-shift"));
}

static void test_damaged_policies(void **state)
{
    static const struct {
        const char *key, *value;
        size_t n;
        enum err want;
    } rows[] = {
        {"F@example.org", "\1\1\2", 3, ERR_OK},
        {"Fhelp-desk", "\1\1\2x", 4, ERR_OK},
        {"F@example.org", "\2\1\2", 3, ERR_UNSUPPORTED},
        {"F@example.org", "\1\0\2", 3, ERR_CORRUPT},
        {"F@example.org", "\1\1", 2, ERR_CORRUPT},
        {"F", "\1\1\2", 3, ERR_CORRUPT},
        {"F@", "\1\1\2", 3, ERR_CORRUPT},
        {"FNo Role", "\1\1\2", 3, ERR_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span what;

        assert_err(factor_policy_decode(span_from_str(rows[i].key),
                                        span_of(rows[i].value, rows[i].n), &what),
                   rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mail_programs_need_an_app_password, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages_take_password_and_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clocks_that_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guessing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_password_alone_makes_no_network_known, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_grant_of_before_holds_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where_one_is_required, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where_a_role_requires_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_grant_holds_no_more_where_one_is_required, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_policies_go_with_what_they_are_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_policies, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
