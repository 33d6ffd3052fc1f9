// SPDX-License-Identifier: Apache-2.0
//
// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS on the server's side (RFC 5802, 7677; channel bindings RFC
// 5929, 9266): messages in, messages out, apart from protocols, accounts and where keys lie. Pure
// but for memory; any thread, one exchange on one at a time; nothing blocks, but scram_keys_make
// computes for some milliseconds.
//
// An account may have several credentials (app passwords) under one salt and iteration count, so
// that the first answer can be given before it is known which of them the client has; its proof is
// then tried against the keys of each.
#ifndef WIRE_SASL_SCRAM_H
#define WIRE_SASL_SCRAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SCRAM_DIGEST_BYTES      32
#define SCRAM_SALT_BYTES_MAX    64
#define SCRAM_ITERATIONS_MIN    4096 // RFC 7677 section 4
#define SCRAM_ITERATIONS_MAX    1000000
#define SCRAM_NONCE_BYTES_MAX   256  // of either side's part
#define SCRAM_OUR_NONCE_BYTES   24   // as scram_nonce_make makes it: 144 bits
#define SCRAM_NAME_BYTES_MAX    255  // as SASL_NAME_BYTES_MAX, decoded
#define SCRAM_MESSAGE_BYTES_MAX 4096 // of any message

enum scram_binding {
    SCRAM_BINDING_NONE,         // "n": the client can not
    SCRAM_BINDING_NOT_OFFERED,  // "y": the client could, and thinks that we cannot
    SCRAM_BINDING_EXPORTER,     // "p=tls-exporter", RFC 9266
    SCRAM_BINDING_SERVER_POINT, // "p=tls-server-end-point", RFC 5929
    SCRAM_BINDING_OTHER,        // "p=" with a name that is nothing here
};

// client-first-message, RFC 5802 section 7.
struct scram_first {
    enum scram_binding binding;
    struct span header;  // gs2-header as sent: what the last message repeats
    struct span bare;    // client-first-message-bare as sent
    struct span authzid; // decoded; empty: none
    struct span name;    // decoded and prepared (SASLprep); not empty
    struct span nonce;   // the client's part
};

// client-final-message.
struct scram_final {
    struct span binding;       // decoded: the header, and the channel's bytes behind it
    struct span nonce;         // both parts
    struct span without_proof; // client-final-message-without-proof as sent
    unsigned char proof[SCRAM_DIGEST_BYTES];
};

struct scram_keys {
    unsigned char stored[SCRAM_DIGEST_BYTES], server[SCRAM_DIGEST_BYTES];
};

// Between the two messages of a client. Spans live in the arena given to scram_begin.
struct scram_exchange {
    struct arena *arena;
    struct scram_first first;
    struct span nonce;        // both parts
    struct span server_first; // our first answer
};

// The channel of a connection: NULL for a binding that it does not have.
struct scram_channel {
    struct span exporter, server_point;
};

// Strict: every attribute in its place, once, base64 without slack. What is decoded lives in
// `arena`, the rest points into `message`. ERR_INVALID; ERR_LIMIT on what is too long;
// ERR_UNSUPPORTED on a mandatory extension ("m="), which RFC 5802 section 5.1 has fail; ERR_NOMEM.
// Unknown optional extensions are checked and passed over.
enum err scram_first_parse(struct arena *arena, struct span message, struct scram_first *out);
enum err scram_final_parse(struct arena *arena, struct span message, struct scram_final *out);

// Is this first message right for the mechanism by which it came (`is_plus`), on a connection where
// -PLUS was offered or not? ERR_INVALID when mechanism and flag do not go together; ERR_DENIED on a
// "y" where -PLUS was offered, which is what a downgrade looks like (section 6); ERR_UNSUPPORTED on
// a binding that the connection does not have.
enum err scram_first_check(const struct scram_first *first, bool is_plus,
                           const struct scram_channel *channel);

// Keys of a password, which is prepared as one that is stored (SASLprep). `salt` is of 1 to
// SCRAM_SALT_BYTES_MAX bytes. ERR_INVALID when the password cannot be prepared, is empty then, or a
// number is out of its range; ERR_LIMIT when it is too long.
enum err scram_keys_make(struct span password, struct span salt, unsigned iterations,
                         struct scram_keys *out);

// Our part of a nonce, printable.
void scram_nonce_make(char out[SCRAM_OUR_NONCE_BYTES]);

// Begins with the client's first message, which is copied. On ERR_OK, x->server_first is the
// challenge. Errors as scram_first_parse, and ERR_INVALID on a salt or count out of range.
// `our_nonce` is printable, without a comma, and of SCRAM_NONCE_BYTES_MAX at most. What the client
// said must have been checked (scram_first_check) by whoever knows the connection.
enum err scram_begin(struct scram_exchange *x, struct arena *arena, struct span client_first,
                     struct span our_nonce, struct span salt, unsigned iterations);

// Ends with the client's last message: on ERR_OK, `*out_which` of `keys` is the one whose password
// the client knows, and the server-final message is appended to `out`. All keys are tried, also
// after one was right. ERR_INVALID when the message breaks the grammar; ERR_DENIED when nonce,
// channel or proof are wrong, which are not to be told apart. A name that is not there is to be
// tried against a key made up, so that it costs what others cost; without any key it is a no, too.
enum err scram_end(struct scram_exchange *x, struct span client_final,
                   const struct scram_channel *channel, const struct scram_keys *keys, size_t count,
                   size_t *out_which, struct buf *out);

#endif
