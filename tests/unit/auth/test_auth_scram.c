// SPDX-License-Identifier: Apache-2.0
//
// Who gets in by SCRAM: devices, accounts' own passwords where they may, nobody else; and what the
// first answer tells (L06).
#include "auth/app_password.h"
#include "auth/auth_scram.h"
#include "auth/scram_credentials.h"
#include "engine/memory/memory.h"
#include "scram_client.h"
#include "store/access/totp_row.h"

static const struct password_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};
static const struct actor admin = {.kind = ACTOR_ADMIN};

struct fixture {
    struct engine *engine;
    struct store *store;
    struct auth_options options;
    struct auth *auth;
    account_id anna;
};

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
    auth_options_default(&f.options);
    f.options.params = cheap;
    f.options.default_domain = SPAN("example.org");
    f.options.throttle.failures_max = 4;
    assert_ok(auth_create(f.store, &f.options, &f.auth));
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

static void set_password(struct fixture *f, struct span password)
{
    struct buf hash;

    buf_init(&hash, PASSWORD_HASH_MAX);
    assert_ok(password_hash(password, &cheap, &hash));
    assert_ok(directory_account_set_password(f->store, &admin, f->anna, buf_span(&hash)));
    buf_finish(&hash);
}

static uint32_t add_device(struct fixture *f, const char *name, unsigned scope, const char *network,
                           char password[APP_PASSWORD_TEXT_BYTES])
{
    char chars[APP_PASSWORD_CHARS], keys[SCRAM_KEY_PAIR_BYTES];
    unsigned char digest[DEVICE_DIGEST_BYTES];
    struct span networks[] = {span_from_str(network ? network : "")};
    struct account account = {.id = f->anna, .name = SPAN("anna@example.org")};
    uint32_t id;

    app_password_make(password);
    assert_true(app_password_read(span_of(password, APP_PASSWORD_TEXT_BYTES), chars));
    assert_ok(app_password_digest(chars, digest));
    assert_ok(
        scram_device_keys(f->store, &account, span_of(password, APP_PASSWORD_TEXT_BYTES), keys));
    struct device d = {.scope = scope,
                       .name = span_from_str(name),
                       .secret = span_of(digest, sizeof(digest)),
                       .scram_keys = span_of(keys, sizeof(keys)),
                       .networks = networks,
                       .network_count = network != NULL};

    assert_ok(device_add(f->store, f->anna, &admin, &d, &id));
    return id;
}

struct attempt {
    const char *first;    // "n,,n=anna,r=x"
    size_t header;        // bytes of it
    struct span binding;  // what the client binds
    struct span told;     // what the gate says that the channel is
    struct span password; // the client's
    enum auth_service service;
};

static enum err try_it(struct fixture *f, const struct attempt *t, struct auth_grant *grant)
{
    struct auth_claim claim = {
        .password = SPAN(""), .remote = SPAN("192.0.2.77"), .service = t->service};
    struct auth_scram *x;
    struct buf answer, last;
    enum err e = auth_scram_begin(f->auth, &claim, span_from_str(t->first), t->told, &x);

    if (e != ERR_OK) {
        return e;
    }
    buf_init(&answer, 4096);
    buf_init(&last, 512);
    scram_answer(span_from_str(t->first), t->header, t->binding, auth_scram_challenge(x),
                 t->password, &answer);
    assert_true(span_eq(auth_scram_claim(x)->remote, claim.remote));
    e = auth_scram_end(f->auth, x, buf_span(&answer), &last, grant);
    assert_true(e != ERR_OK || span_starts(buf_span(&last), SPAN("v=")));
    auth_scram_destroy(x);
    buf_finish(&answer);
    buf_finish(&last);
    return e;
}

static enum err sign_in(struct fixture *f, const char *name, struct span password,
                        enum auth_service service, struct auth_grant *grant)
{
    char first[300];

    snprintf(first, sizeof(first), "n,,n=%s,r=fyko", name);
    struct attempt t = {first, 3, SPAN(""), SPAN(""), password, service};

    return try_it(f, &t, grant);
}

static struct span text_of(const char password[APP_PASSWORD_TEXT_BYTES])
{
    return span_of(password, APP_PASSWORD_TEXT_BYTES);
}

static void test_devices(void **state)
{
    struct fixture *f = *state;
    char phone[APP_PASSWORD_TEXT_BYTES], reader[APP_PASSWORD_TEXT_BYTES];
    char away[APP_PASSWORD_TEXT_BYTES];
    struct auth_identity who;
    struct auth_grant grant;
    struct arena arena;

    arena_init(&arena, 65536);
    set_password(f, SPAN("correct horse"));
    uint32_t one = add_device(f, "phone", DEVICE_MAIL, NULL, phone);
    uint32_t two = add_device(f, "reader", DEVICE_IMAP | DEVICE_READ_ONLY, NULL, reader);
    uint32_t three = add_device(f, "away", DEVICE_MAIL, "2001:db8::/32", away);

    assert_ok(sign_in(f, "anna", text_of(phone), AUTH_IMAP, &grant));
    assert_true(grant.account == f->anna && grant.device == one && !grant.is_read_only);
    assert_ok(auth_grant_holds(f->store, &grant, &arena, &who));
    assert_span(who.device_name, "phone");
    assert_ok(sign_in(f, "ANNA@example.org", text_of(reader), AUTH_IMAP, &grant));
    assert_true(grant.device == two && grant.is_read_only);
    assert_err(sign_in(f, "anna", text_of(reader), AUTH_POP3, &grant), ERR_DENIED);
    assert_true(grant.why && grant.device == two);
    assert_err(sign_in(f, "anna", text_of(away), AUTH_IMAP, &grant), ERR_DENIED);
    assert_true(grant.why && grant.device == three);
    assert_ok(device_set_state(f->store, f->anna, &admin, one, DEVICE_BLOCKED));
    assert_err(sign_in(f, "anna", text_of(phone), AUTH_IMAP, &grant), ERR_DENIED);
    assert_true(grant.why != NULL);
    // Another's, nobody's, a wrong one; and the account's own is none here.
    assert_err(sign_in(f, "berta", text_of(reader), AUTH_IMAP, &grant), ERR_DENIED);
    assert_err(sign_in(f, "anna", SPAN("correct horse"), AUTH_IMAP, &grant), ERR_DENIED);
    assert_null(grant.why);
    assert_int_equal(grant.account, 0);
    arena_finish(&arena);
}

// A06a, A06c
static void test_channel_and_other_lies(void **state)
{
    struct fixture *f = *state;
    char phone[APP_PASSWORD_TEXT_BYTES];
    struct auth_grant grant;

    add_device(f, "phone", DEVICE_MAIL, NULL, phone);
    f->options.throttle.failures_max = 100;
    assert_ok(auth_set_options(f->auth, &f->options));
    const struct {
        struct attempt attempt;
        enum err want;
    } rows[] = {
        {{"p=tls-exporter,,n=anna,r=x", 16, SPAN("key"), SPAN("key")}, ERR_OK},
        {{"p=tls-exporter,,n=anna,r=x", 16, SPAN("key"), SPAN("kez")}, ERR_DENIED},
        {{"p=tls-exporter,,n=anna,r=x", 16, SPAN("key"), SPAN("")}, ERR_DENIED},
        {{"p=tls-server-end-point,,n=anna,r=x", 24, SPAN("crt"), SPAN("crt")}, ERR_OK},
        {{"p=tls-unique,,n=anna,r=x", 14, SPAN("key"), SPAN("key")}, ERR_DENIED},
        {{"n,,n=anna,r=x", 3, SPAN("key"), SPAN("key")}, ERR_DENIED},
        {{"n,,n=anna,r=x", 3, SPAN(""), SPAN("key")}, ERR_OK},
        {{"n,a=anna,n=anna,r=x", 9, SPAN(""), SPAN("")}, ERR_OK},
        {{"n,a=berta,n=anna,r=x", 10, SPAN(""), SPAN("")}, ERR_DENIED},
        {{"n,,n=anna", 3, SPAN(""), SPAN("")}, ERR_INVALID},
        {{"n,,m=1,n=anna,r=x", 3, SPAN(""), SPAN("")}, ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct attempt t = rows[i].attempt;

        t.password = text_of(phone);
        t.service = AUTH_SIEVE;
        enum err e = try_it(f, &t, &grant);

        if (e != rows[i].want) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
    }
}

// Salt and count that a name is told.
static void told(struct fixture *f, const char *name, char out[128])
{
    struct auth_claim claim = {
        .password = SPAN(""), .remote = SPAN("192.0.2.77"), .service = AUTH_IMAP};
    struct auth_scram *x;
    char first[300];

    snprintf(first, sizeof(first), "n,,n=%s,r=fyko", name);
    assert_ok(auth_scram_begin(f->auth, &claim, span_from_str(first), SPAN(""), &x));
    struct span challenge = auth_scram_challenge(x);

    snprintf(out, 128, "%.*s %.*s", SPAN_ARG(scram_attribute(challenge, 's')),
             SPAN_ARG(scram_attribute(challenge, 'i')));
    auth_scram_destroy(x);
}

// A06e
static void test_the_first_answer_tells_nothing(void **state)
{
    struct fixture *f = *state;
    char before[128], after[128], nobody[128], again[128];
    char phone[APP_PASSWORD_TEXT_BYTES];
    struct auth_grant grant;

    told(f, "anna", before);
    told(f, "nobody", nobody);
    assert_string_not_equal(before, nobody);
    add_device(f, "phone", DEVICE_MAIL, NULL, phone);
    told(f, "anna@example.org", after);
    assert_string_equal(before, after);
    told(f, "nobody", again);
    assert_string_equal(nobody, again);
    // Another name of the account later: the salt that its keys were made with stays.
    assert_ok(directory_account_rename(f->store, &admin, f->anna, SPAN("anne@example.org")));
    told(f, "anne", after);
    assert_string_equal(before, after);
    assert_ok(sign_in(f, "anne", text_of(phone), AUTH_IMAP, &grant));
    assert_err(sign_in(f, "anna", text_of(phone), AUTH_IMAP, &grant), ERR_DENIED);
    assert_ok(
        directory_account_suspend(f->store, &admin, f->anna, &(struct account_suspension){0}));
    assert_err(sign_in(f, "anne", text_of(phone), AUTH_IMAP, &grant), ERR_DENIED);
    assert_null(grant.why);
}

static enum err by_password(struct fixture *f, struct span password)
{
    struct auth_claim claim = {SPAN("anna"), password, SPAN("192.0.2.77"), AUTH_IMAP};
    struct auth_grant grant;

    return auth_password(f->auth, &claim, &grant);
}

static void test_the_own_password(void **state)
{
    struct fixture *f = *state;
    struct auth_grant grant;
    struct scram_salt row;

    set_password(f, SPAN("correct horse"));
    assert_ok(by_password(f, SPAN("correct horse")));
    assert_err(scram_salt_get(f->store, f->anna, &row), ERR_NOT_FOUND); // nobody wants keys
    f->options.scram_own = true;
    assert_ok(auth_set_options(f->auth, &f->options));
    assert_err(sign_in(f, "anna", SPAN("correct horse"), AUTH_IMAP, &grant), ERR_DENIED);
    assert_ok(by_password(f, SPAN("correct horse"))); // now it is known what it is
    assert_ok(sign_in(f, "anna", SPAN("correct horse"), AUTH_IMAP, &grant));
    assert_true(grant.account == f->anna && grant.device == 0 && grant.mark != 0);
    assert_err(sign_in(f, "anna", SPAN("incorrect"), AUTH_IMAP, &grant), ERR_DENIED);
    // Another password, and the keys of the one before are good for nothing.
    set_password(f, SPAN("battery staple"));
    assert_err(sign_in(f, "anna", SPAN("correct horse"), AUTH_IMAP, &grant), ERR_DENIED);
    scram_password_changed(f->store, f->anna, SPAN("battery staple"), true);
    assert_ok(sign_in(f, "anna", SPAN("battery staple"), AUTH_IMAP, &grant));
    f->options.scram_own = false;
    assert_ok(auth_set_options(f->auth, &f->options));
    assert_err(sign_in(f, "anna", SPAN("battery staple"), AUTH_IMAP, &grant), ERR_DENIED);
    scram_password_changed(f->store, f->anna, SPAN(""), false);
    assert_ok(scram_salt_get(f->store, f->anna, &row));
    assert_true(!row.has_keys && row.mark == 0);
}

// Any code does: what is tried here is what follows from it.
static enum err any_step(void *arg, struct span secret, uint64_t after, uint64_t *out_step)
{
    (void)arg;
    (void)secret;
    *out_step = after + 1;
    return ERR_OK;
}

static void test_with_a_second_factor_on(void **state)
{
    static const unsigned char secret[TOTP_ROW_SECRET_BYTES] = "0123456789abcdefghi";
    static const unsigned char digests[1][TOTP_ROW_DIGEST_BYTES] = {{1}};
    struct fixture *f = *state;
    struct totp_attempt attempt = {.find = any_step, .now = 30000};
    char phone[APP_PASSWORD_TEXT_BYTES];
    struct auth_grant grant;

    f->options.scram_own = true;
    assert_ok(auth_set_options(f->auth, &f->options));
    set_password(f, SPAN("correct horse"));
    scram_password_changed(f->store, f->anna, SPAN("correct horse"), true);
    add_device(f, "phone", DEVICE_MAIL, NULL, phone);
    assert_ok(sign_in(f, "anna", SPAN("correct horse"), AUTH_IMAP, &grant));
    assert_ok(totp_row_begin(f->store, f->anna, &admin, secret));
    assert_ok(totp_row_confirm(f->store, f->anna, &admin, &attempt, digests, 1));
    assert_err(sign_in(f, "anna", SPAN("correct horse"), AUTH_IMAP, &grant), ERR_DENIED);
    assert_true(grant.why && grant.account == f->anna);
    assert_err(sign_in(f, "anna", SPAN("incorrect"), AUTH_IMAP, &grant), ERR_DENIED);
    assert_null(grant.why);
    assert_ok(sign_in(f, "anna", text_of(phone), AUTH_IMAP, &grant));
}

static void test_guessing_is_slowed(void **state)
{
    struct fixture *f = *state;
    char phone[APP_PASSWORD_TEXT_BYTES];
    struct auth_grant grant;

    add_device(f, "phone", DEVICE_MAIL, NULL, phone);
    for (int i = 0; i < 4; i++) {
        assert_err(sign_in(f, "anna", SPAN("guess"), AUTH_IMAP, &grant), ERR_DENIED);
        assert_err(sign_in(f, "nobody", SPAN("guess"), AUTH_IMAP, &grant), ERR_DENIED);
    }
    assert_err(sign_in(f, "anna", SPAN("guess"), AUTH_IMAP, &grant), ERR_LIMIT);
    assert_err(sign_in(f, "nobody", SPAN("guess"), AUTH_IMAP, &grant), ERR_LIMIT);
    assert_ok(sign_in(f, "anna", text_of(phone), AUTH_IMAP, &grant)); // which nobody guesses
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_channel_and_other_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_first_answer_tells_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_own_password, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_a_second_factor_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guessing_is_slowed, setup, teardown),
    };

    return cmocka_run_group_tests_name("auth_scram", tests, NULL, NULL);
}
