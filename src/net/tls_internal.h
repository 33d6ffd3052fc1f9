// SPDX-License-Identifier: Apache-2.0
//
// What stream.c needs of a TLS context.
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls.h"

// A new session of the context, or NULL. Whoever has it keeps a reference to the context.
SSL *tls_context_session(struct tls_context *t);

#endif
