// SPDX-License-Identifier: Apache-2.0
#include "courier/relay/hop_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "courier/policy/tlsa.h"
#include "ipc/message.h"

#include "base/banned.h"

struct hop_tls {
    SSL_CTX *ctx;
};

enum err hop_tls_create(const char *ca_file, struct hop_tls **out)
{
    struct hop_tls *t = calloc(1, sizeof(*t));
    bool ok = t && (t->ctx = SSL_CTX_new(TLS_client_method())) != NULL;

    ok = ok && SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) == 1;
    ok = ok && SSL_CTX_dane_enable(t->ctx) == 1;
    if (ok) {
        SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                     SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_options(t->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                        SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_dane_set_flags(t->ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS); // RFC 7672 section 3.1.1
        ok = ca_file[0] ? SSL_CTX_load_verify_locations(t->ctx, ca_file, NULL) == 1
                        : SSL_CTX_set_default_verify_paths(t->ctx) == 1;
    }
    if (!ok) {
        log_error("TLS to other servers cannot be set up%s%s",
                  ca_file[0] ? ": relay_ca_file = " : "", ca_file);
        hop_tls_destroy(t);
        return ERR_INVALID;
    }
    *out = t;
    return ERR_OK;
}

void hop_tls_destroy(struct hop_tls *t)
{
    if (t) {
        SSL_CTX_free(t->ctx);
        free(t);
    }
}

// Adds the records that can be used; false when there is none.
static bool add_tlsa(SSL *ssl, const struct hop_policy *p)
{
    bool any = false;

    for (size_t i = 0; i < p->tlsa_n; i++) {
        struct tlsa t;

        if (tlsa_read(p->tlsa[i], &t) == ERR_OK && tlsa_is_usable(&t)) {
            any |= SSL_dane_tlsa_add(ssl, t.usage, t.selector, t.matching,
                                     (const unsigned char *)t.data.p, t.data.n) > 0;
        }
    }
    return any;
}

static bool is_address(const char *name)
{
    unsigned char raw[16];

    return inet_pton(AF_INET, name, raw) == 1 || inet_pton(AF_INET6, name, raw) == 1;
}

static bool prepare(SSL *ssl, const struct hop_policy *p)
{
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (p->level == HOP_DANE) {
        bool ok = SSL_dane_enable(ssl, p->name) > 0 && add_tlsa(ssl, p);

        ok = ok && (!p->next_name || SSL_add1_host(ssl, p->next_name) == 1);
        SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        return ok;
    }
    // A certificate may be for an address, but SNI takes names only.
    void *sni = (void *)(uintptr_t)p->name; // OpenSSL's macro knows no const

    if (p->name[0] && (SSL_set1_host(ssl, p->name) != 1 ||
                       (!is_address(p->name) && SSL_set_tlsext_host_name(ssl, sni) != 1))) {
        return false;
    }
    SSL_set_verify(ssl, p->level == HOP_PKIX ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return p->name[0] || p->level != HOP_PKIX;
}

static enum err handshake(struct hop *h, int64_t deadline)
{
    for (;;) {
        ERR_clear_error();
        int r = SSL_connect(h->ssl);

        if (r == 1) {
            return ERR_OK;
        }
        int why = SSL_get_error(h->ssl, r);
        enum err e = why == SSL_ERROR_WANT_READ    ? hop_wait(h, POLLIN, deadline)
                     : why == SSL_ERROR_WANT_WRITE ? hop_wait(h, POLLOUT, deadline)
                                                   : ERR_IO;

        if (e != ERR_OK) {
            return e;
        }
    }
}

// RFC 8460 section 4.3.1. What is no certificate's fault has no better name than the general one.
static void note_failure(struct hop *h, const struct hop_policy *p, long verdict, const char *words)
{
    bool checked = p->level >= HOP_PKIX && verdict != X509_V_OK;

    h->tls_result = !checked                                  ? IPC_TLS_VALIDATION_FAILURE
                    : verdict == X509_V_ERR_HOSTNAME_MISMATCH ? IPC_TLS_CERTIFICATE_HOST_MISMATCH
                    : verdict == X509_V_ERR_CERT_HAS_EXPIRED  ? IPC_TLS_CERTIFICATE_EXPIRED
                    : verdict == X509_V_ERR_DANE_NO_MATCH     ? IPC_TLS_TLSA_INVALID
                                                              : IPC_TLS_CERTIFICATE_NOT_TRUSTED;
    snprintf(h->tls_reason, sizeof(h->tls_reason), "%s", words);
}

static enum err say_failure(struct hop *h, const struct hop_policy *p, enum err e)
{
    long verdict = SSL_get_verify_result(h->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    h->is_broken = true;
    if (e == ERR_IO && p->level >= HOP_PKIX && verdict != X509_V_OK) {
        note_failure(h, p, verdict, X509_verify_cert_error_string(verdict));
        hop_say(h, "the certificate of %s is not what %s demands: %s", h->host, p->demand,
                X509_verify_cert_error_string(verdict));
        return ERR_DENIED;
    }
    const char *words = e == ERR_TIMEOUT ? "no answer in time"
                        : reason         ? reason
                                         : "the connection was closed";

    note_failure(h, p, X509_V_OK, words);
    hop_say(h, "TLS with %s failed: %s", h->host, words);
    return e;
}

static void say_success(struct hop *h, const struct hop_policy *p)
{
    const char *certificate = p->level == HOP_DANE ? "certificate checked by DANE"
                              : SSL_get_verify_result(h->ssl) == X509_V_OK
                                  ? "certificate checked"
                                  : "certificate not checked";
    bool by = p->level == HOP_PKIX;

    snprintf(h->tls, sizeof(h->tls), "%s %s, %s%s%s", SSL_get_version(h->ssl),
             SSL_get_cipher_name(h->ssl), certificate, by ? " as demanded by " : "",
             by ? p->demand : "");
}

enum err hop_tls_start(struct hop_tls *t, struct hop *h, const struct hop_policy *p)
{
    h->ssl = SSL_new(t->ctx);
    if (!h->ssl || SSL_set_fd(h->ssl, h->fd) != 1 || !prepare(h->ssl, p)) {
        h->is_broken = true;
        note_failure(h, p, X509_V_OK, "it cannot be begun");
        hop_say(h, "TLS with %s cannot be begun as %s demands", h->host,
                p->demand[0] ? p->demand : "it");
        return ERR_DENIED;
    }
    enum err e = handshake(h, clock_monotonic_ms() + h->limits.command_ms);

    if (e != ERR_OK) {
        return say_failure(h, p, e);
    }
    h->tls_result = IPC_TLS_GOOD;
    say_success(h, p);
    return ERR_OK;
}
