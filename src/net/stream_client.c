// SPDX-License-Identifier: Apache-2.0
#include "net/stream_client.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"

#include "base/banned.h"

static bool is_address(struct span name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] <= 0x20 || name.p[i] >= 0x7f) {
            return false;
        }
    }
    return name.n > 0 && name.n <= STREAM_CLIENT_NAME_BYTES && span_find_byte(name, '@') < name.n;
}

static void names_of(const X509 *certificate, struct stream_client *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_EMAIL || out->name_count == STREAM_CLIENT_NAMES_MAX) {
            continue;
        }
        struct span address = span_of(ASN1_STRING_get0_data(name->d.rfc822Name),
                                      (size_t)ASN1_STRING_length(name->d.rfc822Name));

        if (is_address(address)) {
            memcpy(out->names[out->name_count], address.p, address.n);
            out->name_bytes[out->name_count++] = (uint8_t)address.n;
        }
    }
    GENERAL_NAMES_free(names);
}

static bool is_valid_now(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

void stream_client_of(const struct stream *s, struct stream_client *out)
{
    unsigned int n = 0;

    *out = (struct stream_client){0};
    if (!s->ssl || !s->handshaken || SSL_get_verify_result(s->ssl) != X509_V_OK) {
        return;
    }
    X509 *certificate = SSL_get1_peer_certificate(s->ssl);

    if (certificate && is_valid_now(certificate) &&
        X509_digest(certificate, EVP_sha256(), out->digest, &n) == 1 && n == sizeof(out->digest)) {
        names_of(certificate, out);
    }
    X509_free(certificate);
    ERR_clear_error();
}
