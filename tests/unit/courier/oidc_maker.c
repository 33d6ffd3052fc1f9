// SPDX-License-Identifier: Apache-2.0
#include "oidc_maker.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "../test.h"
#include "base/encode.h"

EVP_PKEY *maker_key(enum oidc_alg alg)
{
    EVP_PKEY *key = alg == OIDC_ES256   ? EVP_EC_gen("P-256")
                    : alg == OIDC_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                        : EVP_RSA_gen(2048);

    assert_non_null(key);
    return key;
}

void maker_base64url(struct buf *out, struct span in)
{
    size_t at = out->n;

    base64_encode(out, in);
    while (out->n > at && out->p[out->n - 1] == '=') {
        out->n--;
    }
    for (size_t i = at; i < out->n; i++) {
        char c = out->p[i];

        out->p[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
}

static void put_number(struct buf *out, const EVP_PKEY *key, const char *member, const char *param,
                       int pad)
{
    unsigned char bytes[1024];
    BIGNUM *n = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &n), 1);
    int size = pad ? pad : BN_num_bytes(n);

    assert_int_equal(BN_bn2binpad(n, bytes, size), size);
    buf_printf(out, ",\"%s\":\"", member);
    maker_base64url(out, span_of(bytes, (size_t)size));
    buf_put_byte(out, '"');
    BN_free(n);
}

void maker_put_jwk(struct buf *out, const EVP_PKEY *key, const char *id, const char *more)
{
    unsigned char raw[32];
    size_t n = sizeof(raw);

    if (EVP_PKEY_is_a(key, "RSA")) {
        buf_put_str(out, "{\"kty\":\"RSA\"");
        put_number(out, key, "n", OSSL_PKEY_PARAM_RSA_N, 0);
        put_number(out, key, "e", OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        buf_put_str(out, "{\"kty\":\"EC\",\"crv\":\"P-256\"");
        put_number(out, key, "x", OSSL_PKEY_PARAM_EC_PUB_X, 32);
        put_number(out, key, "y", OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    } else {
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &n), 1);
        buf_put_str(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
        maker_base64url(out, span_of(raw, n));
        buf_put_byte(out, '"');
    }
    if (id) {
        buf_printf(out, ",\"kid\":\"%s\"", id);
    }
    buf_printf(out, "%s}", more);
}

// r and s as they stand in a JWS, from what OpenSSL makes.
static size_t ecdsa_raw(const unsigned char *der, size_t n, unsigned char out[64])
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);

    assert_non_null(sig);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32);
    ECDSA_SIG_free(sig);
    return 64;
}

static void put_body(struct buf *out, const char *header, const char *claims)
{
    maker_base64url(out, span_from_str(header));
    buf_put_byte(out, '.');
    maker_base64url(out, span_from_str(claims));
}

void maker_put_token(struct buf *out, EVP_PKEY *key, enum oidc_alg alg, const char *header,
                     const char *claims)
{
    unsigned char der[1100], raw[64];
    size_t n = sizeof(der), at = out->n;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;

    put_body(out, header, claims);
    assert_int_equal(
        EVP_DigestSignInit(md, &ctx, alg == OIDC_EDDSA ? NULL : EVP_sha256(), NULL, key), 1);
    if (alg == OIDC_PS256) {
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(md, der, &n, (const unsigned char *)out->p + at, out->n - at),
                     1);
    buf_put_byte(out, '.');
    if (alg == OIDC_ES256) {
        n = ecdsa_raw(der, n, raw);
    }
    maker_base64url(out, span_of(alg == OIDC_ES256 ? raw : der, n));
    EVP_MD_CTX_free(md);
}

void maker_put_hmac_token(struct buf *out, struct span secret, const char *header,
                          const char *claims)
{
    unsigned char mac[32];
    unsigned n = sizeof(mac);
    size_t at = out->n;

    put_body(out, header, claims);
    HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)out->p + at, out->n - at,
         mac, &n);
    buf_put_byte(out, '.');
    maker_base64url(out, span_of(mac, n));
}
