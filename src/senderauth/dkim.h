// SPDX-License-Identifier: Apache-2.0
//
// DKIM: RFC 6376, with RFC 8301 (what is too weak), RFC 8463 (Ed25519) and RFC 8616 (other
// scripts). Verifying and signing work on a message read by auth_message. One thread at a time for
// each message; nothing blocks unless the resolver does.
#ifndef SENDERAUTH_DKIM_H
#define SENDERAUTH_DKIM_H

#include "base/arena.h"
#include "base/buf.h"
#include "senderauth/auth_message.h"
#include "senderauth/domain_name.h"
#include "senderauth/resolver.h"

#define DKIM_SIGNATURES_MAX 10   // of a message, from the top; others are not looked at
#define DKIM_RSA_BITS_MIN   1024 // below: fail (RFC 8301 section 3.2)
#define DKIM_RSA_BITS_MAX   4096 // above: policy; verifying would cost too much

// As RFC 8601 section 2.7.1 names them.
enum dkim_status {
    DKIM_NONE,
    DKIM_PASS,
    DKIM_FAIL,
    DKIM_POLICY,  // perhaps good, but not a kind we accept
    DKIM_NEUTRAL, // cannot be read
    DKIM_TEMPERROR,
    DKIM_PERMERROR,
};

enum dkim_algorithm {
    DKIM_UNKNOWN,
    DKIM_RSA_SHA256,
    DKIM_ED25519_SHA256,
    DKIM_RSA_SHA1, // never good
};

struct dkim_result {
    enum dkim_status status;
    enum dkim_algorithm algorithm;
    struct domain_name domain; // d=, folded; n 0 when it could not be read
    struct span selector;      // s= as it stands; may be empty
    struct span identity;      // i= as it stands; empty when there is none
    struct span signature;     // the first 8 characters of b=, for header.b (RFC 6008)
    unsigned key_bits;         // 0 when no key was found
    bool is_partial;           // l= leaves the end of the text unsigned: counts for no alignment
    bool is_testing;           // t=y in the key: its owner is trying things out
    bool is_validated;         // the key came with DNSSEC
    struct span words;         // one sentence for a person
};

const char *dkim_status_name(enum dkim_status s);       // "pass"
const char *dkim_algorithm_name(enum dkim_algorithm a); // "rsa-sha256"

// Verifies the signatures, one result each, from the top; none at all: `*out_n` 0. ERR_AGAIN (all
// keys have been asked for), ERR_NOMEM, or the error of a message that could not be read.
enum err dkim_verify(struct auth_message *m, const struct resolver *r, int64_t now_s,
                     struct arena *arena, struct dkim_result **out_results, size_t *out_n);

// A key to sign with.
struct dkim_private_key;

enum err dkim_key_generate(enum dkim_algorithm algorithm, unsigned rsa_bits,
                           struct dkim_private_key **out_key);
// ERR_INVALID: no PEM of an RSA or Ed25519 private key without a passphrase; ERR_LIMIT: RSA of a
// size we would not accept.
enum err dkim_key_from_pem(struct span pem, struct dkim_private_key **out_key);
void dkim_key_destroy(struct dkim_private_key *key); // NULL is allowed; clears the secret
enum dkim_algorithm dkim_key_algorithm(const struct dkim_private_key *key);
// Appends PKCS#8 PEM: a secret.
enum err dkim_key_put_pem(struct buf *out, const struct dkim_private_key *key);
// Appends the text of the TXT record at <selector>._domainkey.<domain>. In a zone file it has to be
// cut into strings of at most 255 bytes: dkim_key_put_zone_line.
enum err dkim_key_put_record(struct buf *out, const struct dkim_private_key *key);
// Appends a line for a zone file: `selector._domainkey.domain. IN TXT ( "..." "..." )`.
enum err dkim_key_put_zone_line(struct buf *out, const struct dkim_private_key *key,
                                struct span selector, struct span domain);

// Both are key records and hold the same public key, however they are spelled.
bool dkim_record_same_key(struct span a, struct span b);

struct dkim_signer {
    struct span domain, selector; // ASCII
    const struct dkim_private_key *key;
    struct span identity;      // i=; empty: none
    int64_t now_s;             // t=; negative: none
    int64_t expires_after_s;   // x= that much later; 0: no x=
    const struct span *fields; // names for h=, as given; NULL: the default with oversigning
    size_t field_count;
};

// Appends a whole DKIM-Signature field, CRLF at its end, to be put before the message. Sign twice,
// with an RSA and an Ed25519 key, for both kinds of readers (RFC 8463 section 3). The message must
// have been created with `will_sign`. relaxed/relaxed, no l=. ERR_LIMIT at the buffer's cap.
enum err dkim_sign(struct auth_message *m, const struct dkim_signer *s, struct buf *out);

#endif
