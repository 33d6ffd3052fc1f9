// SPDX-License-Identifier: Apache-2.0
#include "net/stream_channel.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/banned.h"

size_t stream_channel_exporter(const struct stream *s, unsigned char out[STREAM_EXPORTER_BYTES])
{
    static const char label[] = "EXPORTER-Channel-Binding";

    if (!s->ssl || !s->handshaken ||
        (SSL_version(s->ssl) < TLS1_3_VERSION && SSL_get_extms_support(s->ssl) != 1)) {
        return 0;
    }
    bool ok = SSL_export_keying_material(s->ssl, out, STREAM_EXPORTER_BYTES, label,
                                         sizeof(label) - 1, NULL, 0, 0) == 1;

    ERR_clear_error();
    return ok ? STREAM_EXPORTER_BYTES : 0;
}

// MD5 and SHA-1 are replaced by SHA-256 (RFC 5929 section 4.1).
static const EVP_MD *hash_of(const X509 *certificate)
{
    int hash = NID_undef;

    if (X509_get_signature_info((X509 *)(uintptr_t)certificate, &hash, NULL, NULL, NULL) != 1 ||
        hash == NID_undef) {
        return NULL;
    }
    return hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
}

size_t stream_channel_server_point(const struct stream *s,
                                   unsigned char out[STREAM_SERVER_POINT_BYTES_MAX])
{
    const X509 *certificate = s->ssl && s->handshaken ? SSL_get_certificate(s->ssl) : NULL;
    const EVP_MD *hash = certificate ? hash_of(certificate) : NULL;
    unsigned int n = 0;

    _Static_assert(STREAM_SERVER_POINT_BYTES_MAX >= EVP_MAX_MD_SIZE, "room for any hash");
    bool ok = hash && X509_digest(certificate, hash, out, &n) == 1;

    ERR_clear_error();
    return ok ? n : 0;
}
