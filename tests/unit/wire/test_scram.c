// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../test.h"
#include "base/encode.h"
#include "wire/sasl/scram.h"

#define SALT       SPAN("\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81")
#define OUR_NONCE  SPAN("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
#define ITERATIONS 4096

static const struct scram_channel plain = {{NULL, 0}, {NULL, 0}};
static const struct scram_channel bound = {{"exporter bytes", 14}, {"end point bytes", 15}};

static struct scram_keys keys_of(const char *password)
{
    struct scram_keys keys;

    assert_ok(scram_keys_make(span_from_str(password), SALT, ITERATIONS, &keys));
    return keys;
}

static void hmac(const void *key, struct span text, unsigned char out[32])
{
    assert_non_null(HMAC(EVP_sha256(), key, 32, (const void *)text.p, text.n, out, NULL));
}

// A client's last message by the RFC's formulas, apart from the code that is tried here.
static struct span client_final(struct arena *arena, const struct scram_exchange *x,
                                const char *password, struct span binding, struct span nonce)
{
    unsigned char salted[32], key[32], stored[32], signature[32];
    struct buf text, auth;

    buf_init(&text, 8192);
    buf_init(&auth, 8192);
    buf_put(&text, SPAN("c="));
    base64_encode(&text, binding);
    buf_put(&text, SPAN(",r="));
    buf_put(&text, nonce);
    buf_printf(&auth, "%.*s,%.*s,%.*s", SPAN_ARG(x->first.bare), SPAN_ARG(x->server_first),
               SPAN_ARG(buf_span(&text)));
    assert_int_equal(PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const void *)SALT.p,
                                       (int)SALT.n, ITERATIONS, EVP_sha256(), 32, salted),
                     1);
    hmac(salted, SPAN("Client Key"), key);
    EVP_Digest(key, 32, stored, NULL, EVP_sha256(), NULL);
    hmac(stored, buf_span(&auth), signature);
    for (size_t i = 0; i < 32; i++) {
        key[i] ^= signature[i];
    }
    buf_put(&text, SPAN(",p="));
    base64_encode(&text, span_of(key, 32));
    struct span out = arena_dup(arena, buf_span(&text));

    buf_finish(&text);
    buf_finish(&auth);
    return out;
}

static void test_example_of_the_rfc(void **state)
{
    struct scram_keys keys = keys_of("pencil");
    struct scram_exchange x;
    struct arena arena;
    struct buf out;
    size_t which = 9;

    (void)state;
    arena_init(&arena, 65536);
    buf_init(&out, 4096);
    assert_ok(scram_begin(&x, &arena, SPAN("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), OUR_NONCE, SALT,
                          ITERATIONS));
    assert_span(x.first.name, "user");
    assert_span(x.server_first, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    assert_ok(scram_end(&x,
                        SPAN("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                             "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                        &plain, &keys, 1, &which, &out));
    assert_int_equal(which, 0);
    assert_span(buf_span(&out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    buf_finish(&out);
    arena_finish(&arena);
}

static void test_grammar_of_the_first_message(void **state)
{
    static const struct {
        const char *in;
        enum err want;
        enum scram_binding binding;
        const char *authzid, *name, *nonce;
    } rows[] = {
        {"n,,n=user,r=a", ERR_OK, SCRAM_BINDING_NONE, "", "user", "a"},
        {"y,,n=user,r=a", ERR_OK, SCRAM_BINDING_NOT_OFFERED, "", "user", "a"},
        {"p=tls-exporter,,n=u,r=a", ERR_OK, SCRAM_BINDING_EXPORTER, "", "u", "a"},
        {"p=tls-server-end-point,,n=u,r=a", ERR_OK, SCRAM_BINDING_SERVER_POINT, "", "u", "a"},
        {"p=tls-unique,,n=u,r=a", ERR_OK, SCRAM_BINDING_OTHER, "", "u", "a"},
        {"n,a=me=2Ctoo,n=a=3Db=2Cc,r=!~", ERR_OK, SCRAM_BINDING_NONE, "me,too", "a=b,c", "!~"},
        {"n,,n=\xe2\x85\xa8,r=a", ERR_OK, SCRAM_BINDING_NONE, "", "IX", "a"},
        {"n,,n=u,r=a,x=1,y=2", ERR_OK, SCRAM_BINDING_NONE, "", "u", "a"},
        {"n,,m=new,n=u,r=a", ERR_UNSUPPORTED},
        {"n,,n=u,r=a,m=new", ERR_INVALID},
        {"", ERR_INVALID},
        {"n", ERR_INVALID},
        {"n,", ERR_INVALID},
        {"n,,", ERR_INVALID},
        {"n,,n=u", ERR_INVALID},
        {"n,,n=u,", ERR_INVALID},
        {"n,,r=a,n=u", ERR_INVALID},
        {"n,,n=,r=a", ERR_INVALID},
        {"n,,n=u,r=", ERR_INVALID},
        {"n,,n=u,r=a,", ERR_INVALID},
        {"n,,n=u,r=a,1=x", ERR_INVALID},
        {"n,,n=u,r=a,x", ERR_INVALID},
        {"n,,N=u,r=a", ERR_INVALID},
        {"N,,n=u,r=a", ERR_INVALID},
        {"p,,n=u,r=a", ERR_INVALID},
        {"p=,,n=u,r=a", ERR_INVALID},
        {"p=a_b,,n=u,r=a", ERR_INVALID},
        {"n,me,n=u,r=a", ERR_INVALID},
        {"n,a=,n=u,r=a", ERR_INVALID},
        {"n,,n=a=2cb,r=a", ERR_INVALID}, // capital letters only
        {"n,,n=a=,r=a", ERR_INVALID},
        {"n,,n=u\x07,r=a", ERR_INVALID},
        {"n,,n=\xc2\xad,r=a", ERR_INVALID}, // nothing is left of it
        {"n,,n=\xff,r=a", ERR_INVALID},
        {"n,,n=u,r=a b", ERR_INVALID},
        {"n,,n=u,r=\xc3\xa9", ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scram_first first;
        struct arena arena;

        arena_init(&arena, 65536);
        enum err e = scram_first_parse(&arena, span_from_str(rows[i].in), &first);

        if (e != rows[i].want) {
            fail_msg("%s: %s", rows[i].in, err_name(e));
        }
        if (e == ERR_OK) {
            assert_int_equal(first.binding, rows[i].binding);
            assert_span(first.authzid, rows[i].authzid);
            assert_span(first.name, rows[i].name);
            assert_span(first.nonce, rows[i].nonce);
        }
        arena_finish(&arena);
    }
}

#define PROOF "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static void test_grammar_of_the_last_message(void **state)
{
    static const struct {
        const char *in;
        enum err want;
    } rows[] = {
        {"c=biws,r=ab," PROOF, ERR_OK},
        {"c=biws,r=ab,x=1," PROOF, ERR_OK},
        {"", ERR_INVALID},
        {PROOF, ERR_INVALID},
        {"c=biws," PROOF, ERR_INVALID},
        {"r=ab,c=biws," PROOF, ERR_INVALID},
        {"c=biws,r=ab", ERR_INVALID},
        {"c=biws,r=ab," PROOF ",x=1", ERR_INVALID},
        {"c=biws,r=ab," PROOF "," PROOF, ERR_INVALID},
        {"c=biws,r=ab,m=1," PROOF, ERR_INVALID},
        {"c=biws,r=ab,p=AAAA", ERR_INVALID},
        {"c=biws,r=ab,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=", ERR_INVALID}, // bits over
        {"c=bi ws,r=ab," PROOF, ERR_INVALID},
        {"c=,r=ab," PROOF, ERR_INVALID},
        {"c=biws,r=," PROOF, ERR_INVALID},
        {"c=biws,,r=ab," PROOF, ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scram_final final;
        struct arena arena;

        arena_init(&arena, 65536);
        enum err e = scram_final_parse(&arena, span_from_str(rows[i].in), &final);

        if (e != rows[i].want) {
            fail_msg("%s: %s", rows[i].in, err_name(e));
        }
        if (e == ERR_OK) {
            assert_span(final.binding, "n,,");
            assert_span(final.nonce, "ab");
        }
        arena_finish(&arena);
    }
}

static void test_what_is_too_long(void **state)
{
    static const struct {
        size_t name, nonce;
        enum err want;
    } rows[] = {{255, 256, ERR_OK}, {256, 1, ERR_LIMIT}, {1, 257, ERR_LIMIT}, {4097, 1, ERR_LIMIT}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scram_first first;
        struct arena arena;
        struct buf text;

        arena_init(&arena, 65536);
        buf_init(&text, 8192);
        buf_put(&text, SPAN("n,,n="));
        memset(buf_reserve(&text, rows[i].name), 'x', rows[i].name);
        text.n += rows[i].name;
        buf_put(&text, SPAN(",r="));
        memset(buf_reserve(&text, rows[i].nonce), 'x', rows[i].nonce);
        text.n += rows[i].nonce;
        assert_err(scram_first_parse(&arena, buf_span(&text), &first), rows[i].want);
        buf_finish(&text);
        arena_finish(&arena);
    }
}

// L06. Downgrades: section 6 of RFC 5802.
static void test_mechanism_and_channel(void **state)
{
    static const struct scram_channel old = {.server_point = {"x", 1}}; // TLS 1.2
    static const struct {
        enum scram_binding binding;
        bool is_plus;
        const struct scram_channel *channel;
        enum err want;
    } rows[] = {
        {SCRAM_BINDING_NONE, false, &bound, ERR_OK},
        {SCRAM_BINDING_NONE, false, &plain, ERR_OK},
        {SCRAM_BINDING_NOT_OFFERED, false, &plain, ERR_OK},
        {SCRAM_BINDING_NOT_OFFERED, false, &bound, ERR_DENIED},
        {SCRAM_BINDING_NOT_OFFERED, false, &old, ERR_DENIED},
        {SCRAM_BINDING_EXPORTER, false, &bound, ERR_INVALID},
        {SCRAM_BINDING_OTHER, false, &bound, ERR_INVALID},
        {SCRAM_BINDING_NONE, true, &bound, ERR_INVALID},
        {SCRAM_BINDING_NOT_OFFERED, true, &bound, ERR_INVALID},
        {SCRAM_BINDING_EXPORTER, true, &bound, ERR_OK},
        {SCRAM_BINDING_SERVER_POINT, true, &bound, ERR_OK},
        {SCRAM_BINDING_EXPORTER, true, &old, ERR_UNSUPPORTED},
        {SCRAM_BINDING_SERVER_POINT, true, &plain, ERR_UNSUPPORTED},
        {SCRAM_BINDING_OTHER, true, &bound, ERR_UNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct scram_first first = {.binding = rows[i].binding};
        enum err e = scram_first_check(&first, rows[i].is_plus, rows[i].channel);

        if (e != rows[i].want) {
            fail_msg("row %zu: %s", i, err_name(e));
        }
    }
}

// L06. One exchange from the first to the last message.
struct trial {
    const char *first;       // client-first
    const char *password;    // of the client
    struct span binding;     // what it binds, after the header
    const char *other_nonce; // instead of the right one, or NULL
    const struct scram_channel *channel;
    enum err want;
    size_t which; // of the keys: "pencil", "brush", "chalk"
};

static void try_one(const struct trial *t)
{
    struct scram_keys keys[3] = {keys_of("pencil"), keys_of("brush"), keys_of("chalk")};
    struct scram_exchange x;
    struct arena arena;
    struct buf out, binding;
    size_t which = 9;

    arena_init(&arena, 65536);
    buf_init(&out, 4096);
    buf_init(&binding, 4096);
    assert_ok(scram_begin(&x, &arena, span_from_str(t->first), SPAN("ours"), SALT, ITERATIONS));
    buf_put(&binding, x.first.header);
    buf_put(&binding, t->binding);
    struct span final = client_final(&arena, &x, t->password, buf_span(&binding),
                                     t->other_nonce ? span_from_str(t->other_nonce) : x.nonce);

    enum err e = scram_end(&x, final, t->channel, keys, 3, &which, &out);

    if (e != t->want) {
        fail_msg("%s with %s: %s", t->first, t->password, err_name(e));
    }
    assert_int_equal(which, e == ERR_OK ? t->which : 9);
    assert_int_equal(out.n, e == ERR_OK ? 46 : 0);
    buf_finish(&out);
    buf_finish(&binding);
    arena_finish(&arena);
}

static void test_who_gets_in(void **state)
{
    static const char exporter[] = "p=tls-exporter,,n=u,r=theirs";
    static const char point[] = "p=tls-server-end-point,,n=u,r=theirs";
    static const struct trial rows[] = {
        {"n,,n=u,r=theirs", "pencil", {NULL, 0}, NULL, &plain, ERR_OK, 0},
        {"n,,n=u,r=theirs", "brush", {NULL, 0}, NULL, &plain, ERR_OK, 1},
        {"n,,n=u,r=theirs", "chalk", {NULL, 0}, NULL, &bound, ERR_OK, 2},
        {"n,a=u,n=u,r=theirs", "chalk", {NULL, 0}, NULL, &plain, ERR_OK, 2},
        {"n,,n=u,r=theirs", "wrong", {NULL, 0}, NULL, &plain, ERR_DENIED, 0},
        {"n,,n=u,r=theirs", "pencil", {NULL, 0}, "theirsours2", &plain, ERR_DENIED, 0},
        {"n,,n=u,r=theirs", "pencil", {NULL, 0}, "theirs", &plain, ERR_DENIED, 0},
        {"n,,n=u,r=theirs", "pencil", {"more", 4}, NULL, &plain, ERR_DENIED, 0},
        {exporter, "pencil", {"exporter bytes", 14}, NULL, &bound, ERR_OK, 0},
        {exporter, "pencil", {"end point bytes", 15}, NULL, &bound, ERR_DENIED, 0},
        {exporter, "pencil", {"exporter bytez", 14}, NULL, &bound, ERR_DENIED, 0},
        {exporter, "pencil", {NULL, 0}, NULL, &bound, ERR_DENIED, 0},
        {exporter, "pencil", {NULL, 0}, NULL, &plain, ERR_DENIED, 0},
        {point, "brush", {"end point bytes", 15}, NULL, &bound, ERR_OK, 1},
        {point, "brush", {"exporter bytes", 14}, NULL, &bound, ERR_DENIED, 0},
        {"p=tls-unique,,n=u,r=theirs", "brush", {NULL, 0}, NULL, &bound, ERR_DENIED, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        try_one(&rows[i]);
    }
}

static void test_nobody_without_a_key(void **state)
{
    struct scram_exchange x;
    struct arena arena;
    struct buf out;
    size_t which = 9;

    (void)state;
    arena_init(&arena, 65536);
    buf_init(&out, 4096);
    assert_ok(scram_begin(&x, &arena, SPAN("n,,n=u,r=a"), SPAN("b"), SALT, ITERATIONS));
    struct span final = client_final(&arena, &x, "pencil", SPAN("n,,"), SPAN("ab"));

    assert_err(scram_end(&x, final, &plain, NULL, 0, &which, &out), ERR_DENIED);
    assert_err(scram_end(&x, SPAN("*"), &plain, NULL, 0, &which, &out), ERR_INVALID);
    assert_int_equal(which, 9);
    buf_finish(&out);
    arena_finish(&arena);
}

static void test_passwords_that_make_keys(void **state)
{
    struct scram_keys one, other;

    (void)state;
    assert_ok(scram_keys_make(SPAN("\xe2\x85\xa8"), SALT, ITERATIONS, &one));
    other = keys_of("IX");
    assert_memory_equal(&one, &other, sizeof(one));
    assert_err(scram_keys_make(SPAN(""), SALT, ITERATIONS, &one), ERR_INVALID);
    assert_err(scram_keys_make(SPAN("\xc2\xad"), SALT, ITERATIONS, &one), ERR_INVALID);
    assert_err(scram_keys_make(SPAN("\xcd\xb8"), SALT, ITERATIONS, &one), ERR_INVALID);
    assert_err(scram_keys_make(SPAN("a\x01"), SALT, ITERATIONS, &one), ERR_INVALID);
    assert_err(scram_keys_make(SPAN("a"), SPAN(""), ITERATIONS, &one), ERR_INVALID);
    assert_err(scram_keys_make(SPAN("a"), SALT, SCRAM_ITERATIONS_MIN - 1, &one), ERR_INVALID);
    assert_err(scram_keys_make(SPAN("a"), SALT, SCRAM_ITERATIONS_MAX + 1, &one), ERR_INVALID);
    assert_memory_equal(&one, &other, sizeof(one)); // none of them was set
}

static void test_nonces_are_new_and_printable(void **state)
{
    char a[SCRAM_OUR_NONCE_BYTES], b[SCRAM_OUR_NONCE_BYTES];

    (void)state;
    scram_nonce_make(a);
    scram_nonce_make(b);
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i < sizeof(a); i++) {
        assert_true(byte_is_alnum(a[i]) || a[i] == '+' || a[i] == '/');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_of_the_rfc),
        cmocka_unit_test(test_grammar_of_the_first_message),
        cmocka_unit_test(test_grammar_of_the_last_message),
        cmocka_unit_test(test_what_is_too_long),
        cmocka_unit_test(test_mechanism_and_channel),
        cmocka_unit_test(test_who_gets_in),
        cmocka_unit_test(test_nobody_without_a_key),
        cmocka_unit_test(test_passwords_that_make_keys),
        cmocka_unit_test(test_nonces_are_new_and_printable),
    };

    return cmocka_run_group_tests_name("scram", tests, NULL, NULL);
}
