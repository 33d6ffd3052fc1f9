// SPDX-License-Identifier: Apache-2.0
//
// What an issuer publishes of itself (OpenID Connect Discovery section 4, RFC 8414), and where.
// Pure; any thread.
#ifndef COURIER_VOUCH_OIDC_DOCUMENT_H
#define COURIER_VOUCH_OIDC_DOCUMENT_H

#include "base/buf.h"
#include "base/err.h"
#include "courier/https/https_url.h"

#define OIDC_DOCUMENT_BYTES_MAX (256u << 10)

struct oidc_document {
    char keys_url[HTTPS_URL_BYTES_MAX + 1];       // "jwks_uri"; empty: none
    char introspect_url[HTTPS_URL_BYTES_MAX + 1]; // "introspection_endpoint"; empty: none
};

// Appends where to look: as OpenID Connect has it, or (`is_second`) as RFC 8414.
void oidc_document_url(struct span issuer, bool is_second, struct buf *out);

// ERR_INVALID with words (static): it is no such document, it is another issuer's (they are
// compared byte by byte, RFC 8414 section 3.3), or a URL in it is none.
enum err oidc_document_read(struct span json, struct span issuer, struct oidc_document *out,
                            const char **out_why);

#endif
