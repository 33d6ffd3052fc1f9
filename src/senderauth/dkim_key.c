// SPDX-License-Identifier: Apache-2.0
//
// Keys: fetched to verify, made and read to sign. All of DKIM's cryptography is here; it is
// OpenSSL's. Ed25519 signs the SHA-256 hash (RFC 8463 section 3).
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "senderauth/dkim_internal.h"

#include "base/banned.h"

#define KEY_BYTES_MAX     4096 // of p=, decoded
#define EXPONENT_BITS_MAX 64   // an RSA exponent that makes verifying slow
#define ED25519_BYTES     32
#define PEM_BYTES_MAX     (64u << 10)
#define ZONE_STRING_MAX   255

struct dkim_private_key {
    EVP_PKEY *key;
    enum dkim_algorithm algorithm;
};

// SubjectPublicKeyInfo, or the bare RSAPublicKey that the RFC speaks of.
static EVP_PKEY *decode_rsa(struct span der)
{
    const unsigned char *p = (const unsigned char *)der.p;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)der.n);

    if (!key) {
        p = (const unsigned char *)der.p;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)der.n);
    }
    if (key && EVP_PKEY_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

static bool has_slow_exponent(EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    bool is_slow = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1 ||
                   BN_num_bits(e) > EXPONENT_BITS_MAX;

    BN_free(e);
    return is_slow;
}

static void judge_rsa(struct dkim_public_key *out)
{
    out->bits = (unsigned)EVP_PKEY_bits(out->key);
    if (out->bits < DKIM_RSA_BITS_MIN) {
        out->status = DKIM_FAIL;
        out->why = "is too short to be trusted";
    } else if (out->bits > DKIM_RSA_BITS_MAX || has_slow_exponent(out->key)) {
        out->status = DKIM_POLICY;
        out->why = "is larger than is accepted here";
    }
}

// Makes a key of the record's bytes.
static void decode_key(struct span der, enum dkim_algorithm algorithm, struct dkim_public_key *out)
{
    out->status = DKIM_PASS;
    if (algorithm == DKIM_RSA_SHA256) {
        out->key = decode_rsa(der);
    } else if (der.n == ED25519_BYTES) {
        out->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)der.p,
                                               der.n);
        out->bits = 8 * ED25519_BYTES;
    }
    if (!out->key) {
        out->status = DKIM_PERMERROR;
        out->why = "is damaged";
    } else if (algorithm == DKIM_RSA_SHA256) {
        judge_rsa(out);
    }
    if (out->status != DKIM_PASS) {
        EVP_PKEY_free(out->key);
        out->key = NULL;
    }
}

static void use_record(struct span text, const struct dkim_signature *s,
                       struct dkim_public_key *out)
{
    struct dkim_record record = {0};
    struct buf squeezed, der;

    out->status = DKIM_PERMERROR;
    out->why = dkim_record_parse(text, &record);
    if (out->why) {
        return;
    }
    out->is_testing = record.is_testing;
    out->is_strict = record.is_strict;
    if (record.key.n == 0) {
        out->why = "has been withdrawn by its owner";
        return;
    }
    if (record.algorithm != s->algorithm) {
        out->why = "is of another kind than the signature";
        return;
    }
    buf_init(&squeezed, 2 * KEY_BYTES_MAX);
    buf_init(&der, KEY_BYTES_MAX);
    tag_put_squeezed(&squeezed, record.key);
    if (!squeezed.failed && base64_decode(&der, buf_span(&squeezed)) == ERR_OK) {
        decode_key(buf_span(&der), record.algorithm, out);
    } else {
        out->why = "is damaged";
    }
    buf_finish(&squeezed);
    buf_finish(&der);
}

enum err dkim_public_key_get(const struct resolver *r, const struct dkim_signature *s,
                             struct dkim_public_key *out)
{
    const struct dns_answer *a = NULL;
    struct buf name;
    enum err e = ERR_OK;

    *out = (struct dkim_public_key){.status = DKIM_PERMERROR, .why = "was not found"};
    buf_init(&name, 4 * DOMAIN_BYTES_MAX);
    buf_put(&name, s->selector);
    buf_put_str(&name, "._domainkey.");
    buf_put(&name, domain_name_span(&s->domain));
    e = resolver_ask(r, buf_span(&name), DNS_TXT, &a);
    buf_finish(&name);
    if (e != ERR_OK) {
        return e;
    }
    out->is_validated = a->is_validated;
    if (a->status == DNS_TEMPFAIL) {
        out->status = DKIM_TEMPERROR;
        out->why = "could not be looked up";
    }
    // More than one record is not allowed; the first that can be used is.
    for (size_t i = 0; i < a->n && i < DKIM_SIGNATURES_MAX && out->status != DKIM_PASS; i++) {
        use_record(a->records[i].data, s, out);
    }
    return ERR_OK;
}

void dkim_public_key_finish(struct dkim_public_key *k)
{
    EVP_PKEY_free(k->key);
    k->key = NULL;
}

static EVP_PKEY_CTX *rsa_context(EVP_PKEY *key, bool is_signing)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);

    if (c && (is_signing ? EVP_PKEY_sign_init(c) : EVP_PKEY_verify_init(c)) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1) {
        return c;
    }
    EVP_PKEY_CTX_free(c);
    return NULL;
}

bool dkim_digest_is_signed(const struct dkim_public_key *k, const struct dkim_signature *s,
                           const uint8_t digest[AUTH_DIGEST_BYTES])
{
    bool ok = false;

    if (s->algorithm == DKIM_ED25519_SHA256) {
        EVP_MD_CTX *c = EVP_MD_CTX_new();

        ok = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->key) == 1 &&
             EVP_DigestVerify(c, s->bytes, s->n, digest, AUTH_DIGEST_BYTES) == 1;
        EVP_MD_CTX_free(c);
    } else if (s->algorithm == DKIM_RSA_SHA256) {
        EVP_PKEY_CTX *c = rsa_context(k->key, false);

        ok = c && EVP_PKEY_verify(c, s->bytes, s->n, digest, AUTH_DIGEST_BYTES) == 1;
        EVP_PKEY_CTX_free(c);
    }
    ERR_clear_error();
    return ok;
}

enum err dkim_digest_sign(const struct dkim_private_key *key,
                          const uint8_t digest[AUTH_DIGEST_BYTES], struct buf *out)
{
    uint8_t bytes[DKIM_SIGNATURE_BYTES_MAX];
    size_t n = sizeof(bytes);
    bool ok = false;

    if (key->algorithm == DKIM_ED25519_SHA256) {
        EVP_MD_CTX *c = EVP_MD_CTX_new();

        ok = c && EVP_DigestSignInit(c, NULL, NULL, NULL, key->key) == 1 &&
             EVP_DigestSign(c, bytes, &n, digest, AUTH_DIGEST_BYTES) == 1;
        EVP_MD_CTX_free(c);
    } else {
        EVP_PKEY_CTX *c = rsa_context(key->key, true);

        ok = c && EVP_PKEY_sign(c, bytes, &n, digest, AUTH_DIGEST_BYTES) == 1;
        EVP_PKEY_CTX_free(c);
    }
    ERR_clear_error();
    if (!ok) {
        return ERR_NOMEM;
    }
    base64_encode(out, span_of(bytes, n));
    return buf_result(out);
}

static enum err wrap(EVP_PKEY *pkey, struct dkim_private_key **out_key)
{
    int kind = pkey ? EVP_PKEY_base_id(pkey) : 0;
    enum err e = ERR_OK;
    struct dkim_private_key *k = NULL;

    ERR_clear_error();
    if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_ED25519) {
        e = ERR_INVALID;
    } else if (kind == EVP_PKEY_RSA && (EVP_PKEY_bits(pkey) < DKIM_RSA_BITS_MIN ||
                                        EVP_PKEY_bits(pkey) > DKIM_RSA_BITS_MAX)) {
        e = ERR_LIMIT;
    } else {
        k = calloc(1, sizeof(*k));
        e = k ? ERR_OK : ERR_NOMEM;
    }
    if (e != ERR_OK) {
        EVP_PKEY_free(pkey);
        return e;
    }
    k->key = pkey;
    k->algorithm = kind == EVP_PKEY_RSA ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256;
    *out_key = k;
    return ERR_OK;
}

enum err dkim_key_generate(enum dkim_algorithm algorithm, unsigned rsa_bits,
                           struct dkim_private_key **out_key)
{
    if (algorithm == DKIM_ED25519_SHA256) {
        return wrap(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), out_key);
    }
    if (algorithm != DKIM_RSA_SHA256) {
        return ERR_UNSUPPORTED;
    }
    if (rsa_bits < DKIM_RSA_BITS_MIN || rsa_bits > DKIM_RSA_BITS_MAX) {
        return ERR_LIMIT;
    }
    return wrap(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits), out_key);
}

// A key file with a passphrase is not asked about on the terminal.
static int no_passphrase(char *text, int max, int is_writing, void *context)
{
    (void)text;
    (void)max;
    (void)is_writing;
    (void)context;
    return -1;
}

enum err dkim_key_from_pem(struct span pem, struct dkim_private_key **out_key)
{
    if (pem.n > PEM_BYTES_MAX) {
        return ERR_INVALID;
    }
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);

    if (!in) {
        return ERR_NOMEM;
    }
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);

    BIO_free(in);
    return wrap(key, out_key);
}

void dkim_key_destroy(struct dkim_private_key *key)
{
    if (key) {
        EVP_PKEY_free(key->key);
        free(key);
    }
}

enum dkim_algorithm dkim_key_algorithm(const struct dkim_private_key *key)
{
    return key->algorithm;
}

enum err dkim_key_put_pem(struct buf *out, const struct dkim_private_key *key)
{
    BIO *b = BIO_new(BIO_s_secmem());
    char *p = NULL;
    enum err e = ERR_NOMEM;

    if (b && PEM_write_bio_PKCS8PrivateKey(b, key->key, NULL, NULL, 0, NULL, NULL) == 1) {
        long n = BIO_get_mem_data(b, &p);

        buf_put(out, span_of(p, (size_t)n));
        e = buf_result(out);
    }
    BIO_free(b);
    ERR_clear_error();
    return e;
}

enum err dkim_key_put_record(struct buf *out, const struct dkim_private_key *key)
{
    unsigned char raw[ED25519_BYTES], *der = NULL;
    size_t n = sizeof(raw);

    if (key->algorithm == DKIM_ED25519_SHA256) {
        if (EVP_PKEY_get_raw_public_key(key->key, raw, &n) != 1) {
            return ERR_NOMEM;
        }
        buf_put_str(out, "v=DKIM1; k=ed25519; p=");
        base64_encode(out, span_of(raw, n));
        return buf_result(out);
    }
    int length = i2d_PUBKEY(key->key, &der);

    if (length <= 0) {
        return ERR_NOMEM;
    }
    buf_put_str(out, "v=DKIM1; k=rsa; p=");
    base64_encode(out, span_of(der, (size_t)length));
    OPENSSL_free(der);
    return buf_result(out);
}

enum err dkim_key_put_zone_line(struct buf *out, const struct dkim_private_key *key,
                                struct span selector, struct span domain)
{
    struct buf record;
    enum err e = ERR_OK;

    buf_init(&record, KEY_BYTES_MAX);
    e = dkim_key_put_record(&record, key);
    buf_put(out, selector);
    buf_put_str(out, "._domainkey.");
    buf_put(out, domain);
    buf_put_str(out, ". IN TXT (");
    for (struct span rest = buf_span(&record); rest.n; rest = span_skip(rest, ZONE_STRING_MAX)) {
        buf_put_str(out, " \"");
        buf_put(out, span_first(rest, ZONE_STRING_MAX));
        buf_put_byte(out, '"');
    }
    buf_put_str(out, " )\n");
    buf_finish(&record);
    return e == ERR_OK ? buf_result(out) : e;
}
