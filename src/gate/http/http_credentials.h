// SPDX-License-Identifier: Apache-2.0
//
// What an Authorization field says: a name and a password (RFC 7617, UTF-8), or an API key alone
// (RFC 6750's form). Pure; any thread.
#ifndef GATE_HTTP_HTTP_CREDENTIALS_H
#define GATE_HTTP_HTTP_CREDENTIALS_H

#include "base/buf.h"
#include "base/err.h"

#define HTTP_CREDENTIALS_MAX 6144

struct http_credentials {
    bool is_key;
    struct span user, password; // a key has no user; in `room`
};

// `room` gets the secret and is the caller's to wipe. ERR_INVALID: it is neither, or too long.
enum err http_credentials_read(struct span value, struct buf *room, struct http_credentials *out);

#endif
