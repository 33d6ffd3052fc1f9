// SPDX-License-Identifier: Apache-2.0
//
// Tokens as a way in (L23, L24): ours by a lookup, others by who vouches for them.
#include "../test.h"
#include "auth/bearer.h"
#include "base/clock.h"
#include "engine/memory/memory.h"

struct fixture {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    account_id anna, berta;
};

static const struct actor admin = {.kind = ACTOR_ADMIN};
static struct fixture f;

// Tokens of our own as the test has issued them: anna's for IMAP, and one whose lookup fails.
static enum err own_token(struct store *s, const struct auth_claim *claim, struct auth_grant *out)
{
    struct span token = claim->password;
    struct account account;
    struct arena arena;

    if (span_eq(token, SPAN("mkt_broken"))) {
        return ERR_IO;
    }
    if (span_eq(token, SPAN("mkt_later"))) {
        out->why = "This token is not for this service";
        return ERR_DENIED;
    }
    if (!span_eq(token, SPAN("mkt_anna")) || claim->service != AUTH_IMAP) {
        return ERR_DENIED;
    }
    arena_init(&arena, 16384);
    assert_ok(directory_account_by_id(s, f.anna, &arena, &account));
    *out = (struct auth_grant){
        .account = f.anna, .mark = auth_mark(&account), .until_ms = clock_real_ms() + 3600000};
    arena_finish(&arena);
    return ERR_OK;
}

// Somebody elsewhere: what the token is called is what they say of it.
static unsigned questions;

static enum err vouch(void *arg, const struct auth_vouch_question *q, struct arena *a,
                      struct auth_vouch_answer *out)
{
    (void)arg;
    questions++;
    assert_int_equal(q->kind, AUTH_VOUCH_TOKEN);
    *out = (struct auth_vouch_answer){.words = SPAN("words")};
    if (span_starts(q->secret, SPAN("yes:"))) {
        out->name = arena_dup(a, span_skip(q->secret, 4));
        out->valid_until_ms = 1;
        return ERR_OK;
    }
    return span_eq(q->secret, SPAN("away")) ? ERR_UNAVAILABLE : ERR_DENIED;
}

static void open_auth(auth_own_token_fn *own)
{
    struct auth_options ao;

    auth_options_default(&ao);
    ao.params = (struct password_params){.memory_kib = 64, .passes = 1, .lanes = 1};
    ao.default_domain = SPAN("example.org");
    ao.throttle.failures_max = 3;
    ao.own_token = own;
    ao.vouch.ask = own ? vouch : NULL;
    assert_ok(auth_create(f.store, &ao, &f.auth));
}

static int setup(void **state)
{
    struct store_options so;

    assert_ok(engine_memory_open(&f.engine));
    store_options_default(&so);
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    assert_ok(
        directory_account_add(f.store, &admin, SPAN("anna@example.org"), SPAN(""), false, &f.anna));
    assert_ok(directory_account_add(f.store, &admin, SPAN("berta@example.org"), SPAN(""), false,
                                    &f.berta));
    open_auth(own_token);
    *state = &f;
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

static enum err sign_in(const char *name, const char *token, struct auth_grant *out)
{
    struct auth_claim claim = {span_from_str(name), span_from_str(token), SPAN("192.0.2.1"),
                               AUTH_IMAP};

    return auth_bearer(f.auth, &claim, out);
}

static void test_own_tokens(void **state)
{
    static const struct {
        const char *name, *token;
        enum err want;
        bool has_why;
    } cases[] = {
        {"", "mkt_anna", ERR_OK, false}, // the token says it alone
        {"anna@example.org", "mkt_anna", ERR_OK, false},
        {"ANNA", "mkt_anna", ERR_OK, false},
        {"berta", "mkt_anna", ERR_DENIED, true},
        {"nobody", "mkt_anna", ERR_DENIED, true},
        {"a b@@c", "mkt_anna", ERR_DENIED, true},
        {"?", "mkt_anna", ERR_DENIED, true},
        {"anna", "mkt_other", ERR_DENIED, false},
        {"anna", "mkt_", ERR_DENIED, false},
        {"anna", "mkt_later", ERR_DENIED, true},
        {"anna", "mkt_broken", ERR_UNAVAILABLE, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct auth_grant g;
        enum err e = sign_in(cases[i].name, cases[i].token, &g);

        if (e != cases[i].want || (g.why != NULL) != cases[i].has_why) {
            fail_msg("case %zu: %s, %s", i, err_name(e), g.why ? g.why : "-");
        }
        if (e == ERR_OK) {
            assert_true(g.account == f.anna && g.until_ms > clock_real_ms());
        }
    }
}

static void test_tokens_of_others(void **state)
{
    static const struct {
        const char *name, *token;
        enum err want;
        bool has_why;
    } cases[] = {
        {"", "yes:anna@example.org", ERR_OK, false},
        {"anna", "yes:ANNA@Example.ORG", ERR_OK, false},
        {"anna", "yes:anna", ERR_OK, false}, // our domain is added, as to what people type
        {"berta", "yes:anna@example.org", ERR_DENIED, true},
        {"", "yes:nobody@example.org", ERR_DENIED, true},
        {"", "yes:anna@elsewhere.example", ERR_DENIED, true},
        {"", "yes:a b@@c", ERR_DENIED, true},
        {"", "yes:", ERR_DENIED, true},
        {"anna", "no", ERR_DENIED, false},
        {"anna", "away", ERR_UNAVAILABLE, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct auth_grant g;
        enum err e = sign_in(cases[i].name, cases[i].token, &g);

        if (e != cases[i].want || (g.why != NULL) != cases[i].has_why) {
            fail_msg("case %zu: %s, %s", i, err_name(e), g.why ? g.why : "-");
        }
        if (e == ERR_OK) {
            assert_true(g.account == f.anna && g.is_by_token && g.until_ms == 1);
        }
    }
    assert_ok(auth_bearer_again(f.auth, SPAN("yes:anna@example.org"), f.anna));
    assert_err(auth_bearer_again(f.auth, SPAN("yes:anna@example.org"), f.berta), ERR_DENIED);
    assert_err(auth_bearer_again(f.auth, SPAN("yes:gone@example.org"), f.anna), ERR_DENIED);
    assert_err(auth_bearer_again(f.auth, SPAN("no"), f.anna), ERR_DENIED);
    assert_err(auth_bearer_again(f.auth, SPAN("away"), f.anna), ERR_UNAVAILABLE);
}

// Who is locked out makes us ask nobody.
static void test_locked_out_asks_nobody(void **state)
{
    struct auth_grant g;
    char token[32];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        snprintf(token, sizeof(token), "no%u", i);
        assert_err(sign_in("anna", token, &g), ERR_DENIED);
    }
    questions = 0;
    assert_err(sign_in("anna", "yes:anna@example.org", &g), ERR_LIMIT);
    assert_err(sign_in("anna", "no", &g), ERR_LIMIT);
    assert_int_equal(questions, 0);
    assert_ok(sign_in("berta", "yes:berta@example.org", &g));
}

static void test_none_without_a_lookup(void **state)
{
    struct auth_grant g;

    (void)state;
    auth_destroy(f.auth);
    open_auth(NULL);
    assert_err(sign_in("anna", "mkt_anna", &g), ERR_DENIED);
    assert_err(sign_in("anna", "something.else", &g), ERR_DENIED);
}

static void test_suspended_accounts_stay_out(void **state)
{
    struct auth_grant g;

    (void)state;
    assert_ok(directory_account_set_state(f.store, &admin, f.anna, ACCOUNT_SUSPENDED));
    assert_err(sign_in("anna", "mkt_anna", &g), ERR_DENIED);
    assert_null(g.why);
}

static void test_a_grant_ends_with_its_time(void **state)
{
    struct auth_identity who;
    struct auth_grant g;
    struct arena arena;

    (void)state;
    arena_init(&arena, 16384);
    assert_ok(sign_in("anna", "mkt_anna", &g));
    assert_ok(auth_grant_holds(f.store, &g, &arena, &who));
    assert_span(who.user, "anna@example.org");
    g.until_ms = clock_real_ms();
    assert_err(auth_grant_holds(f.store, &g, &arena, &who), ERR_DENIED);
    arena_finish(&arena);
}

// Guesses are slowed as passwords are; whoever has a good token comes in meanwhile.
static void test_guesses_are_slowed(void **state)
{
    struct auth_grant g;
    char token[32];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        snprintf(token, sizeof(token), "mkt_guess%u", i);
        assert_err(sign_in("anna", token, &g), ERR_DENIED);
    }
    assert_err(sign_in("anna", "mkt_guess9", &g), ERR_LIMIT);
    assert_ok(sign_in("anna", "mkt_anna", &g));
    // Without a name, too.
    for (unsigned i = 0; i < 3; i++) {
        snprintf(token, sizeof(token), "guess%u", i);
        assert_err(sign_in("", token, &g), ERR_DENIED);
    }
    assert_err(sign_in("", "guess9", &g), ERR_LIMIT);
    // A token for somebody else, or for something else, is no guess.
    for (unsigned i = 0; i < 10; i++) {
        assert_err(sign_in("berta", "mkt_anna", &g), ERR_DENIED);
    }
}

static void test_longest_token(void **state)
{
    static char text[BEARER_TOKEN_BYTES_MAX + 2];
    struct auth_grant g;

    (void)state;
    memset(text, 'x', BEARER_TOKEN_BYTES_MAX + 1);
    assert_err(sign_in("anna", text, &g), ERR_DENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens_of_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked_out_asks_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_without_a_lookup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suspended_accounts_stay_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_grant_ends_with_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guesses_are_slowed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_longest_token, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
