// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/random.h"
#include "net/tls_internal.h"

#include "base/banned.h"

#define TICKET_KEY_LIFE_MS (12LL * 3600 * 1000)
#define SERVICE_BYTES_MAX  31
#define SELF_SIGNED_DAYS   3650
#define CLIENT_CHAIN_MAX   4 // certificates between a client's and the authority's
// Handshake messages a client may send between two pieces of data; the first handshake has a few,
// a flood of key updates many.
#define HANDSHAKE_MESSAGES_MAX 64

struct ticket_key {
    unsigned char name[16], aes[32], mac[32];
    int64_t made_ms; // 0: none
};

struct tls_context {
    _Atomic int refs;
    SSL_CTX *ctx;
    char service[SERVICE_BYTES_MAX + 1];
    int64_t begins, expires;
    struct lock lock;          // guards the keys
    struct ticket_key keys[2]; // the newest first
};

// ---- tickets ------------------------------------------------------------------------------------

static void make_key(struct ticket_key *k, int64_t now)
{
    random_bytes(k->name, sizeof(k->name));
    random_bytes(k->aes, sizeof(k->aes));
    random_bytes(k->mac, sizeof(k->mac));
    k->made_ms = now;
}

static struct ticket_key current_key(struct tls_context *t)
{
    int64_t now = clock_monotonic_ms();

    lock_take(&t->lock);
    if (!t->keys[0].made_ms || now - t->keys[0].made_ms > TICKET_KEY_LIFE_MS) {
        t->keys[1] = t->keys[0];
        make_key(&t->keys[0], now ? now : 1);
    }
    struct ticket_key k = t->keys[0];

    lock_release(&t->lock);
    return k;
}

static bool find_key(struct tls_context *t, const unsigned char name[16], struct ticket_key *out)
{
    int64_t now = clock_monotonic_ms();
    bool found = false;

    lock_take(&t->lock);
    for (int i = 0; i < 2 && !found; i++) {
        found = t->keys[i].made_ms && now - t->keys[i].made_ms <= 2 * TICKET_KEY_LIFE_MS &&
                memcmp(t->keys[i].name, name, 16) == 0;
        if (found) {
            *out = t->keys[i];
        }
    }
    lock_release(&t->lock);
    return found;
}

// For SSL_CTX_set_tlsext_ticket_key_evp_cb: 1 go on, 0 no such key (a full handshake), -1 failed.
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    struct tls_context *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key k;
    char sha256[] = "SHA256";

    if (encrypt) {
        k = current_key(t);
        memcpy(name, k.name, 16);
        random_bytes(iv, 16);
    } else if (!find_key(t, name, &k)) {
        return 0;
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k.mac, sizeof(k.mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    int ok = EVP_MAC_CTX_set_params(mac, params) == 1 &&
             EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.aes, iv, encrypt) == 1;

    OPENSSL_cleanse(&k, sizeof(k));
    return ok ? 1 : -1;
}

// ---- what a client may ask for ------------------------------------------------------------------

// A client that speaks ALPN must know our protocol (RFC 7301 section 3.2).
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned in_n, void *arg)
{
    struct tls_context *t = arg;
    struct span rest = span_of(in, in_n), want = span_from_str(t->service);

    (void)ssl;
    while (rest.n) {
        size_t n = (unsigned char)rest.p[0];
        struct span name = span_first(span_skip(rest, 1), n);

        if (span_eq(name, want)) {
            *out = (const unsigned char *)name.p;
            *out_n = (unsigned char)name.n;
            return SSL_TLSEXT_ERR_OK;
        }
        rest = span_skip(rest, 1 + n);
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Counts the client's handshake messages; data sets the count back. A flood ends the
// connection: the pretended close makes every later read and write fail.
static void on_message(int sent, int version, int type, const void *bytes, size_t n, SSL *ssl,
                       void *arg)
{
    (void)version;
    (void)n;
    (void)arg;
    if (sent) {
        return;
    }
    uintptr_t count = (uintptr_t)SSL_get_app_data(ssl);

    if (type == SSL3_RT_HANDSHAKE) {
        count++;
    } else if (type == SSL3_RT_INNER_CONTENT_TYPE && n == 1 &&
               *(const unsigned char *)bytes == SSL3_RT_APPLICATION_DATA) {
        count = 0;
    }
    SSL_set_app_data(ssl, (void *)count);
    if (count > HANDSHAKE_MESSAGES_MAX) {
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
}

// ---- making a context ---------------------------------------------------------------------------

static void explain(char problem[TLS_PROBLEM_BYTES], const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    snprintf(problem, TLS_PROBLEM_BYTES, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
}

// 0: no time that is one.
static int64_t moment_of(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : 0;
}

static bool load_certificates(struct tls_context *t, struct span pem, char *problem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *cert = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    bool ok = cert && SSL_CTX_use_certificate(t->ctx, cert) == 1;

    if (!ok) {
        explain(problem, "the certificate file holds no usable PEM certificate");
    } else {
        t->begins = moment_of(X509_get0_notBefore(cert));
        t->expires = moment_of(X509_get0_notAfter(cert));
    }
    X509_free(cert);
    while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        ok = SSL_CTX_add0_chain_cert(t->ctx, cert) == 1;
        if (!ok) {
            X509_free(cert);
            explain(problem, "the certificate chain cannot be used");
        }
    }
    ERR_clear_error(); // the end of the file is an error to the PEM reader
    BIO_free(bio);
    return ok;
}

static int no_passphrase(char *out, int n, int writing, void *arg)
{
    (void)out;
    (void)n;
    (void)writing;
    (void)arg;
    return -1; // never ask on the terminal
}

static bool load_key(struct tls_context *t, struct span pem, char *problem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    bool ok = key != NULL;

    if (!ok) {
        explain(problem, "the key file holds no usable PEM key without passphrase");
    } else if (SSL_CTX_use_PrivateKey(t->ctx, key) != 1 || SSL_CTX_check_private_key(t->ctx) != 1) {
        explain(problem, "the key does not belong to the certificate");
        ok = false;
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

static bool set_rules(struct tls_context *t)
{
    SSL_CTX *c = t->ctx;
    char groups[] = "X25519:P-256:P-384"; // the macro below takes no const

    SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_SINGLE_ECDH_USE |
                               SSL_OP_CLEANSE_PLAINTEXT); // of passwords, in its own buffers
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_early_data(c, 0);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(c, 1);
    SSL_CTX_set_app_data(c, t);
    SSL_CTX_set_alpn_select_cb(c, on_alpn, t);
    SSL_CTX_set_msg_callback(c, on_message);
    return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set1_groups_list(c, groups) == 1 &&
           SSL_CTX_set_session_id_context(c, (const unsigned char *)t->service,
                                          (unsigned)strlen(t->service)) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(c, on_ticket) == 1;
}

enum err tls_context_create(struct span cert_pem, struct span key_pem, const char *service,
                            char problem[TLS_PROBLEM_BYTES], struct tls_context **out)
{
    struct tls_context *t = calloc(1, sizeof(*t));

    if (!t) {
        snprintf(problem, TLS_PROBLEM_BYTES, "no memory");
        return ERR_NOMEM;
    }
    atomic_init(&t->refs, 1);
    lock_init(&t->lock, LOCK_LEAF);
    snprintf(t->service, sizeof(t->service), "%s", service);
    t->ctx = SSL_CTX_new(TLS_server_method());
    if (!t->ctx || !set_rules(t)) {
        explain(problem, "TLS cannot be set up");
        tls_context_unref(t);
        return ERR_NOMEM;
    }
    if (cert_pem.n > INT32_MAX || key_pem.n > INT32_MAX ||
        !load_certificates(t, cert_pem, problem) || !load_key(t, key_pem, problem)) {
        tls_context_unref(t);
        return ERR_INVALID;
    }
    *out = t;
    return ERR_OK;
}

// What is wrong with a certificate is asked for when somebody wants to sign in by it.
static int on_client_certificate(int ok, X509_STORE_CTX *ctx)
{
    (void)ok;
    (void)ctx;
    return 1;
}

static BIO *pem_open(struct span pem)
{
    return pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

// The certificates in it; `t` NULL: for the store alone. -1: one cannot be used.
static int add_authorities(struct tls_context *t, X509_STORE *store, struct span pem)
{
    BIO *bio = pem_open(pem);
    X509 *authority;
    int count = 0;

    while (bio && count >= 0 && (authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        bool ok = X509_STORE_add_cert(store, authority) == 1 &&
                  (!t || SSL_CTX_add_client_CA(t->ctx, authority) == 1);

        count = ok ? count + 1 : -1;
        X509_free(authority);
    }
    BIO_free(bio);
    ERR_clear_error(); // the end of the file is an error to the PEM reader
    return count;
}

// The same for revocation lists; `out_over` (NULL: not asked): one of them is over.
static int add_lists(X509_STORE *store, struct span pem, bool *out_over)
{
    BIO *bio = pem_open(pem);
    X509_CRL *list;
    int count = 0;

    while (bio && count >= 0 && (list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list);

        if (out_over && next && X509_cmp_current_time(next) < 0) {
            *out_over = true;
        }
        count = X509_STORE_add_crl(store, list) == 1 ? count + 1 : -1;
        X509_CRL_free(list);
    }
    BIO_free(bio);
    ERR_clear_error();
    return count;
}

enum err tls_client_authorities_check(struct span ca_pem, struct span crl_pem,
                                      char problem[TLS_PROBLEM_BYTES])
{
    X509_STORE *store = X509_STORE_new();
    bool over = false;
    const char *why = NULL;

    problem[0] = '\0';
    if (!store) {
        return ERR_NOMEM;
    }
    if (add_authorities(NULL, store, ca_pem) <= 0) {
        why = "the file with authorities for clients holds no usable PEM certificate";
    } else if (crl_pem.n && add_lists(store, crl_pem, &over) <= 0) {
        why =
            "the file holds no usable PEM revocation list (of one in DER: openssl crl -inform DER)";
    }
    X509_STORE_free(store);
    if (why || over) {
        snprintf(problem, TLS_PROBLEM_BYTES, "%s",
                 why ? why
                     : "a list is over: certificates of its authority sign in nobody until there "
                       "is a newer one");
    }
    return why ? ERR_INVALID : ERR_OK;
}

enum err tls_context_ask_clients(struct tls_context *t, struct span ca_pem,
                                 char problem[TLS_PROBLEM_BYTES])
{
    X509_STORE *store = X509_STORE_new();
    int count = store ? add_authorities(t, store, ca_pem) : -1;
    int lists = store ? add_lists(store, ca_pem, NULL) : -1;

    if (count > 0 && lists >= 0) {
        if (lists > 0) {
            X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
        }
        SSL_CTX_set1_verify_cert_store(t->ctx, store);
        SSL_CTX_set_verify_depth(t->ctx, CLIENT_CHAIN_MAX);
        SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, on_client_certificate);
    } else {
        explain(problem, "the file with authorities for clients holds no usable PEM certificate");
    }
    X509_STORE_free(store);
    return count > 0 && lists >= 0 ? ERR_OK : ERR_INVALID;
}

struct tls_context *tls_context_ref(struct tls_context *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_context_unref(struct tls_context *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(t->ctx);
        OPENSSL_cleanse(t->keys, sizeof(t->keys));
        lock_finish(&t->lock);
        free(t);
    }
}

int64_t tls_context_begins(const struct tls_context *t)
{
    return t->begins;
}

int64_t tls_context_expires(const struct tls_context *t)
{
    return t->expires;
}

SSL *tls_context_session(struct tls_context *t)
{
    return SSL_new(t->ctx);
}

// ---- a certificate of our own -------------------------------------------------------------------

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(cert, e, -1) == 1;

    X509_EXTENSION_free(e);
    return ok;
}

// "DNS:localhost,DNS:mail.example,IP:127.0.0.1" from "localhost, mail.example, 127.0.0.1".
static void alternative_names(struct span names, struct buf *out)
{
    while (names.n) {
        struct span name = span_trim(span_split(&names, ','));
        bool ip = span_find_byte(name, ':') < name.n;

        if (!ip) {
            ip = name.n > 0;
            for (size_t i = 0; i < name.n; i++) {
                ip = ip && (byte_is_digit(name.p[i]) || name.p[i] == '.');
            }
        }
        if (name.n) {
            buf_put_str(out, out->n ? "," : "");
            buf_put_str(out, ip ? "IP:" : "DNS:");
            buf_put(out, name);
        }
    }
    buf_put_byte(out, '\0');
}

static bool fill_certificate(X509 *cert, EVP_PKEY *key, struct span names)
{
    struct buf list;
    struct span first = span_trim(span_split(&(struct span){names.p, names.n}, ','));
    X509_NAME *subject = X509_get_subject_name(cert);
    uint64_t serial = random_u64() >> 1;

    buf_init(&list, 4096);
    alternative_names(names, &list);
    bool ok =
        !list.failed && X509_set_version(cert, 2) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(cert), 86400L * SELF_SIGNED_DAYS) != NULL &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)first.p,
                                   (int)first.n, -1, 0) == 1 &&
        X509_set_issuer_name(cert, subject) == 1 && X509_set_pubkey(cert, key) == 1 &&
        add_extension(cert, NID_subject_alt_name, list.p) &&
        add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(cert, NID_ext_key_usage, "serverAuth") &&
        X509_sign(cert, key, EVP_sha256()) > 0;

    buf_finish(&list);
    return ok;
}

static void take_bio(BIO *bio, struct buf *out)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);

    buf_put(out, span_of(p, n > 0 ? (size_t)n : 0));
}

enum err tls_self_signed(struct span names, struct buf *cert_pem, struct buf *key_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
    bool ok = key && cert && cert_bio && key_bio && fill_certificate(cert, key, names) &&
              PEM_write_bio_X509(cert_bio, cert) == 1 &&
              PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1;

    if (ok) {
        take_bio(cert_bio, cert_pem);
        take_bio(key_bio, key_pem);
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok && !cert_pem->failed && !key_pem->failed ? ERR_OK : ERR_INVALID;
}
