// SPDX-License-Identifier: Apache-2.0
//
// Very many wrong passwords, by what they cost and whom they keep out (A02): from one address, from
// a /64, from thousands of networks. tests/e2e/test_e2e_guessing.py does a part of it with clients.
#include "../test.h"
#include "auth/auth.h"
#include "auth/bearer.h"
#include "auth/throttle.h"
#include "engine/memory/memory.h"

#define GUESSES  10000
#define NETWORKS 5000
#define HOME     "198.51.100.7"

static const struct password_params cheap = {.memory_kib = 8, .passes = 1, .lanes = 1};
static const struct actor admin = {.kind = ACTOR_ADMIN};
static const struct span password = {"correct horse battery", 21};

static struct fixture {
    struct engine *engine;
    struct store *store;
    struct auth *auth;
    account_id anna, berta;
} f;

static account_id add(const char *name)
{
    struct buf hash;
    account_id id;

    buf_init(&hash, PASSWORD_HASH_MAX);
    assert_ok(password_hash(password, &cheap, &hash));
    assert_ok(
        directory_account_add(f.store, &admin, span_from_str(name), buf_span(&hash), false, &id));
    buf_finish(&hash);
    return id;
}

// With the limits that are the settings' defaults.
static int setup(void **state)
{
    struct store_options so;
    struct auth_options ao;

    (void)state;
    assert_ok(engine_memory_open(&f.engine));
    store_options_default(&so);
    assert_ok(store_open(f.engine, &so, &f.store));
    assert_ok(directory_domain_add(f.store, &admin, SPAN("example.org")));
    f.anna = add("anna@example.org");
    f.berta = add("berta@example.org");
    auth_options_default(&ao);
    ao.params = cheap;
    ao.default_domain = SPAN("example.org");
    ao.remember_ms = 0; // a right password is worked out each time
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

static enum err sign_in(const char *name, struct span secret, const char *remote)
{
    struct auth_claim claim = {span_from_str(name), secret, span_from_str(remote), AUTH_IMAP};
    struct auth_grant g;

    return auth_password(f.auth, &claim, &g);
}

static enum err guess(const char *name, unsigned number, const char *remote)
{
    char text[32];

    snprintf(text, sizeof(text), "guess %u", number);
    return sign_in(name, span_from_str(text), remote);
}

// 10,000 guesses, each from the address that `make` gives; how many were looked at.
static uint64_t storm(const char *name, void (*make)(unsigned i, char *out, size_t size))
{
    uint64_t before = auth_hashes(f.auth);
    unsigned limited = 0;
    char remote[64];

    for (unsigned i = 0; i < GUESSES; i++) {
        make(i, remote, sizeof(remote));
        enum err e = guess(name, i, remote);

        assert_true(e == ERR_DENIED || e == ERR_LIMIT);
        limited += e == ERR_LIMIT;
    }
    uint64_t looked_at = auth_hashes(f.auth) - before;

    assert_int_equal(looked_at + limited, GUESSES); // who is locked out costs nothing
    return looked_at;
}

static void one_address(unsigned i, char *out, size_t size)
{
    (void)i;
    snprintf(out, size, "192.0.2.1");
}

// Another address of the same /64 each time, all over it.
static void one_network(unsigned i, char *out, size_t size)
{
    snprintf(out, size, "2001:db8:1:2:%x:%x:%x:%x", (i * 40503) & 0xffff, (i * 7919) & 0xffff,
             (i * 104729) & 0xffff, i);
}

static void many_networks(unsigned i, char *out, size_t size)
{
    i %= NETWORKS;
    snprintf(out, size, "10.%u.%u.%u", i >> 8, i & 255, 1 + i % 200);
}

// Others of a /48, which an attacker may well have whole, are networks of their own.
static void many_of_ipv6(unsigned i, char *out, size_t size)
{
    snprintf(out, size, "2001:db8:7:%x::%x", i % NETWORKS, i);
}

static void test_a02a_from_one_address(void **state)
{
    (void)state;
    assert_int_equal(storm("anna", one_address), 10);
    assert_err(sign_in("anna", password, "192.0.2.1"), ERR_LIMIT);
    assert_err(sign_in("anna", password, "192.0.2.250"), ERR_LIMIT); // the same /24
    assert_ok(sign_in("anna", password, HOME));
    assert_ok(sign_in("berta", password, "192.0.2.1"));
}

static void test_a02b_from_one_network(void **state)
{
    (void)state;
    assert_int_equal(storm("anna", one_network), 10);
    assert_err(sign_in("anna", password, "2001:db8:1:2::99"), ERR_LIMIT);
    assert_ok(sign_in("anna", password, "2001:db8:1:3::99")); // the next /64
    assert_ok(sign_in("berta", password, "2001:db8:1:2::99"));
}

// Two tries for each of them once it is known that many guess; a right password is never refused
// where nobody has guessed.
static void test_a02c_from_thousands_of_networks_at_one_account(void **state)
{
    (void)state;
    assert_ok(sign_in("anna", password, HOME));
    uint64_t looked_at = storm("anna", many_networks);

    assert_in_range(looked_at, NETWORKS, 2 * NETWORKS);
    looked_at = storm("anna", many_of_ipv6);
    assert_in_range(looked_at, NETWORKS, 2 * NETWORKS);
    // A02d: its owner, at home and with another address there, and somewhere new.
    assert_ok(sign_in("anna", password, HOME));
    assert_ok(sign_in("anna", password, "198.51.100.8"));
    assert_ok(sign_in("anna", password, "203.0.113.5"));
    assert_int_equal(auth_rank(f.auth, SPAN("anna"), SPAN(HOME)), THROTTLE_KNOWN);
    assert_int_equal(auth_rank(f.auth, SPAN("anna"), SPAN("203.0.113.77")), THROTTLE_KNOWN);
    assert_int_equal(auth_rank(f.auth, SPAN("anna"), SPAN("192.0.2.77")), THROTTLE_SUSPECT);
    assert_ok(sign_in("berta", password, "10.0.1.1")); // and others where it is guessed
}

// A02d: known there, and still in while a neighbour in the same network guesses as hard as they
// can.
static void test_a02d_a_neighbour_guesses(void **state)
{
    char remote[32];

    (void)state;
    assert_ok(sign_in("anna", password, HOME));
    for (unsigned i = 0; i < GUESSES; i++) {
        snprintf(remote, sizeof(remote), "198.51.100.%u", 8 + i % 240);
        assert_true(guess("anna", i, remote) != ERR_OK);
    }
    assert_ok(sign_in("anna", password, HOME));
}

// One password for as many names as there may be: the network is locked, for names not known there.
static void test_a02a_one_password_for_many_names(void **state)
{
    uint64_t before = auth_hashes(f.auth);
    char name[32];

    (void)state;
    assert_ok(sign_in("berta", password, "192.0.2.9"));
    for (unsigned i = 0; i < GUESSES; i++) {
        snprintf(name, sizeof(name), "name%u", i);
        assert_true(sign_in(name, SPAN("summer2026"), "192.0.2.1") != ERR_OK);
    }
    assert_in_range(auth_hashes(f.auth) - before, 100, 102);
    assert_err(sign_in("anna", password, "192.0.2.1"), ERR_LIMIT);
    assert_ok(sign_in("berta", password, "192.0.2.9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a02a_from_one_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a02b_from_one_network, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a02c_from_thousands_of_networks_at_one_account, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a02d_a_neighbour_guesses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a02a_one_password_for_many_names, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
