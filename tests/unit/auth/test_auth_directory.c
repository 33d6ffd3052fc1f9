// SPDX-License-Identifier: Apache-2.0
//
// L26 to L28. Passwords that a directory checks (auth/vouch.h): who is asked about whom, what comes
// of each answer, what is remembered, and what the directory has said of whoever came in.
#include "../test.h"
#include "auth/auth.h"
#include "base/log.h"
#include "engine/memory/memory.h"
#include "store/route.h"

struct fixture {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    account_id anna, own, away;
    // What the directory is like.
    bool is_away;
    const char *password; // of everybody whom it knows
    // What it was asked and what was heard.
    unsigned asked, told;
    char last_name[100], said_name[100], said_groups[100];
    enum err made;
};

static const struct actor admin = {.kind = ACTOR_ADMIN};
static struct fixture f;

static enum err ask(void *arg, const struct auth_vouch_question *q, struct arena *a,
                    struct auth_vouch_answer *out)
{
    struct fixture *x = arg;

    x->asked++;
    assert_int_equal(q->kind, AUTH_VOUCH_PASSWORD);
    assert_true(q->secret.n > 0);
    span_copy_text(q->name, x->last_name, sizeof(x->last_name));
    *out = (struct auth_vouch_answer){.words = SPAN("words"),
                                      .groups = arena_dup(a, SPAN("cn=g,dc=x")),
                                      .knows_groups = true,
                                      .quota = 4711};
    if (x->is_away) {
        return ERR_UNAVAILABLE;
    }
    return span_eq(q->secret, span_from_str(x->password)) ? ERR_OK : ERR_DENIED;
}

static enum err make(void *arg, struct span name)
{
    struct fixture *x = arg;
    account_id id;

    return x->made != ERR_OK ? x->made
                             : directory_account_add(x->store, &admin, name,
                                                     SPAN(PASSWORD_OF_DIRECTORY), false, &id);
}

static void said(void *arg, struct span name, const struct auth_vouch_answer *answer)
{
    struct fixture *x = arg;
    account_id id;

    x->told++;
    span_copy_text(name, x->said_name, sizeof(x->said_name));
    span_copy_text(answer->groups, x->said_groups, sizeof(x->said_groups));
    assert_int_equal(answer->quota, 4711);
    assert_ok(directory_id_by_name(x->store, name, &id)); // there by then
}

static void open_auth(bool makes)
{
    struct auth_options o;

    auth_options_default(&o);
    o.params = (struct password_params){.memory_kib = 8, .passes = 1, .lanes = 1};
    o.default_domain = SPAN("example.org");
    o.throttle.failures_max = 4;
    o.vouch = (struct auth_vouch){.ask = ask, .make = makes ? make : NULL, .said = said, .arg = &f};
    assert_ok(auth_create(f.store, &o, &f.auth));
}

static account_id add(const char *name, struct span hash)
{
    account_id id;

    assert_ok(directory_account_add(f.store, &admin, span_from_str(name), hash, false, &id));
    return id;
}

static int setup(void **state)
{
    const struct password_params params = {.memory_kib = 8, .passes = 1, .lanes = 1};
    struct store_options so;
    struct buf hash;

    log_set_level(LOG_ERROR);
    f = (struct fixture){.password = "right", .made = ERR_OK};
    assert_ok(engine_memory_open(&f.engine));
    store_options_default(&so);
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    buf_init(&hash, PASSWORD_HASH_MAX);
    assert_ok(password_hash(SPAN("my own"), &params, &hash));
    f.anna = add("anna@example.org", SPAN(PASSWORD_OF_DIRECTORY));
    f.own = add("own@example.org", buf_span(&hash));
    f.away = add("away@example.org", SPAN(PASSWORD_OF_NOBODY));
    buf_finish(&hash);
    open_auth(false);
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

static void with_makes(void)
{
    auth_destroy(f.auth);
    open_auth(true);
}

static enum err sign_in(const char *name, const char *password, struct auth_grant *out)
{
    const struct auth_claim claim = {span_from_str(name), span_from_str(password),
                                     SPAN("192.0.2.1"), AUTH_IMAP, SPAN("")};

    return auth_password(f.auth, &claim, out);
}

// ---- tests --------------------------------------------------------------------------------------

static void test_yes_and_no(void **state)
{
    struct auth_grant g;
    struct auth_identity who;
    struct arena a;

    (void)state;
    assert_err(sign_in("Anna", "right", &g), ERR_OK);
    assert_int_equal(g.account, f.anna);
    assert_string_equal(f.last_name, "anna@example.org"); // one spelling
    assert_string_equal(f.said_name, "anna@example.org");
    assert_string_equal(f.said_groups, "cn=g,dc=x");
    arena_init(&a, 16384);
    assert_ok(auth_grant_holds(f.store, &g, &a, &who));
    arena_finish(&a);
    assert_err(sign_in("anna", "wrong", &g), ERR_DENIED);
    assert_int_equal(g.account, 0);
    assert_int_equal(f.told, 1); // nothing is told of a no
}

static void test_a_yes_is_remembered_and_a_no_is_not(void **state)
{
    struct auth_grant g;

    (void)state;
    assert_err(sign_in("anna", "right", &g), ERR_OK);
    assert_err(sign_in("anna", "right", &g), ERR_OK);
    assert_int_equal(f.asked, 1);
    assert_int_equal(f.told, 1);
    assert_err(sign_in("anna", "wrong", &g), ERR_DENIED);
    assert_err(sign_in("anna", "wrong", &g), ERR_DENIED);
    assert_int_equal(f.asked, 3);
    // A password that was changed there is good at once.
    f.password = "new";
    assert_err(sign_in("anna", "new", &g), ERR_OK);
}

// Only those whose password is the directory's are asked about, whatever it would say.
static void test_who_is_asked_about(void **state)
{
    struct auth_grant g;

    (void)state;
    assert_err(sign_in("own", "right", &g), ERR_DENIED);
    assert_err(sign_in("own", "my own", &g), ERR_OK);
    assert_err(sign_in("away", "right", &g), ERR_DENIED);
    assert_err(sign_in("nobody", "right", &g), ERR_DENIED); // accounts are not made
    assert_err(sign_in("anna@elsewhere.example", "right", &g), ERR_DENIED);
    assert_err(sign_in("a b@@c", "right", &g), ERR_DENIED);
    assert_err(sign_in("anna", "", &g), ERR_DENIED); // L26
    assert_int_equal(f.asked, 0);
    assert_ok(directory_account_set_state(f.store, &admin, f.anna, ACCOUNT_SUSPENDED));
    assert_err(sign_in("anna", "right", &g), ERR_DENIED);
    assert_int_equal(f.asked, 0);
}

static void test_an_account_is_made_at_a_yes(void **state)
{
    struct auth_grant g;
    account_id id;

    (void)state;
    with_makes();
    assert_err(sign_in("carl", "wrong", &g), ERR_DENIED);
    assert_err(directory_id_by_name(f.store, SPAN("carl@example.org"), &id), ERR_NOT_FOUND);
    assert_err(sign_in("carl", "right", &g), ERR_OK);
    assert_ok(directory_id_by_name(f.store, SPAN("carl@example.org"), &id));
    assert_int_equal(g.account, id);
    assert_true(g.mark != 0);
    assert_string_equal(f.said_name, "carl@example.org");
    // The grant is of the account as it is now.
    assert_err(sign_in("carl", "right", &g), ERR_OK);
    assert_int_equal(g.account, id);
    // Who is not known any more is not made a second time, nor asked about.
    unsigned asked = f.asked;

    assert_err(sign_in("away", "right", &g), ERR_DENIED);
    assert_int_equal(f.asked, asked);
}

static void test_an_account_that_cannot_be_made(void **state)
{
    struct auth_grant g;

    (void)state;
    with_makes();
    f.made = ERR_NOT_FOUND; // the domain is not ours
    assert_err(sign_in("carl", "right", &g), ERR_DENIED);
    f.made = ERR_EXISTS; // an alias
    assert_err(sign_in("carl", "right", &g), ERR_DENIED);
    f.made = ERR_UNAVAILABLE;
    assert_err(sign_in("dora", "right", &g), ERR_UNAVAILABLE);
    assert_int_equal(f.told, 0);
}

// Somebody else was faster, and made it with a password of its own: that counts.
static enum err make_own(void *arg, struct span name)
{
    struct fixture *x = arg;
    account_id id;

    return directory_account_add(x->store, &admin, name, SPAN("$argon2id$x"), false, &id);
}

static void test_an_account_that_is_made_otherwise_meanwhile(void **state)
{
    struct auth_options o;
    struct auth_grant g;

    (void)state;
    auth_destroy(f.auth);
    auth_options_default(&o);
    o.params = (struct password_params){.memory_kib = 8, .passes = 1, .lanes = 1};
    o.default_domain = SPAN("example.org");
    o.vouch = (struct auth_vouch){.ask = ask, .make = make_own, .arg = &f};
    assert_ok(auth_create(f.store, &o, &f.auth));
    assert_err(sign_in("carl", "right", &g), ERR_DENIED);
    assert_int_equal(g.account, 0);
}

// L28: nobody is locked out for it, and nothing is remembered.
static void test_a_directory_that_is_away(void **state)
{
    struct auth_grant g;

    (void)state;
    assert_err(sign_in("anna", "right", &g), ERR_OK);
    f.is_away = true;
    for (unsigned i = 0; i < 10; i++) {
        assert_err(sign_in("anna", "other", &g), ERR_UNAVAILABLE);
        assert_int_equal(g.account, 0);
    }
    assert_err(sign_in("anna", "right", &g), ERR_OK); // known to be good
    assert_err(sign_in("own", "my own", &g), ERR_OK); // not held up
    f.is_away = false;
    assert_err(sign_in("anna", "wrong", &g), ERR_DENIED);
    f.password = "other";
    assert_err(sign_in("anna", "other", &g), ERR_OK);
}

// Guessing is slowed down as anywhere, and then the directory is not asked.
static void test_guessing(void **state)
{
    struct auth_grant g;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        char word[20];

        snprintf(word, sizeof(word), "guess%u", i);
        assert_err(sign_in("anna", word, &g), ERR_DENIED);
    }
    unsigned asked = f.asked;

    assert_err(sign_in("anna", "right", &g), ERR_LIMIT);
    assert_int_equal(f.asked, asked);
}

// Put out or given a password of its own between the answer and the session: the grant is void.
static void test_what_changes_after_the_answer(void **state)
{
    struct auth_identity who;
    struct auth_grant g;
    struct arena a;

    (void)state;
    arena_init(&a, 16384);
    assert_err(sign_in("anna", "right", &g), ERR_OK);
    assert_ok(directory_account_renew_hash(f.store, &admin, f.anna, SPAN(PASSWORD_OF_DIRECTORY),
                                           SPAN(PASSWORD_OF_NOBODY)));
    assert_err(auth_grant_holds(f.store, &g, &a, &who), ERR_DENIED);
    assert_err(sign_in("anna", "right", &g), ERR_DENIED); // though it is remembered
    arena_finish(&a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_yes_and_no),
        T(test_a_yes_is_remembered_and_a_no_is_not),
        T(test_who_is_asked_about),
        T(test_an_account_is_made_at_a_yes),
        T(test_an_account_that_cannot_be_made),
        T(test_an_account_that_is_made_otherwise_meanwhile),
        T(test_a_directory_that_is_away),
        T(test_guessing),
        T(test_what_changes_after_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
