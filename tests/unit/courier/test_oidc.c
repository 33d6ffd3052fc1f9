// SPDX-License-Identifier: Apache-2.0
//
// Tokens of foreign issuers, without a network: settings, keys, signatures, claims, documents. The
// ids (L15 ...) are those of the project's list of attacks and faults.
#include <openssl/x509.h>

#include "../test.h"
#include "courier/vouch/oidc_claims.h"
#include "courier/vouch/oidc_document.h"
#include "courier/vouch/oidc_token.h"
#include "oidc_maker.h"

#define ISSUER "https://id.example.org"
#define NOW    1800000000

static EVP_PKEY *keys[OIDC_ALG__COUNT];
static EVP_PKEY *other; // of another RSA pair

static int make_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OIDC_ALG__COUNT; i++) {
        keys[i] = maker_key((enum oidc_alg)i);
    }
    other = maker_key(OIDC_RS256);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < OIDC_ALG__COUNT; i++) {
        EVP_PKEY_free(keys[i]);
    }
    EVP_PKEY_free(other);
    return 0;
}

// ---- settings -----------------------------------------------------------------------------------

static void test_issuers_of_settings(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        {ISSUER " aud=mail", true},
        {"  " ISSUER "/realms/x   aud=mail  aud=post alg=ES256 claim=upn ", true},
        {ISSUER " client=mailkeep azp=thunderbird", true},
        {ISSUER ":8443/ aud=a scope=mail unverified", true},
        {"", false},
        {ISSUER, false}, // which tokens are for us?
        {ISSUER " client=mailkeep", false},
        {ISSUER " azp=thunderbird", false},
        {"http://id.example.org aud=mail", false},
        {"https://anna@id.example.org aud=mail", false},
        {"https://id.example.org/?a=b aud=mail", false},
        {ISSUER " aud=mail alg=none", false},
        {ISSUER " aud=mail alg=HS256", false},
        {ISSUER " aud=mail alg=rs256", false},
        {ISSUER " aud=", false},
        {ISSUER " aud=mail what=ever", false},
        {ISSUER " aud=mail verified", false},
        {ISSUER " aud=1 aud=2 aud=3 aud=4 aud=5 aud=6 aud=7 aud=8", true},
        {ISSUER " aud=1 aud=2 aud=3 aud=4 aud=5 aud=6 aud=7 aud=8 aud=9", false},
    };
    struct oidc_issuer o;
    const char *why;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        why = NULL;
        bool is_good = oidc_issuer_read(span_from_str(cases[i].text), &o, &why) == ERR_OK;

        if (is_good != cases[i].is_good || (!is_good && !why)) {
            fail_msg("case %zu: %s", i, why ? why : "-");
        }
    }
    assert_ok(
        oidc_issuer_read(SPAN(ISSUER " aud=a aud=b azp=p alg=EdDSA claim=upn client=c"), &o, &why));
    assert_span(o.url, ISSUER);
    assert_int_equal(o.audiences.n, 2);
    assert_span(o.parties.items[0], "p");
    assert_int_equal(o.alg, OIDC_EDDSA);
    assert_span(o.claim, "upn");
    assert_span(o.client, "c");
}

static void test_secrets(void **state)
{
    static const char file[] = "# who we are\nmailkeep-2 two\n mailkeep  s3cret \nlast x";

    (void)state;
    assert_span(oidc_secret_find(span_from_str(file), SPAN("mailkeep")), "s3cret");
    assert_span(oidc_secret_find(span_from_str(file), SPAN("mailkeep-2")), "two");
    assert_span(oidc_secret_find(span_from_str(file), SPAN("last")), "x");
    assert_span(oidc_secret_find(span_from_str(file), SPAN("nobody")), "");
    assert_span(oidc_secret_find(span_from_str(file), SPAN("")), "");
}

static void test_urls(void **state)
{
    static const struct {
        const char *text, *host, *path;
        unsigned port; // 0: refused
    } cases[] = {
        {"https://a.example", "a.example", "", 443},
        {"HTTPS://a.example/", "a.example", "/", 443},
        {"https://a.example:8443/x?y=z", "a.example", "/x?y=z", 8443},
        {"https://127.0.0.1:1/", "127.0.0.1", "/", 1},
        {"https://[::1]:9/x", "[::1]", "/x", 9},
        {"https://[::1]", "[::1]", "", 443},
        {"http://a.example", "", "", 0},
        {"https://", "", "", 0},
        {"https:///x", "", "", 0},
        {"https://a.example:0/", "", "", 0},
        {"https://a.example:65536/", "", "", 0},
        {"https://a.example:/", "", "", 0},
        {"https://a.example:+1/", "", "", 0},
        {"https://u@a.example/", "", "", 0},
        {"https://a.example\\@b.example/", "", "", 0},
        {"https://a.example/#x", "", "", 0},
        {"https://a.example/ x", "", "", 0},
        {"https://a.example/x\r\nHost: b", "", "", 0},
        {"https://a.example/../x", "", "", 0},
        {"https://a.example/x/..", "", "", 0},
        {"https://[::1", "", "", 0},
        {"https://a_b.example/", "", "", 0},
        {"file:///etc/passwd", "", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct https_url u = {.port = 0};
        enum err e = https_url_parse(span_from_str(cases[i].text), &u);

        if ((e == ERR_OK) != (cases[i].port != 0) ||
            (e == ERR_OK &&
             (u.port != cases[i].port || !span_eq(u.host, span_from_str(cases[i].host)) ||
              !span_eq(u.path, span_from_str(cases[i].path))))) {
            fail_msg("case %zu: %s", i, cases[i].text);
        }
    }
}

// ---- tokens -------------------------------------------------------------------------------------

// Keys as the issuer publishes them: one for each algorithm, under its name.
static void publish(struct oidc_keys *out)
{
    struct buf b;

    buf_init(&b, 1u << 16);
    buf_put_str(&b, "{\"keys\":[");
    for (unsigned i = 0; i < OIDC_ALG__COUNT; i++) {
        buf_put_str(&b, i ? "," : "");
        maker_put_jwk(&b, keys[i], oidc_alg_name((enum oidc_alg)i), ",\"use\":\"sig\"");
    }
    buf_put_str(&b, "]}");
    assert_ok(oidc_keys_read(buf_span(&b), out));
    assert_int_equal(out->n, OIDC_ALG__COUNT);
    buf_finish(&b);
}

// The whole way, as oidc.c goes it: NULL when it is good.
static const char *judge(struct span token, const char *settings, struct oidc_keys *published,
                         struct buf *out_name)
{
    struct oidc_issuer issuer;
    struct oidc_person person;
    struct oidc_token t;
    struct arena arena;
    const char *why = "no JWT";

    assert_ok(oidc_issuer_read(span_from_str(settings), &issuer, &why));
    arena_init(&arena, 1u << 17);
    why = "no JWT";
    if (oidc_token_read(token, &arena, &t, &why) == ERR_OK) {
        const struct oidc_key *key = oidc_keys_find(published, t.key_id, issuer.alg);

        why = t.alg != issuer.alg ? "another algorithm"
              : !key              ? "no such key"
              : oidc_signature_check(key, issuer.alg, t.signed_part, t.signature) != ERR_OK
                  ? "the signature is wrong"
                  : oidc_claims_check(t.claims, &issuer, OIDC_FROM_JWT, NOW, &person);
        if (!why && out_name) {
            buf_put(out_name, person.name);
        }
        oidc_token_finish(&t);
    }
    arena_finish(&arena);
    return why;
}

#define GOOD                                                                                       \
    "{\"iss\":\"" ISSUER "\",\"aud\":\"mail\",\"exp\":1800000600,\"iat\":1800000000,"              \
    "\"email\":\"anna@example.org\",\"email_verified\":true}"

static void test_each_algorithm(void **state)
{
    struct oidc_keys published;
    char header[128], settings[128];

    (void)state;
    publish(&published);
    for (unsigned i = 0; i < OIDC_ALG__COUNT; i++) {
        const char *name = oidc_alg_name((enum oidc_alg)i);
        struct buf token, who;

        buf_init(&token, 1u << 16);
        buf_init(&who, 256);
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}", name,
                 name);
        snprintf(settings, sizeof(settings), ISSUER " aud=mail alg=%s", name);
        maker_put_token(&token, keys[i], (enum oidc_alg)i, header, GOOD);
        assert_null(judge(buf_span(&token), settings, &published, &who));
        assert_span(buf_span(&who), "anna@example.org");
        // One bit anywhere, and it is none: no token is good that differs from a good one.
        for (size_t at = 0; at < token.n; at += 7) {
            char was = token.p[at];

            token.p[at] = was == 'A' ? 'B' : 'A';
            assert_non_null(judge(buf_span(&token), settings, &published, NULL));
            token.p[at] = was;
        }
        // Nor one that is cut.
        for (size_t n = 0; n < token.n; n++) {
            assert_non_null(judge(span_first(buf_span(&token), n), settings, &published, NULL));
        }
        buf_finish(&token);
        buf_finish(&who);
    }
    oidc_keys_finish(&published);
}

// L15: what is signed in another way than the issuer's, or by nobody.
// A07a, A07b
static void test_confused_algorithms(void **state)
{
    static const char rs_header[] = "{\"alg\":\"RS256\",\"kid\":\"RS256\"}";
    static const char hs_header[] = "{\"alg\":\"HS256\",\"kid\":\"RS256\"}";
    struct oidc_keys published;
    struct buf token, jwk;
    unsigned char *der = NULL;
    int der_n = i2d_PUBKEY(keys[OIDC_RS256], &der);

    (void)state;
    publish(&published);
    buf_init(&token, 1u << 16);
    buf_init(&jwk, 1u << 16);
    // HMAC with what everybody knows: the public key, in any of its spellings.
    maker_put_hmac_token(&token, span_of(der, (size_t)der_n), hs_header, GOOD);
    assert_non_null(judge(buf_span(&token), ISSUER " aud=mail", &published, NULL));
    buf_clear(&token);
    maker_put_hmac_token(&token, span_of(der, (size_t)der_n), rs_header, GOOD);
    assert_non_null(judge(buf_span(&token), ISSUER " aud=mail", &published, NULL));
    buf_clear(&token);
    maker_put_jwk(&jwk, keys[OIDC_RS256], NULL, "");
    maker_put_hmac_token(&token, buf_span(&jwk), hs_header, GOOD);
    assert_non_null(judge(buf_span(&token), ISSUER " aud=mail", &published, NULL));
    // An algorithm that is taken, but is not this issuer's, with one of its own keys.
    for (unsigned i = 0; i < OIDC_ALG__COUNT; i++) {
        for (unsigned k = 0; k < OIDC_ALG__COUNT; k++) {
            char header[128], settings[128];

            if (i == k || EVP_PKEY_get_base_id(keys[i]) != EVP_PKEY_get_base_id(keys[k])) {
                continue;
            }
            snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}",
                     oidc_alg_name((enum oidc_alg)k), oidc_alg_name((enum oidc_alg)i));
            snprintf(settings, sizeof(settings), ISSUER " aud=mail alg=%s",
                     oidc_alg_name((enum oidc_alg)i));
            buf_clear(&token);
            maker_put_token(&token, keys[i], (enum oidc_alg)k, header, GOOD);
            assert_string_equal(judge(buf_span(&token), settings, &published, NULL),
                                "another algorithm");
        }
    }
    // Somebody else's key, under the issuer's name; and one that the token brings along.
    buf_clear(&token);
    maker_put_token(&token, other, OIDC_RS256, rs_header, GOOD);
    assert_string_equal(judge(buf_span(&token), ISSUER " aud=mail", &published, NULL),
                        "the signature is wrong");
    buf_clear(&token);
    buf_clear(&jwk);
    buf_put_str(&jwk, "{\"alg\":\"RS256\",\"jku\":\"https://evil.example/\",\"jwk\":");
    maker_put_jwk(&jwk, other, NULL, "");
    buf_put_str(&jwk, "}");
    buf_put_byte(&jwk, '\0');
    maker_put_token(&token, other, OIDC_RS256, jwk.p, GOOD);
    assert_non_null(judge(buf_span(&token), ISSUER " aud=mail", &published, NULL));
    OPENSSL_free(der);
    buf_finish(&token);
    buf_finish(&jwk);
    oidc_keys_finish(&published);
}

// L16: headers that ask for something else.
static void test_headers(void **state)
{
    static const struct {
        const char *header;
        bool is_good;
    } cases[] = {
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\"}", true},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"typ\":\"JWT\"}", true},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"typ\":\"application/at+jwt\"}", true},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"typ\":\"AT+JWT\",\"x\":{}}", true},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"typ\":\"logout+jwt\"}", false},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"typ\":\"dpop+jwt\"}", false},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"typ\":7}", false},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", false},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"crit\":[]}", false},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\",\"crit\":null}", false},
        {"{\"alg\":\"none\",\"kid\":\"RS256\"}", false},
        {"{\"alg\":\"None\"}", false},
        {"{\"alg\":\"rs256\",\"kid\":\"RS256\"}", false},
        {"{\"alg\":\"HS256\",\"kid\":\"RS256\"}", false},
        {"{\"alg\":[\"RS256\"],\"kid\":\"RS256\"}", false},
        {"{\"alg\":\"HS256\",\"alg\":\"RS256\",\"kid\":\"RS256\"}", false},
        {"{\"kid\":\"RS256\"}", false},
        {"{\"alg\":\"RS256\",\"kid\":\"ES256\"}", false}, // a key of another kind
        {"{\"alg\":\"RS256\",\"kid\":\"PS256\"}", false}, // another key of the same kind
        {"{\"alg\":\"RS256\",\"kid\":\"nobody\"}", false},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", false},
        {"{\"alg\":\"RS256\",\"kid\":7}", false},
        {"{\"alg\":\"RS256\"}", false}, // two keys could be meant
        {"[\"RS256\"]", false},
        {"{\"alg\":\"RS256\",\"kid\":\"RS256\"", false},
        {"", false},
    };
    struct oidc_keys published;
    struct buf token;

    (void)state;
    publish(&published);
    buf_init(&token, 1u << 16);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&token);
        maker_put_token(&token, keys[OIDC_RS256], OIDC_RS256, cases[i].header, GOOD);
        const char *why = judge(buf_span(&token), ISSUER " aud=mail", &published, NULL);

        if ((why == NULL) != cases[i].is_good) {
            fail_msg("case %zu: %s", i, why ? why : "taken");
        }
    }
    buf_finish(&token);
    oidc_keys_finish(&published);
}

// What is no JWT may be something that its issuer can read; what is one and bad is not.
static void test_opaque_or_bad(void **state)
{
    static const struct {
        const char *text;
        enum err want;
    } cases[] = {
        {"", ERR_UNSUPPORTED},      {"abc", ERR_UNSUPPORTED},  {"ya29.a0AfH6SMB", ERR_UNSUPPORTED},
        {"a.b.c", ERR_UNSUPPORTED}, {"e30.e30.", ERR_INVALID}, {"e30.e30.e30.e30.e30", ERR_INVALID},
        {"..", ERR_UNSUPPORTED},
    };
    struct oidc_token t;
    struct arena arena;
    const char *why;

    (void)state;
    arena_init(&arena, 1u << 17);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_err(oidc_token_read(span_from_str(cases[i].text), &arena, &t, &why), cases[i].want);
    }
    arena_finish(&arena);
}

// L17: a good signature on what is not for us, not now, or not somebody's.
// A07d, A07e
static void test_claims(void **state)
{
#define ISS  "\"iss\":\"" ISSUER "\""
#define AUD  "\"aud\":\"mail\""
#define EXP  "\"exp\":1800000600"
#define MAIL "\"email\":\"a@b.example\",\"email_verified\":true"
    static const struct {
        const char *settings, *claims;
        enum oidc_source source;
        bool is_good;
    } cases[] = {
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL "}", OIDC_FROM_JWT, true},
        // whose word it is
        {"aud=mail", "{" AUD "," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" AUD "," EXP "," MAIL "}", OIDC_FROM_ISSUER, true},
        {"aud=mail", "{\"iss\":\"" ISSUER "/\"," AUD "," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{\"iss\":\"https://ID.example.org\"," AUD "," EXP "," MAIL "}", OIDC_FROM_JWT,
         false},
        {"aud=mail", "{\"iss\":\"https://evil.example\"," AUD "," EXP "," MAIL "}",
         OIDC_FROM_ISSUER, false},
        {"aud=mail", "{\"iss\":[\"" ISSUER "\"]," AUD "," EXP "," MAIL "}", OIDC_FROM_ISSUER,
         false},
        // for whom
        {"aud=mail", "{" ISS ",\"aud\":[\"x\",\"mail\"]," EXP "," MAIL "}", OIDC_FROM_JWT, true},
        {"aud=x aud=mail", "{" ISS "," AUD "," EXP "," MAIL "}", OIDC_FROM_JWT, true},
        {"aud=mail", "{" ISS ",\"aud\":\"mail2\"," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS ",\"aud\":\"Mail\"," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS ",\"aud\":[]," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS ",\"aud\":{\"mail\":1}," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS ",\"aud\":[[\"mail\"]]," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," EXP "," MAIL "}", OIDC_FROM_ISSUER, false},
        {"client=c azp=p", "{" ISS "," EXP ",\"azp\":\"p\"," MAIL "}", OIDC_FROM_JWT, false},
        {"client=c azp=p", "{" ISS "," EXP ",\"client_id\":\"p\"," MAIL "}", OIDC_FROM_ISSUER,
         true},
        {"client=c azp=p", "{" ISS "," EXP ",\"client_id\":\"q\"," MAIL "}", OIDC_FROM_ISSUER,
         false},
        {"aud=mail azp=p", "{" ISS "," AUD "," EXP ",\"azp\":\"p\",\"client_id\":\"q\"," MAIL "}",
         OIDC_FROM_JWT, true},
        {"aud=mail azp=p", "{" ISS "," AUD "," EXP ",\"azp\":\"q\",\"client_id\":\"p\"," MAIL "}",
         OIDC_FROM_JWT, false},
        {"aud=mail azp=p", "{" ISS "," AUD "," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail scope=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"scope\":\"a mail b\"}",
         OIDC_FROM_JWT, true},
        {"aud=mail scope=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"scp\":[\"a\",\"mail\"]}",
         OIDC_FROM_JWT, true},
        {"aud=mail scope=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"scope\":\"mail2 email\"}",
         OIDC_FROM_JWT, false},
        {"aud=mail scope=mail", "{" ISS "," AUD "," EXP "," MAIL "}", OIDC_FROM_JWT, false},
        // when
        {"aud=mail", "{" ISS "," AUD "," MAIL "}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," MAIL "}", OIDC_FROM_ISSUER, true},
        {"aud=mail", "{" ISS "," AUD "," MAIL ",\"exp\":null}", OIDC_FROM_ISSUER, false},
        {"aud=mail", "{" ISS "," AUD "," MAIL ",\"exp\":\"1800000600\"}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," MAIL ",\"exp\":-1}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," MAIL ",\"exp\":1e300}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," MAIL ",\"exp\":1800000600.5}", OIDC_FROM_JWT, true},
        {"aud=mail", "{" ISS "," AUD "," MAIL ",\"exp\":1799999941}", OIDC_FROM_JWT, true},
        {"aud=mail", "{" ISS "," AUD "," MAIL ",\"exp\":1799999940}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"nbf\":1800000060}", OIDC_FROM_JWT, true},
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"nbf\":1800000061}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"nbf\":\"x\"}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"iat\":1800000061}", OIDC_FROM_JWT, false},
        // what it is
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"nonce\":\"x\"}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"at_hash\":\"x\"}", OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"cnf\":{\"jkt\":\"x\"}}", OIDC_FROM_JWT,
         false},
        {"aud=mail", "{" ISS "," AUD "," EXP "," MAIL ",\"events\":{}}", OIDC_FROM_JWT, false},
        // whose
        {"aud=mail", "{" ISS "," AUD "," EXP ",\"email\":\"a@b.example\"}", OIDC_FROM_JWT, false},
        {"aud=mail unverified", "{" ISS "," AUD "," EXP ",\"email\":\"a@b.example\"}",
         OIDC_FROM_JWT, true},
        {"aud=mail", "{" ISS "," AUD "," EXP ",\"email\":\"a@b.example\",\"email_verified\":false}",
         OIDC_FROM_JWT, false},
        {"aud=mail",
         "{" ISS "," AUD "," EXP ",\"email\":\"a@b.example\",\"email_verified\":\"true\"}",
         OIDC_FROM_JWT, true},
        {"aud=mail", "{" ISS "," AUD "," EXP ",\"email\":\"\",\"email_verified\":true}",
         OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," EXP ",\"email\":7,\"email_verified\":true}", OIDC_FROM_JWT,
         false},
        {"aud=mail", "{" ISS "," AUD "," EXP ",\"email\":\"a\\nb\",\"email_verified\":true}",
         OIDC_FROM_JWT, false},
        {"aud=mail", "{" ISS "," AUD "," EXP ",\"sub\":\"a@b.example\"}", OIDC_FROM_JWT, false},
        {"aud=mail claim=sub", "{" ISS "," AUD "," EXP ",\"sub\":\"a@b.example\"}", OIDC_FROM_JWT,
         true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char settings[256];
        struct oidc_issuer issuer;
        struct oidc_person person;
        const char *why;
        json_t *claims = json_loads(cases[i].claims, 0, NULL);

        assert_non_null(claims);
        snprintf(settings, sizeof(settings), ISSUER " %s", cases[i].settings);
        assert_ok(oidc_issuer_read(span_from_str(settings), &issuer, &why));
        why = oidc_claims_check(claims, &issuer, cases[i].source, NOW, &person);
        if ((why == NULL) != cases[i].is_good) {
            fail_msg("case %zu: %s: %s", i, cases[i].claims, why ? why : "taken");
        }
        json_decref(claims);
    }
}

// L69: what nobody can take back is good for a time of ours, whatever it says.
static void test_the_life_of_what_is_not_asked_about(void **state)
{
    static const struct {
        const char *settings, *times;
        enum oidc_source source;
        int64_t until_s; // 0: refused
    } cases[] = {
        {"aud=mail", "\"exp\":1800000600,\"iat\":1800000000", OIDC_FROM_JWT, 1800000660},
        {"aud=mail", "\"exp\":1900000000,\"iat\":1800000000", OIDC_FROM_JWT, 1800003660},
        {"aud=mail", "\"exp\":1900000000,\"iat\":1799996401", OIDC_FROM_JWT, 1800000061},
        {"aud=mail", "\"exp\":1900000000,\"iat\":1799996340", OIDC_FROM_JWT, 0},
        {"aud=mail", "\"exp\":1900000000", OIDC_FROM_JWT, 0},
        {"aud=mail", "\"exp\":1900000000,\"iat\":\"now\"", OIDC_FROM_JWT, 0},
        {"aud=mail client=us", "\"exp\":1900000000", OIDC_FROM_JWT, 1900000060},
        {"aud=mail client=us", "\"exp\":1900000000,\"iat\":1", OIDC_FROM_ISSUER, 1900000060},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char settings[256], text[512];
        struct oidc_issuer issuer;
        struct oidc_person person = {.until_ms = 0};
        const char *why;

        snprintf(text, sizeof(text), "{" ISS "," AUD "," MAIL ",%s}", cases[i].times);
        json_t *claims = json_loads(text, 0, NULL);

        assert_non_null(claims);
        snprintf(settings, sizeof(settings), ISSUER " %s", cases[i].settings);
        assert_ok(oidc_issuer_read(span_from_str(settings), &issuer, &why));
        issuer.life_max_s = 3600;
        why = oidc_claims_check(claims, &issuer, cases[i].source, NOW, &person);
        assert_int_equal(why ? 0 : person.until_ms / 1000, cases[i].until_s);
        json_decref(claims);
    }
}

// L18: names of claims said twice: who reads the first and who the last are not to differ.
static void test_duplicates(void **state)
{
    static const char twice[] =
        "{\"iss\":\"" ISSUER "\",\"aud\":\"mail\",\"exp\":1800000600,\"email\":\"a@b.example\","
        "\"email_verified\":true,\"email\":\"anna@example.org\"}";
    struct oidc_keys published;
    struct buf token;

    (void)state;
    publish(&published);
    buf_init(&token, 1u << 16);
    maker_put_token(&token, keys[OIDC_RS256], OIDC_RS256, "{\"alg\":\"RS256\",\"kid\":\"RS256\"}",
                    twice);
    assert_non_null(judge(buf_span(&token), ISSUER " aud=mail", &published, NULL));
    buf_finish(&token);
    oidc_keys_finish(&published);
}

// L19: as long as it may be, longer, and nested as deep as that allows.
// A07g
static void test_huge(void **state)
{
    static char claims[1u << 17];
    struct oidc_token t;
    struct arena arena;
    struct buf token;
    const char *why;

    (void)state;
    arena_init(&arena, 1u << 17);
    buf_init(&token, 1u << 20);
    memset(claims, '[', 5000);
    maker_put_token(&token, keys[OIDC_EDDSA], OIDC_EDDSA, "{\"alg\":\"EdDSA\"}", claims);
    assert_true(token.n < OIDC_TOKEN_BYTES_MAX);
    assert_err(oidc_token_read(buf_span(&token), &arena, &t, &why), ERR_INVALID);
    buf_clear(&token);
    memset(claims, ' ', sizeof(claims) - 1);
    memcpy(claims, GOOD, sizeof(GOOD) - 1);
    claims[8000] = '\0';
    maker_put_token(&token, keys[OIDC_EDDSA], OIDC_EDDSA, "{\"alg\":\"EdDSA\"}", claims);
    assert_true(token.n > OIDC_TOKEN_BYTES_MAX);
    assert_err(oidc_token_read(buf_span(&token), &arena, &t, &why), ERR_UNSUPPORTED);
    buf_finish(&token);
    arena_finish(&arena);
}

// ---- keys and documents -------------------------------------------------------------------------

static void test_keys_passed_over(void **state)
{
    static const struct {
        const char *more; // members of an RSA key
        bool is_taken;
    } cases[] = {
        {"", true},
        {",\"use\":\"enc\"", false},
        {",\"use\":7", false},
        {",\"key_ops\":[\"verify\"]", true},
        {",\"key_ops\":[\"encrypt\"]", false},
        {",\"key_ops\":[]", false},
        {",\"alg\":\"RS256\"", true},
        {",\"alg\":\"RSA-OAEP\"", false},
        {",\"alg\":\"HS256\"", false},
        {",\"alg\":\"ES256\"", false},
    };
    struct oidc_keys got;
    struct buf b;

    (void)state;
    buf_init(&b, 1u << 16);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&b);
        buf_put_str(&b, "{\"keys\":[");
        maker_put_jwk(&b, keys[OIDC_RS256], "k", cases[i].more);
        buf_put_str(&b, ",{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"k\"},{\"kty\":\"EC\","
                        "\"crv\":\"P-521\"},7,{}]}");
        assert_ok(oidc_keys_read(buf_span(&b), &got));
        assert_int_equal(got.n, cases[i].is_taken);
        oidc_keys_finish(&got);
    }
    buf_finish(&b);
}

#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" // 32 bytes

static void test_bad_keys(void **state)
{
    // A point that is not on the curve, numbers that are too small, too large or even.
    static const char *const none[] = {
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" ZEROS "\",\"y\":\"" ZEROS "\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"====\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ZEROS "\"}]}",
    };
    static const char *const bad[] = {
        "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]", "null", "{\"keys\":[],\"keys\":[]}"};
    struct oidc_keys got;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_ok(oidc_keys_read(span_from_str(none[i]), &got));
        assert_int_equal(got.n, 0);
        oidc_keys_finish(&got);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_err(oidc_keys_read(span_from_str(bad[i]), &got), ERR_INVALID);
    }
    // The same name for two keys: which of them is meant?
    buf_init(&b, 1u << 20);
    buf_put_str(&b, "{\"keys\":[");
    maker_put_jwk(&b, keys[OIDC_RS256], "k", "");
    buf_put_byte(&b, ',');
    maker_put_jwk(&b, other, "k", "");
    buf_put_str(&b, "]}");
    assert_err(oidc_keys_read(buf_span(&b), &got), ERR_INVALID);
    // Very many: as many as there may be.
    buf_clear(&b);
    buf_put_str(&b, "{\"keys\":[");
    for (unsigned i = 0; i < OIDC_KEYS_MAX + 10; i++) {
        char id[16];

        snprintf(id, sizeof(id), "k%u", i);
        buf_put_str(&b, i ? "," : "");
        maker_put_jwk(&b, keys[OIDC_EDDSA], id, "");
    }
    buf_put_str(&b, "]}");
    assert_ok(oidc_keys_read(buf_span(&b), &got));
    assert_int_equal(got.n, OIDC_KEYS_MAX);
    oidc_keys_finish(&got);
    buf_clear(&b);
    for (size_t i = 0; i <= OIDC_KEYS_BYTES_MAX; i++) {
        buf_put_byte(&b, ' ');
    }
    assert_err(oidc_keys_read(buf_span(&b), &got), ERR_LIMIT);
    buf_finish(&b);
}

static void test_documents(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://id.example.org/k\"}", true},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://k.example/k\",\"more\":[1]}", true},
        {"{\"issuer\":\"" ISSUER "\"}", true},
        {"{\"issuer\":\"" ISSUER "/\",\"jwks_uri\":\"https://id.example.org/k\"}", false},
        {"{\"issuer\":\"https://evil.example\",\"jwks_uri\":\"https://e.example/k\"}", false},
        {"{\"jwks_uri\":\"https://id.example.org/k\"}", false},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://id.example.org/k\"}", false},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"file:///etc/passwd\"}", false},
        {"{\"issuer\":\"" ISSUER "\",\"jwks_uri\":7}", false},
        {"{\"issuer\":\"" ISSUER "\",\"introspection_endpoint\":\"gopher://x/\"}", false},
        {"{\"issuer\":\"" ISSUER "\",\"issuer\":\"" ISSUER "\"}", false},
        {"[]", false},
        {"", false},
    };
    struct oidc_document d;
    const char *why;
    struct buf url;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum err e = oidc_document_read(span_from_str(cases[i].text), SPAN(ISSUER), &d, &why);

        if ((e == ERR_OK) != cases[i].is_good) {
            fail_msg("case %zu: %s", i, e == ERR_OK ? "taken" : why);
        }
    }
    buf_init(&url, 4096);
    oidc_document_url(SPAN("https://a.example:8443/realms/x/"), false, &url);
    assert_span(buf_span(&url), "https://a.example:8443/realms/x/.well-known/openid-configuration");
    buf_clear(&url);
    oidc_document_url(SPAN("https://a.example:8443/realms/x"), true, &url);
    assert_span(buf_span(&url),
                "https://a.example:8443/.well-known/oauth-authorization-server/realms/x");
    buf_clear(&url);
    oidc_document_url(SPAN("https://a.example/"), true, &url);
    assert_span(buf_span(&url), "https://a.example/.well-known/oauth-authorization-server");
    buf_finish(&url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issuers_of_settings),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_each_algorithm),
        cmocka_unit_test(test_confused_algorithms),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_opaque_or_bad),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_the_life_of_what_is_not_asked_about),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_keys_passed_over),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_documents),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
