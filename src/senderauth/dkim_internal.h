// SPDX-License-Identifier: Apache-2.0
//
// Between the parts of DKIM and ARC: a signature field as values, keys, hashes.
#ifndef SENDERAUTH_DKIM_INTERNAL_H
#define SENDERAUTH_DKIM_INTERNAL_H

#include "senderauth/auth_message_internal.h"
#include "senderauth/dkim.h"
#include "senderauth/tag_list.h"

#define DKIM_SIGNATURE_BYTES_MAX (DKIM_RSA_BITS_MAX / 8)

enum dkim_kind { DKIM_FIELD, DKIM_ARC_MESSAGE, DKIM_ARC_SEAL };

struct dkim_signature {
    struct mime_field field;
    enum dkim_algorithm algorithm;
    bool is_header_relaxed, is_body_relaxed;
    bool has_length, is_too_long; // l=; b= is longer than any key we take
    uint64_t length;
    int64_t signed_s, expires_s; // -1: not said
    struct domain_name domain;
    struct span selector, identity, headers;
    struct span cut; // the value of b=, blanks too, within the field
    struct span b;   // the same trimmed
    uint8_t body_hash[AUTH_DIGEST_BYTES];
    uint8_t bytes[DKIM_SIGNATURE_BYTES_MAX];
    size_t n;
    struct span chain; // ARC-Seal: cv=
    uint32_t instance; // ARC: i=
};

// Reads a field. NULL when it is good, else what is wrong, as the end of a sentence that begins
// "The signature ". `out` holds what was read so far in any case.
const char *dkim_signature_parse(const struct mime_field *f, enum dkim_kind kind,
                                 struct dkim_signature *out);

// A key record (RFC 6376 section 3.6.1) as values.
struct dkim_record {
    enum dkim_algorithm algorithm; // DKIM_RSA_SHA256 for k=rsa
    struct span key;               // p=, still folded; empty: revoked
    bool is_testing, is_strict;    // t=y, t=s
};

// NULL or what is wrong, as the end of "The key ".
const char *dkim_record_parse(struct span text, struct dkim_record *out);

struct dkim_public_key {
    EVP_PKEY *key; // NULL unless status is DKIM_PASS
    enum dkim_status status;
    const char *why; // end of "The key "
    unsigned bits;
    bool is_testing, is_strict, is_validated;
};

// Asks for the key of a signature. ERR_OK or ERR_AGAIN. Free with dkim_public_key_finish.
enum err dkim_public_key_get(const struct resolver *r, const struct dkim_signature *s,
                             struct dkim_public_key *out);
void dkim_public_key_finish(struct dkim_public_key *k);

// The signature's bytes sign that digest with that key.
bool dkim_digest_is_signed(const struct dkim_public_key *k, const struct dkim_signature *s,
                           const uint8_t digest[AUTH_DIGEST_BYTES]);
enum err dkim_digest_sign(const struct dkim_private_key *key,
                          const uint8_t digest[AUTH_DIGEST_BYTES], struct buf *out);

// The hash over the fields that `headers` names and over the signature's own.
enum err dkim_hash_header(struct auth_message *m, const struct dkim_signature *s,
                          uint8_t digest[AUTH_DIGEST_BYTES]);

// The body is the one that was signed. `*out_partial`: l= leaves something out.
bool dkim_body_is_signed(const struct auth_message *m, const struct dkim_signature *s,
                         bool *out_partial);

// Asks for the body hashes that the message's signatures need. ERR_NOMEM only.
enum err dkim_want_body_hashes(struct auth_message *m);

// A field under construction: tags in order, folded; the value of b= comes last of all.
struct dkim_writer {
    struct buf before, after; // the whole field around the value of b=
    size_t column;
    bool is_after, is_b_folded;
};

void dkim_writer_begin(struct dkim_writer *w, const char *field_name);
void dkim_writer_put(struct dkim_writer *w, const char *tag, struct span value);
void dkim_writer_put_u64(struct dkim_writer *w, const char *tag, uint64_t value);
void dkim_writer_put_hash(struct dkim_writer *w, const struct body_hash *h); // bh=
void dkim_writer_put_b(struct dkim_writer *w);
// The field with b= empty, no line end.
enum err dkim_writer_unsigned(const struct dkim_writer *w, struct buf *out);
// The field with its signature and CRLF.
enum err dkim_writer_finish(const struct dkim_writer *w, const struct dkim_private_key *key,
                            const uint8_t digest[AUTH_DIGEST_BYTES], struct buf *out);
void dkim_writer_release(struct dkim_writer *w);

// dkim_sign for any field name; an ARC instance instead of v= when it is not 0.
enum err dkim_sign_as(struct auth_message *m, const struct dkim_signer *s, const char *field_name,
                      uint32_t instance, struct buf *out);

// A field that holds `text` and nothing else.
struct mime_field dkim_field_of(struct span text);

#endif
