// SPDX-License-Identifier: Apache-2.0
//
// Scopes, PKCE (RFC 7636), user codes, and tokens of our own: what is taken for one, and what a
// device in between means for it.
#include "../test.h"
#include "auth/oauth/oauth_rules.h"
#include "auth/token_own.h"
#include "base/clock.h"
#include "engine/memory/memory.h"
#include "store/secret.h"

static const struct actor admin = {.kind = ACTOR_ADMIN};

// ---- rules --------------------------------------------------------------------------------------

static void test_scopes(void **state)
{
    static const struct {
        const char *text;
        int64_t scope; // -1: refused
        const char *written;
    } cases[] = {
        {"", DEVICE_MAIL, "imap smtp pop3 sieve jmap"},
        {"mail", DEVICE_MAIL, "imap smtp pop3 sieve jmap"},
        {"imap smtp", DEVICE_IMAP | DEVICE_SUBMISSION, "imap smtp"},
        {"smtp  imap imap", DEVICE_IMAP | DEVICE_SUBMISSION, "imap smtp"},
        {"imap read-only", DEVICE_IMAP | DEVICE_READ_ONLY, "imap read-only"},
        {"imap smtp read-only", DEVICE_IMAP | DEVICE_READ_ONLY, "imap read-only"},
        {"read-only", (DEVICE_MAIL & ~DEVICE_SUBMISSION) | DEVICE_READ_ONLY,
         "imap pop3 sieve jmap read-only"},
        {"smtp read-only", -1, ""},
        {"imap admin", -1, ""},
        {"web", -1, ""},
        {"IMAP", -1, ""},
        {"imap\tsmtp", -1, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned scope = 0;
        bool ok = oauth_scope_read(span_from_str(cases[i].text), &scope);
        struct buf b;

        assert_int_equal(ok, cases[i].scope >= 0);
        if (ok) {
            buf_init(&b, 100);
            oauth_scope_put(&b, scope);
            assert_int_equal(scope, cases[i].scope);
            assert_true(span_eq(buf_span(&b), span_from_str(cases[i].written)));
            buf_finish(&b);
        }
    }
    assert_true(oauth_scope_is_within(DEVICE_IMAP, DEVICE_MAIL));
    assert_true(oauth_scope_is_within(DEVICE_IMAP | DEVICE_READ_ONLY, DEVICE_MAIL));
    assert_false(oauth_scope_is_within(DEVICE_MAIL, DEVICE_IMAP));
    assert_false(oauth_scope_is_within(DEVICE_IMAP, DEVICE_IMAP | DEVICE_READ_ONLY));
}

static void test_pkce(void **state)
{
    // RFC 7636 appendix B
    struct span verifier = SPAN("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                challenge = SPAN("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    char long_one[129];

    (void)state;
    assert_true(oauth_verifier_fits(verifier, challenge));
    assert_false(oauth_verifier_fits(challenge, challenge)); // that would be "plain"
    assert_false(oauth_verifier_fits(span_first(verifier, 42), challenge));
    assert_false(oauth_verifier_fits(SPAN(""), challenge));
    assert_false(oauth_verifier_fits(verifier, SPAN("")));
    memset(long_one, 'a', sizeof(long_one));
    assert_false(oauth_verifier_fits(span_of(long_one, sizeof(long_one)), challenge));
    assert_true(oauth_challenge_is_valid(challenge));
    assert_false(oauth_challenge_is_valid(span_first(challenge, 42)));
    assert_false(oauth_challenge_is_valid(SPAN("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")));
}

static void test_user_codes(void **state)
{
    char code[OAUTH_USER_CODE_CHARS], again[OAUTH_USER_CODE_CHARS],
        text[OAUTH_USER_CODE_TEXT_BYTES];

    (void)state;
    for (int i = 0; i < 200; i++) {
        oauth_user_code_make(code);
        oauth_user_code_show(code, text);
        assert_true(oauth_user_code_read(span_of(text, sizeof(text)), again));
        assert_memory_equal(code, again, sizeof(code));
    }
    assert_true(oauth_user_code_read(SPAN(" bcdf ghjk "), again));
    assert_memory_equal(again, "BCDFGHJK", sizeof(again));
    assert_false(oauth_user_code_read(SPAN("BCDF-GHJ"), again));
    assert_false(oauth_user_code_read(SPAN("BCDF-GHJKL"), again));
    assert_false(oauth_user_code_read(SPAN("ABCD-EFGH"), again));
    assert_false(oauth_user_code_read(span_of("BCDFGHJ\0", 8), again));
}

// ---- tokens -------------------------------------------------------------------------------------

static void test_tokens_are_read_back(void **state)
{
    static const char key[OAUTH_KEY_BYTES] = "0123456789abcde", other[OAUTH_KEY_BYTES] = "x";
    const struct oauth_place place = {
        .account = 5, .family = OAUTH_FAMILY_MAX, .generation = OAUTH_GENERATION_MAX};
    char text[OAUTH_TOKEN_TEXT_BYTES], two[OAUTH_TOKEN_TEXT_BYTES];
    enum oauth_token_kind kind;
    struct oauth_place got;

    (void)state;
    assert_ok(oauth_token_make(key, OAUTH_REFRESH_TOKEN, &place, text));
    assert_ok(oauth_token_read(key, span_of(text, sizeof(text)), &kind, &got));
    assert_int_equal(kind, OAUTH_REFRESH_TOKEN);
    assert_true(got.account == 5 && got.family == place.family &&
                got.generation == place.generation);
    assert_false(oauth_token_is_own(span_of(text, sizeof(text)))); // no access token
    memcpy(text, "mkt_", 4); // one kind is not taken for the other
    assert_err(oauth_token_read(key, span_of(text, sizeof(text)), &kind, &got), ERR_INVALID);
    assert_ok(oauth_token_make(key, OAUTH_ACCESS_TOKEN, &place, text));
    assert_ok(oauth_token_make(key, OAUTH_ACCESS_TOKEN, &place, two));
    assert_memory_not_equal(text + 26, two + 26, sizeof(text) - 26);
    assert_true(oauth_token_is_own(span_of(text, sizeof(text))));
    assert_int_equal(oauth_token_read(other, span_of(text, sizeof(text)), &kind, &got) == ERR_OK &&
                         got.account == 5,
                     false);
    assert_err(oauth_token_read(key, span_of(text, sizeof(text) - 1), &kind, &got), ERR_INVALID);
    text[30] = '=';
    assert_err(oauth_token_read(key, span_of(text, sizeof(text)), &kind, &got), ERR_INVALID);
}

struct fixture {
    struct engine *engine;
    struct store *store;
    account_id anna;
    uint32_t device;
    char token[OAUTH_TOKEN_TEXT_BYTES];
};

static void issue(struct fixture *f, unsigned scope)
{
    char key[SECRET_BYTES], digest[OAUTH_DIGEST_BYTES];
    struct oauth_place place = {.account = f->anna, .family = 7, .generation = 1};
    struct device d = {
        .scope = scope, .name = SPAN("Thunderbird"), .secret = span_of(digest, sizeof(digest))};
    struct oauth_family family = {.id = 7,
                                  .client = SPAN("thunderbird"),
                                  .until = 5000000000,
                                  .refresh = span_of("0123456789abcdef0123456789abcdef", 32),
                                  .access_count = 1};

    assert_ok(store_secret(f->store, OAUTH_SECRET_NAME, key));
    assert_ok(oauth_token_make(key, OAUTH_ACCESS_TOKEN, &place, f->token));
    oauth_digest(span_of(f->token, sizeof(f->token)), digest);
    family.access[0] =
        (struct oauth_access){.until = 4000000000, .digest = span_of(digest, sizeof(digest))};
    assert_ok(oauth_family_add(f->store, f->anna, &admin, &d, &family, &f->device));
}

static int setup(void **state)
{
    static struct fixture f;
    struct store_options so;

    assert_ok(engine_memory_open(&f.engine));
    store_options_default(&so);
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    assert_ok(
        directory_account_add(f.store, &admin, SPAN("anna@example.org"), SPAN(""), false, &f.anna));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    engine_close(f->engine);
    return 0;
}

static enum err ask(struct fixture *f, enum auth_service service, struct auth_grant *out)
{
    struct auth_claim c = {.password = span_of(f->token, sizeof(f->token)),
                           .remote = SPAN("192.0.2.1"),
                           .service = service};

    return auth_token_own(f->store, &c, out);
}

static void test_a_token_opens_what_its_device_may(void **state)
{
    struct fixture *f = *state;
    struct auth_identity who;
    struct auth_grant g;
    struct arena a;

    issue(f, DEVICE_IMAP | DEVICE_READ_ONLY);
    assert_ok(ask(f, AUTH_IMAP, &g));
    assert_true(g.account == f->anna && g.device == f->device && g.is_read_only);
    arena_init(&a, 10000);
    assert_ok(auth_grant_holds(f->store, &g, &a, &who));
    assert_true(span_eq(who.device_name, SPAN("Thunderbird")));
    arena_finish(&a);
    assert_err(ask(f, AUTH_SUBMISSION, &g), ERR_DENIED);
    assert_non_null(g.why);
    assert_err(ask(f, AUTH_WEB, &g), ERR_DENIED);
}

static void test_a_token_ends(void **state)
{
    struct fixture *f = *state;
    struct auth_grant g;

    issue(f, DEVICE_MAIL);
    assert_ok(ask(f, AUTH_IMAP, &g));
    clock_test_fix_real(4000000000);
    assert_err(ask(f, AUTH_IMAP, &g), ERR_DENIED);
    assert_null(g.why);
    clock_test_fix_real(-1);
    assert_ok(device_set_state(f->store, f->anna, &admin, f->device, DEVICE_BLOCKED));
    assert_err(ask(f, AUTH_IMAP, &g), ERR_DENIED);
    assert_non_null(g.why);
    assert_ok(device_set_state(f->store, f->anna, &admin, f->device, DEVICE_ACTIVE));
    assert_ok(oauth_family_end(f->store, f->anna, &admin, 7));
    assert_err(ask(f, AUTH_IMAP, &g), ERR_DENIED);
    assert_ok(device_remove(f->store, f->anna, &admin, f->device));
    assert_err(ask(f, AUTH_IMAP, &g), ERR_DENIED);
}

// L40
static void test_a_token_that_differs_in_one_bit_is_none(void **state)
{
    struct fixture *f = *state;
    struct auth_grant g;

    issue(f, DEVICE_MAIL);
    for (size_t i = 4; i < sizeof(f->token); i++) {
        char was = f->token[i];

        f->token[i] = was == 'A' ? 'B' : 'A';
        assert_err(ask(f, AUTH_IMAP, &g), ERR_DENIED);
        assert_null(g.why);
        f->token[i] = was;
    }
    assert_ok(ask(f, AUTH_IMAP, &g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_pkce),
        cmocka_unit_test(test_user_codes),
        cmocka_unit_test(test_tokens_are_read_back),
        cmocka_unit_test_setup_teardown(test_a_token_opens_what_its_device_may, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_token_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_token_that_differs_in_one_bit_is_none, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("auth oauth", tests, NULL, NULL);
}
