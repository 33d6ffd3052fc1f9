// SPDX-License-Identifier: Apache-2.0
//
// Opening another's account (L66): what proves that one may. An outside provider's token proves
// nothing of a second factor here, and neither does an account's own password.
#include "../test.h"
#include "auth/app_password.h"
#include "auth/bearer.h"
#include "auth/read_as.h"
#include "auth/second_factor.h"
#include "auth/totp.h"
#include "engine/memory/memory.h"
#include "store/access/device.h"
#include "store/directory/role.h"

static const struct password_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};
static const struct actor admin = {.kind = ACTOR_ADMIN};

static struct fixture {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    account_id hilde, anna;
    uint32_t device;
    char key[APP_PASSWORD_TEXT_BYTES]; // hilde's
} f;

// An issuer elsewhere that knows hilde.
static enum err vouch(void *arg, const struct auth_vouch_question *q, struct arena *a,
                      struct auth_vouch_answer *out)
{
    (void)arg;
    *out = (struct auth_vouch_answer){.words = SPAN("words")};
    if (!span_eq(q->secret, SPAN("hildes"))) {
        return ERR_DENIED;
    }
    out->name = arena_dup(a, SPAN("hilde@example.org"));
    return ERR_OK;
}

// A token of our own, of hilde's device.
static enum err own_token(struct store *s, const struct auth_claim *claim, struct auth_grant *out)
{
    struct device d;
    struct arena arena;

    if (!span_eq(claim->password, SPAN("mkt_hilde"))) {
        return ERR_DENIED;
    }
    arena_init(&arena, 16384);
    assert_ok(device_get(s, f.hilde, f.device, &arena, &d));
    *out =
        (struct auth_grant){.account = f.hilde, .device = f.device, .mark = auth_device_mark(&d)};
    arena_finish(&arena);
    return ERR_OK;
}

static account_id add(const char *name)
{
    struct buf hash;
    account_id id;

    buf_init(&hash, PASSWORD_HASH_MAX);
    assert_ok(password_hash(SPAN("correct horse battery"), &cheap, &hash));
    assert_ok(
        directory_account_add(f.store, &admin, span_from_str(name), buf_span(&hash), false, &id));
    buf_finish(&hash);
    return id;
}

static void add_device(void)
{
    char chars[APP_PASSWORD_CHARS];
    unsigned char digest[DEVICE_DIGEST_BYTES];
    struct device d = {
        .scope = DEVICE_MAIL, .name = SPAN("desk"), .secret = span_of(digest, sizeof(digest))};

    app_password_make(f.key);
    assert_true(app_password_read(span_of(f.key, sizeof(f.key)), chars));
    assert_ok(app_password_digest(chars, digest));
    assert_ok(device_add(f.store, f.hilde, &admin, &d, &f.device));
}

static int setup(void **state)
{
    struct role reader = {
        .name = SPAN("reader"), .words = SPAN("reads"), .rights = RIGHT_READ_MAIL};
    struct store_options so;
    struct auth_options ao;

    (void)state;
    assert_ok(engine_memory_open(&f.engine));
    store_options_default(&so);
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    f.hilde = add("hilde@example.org");
    f.anna = add("anna@example.org");
    add_device();
    assert_ok(role_add(f.store, &admin, &reader));
    assert_ok(role_grant(f.store, &admin, f.hilde, SPAN("reader"), NULL, 0, NULL));
    auth_options_default(&ao);
    ao.params = cheap;
    ao.default_domain = SPAN("example.org");
    ao.throttle.failures_max = 100;
    ao.own_token = own_token;
    ao.vouch.ask = vouch;
    ao.reads_as = true;
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

static void turn_on(void)
{
    unsigned char digests[RECOVERY_CODES][TOTP_ROW_DIGEST_BYTES], secret[TOTP_SECRET_BYTES];
    char recovery[RECOVERY_TEXT_BYTES], code_text[TOTP_DIGITS + 1];
    struct second_factor_code c;
    struct totp_attempt first;
    uint32_t code;

    totp_secret_make(secret);
    for (unsigned i = 0; i < RECOVERY_CODES; i++) {
        assert_ok(recovery_code_make(recovery, digests[i]));
    }
    assert_ok(totp_row_begin(f.store, f.hilde, &admin, secret));
    assert_ok(hotp_code(span_of(secret, sizeof(secret)), 1000, TOTP_DIGITS, &code));
    snprintf(code_text, sizeof(code_text), "%06u", code);
    assert_true(second_factor_attempt(span_from_str(code_text), 1000 * TOTP_STEP_S, &c, &first));
    assert_ok(totp_row_confirm(f.store, f.hilde, &admin, &first,
                               (const unsigned char(*)[TOTP_ROW_DIGEST_BYTES])digests,
                               RECOVERY_CODES));
}

// A token, for hilde herself or for anna's account.
static enum err by_token(const char *token, const char *name, struct auth_grant *out)
{
    struct auth_claim claim = {.name = span_from_str(name),
                               .password = span_from_str(token),
                               .remote = SPAN("192.0.2.1"),
                               .service = AUTH_IMAP,
                               .acting_as = span_from_str(name)};

    return auth_bearer(f.auth, &claim, out);
}

// What proves it is asked, whatever was proved before.
static enum err read_as(struct auth_grant *grant)
{
    struct auth_claim claim = {.name = SPAN("hilde@example.org"),
                               .remote = SPAN("192.0.2.1"),
                               .service = AUTH_IMAP,
                               .acting_as = SPAN("anna@example.org")};

    return auth_read_as(f.auth, &claim, grant);
}

static void assert_wants_factor(enum err e, const struct auth_grant *g)
{
    assert_err(e, ERR_DENIED);
    assert_non_null(g->why);
    assert_non_null(strstr(g->why, "second factor"));
    assert_int_equal(g->opened, 0);
}

static void test_l66_an_outside_providers_token_opens_nobody_elses(void **state)
{
    struct auth_grant g;

    (void)state;
    assert_ok(by_token("hildes", "", &g));
    assert_true(g.is_by_token && g.account == f.hilde && g.device == 0);
    assert_ok(by_token("hildes", "hilde", &g));
    assert_wants_factor(by_token("hildes", "anna", &g), &g);
    turn_on(); // she has one, but what the provider asked for is not known
    assert_wants_factor(by_token("hildes", "anna", &g), &g);
    assert_wants_factor(by_token("hildes", "nobody", &g), &g); // the same words
    assert_ok(by_token("hildes", "hilde", &g));
    assert_int_equal(g.opened, 0);
    assert_ok(by_token("mkt_hilde", "anna", &g)); // for ours a code was asked
    assert_true(g.opened == f.anna && g.is_read_only);
}

static void test_l66_nor_does_the_own_password_or_a_code(void **state)
{
    struct auth_grant g = {.account = f.hilde};

    (void)state;
    turn_on();
    assert_wants_factor(read_as(&g), &g);
    g = (struct auth_grant){.account = f.hilde, .by_code = true};
    assert_wants_factor(read_as(&g), &g);
    g = (struct auth_grant){.account = f.hilde, .is_by_token = true};
    assert_wants_factor(read_as(&g), &g);
    g = (struct auth_grant){.account = f.hilde, .device = f.device};
    assert_ok(read_as(&g));
    assert_true(g.opened == f.anna && g.opened_with == RIGHT_READ_MAIL && g.is_read_only);
}

// The same of a session that is open, and between the right password and the session.
static void test_l66_it_holds_for_as_long_as_all_of_it_does(void **state)
{
    struct auth_identity reader, opened;
    struct device d;
    struct arena a;

    (void)state;
    arena_init(&a, 65536);
    turn_on();
    assert_ok(device_get(f.store, f.hilde, f.device, &a, &d));
    struct auth_grant g = {.account = f.hilde,
                           .device = f.device,
                           .mark = auth_device_mark(&d),
                           .opened = f.anna,
                           .opened_with = RIGHT_READ_MAIL};
    struct auth_grant stranger = g;

    assert_ok(auth_reader_holds(f.auth, &g, &a, &reader, &opened));
    assert_span(reader.user, "hilde@example.org");
    assert_span(opened.user, "anna@example.org");
    struct account hilde;

    assert_ok(directory_account_by_id(f.store, f.hilde, &a, &hilde));
    stranger.device = 0;
    stranger.is_by_token = true;
    stranger.mark = auth_mark(&hilde);
    assert_ok(auth_grant_holds(f.store, &stranger, &a, &reader));
    assert_err(auth_reader_holds(f.auth, &stranger, &a, &reader, &opened), ERR_DENIED);
    struct auth_grant more = g;

    more.opened_with |= RIGHT_CHANGE_MAIL;
    assert_err(auth_reader_holds(f.auth, &more, &a, &reader, &opened), ERR_DENIED);
    assert_ok(directory_account_set_state(f.store, &admin, f.anna, ACCOUNT_SUSPENDED));
    assert_err(auth_reader_holds(f.auth, &g, &a, &reader, &opened), ERR_DENIED);
    assert_ok(directory_account_set_state(f.store, &admin, f.anna, ACCOUNT_ACTIVE));
    assert_ok(auth_reader_holds(f.auth, &g, &a, &reader, &opened));
    assert_ok(role_revoke(f.store, &admin, f.hilde, SPAN("reader"), NULL, 0));
    assert_err(auth_reader_holds(f.auth, &g, &a, &reader, &opened), ERR_DENIED);
    assert_ok(auth_grant_holds(f.store, &g, &a, &reader)); // her own goes on
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_l66_an_outside_providers_token_opens_nobody_elses,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_l66_nor_does_the_own_password_or_a_code, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_l66_it_holds_for_as_long_as_all_of_it_does, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
