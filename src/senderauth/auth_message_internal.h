// SPDX-License-Identifier: Apache-2.0
//
// What a read message consists of: fields with an index by name, and body hashes.
#ifndef SENDERAUTH_AUTH_MESSAGE_INTERNAL_H
#define SENDERAUTH_AUTH_MESSAGE_INTERNAL_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/map.h"
#include "mime/mime_header.h"
#include "senderauth/auth_message.h"

#define AUTH_DIGEST_BYTES    32 // SHA-256, the one hash there is
#define AUTH_BODY_HASHES_MAX 16

// One canonicalization of the body (RFC 6376 section 3.4.3 and 3.4.4) in a stream.
struct body_canon {
    bool is_relaxed;
    bool is_wanted;
    bool has_cr;       // a CR that may belong to a line end
    bool has_blank;    // relaxed: blanks that count if the line goes on
    bool is_line_open; // bytes since the last line end
    bool is_any;       // something was put out
    uint64_t breaks;   // line ends not yet put out: they may be the last
    uint64_t total;    // canonical bytes
};

struct body_hash {
    bool is_relaxed;
    uint64_t limit; // bytes that count (l=), or UINT64_MAX
    uint64_t seen;
    EVP_MD_CTX *context;
    uint8_t digest[AUTH_DIGEST_BYTES];
};

struct auth_field {
    struct mime_field f;
    uint32_t name;  // the same for all fields of a name
    uint32_t above; // 1 + index of the next field above with this name, or 0
};

struct auth_message {
    bool will_sign, is_in_body, is_done;
    enum err error;
    struct buf header;
    bool has_cr;
    size_t line_start;
    struct auth_field *fields;
    size_t n;
    struct map names; // lower-case name to 1 + its number
    uint32_t *lowest; // for each name 1 + index of its lowest field
    uint32_t *cursor; // scratch for one signature's walk upwards
    size_t name_count;
    struct body_canon canon[2]; // simple, relaxed
    struct body_hash hashes[AUTH_BODY_HASHES_MAX];
    size_t hash_count;
};

// Body, in auth_body.c.
void auth_body_feed(struct auth_message *m, struct span bytes);
enum err auth_body_finish(struct auth_message *m);
// Asks for a hash before the body begins. ERR_LIMIT, ERR_NOMEM.
enum err auth_body_want(struct auth_message *m, bool is_relaxed, uint64_t limit);
// The finished hash, or NULL when it was not asked for.
const struct body_hash *auth_body_get(const struct auth_message *m, bool is_relaxed,
                                      uint64_t limit);

// The message's error, or ERR_INVALID before its end: its hashes are then not there yet.
static inline enum err auth_message_result(const struct auth_message *m)
{
    return m->error == ERR_OK && !m->is_done ? ERR_INVALID : m->error;
}

// The number of a field name plus 1, or 0 for a name that does not occur.
size_t auth_message_name(const struct auth_message *m, struct span name);

// Appends a field as DKIM hashes it (RFC 6376 section 3.4.1, 3.4.2), with a line end unless
// `is_last`. The bytes of `cut` (a piece of f->line) are left out.
void auth_put_field(struct buf *out, const struct mime_field *f, bool is_relaxed, struct span cut,
                    bool is_last);

#endif
