// SPDX-License-Identifier: Apache-2.0
//
// SASL messages on the server's side (RFC 4422), apart from any protocol that carries them and from
// any knowledge of accounts: bytes in, credentials out. PLAIN (RFC 4616) and LOGIN
// (draft-murchison, what old clients speak); OAUTHBEARER and XOAUTH2 (sasl_bearer.h), whose token
// stands in the place of a password; SCRAM gets a row in the same table.
// Pure; any thread, one dialogue on one at a time.
//
// A dialogue: sasl_begin with the mechanism's name, then sasl_step with each response of the client
// (the initial response first if it came with the command) until it says something else than
// SASL_CHALLENGE. Responses are the decoded bytes; sasl_decode undoes the base64 of IMAP, POP3,
// SMTP and ManageSieve.
#ifndef WIRE_SASL_SASL_H
#define WIRE_SASL_SASL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "wire/sasl/scram.h"

#define SASL_NAME_BYTES_MAX     255 // authorization and authentication identity
#define SASL_PASSWORD_BYTES_MAX 1024
#define SASL_MESSAGE_BYTES_MAX  9216 // decoded; IMAP_AUTH_LINE_BYTES_MAX of base64

enum sasl_mechanism {
    SASL_PLAIN,
    SASL_LOGIN,
    SASL_OAUTHBEARER,
    SASL_XOAUTH2,
    SASL_SCRAM,
    SASL_SCRAM_PLUS,
    SASL_EXTERNAL,
    SASL_MECHANISM__COUNT
};

// The spans live in the dialogue's arena; whoever is done with them wipes them (sasl_wipe).
struct sasl_credentials {
    struct span authzid;  // whom to act as; empty: the same as authcid
    struct span authcid;  // who it is; empty only with OAUTHBEARER and EXTERNAL, which know
    struct span password; // or a token of OAuth; empty only with SCRAM and EXTERNAL
};

enum sasl_verdict {
    SASL_CHALLENGE, // send the challenge (base64 of it; may be empty), wait for a response
    SASL_COMPLETE,  // credentials are set: ask auth
    SASL_MALFORMED, // the message breaks the mechanism's rules: answer BAD
};

struct sasl_dialogue {
    enum sasl_mechanism mechanism;
    struct arena *arena;
    unsigned step;
    struct span user;         // LOGIN: said in its first response
    struct scram_first scram; // SCRAM: its first message, taken apart
    struct span message;      // and as it was said
};

// Finds a mechanism by name, in any case. ERR_UNSUPPORTED when it is not in the table.
enum err sasl_mechanism_from_name(struct span name, enum sasl_mechanism *out);
const char *sasl_mechanism_name(enum sasl_mechanism mechanism);
// The password is a token of OAuth: RFC 7628 has one step more when it is refused.
bool sasl_is_bearer(enum sasl_mechanism mechanism);

// SCRAM (scram.h): complete is its first message only, without a password; the rest of the exchange
// is between the client and whoever has the keys.
static inline bool sasl_is_scram(enum sasl_mechanism mechanism)
{
    return mechanism == SASL_SCRAM || mechanism == SASL_SCRAM_PLUS;
}

// Starts a dialogue in the caller's memory; `arena` keeps copies of what the client says.
void sasl_begin(struct sasl_dialogue *d, enum sasl_mechanism mechanism, struct arena *arena);

// `response` is NULL when the command came without an initial response. Sets *out_challenge with
// SASL_CHALLENGE (a static string) and *out with SASL_COMPLETE.
enum sasl_verdict sasl_step(struct sasl_dialogue *d, const struct span *response,
                            struct span *out_challenge, struct sasl_credentials *out);

// Overwrites the secrets that the credentials point to.
void sasl_wipe(struct sasl_credentials *credentials);

// Appends the bytes of a base64 response. `initial`: "=" stands for no bytes (RFC 4959).
// ERR_INVALID when it is not strict base64, ERR_LIMIT over SASL_MESSAGE_BYTES_MAX or the buffer's
// cap.
enum err sasl_decode(struct span base64, bool initial, struct buf *out);

// One PLAIN message: authzid NUL authcid NUL password. ERR_INVALID on any other number of NULs, an
// empty authcid or password, or bytes that are not UTF-8; ERR_LIMIT on too long a part. The parts
// point into `message`.
enum err sasl_plain_parse(struct span message, struct sasl_credentials *out);

#endif
