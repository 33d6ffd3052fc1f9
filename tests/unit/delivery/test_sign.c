// SPDX-License-Identifier: Apache-2.0
//
// Signing what leaves: which keys do it, and what becomes of the buffer when it does not work.
// That others can verify it is shown in tests/interop/test_interop_sign.py.
#include "../store/support.h"
#include "delivery/sign.h"
#include "senderauth/dkim.h"
#include "store/secret.h"

static struct bench bench;
static struct bench *const b = &bench;
static struct signer *signer;
static const char *text;
static enum err read_error;

static int setup(void **state)
{
    bench_choose(state);
    bench_open(b);
    assert_ok(signer_create(b->store, &signer));
    text = "From: anna@example.org\r\nSubject: hello\r\n\r\nhello\r\n";
    read_error = ERR_OK;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    signer_destroy(signer);
    bench_close(b);
    return 0;
}

static enum err add(const char *domain, const char *selector, enum dkim_algorithm algorithm)
{
    struct dkim_private_key *key;
    struct buf pem;

    buf_init(&pem, 8192);
    assert_ok(dkim_key_generate(algorithm, 1024, &key));
    assert_ok(dkim_key_put_pem(&pem, key));
    struct signing_key k = {.domain = span_from_str(domain),
                            .selector = span_from_str(selector),
                            .algorithm = algorithm,
                            .pem = buf_span(&pem),
                            .record = SPAN("v=DKIM1; ...")};
    enum err e = signing_key_add(b->store, &tester, &k);

    dkim_key_destroy(key);
    buf_finish(&pem);
    return e;
}

static enum err set(const char *selector, enum signing_state state)
{
    return signing_key_set_state(b->store, &tester, SPAN("example.org"), span_from_str(selector),
                                 state);
}

static enum err read_text(void *arg, uint64_t offset, size_t n, struct buf *out)
{
    (void)arg;
    buf_put(out, span_first(span_skip(span_from_str(text), offset), n < 7 ? n : 7));
    return offset > 14 ? read_error : ERR_OK;
}

// How many fields were put in front; -1: `out` was touched although it failed.
static int sign(const char *domain, size_t room, enum err want)
{
    const struct delivery_message m = {
        .prefix = SPAN(""), .read = read_text, .bytes = strlen(text)};
    struct buf out;
    int n = 0;

    buf_init(&out, room);
    buf_put_str(&out, "X: y\r\n");
    assert_err(sign_message(signer, span_from_str(domain), &m, &out), want);
    for (size_t i = 0; i + 16 <= out.n; i++) {
        n += memcmp(out.p + i, "\nDKIM-Signature:", 16) == 0;
    }
    n = want != ERR_OK && !span_eq(buf_span(&out), SPAN("X: y\r\n")) ? -1 : n;
    buf_finish(&out);
    return n;
}

static void test_only_active_keys_sign(void **state)
{
    (void)state;
    assert_int_equal(sign("", 65536, ERR_OK), 0);
    assert_ok(add("example.org", "one", DKIM_ED25519_SHA256));
    assert_ok(add("example.org", "two", DKIM_RSA_SHA256));
    assert_int_equal(sign("", 65536, ERR_OK), 0);
    assert_ok(set("one", SIGNING_ACTIVE));
    assert_int_equal(sign("", 65536, ERR_OK), 1);
    assert_ok(set("two", SIGNING_ACTIVE));
    assert_int_equal(sign("", 65536, ERR_OK), 2); // one of each kind
    assert_int_equal(sign("Mail.Example.ORG.", 65536, ERR_OK), 2);
    assert_int_equal(sign("example.com", 65536, ERR_OK), 0);
    assert_int_equal(sign("org", 65536, ERR_OK), 0);
    assert_ok(add("example.org", "three", DKIM_ED25519_SHA256));
    assert_ok(set("three", SIGNING_ACTIVE)); // takes the place of the other of its kind
    assert_int_equal(sign("", 65536, ERR_OK), 2);
    assert_ok(set("two", SIGNING_RETIRED));
    assert_int_equal(sign("", 65536, ERR_OK), 1);
    assert_ok(set("three", SIGNING_RETIRED));
    assert_int_equal(sign("", 65536, ERR_OK), 0);
}

static void test_failures_leave_the_buffer_alone(void **state)
{
    (void)state;
    assert_ok(add("example.org", "one", DKIM_RSA_SHA256));
    assert_ok(set("one", SIGNING_ACTIVE));
    assert_int_equal(sign("", 200, ERR_LIMIT), 0);
    read_error = ERR_IO;
    assert_int_equal(sign("", 65536, ERR_IO), 0);
    read_error = ERR_OK;
    text = "From: a@example.org, b@example.com\r\n\r\n";
    assert_int_equal(sign("", 65536, ERR_NOT_FOUND), 0);
    text = "Subject: nobody\r\n\r\n";
    assert_int_equal(sign("", 65536, ERR_NOT_FOUND), 0);
    assert_int_equal(sign("example.org", 65536, ERR_OK), 1);
    char *large = calloc(1, AUTH_HEADER_BYTES_MAX + 100);

    memset(large, 'x', AUTH_HEADER_BYTES_MAX + 99);
    memcpy(large, "From: a@example.org\r\nX: ", 24);
    text = large;
    assert_int_equal(sign("", 65536, ERR_LIMIT), 0);
    free(large);
}

static bool count(void *arg, const struct signing_key *k)
{
    assert_int_equal(k->pem.n, 0); // nobody is shown the secret
    (*(unsigned *)arg)++;
    return true;
}

static void test_the_store_of_keys(void **state)
{
    unsigned n = 0;

    (void)state;
    assert_ok(add("example.org", "one", DKIM_ED25519_SHA256));
    assert_err(add("example.org", "one", DKIM_RSA_SHA256), ERR_EXISTS);
    assert_err(add("example.org", "", DKIM_RSA_SHA256), ERR_INVALID);
    assert_err(add("example.org", "Upper", DKIM_RSA_SHA256), ERR_INVALID);
    assert_err(add("example.org", "a b", DKIM_RSA_SHA256), ERR_INVALID);
    assert_ok(add("example.organisation", "one", DKIM_ED25519_SHA256));
    assert_ok(signing_key_list(b->store, SPAN("example.org"), count, &n));
    assert_int_equal(n, 1);
    assert_ok(signing_key_list(b->store, SPAN(""), count, &n));
    assert_int_equal(n, 3);
    assert_err(set("none", SIGNING_ACTIVE), ERR_NOT_FOUND);
    assert_ok(set("one", SIGNING_ACTIVE));
    signer_destroy(signer);
    bench_reopen(b);
    assert_ok(signer_create(b->store, &signer));
    assert_int_equal(sign("", 65536, ERR_OK), 1);
    assert_err(signing_key_remove(b->store, &tester, SPAN("example.org"), SPAN("one")), ERR_DENIED);
    assert_ok(set("one", SIGNING_RETIRED));
    assert_ok(signing_key_remove(b->store, &tester, SPAN("example.org"), SPAN("one")));
    assert_err(signing_key_remove(b->store, &tester, SPAN("example.org"), SPAN("one")),
               ERR_NOT_FOUND);
    // The same selector again is another key, whatever is remembered of the first.
    assert_ok(add("example.org", "one", DKIM_ED25519_SHA256));
    assert_int_equal(sign("", 65536, ERR_OK), 0);
    for (unsigned i = 1; i < SIGNING_KEYS_MAX; i++) {
        char name[8];

        snprintf(name, sizeof(name), "k%u", i);
        assert_ok(add("example.org", name, DKIM_ED25519_SHA256));
    }
    assert_err(add("example.org", "last", DKIM_ED25519_SHA256), ERR_LIMIT);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_only_active_keys_sign),
        TEST(test_failures_leave_the_buffer_alone),
        TEST(test_the_store_of_keys),
    };

    return BENCH_RUN("sign", tests);
}
