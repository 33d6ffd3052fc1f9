// SPDX-License-Identifier: Apache-2.0
//
// SASL messages that carry a token of OAuth 2.0: OAUTHBEARER (RFC 7628) and XOAUTH2 (what came
// before it, as Google and Microsoft document it). Pure; any thread.
#ifndef WIRE_SASL_SASL_BEARER_H
#define WIRE_SASL_SASL_BEARER_H

#include "wire/sasl/sasl.h"

#define SASL_TOKEN_BYTES_MAX 8192

// The client's message of OAUTHBEARER (RFC 7628 section 3.1). `out->authcid` is the name in the
// GS2 header, or empty: the token alone says who it is. `out->password` is the token. The parts
// point into `message`, a name with escapes into the arena. ERR_INVALID: not the grammar, channel
// binding (the mechanism has none), no token, two of them, or another scheme than Bearer;
// ERR_LIMIT: a part is too long; ERR_NOMEM.
enum err sasl_oauthbearer_parse(struct span message, struct arena *arena,
                                struct sasl_credentials *out);

// "user=NAME ^A auth=Bearer TOKEN ^A ^A". The same; the name is never empty.
enum err sasl_xoauth2_parse(struct span message, struct sasl_credentials *out);

// Appends what the server says when the token is no good (RFC 7628 section 3.2.2; XOAUTH2 has
// numbers and the scheme): a JSON object. `scope` and `issuer` (a URL; its discovery document is
// named) may be empty, and are left out when they would have to be escaped in JSON.
void sasl_bearer_error_put(struct buf *out, bool is_xoauth2, struct span scope, struct span issuer);

#endif
