// SPDX-License-Identifier: Apache-2.0
//
// Who gets in by a certificate that the gate has found good (L07).
#include "../test.h"
#include "auth/auth_external.h"
#include "engine/memory/memory.h"
#include "store/access/totp_row.h"

static const struct actor admin = {.kind = ACTOR_ADMIN};

static struct {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    account_id anna;
} f;

static int setup(void **state)
{
    struct store_options so;
    struct auth_options ao;

    (void)state;
    store_options_default(&so);
    auth_options_default(&ao);
    ao.params = (struct password_params){.memory_kib = 64, .passes = 1, .lanes = 1};
    assert_ok(engine_memory_open(&f.engine));
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    assert_ok(
        directory_account_add(f.store, &admin, SPAN("anna@example.org"), SPAN(""), false, &f.anna));
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

static struct span digest_of(char c)
{
    static char digest[DEVICE_DIGEST_BYTES];

    memset(digest, c, sizeof(digest));
    return span_of(digest, sizeof(digest));
}

static enum err sign_in(const char *name, struct span digest, enum auth_service service,
                        struct auth_grant *out)
{
    struct auth_claim claim = {.name = span_from_str(name),
                               .password = SPAN(""),
                               .remote = SPAN("192.0.2.77"),
                               .service = service};

    return auth_external(f.auth, &claim, digest, out);
}

static void test_the_address_in_it(void **state)
{
    struct auth_identity who;
    struct auth_grant grant;
    struct arena arena;

    (void)state;
    arena_init(&arena, 65536);
    assert_ok(sign_in("Anna@Example.ORG", digest_of('a'), AUTH_IMAP, &grant));
    assert_true(grant.account == f.anna && grant.device == 0);
    assert_ok(auth_grant_holds(f.store, &grant, &arena, &who));
    assert_err(sign_in("berta@example.org", digest_of('a'), AUTH_IMAP, &grant), ERR_DENIED);
    assert_err(sign_in("anna", digest_of('a'), AUTH_IMAP, &grant), ERR_DENIED);
    assert_err(sign_in("anna@example.org", SPAN("short"), AUTH_IMAP, &grant), ERR_DENIED);
    assert_ok(directory_account_suspend(f.store, &admin, f.anna, &(struct account_suspension){0}));
    assert_err(sign_in("anna@example.org", digest_of('a'), AUTH_IMAP, &grant), ERR_DENIED);
    assert_null(grant.why);
    arena_finish(&arena);
}

static void test_a_device(void **state)
{
    struct device d = {
        .scope = DEVICE_IMAP | DEVICE_READ_ONLY, .name = SPAN("laptop"), .secret = digest_of('l')};
    struct auth_grant grant;
    uint32_t id;

    (void)state;
    assert_ok(device_add(f.store, f.anna, &admin, &d, &id));
    assert_ok(sign_in("anna@example.org", digest_of('l'), AUTH_IMAP, &grant));
    assert_true(grant.device == id && grant.is_read_only && grant.account == f.anna);
    assert_err(sign_in("anna@example.org", digest_of('l'), AUTH_POP3, &grant), ERR_DENIED);
    assert_true(grant.why && grant.device == id);
    assert_ok(device_set_state(f.store, f.anna, &admin, id, DEVICE_BLOCKED));
    assert_err(sign_in("anna@example.org", digest_of('l'), AUTH_IMAP, &grant), ERR_DENIED);
    assert_true(grant.why != NULL);
    assert_ok(sign_in("anna@example.org", digest_of('m'), AUTH_IMAP, &grant)); // another one
    assert_int_equal(grant.device, 0);
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
    struct totp_attempt attempt = {.find = any_step, .now = 30000};
    struct device d = {.scope = DEVICE_MAIL, .name = SPAN("laptop"), .secret = digest_of('l')};
    struct auth_grant grant;
    uint32_t id;

    (void)state;
    assert_ok(device_add(f.store, f.anna, &admin, &d, &id));
    assert_ok(totp_row_begin(f.store, f.anna, &admin, secret));
    assert_ok(totp_row_confirm(f.store, f.anna, &admin, &attempt, digests, 1));
    assert_err(sign_in("anna@example.org", digest_of('a'), AUTH_IMAP, &grant), ERR_DENIED);
    assert_true(grant.why != NULL);
    assert_ok(sign_in("anna@example.org", digest_of('l'), AUTH_IMAP, &grant));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_address_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_device, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_a_second_factor_on, setup, teardown),
    };

    return cmocka_run_group_tests_name("auth_external", tests, NULL, NULL);
}
