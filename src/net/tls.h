// SPDX-License-Identifier: Apache-2.0
//
// TLS contexts for servers: TLS 1.2 and 1.3 with forward secrecy and AEAD only, no renegotiation,
// no compression, no early data; ALPN checked strictly; session tickets with keys that live in
// memory, are changed every 12 hours and are good for one service only. Certificates come as bytes:
// no file is opened here. A context never changes and is counted: a reload makes a new one, and
// connections keep the one they began with. Any thread; nothing blocks.
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/err.h"
#include "base/span.h"

struct tls_context;

#define TLS_PROBLEM_BYTES 256

// `cert_pem` holds the certificate and then its chain, `key_pem` the key. `service` ("imap") is the
// ALPN name and binds the tickets. ERR_INVALID with words in `problem`.
enum err tls_context_create(struct span cert_pem, struct span key_pem, const char *service,
                            char problem[TLS_PROBLEM_BYTES], struct tls_context **out);
// Asks clients for a certificate, before anybody uses the context; none is needed, and one that is
// signed by nobody in `ca_pem` ends no handshake: see stream_client.h. If there are revocation
// lists in `ca_pem`, too (CRL, RFC 5280 section 5), each certificate up to the authority is looked
// up in its issuer's, which must be there and not be over. ERR_INVALID with words in `problem`:
// there is no certificate in it.
enum err tls_context_ask_clients(struct tls_context *t, struct span ca_pem,
                                 char problem[TLS_PROBLEM_BYTES]);
// Can these be used: certificates in `ca_pem`, and, if it is not empty, lists of some of them in
// `crl_pem`? ERR_INVALID with words in `problem`; with ERR_OK there may be words that warn.
enum err tls_client_authorities_check(struct span ca_pem, struct span crl_pem,
                                      char problem[TLS_PROBLEM_BYTES]);
struct tls_context *tls_context_ref(struct tls_context *t);
void tls_context_unref(struct tls_context *t); // NULL is allowed
// Seconds since 1970 from which the certificate is valid, and at which it ends.
int64_t tls_context_begins(const struct tls_context *t);
int64_t tls_context_expires(const struct tls_context *t);

// Makes a key and a self-signed certificate for the names (comma separated) that lasts ten years.
// May take some milliseconds. PEM is appended to both buffers.
struct buf;
enum err tls_self_signed(struct span names, struct buf *cert_pem, struct buf *key_pem);

#endif
