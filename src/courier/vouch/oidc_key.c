// SPDX-License-Identifier: Apache-2.0
#include "courier/vouch/oidc_key.h"

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/encode.h"

#include "base/banned.h"

#define NUMBER_BYTES_MAX (OIDC_RSA_BITS_MAX / 8)
#define P256_BYTES       32
#define ED25519_BYTES    32
#define ARENA_BYTES      (512u << 10)

static const char *const alg_names[OIDC_ALG__COUNT] = {
    [OIDC_RS256] = "RS256",
    [OIDC_PS256] = "PS256",
    [OIDC_ES256] = "ES256",
    [OIDC_EDDSA] = "EdDSA",
};

enum err oidc_alg_from_name(struct span name, enum oidc_alg *out)
{
    for (unsigned i = 0; i < OIDC_ALG__COUNT; i++) {
        if (span_eq(name, span_from_str(alg_names[i]))) {
            *out = (enum oidc_alg)i;
            return ERR_OK;
        }
    }
    return ERR_UNSUPPORTED;
}

const char *oidc_alg_name(enum oidc_alg alg)
{
    return alg < OIDC_ALG__COUNT ? alg_names[alg] : "?";
}

// ---- members ------------------------------------------------------------------------------------

static struct span text_of(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);

    return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v))
                             : (struct span){NULL, 0};
}

static bool is_text(const json_t *object, const char *name, const char *value)
{
    return span_eq(text_of(object, name), span_from_str(value));
}

// The bytes of a member in base64url. False when it is not there, or too long.
static bool bytes_of(const json_t *object, const char *name, struct buf *out)
{
    buf_init(out, NUMBER_BYTES_MAX);
    if (base64url_decode(out, text_of(object, name)) != ERR_OK || out->n == 0) {
        buf_finish(out);
        return false;
    }
    return true;
}

// ---- making keys --------------------------------------------------------------------------------

static EVP_PKEY *key_of_params(const char *type, OSSL_PARAM_BLD *build)
{
    OSSL_PARAM *params = build ? OSSL_PARAM_BLD_to_param(build) : NULL;
    EVP_PKEY_CTX *ctx = params ? EVP_PKEY_CTX_new_from_name(NULL, type, NULL) : NULL;
    EVP_PKEY *pkey = NULL;

    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1) {
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *rsa_of_numbers(struct span n, struct span e)
{
    BIGNUM *bn = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
    BIGNUM *be = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    int bits = bn ? BN_num_bits(bn) : 0;

    // An even number or an exponent of 1 signs nothing; a huge one costs time at each signature.
    if (bn && be && build && bits >= OIDC_RSA_BITS_MIN && bits <= OIDC_RSA_BITS_MAX &&
        BN_is_odd(bn) && BN_is_odd(be) && !BN_is_one(be) && BN_num_bits(be) <= 64 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, be)) {
        pkey = key_of_params("RSA", build);
    }
    OSSL_PARAM_BLD_free(build);
    BN_free(bn);
    BN_free(be);
    return pkey;
}

static EVP_PKEY *make_rsa(const json_t *jwk)
{
    struct buf n, e;
    EVP_PKEY *pkey = NULL;

    if (!bytes_of(jwk, "n", &n)) {
        return NULL;
    }
    if (bytes_of(jwk, "e", &e)) {
        pkey = rsa_of_numbers(buf_span(&n), buf_span(&e));
        buf_finish(&e);
    }
    buf_finish(&n);
    return pkey;
}

static EVP_PKEY *p256_of_point(struct span x, struct span y)
{
    unsigned char point[1 + 2 * P256_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;

    memcpy(point + 1, x.p, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.p, P256_BYTES);
    if (build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point))) {
        pkey = key_of_params("EC", build); // refuses what is not on the curve
    }
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static EVP_PKEY *make_p256(const json_t *jwk)
{
    struct buf x, y;
    EVP_PKEY *pkey = NULL;

    if (!is_text(jwk, "crv", "P-256") || !bytes_of(jwk, "x", &x)) {
        return NULL;
    }
    if (bytes_of(jwk, "y", &y)) {
        if (x.n == P256_BYTES && y.n == P256_BYTES) {
            pkey = p256_of_point(buf_span(&x), buf_span(&y));
        }
        buf_finish(&y);
    }
    buf_finish(&x);
    return pkey;
}

static EVP_PKEY *make_ed25519(const json_t *jwk)
{
    struct buf x;
    EVP_PKEY *pkey = NULL;

    if (is_text(jwk, "crv", "Ed25519") && bytes_of(jwk, "x", &x)) {
        if (x.n == ED25519_BYTES) {
            pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p,
                                               x.n);
        }
        buf_finish(&x);
    }
    return pkey;
}

// ---- the document -------------------------------------------------------------------------------

static const struct {
    const char *type;
    EVP_PKEY *(*make)(const json_t *jwk);
    unsigned algs;
} kinds[] = {
    {"RSA", make_rsa, 1u << OIDC_RS256 | 1u << OIDC_PS256},
    {"EC", make_p256, 1u << OIDC_ES256},
    {"OKP", make_ed25519, 1u << OIDC_EDDSA},
};

// What "use", "key_ops" and "alg" leave of `algs` (RFC 7517 section 4).
static unsigned allowed(const json_t *jwk, unsigned algs)
{
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");
    enum oidc_alg alg;
    bool verifies = !ops;

    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *op = json_string_value(json_array_get(ops, i));

        verifies |= op && strcmp(op, "verify") == 0;
    }
    if ((use && !is_text(jwk, "use", "sig")) || !verifies) {
        return 0;
    }
    if (!json_object_get(jwk, "alg")) {
        return algs;
    }
    return oidc_alg_from_name(text_of(jwk, "alg"), &alg) == ERR_OK ? algs & 1u << alg : 0;
}

static const struct oidc_key *find_id(const struct oidc_keys *keys, struct span id, unsigned algs)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->items[i].id.p && span_eq(keys->items[i].id, id) && keys->items[i].algs & algs) {
            return &keys->items[i];
        }
    }
    return NULL;
}

static enum err add_key(const json_t *jwk, struct oidc_keys *out)
{
    struct oidc_key key = {.id = text_of(jwk, "kid")};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !key.pkey; i++) {
        key.algs = is_text(jwk, "kty", kinds[i].type) ? allowed(jwk, kinds[i].algs) : 0;
        key.pkey = key.algs ? kinds[i].make(jwk) : NULL;
    }
    if (!key.pkey) {
        return ERR_OK;
    }
    if (key.id.p && find_id(out, key.id, key.algs)) {
        EVP_PKEY_free(key.pkey);
        return ERR_INVALID;
    }
    if (key.id.p) {
        key.id = arena_dup(&out->arena, key.id);
        if (!key.id.p) {
            EVP_PKEY_free(key.pkey);
            return ERR_NOMEM;
        }
    }
    out->items[out->n++] = key;
    return ERR_OK;
}

enum err oidc_keys_read(struct span json, struct oidc_keys *out)
{
    *out = (struct oidc_keys){.n = 0};
    if (json.n > OIDC_KEYS_BYTES_MAX) {
        return ERR_LIMIT;
    }
    json_t *document = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(document, "keys");
    enum err e = json_is_array(list) ? ERR_OK : ERR_INVALID;

    arena_init(&out->arena, ARENA_BYTES);
    for (size_t i = 0; i < json_array_size(list) && out->n < OIDC_KEYS_MAX && e == ERR_OK; i++) {
        e = add_key(json_array_get(list, i), out);
    }
    json_decref(document);
    ERR_clear_error(); // of keys that were passed over
    if (e != ERR_OK) {
        oidc_keys_finish(out);
    }
    return e;
}

void oidc_keys_finish(struct oidc_keys *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        EVP_PKEY_free(keys->items[i].pkey);
    }
    keys->n = 0;
    arena_finish(&keys->arena);
}

const struct oidc_key *oidc_keys_find(const struct oidc_keys *keys, struct span id,
                                      enum oidc_alg alg)
{
    const struct oidc_key *found = NULL;

    if (id.p) {
        return find_id(keys, id, 1u << alg);
    }
    for (size_t i = 0; i < keys->n; i++) {
        if (keys->items[i].algs & 1u << alg) {
            if (found) {
                return NULL;
            }
            found = &keys->items[i];
        }
    }
    return found;
}

// ---- signatures ---------------------------------------------------------------------------------

// Two numbers one after the other, as RFC 7518 section 3.4 has them, become what OpenSSL reads.
static int ecdsa_der(struct span signature, unsigned char **out)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    const unsigned char *p = (const unsigned char *)signature.p;
    BIGNUM *r = BN_bin2bn(p, P256_BYTES, NULL), *s = BN_bin2bn(p + P256_BYTES, P256_BYTES, NULL);
    int n = -1;

    *out = NULL;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL;
        n = i2d_ECDSA_SIG(sig, out);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return n;
}

static bool set_padding(EVP_PKEY_CTX *ctx, enum oidc_alg alg)
{
    if (alg == OIDC_RS256) {
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    }
    // RFC 7518 section 3.5: the salt is as long as the hash.
    return alg != OIDC_PS256 ||
           (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
            EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1);
}

static enum err verify(const struct oidc_key *key, enum oidc_alg alg, struct span bytes,
                       const unsigned char *signature, size_t n)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    EVP_PKEY_CTX *ctx;
    const EVP_MD *hash = alg == OIDC_EDDSA ? NULL : EVP_sha256();
    enum err e = ERR_NOMEM;

    if (md && EVP_DigestVerifyInit(md, &ctx, hash, NULL, key->pkey) == 1 && set_padding(ctx, alg)) {
        e = EVP_DigestVerify(md, signature, n, (const unsigned char *)bytes.p, bytes.n) == 1
                ? ERR_OK
                : ERR_DENIED;
    }
    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return e;
}

enum err oidc_signature_check(const struct oidc_key *key, enum oidc_alg alg, struct span bytes,
                              struct span signature)
{
    if (!(key->algs & 1u << alg)) {
        return ERR_DENIED;
    }
    if (alg != OIDC_ES256) {
        return verify(key, alg, bytes, (const unsigned char *)signature.p, signature.n);
    }
    if (signature.n != 2 * P256_BYTES) {
        return ERR_DENIED;
    }
    unsigned char *der;
    int n = ecdsa_der(signature, &der);
    enum err e = n > 0 ? verify(key, alg, bytes, der, (size_t)n) : ERR_NOMEM;

    OPENSSL_free(der);
    return e;
}
