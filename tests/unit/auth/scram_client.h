// SPDX-License-Identifier: Apache-2.0
//
// A client of SCRAM-SHA-256 by the RFC's formulas, apart from the code that is tried with it.
#ifndef TESTS_UNIT_AUTH_SCRAM_CLIENT_H
#define TESTS_UNIT_AUTH_SCRAM_CLIENT_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../test.h"
#include "base/encode.h"

static inline void scram_hmac(const void *key, struct span text, unsigned char out[32])
{
    assert_non_null(HMAC(EVP_sha256(), key, 32, (const void *)text.p, text.n, out, NULL));
}

static inline struct span scram_attribute(struct span message, char name)
{
    while (message.n) {
        struct span one = span_split(&message, ',');

        if (one.n > 2 && one.p[0] == name && one.p[1] == '=') {
            return span_skip(one, 2);
        }
    }
    fail_msg("no %c= in it", name);
    return SPAN("");
}

// The last message of whoever has said `first` (header of `header` bytes) and was told `challenge`.
static inline void scram_answer(struct span first, size_t header, struct span binding,
                                struct span challenge, struct span password, struct buf *out)
{
    unsigned char salted[32], key[32], stored[32], signature[32];
    struct buf text, salt, bound;
    uint64_t iterations;

    buf_init(&text, 8192);
    buf_init(&salt, 64);
    buf_init(&bound, 512);
    assert_ok(base64_decode(&salt, scram_attribute(challenge, 's')));
    assert_true(span_to_u64(scram_attribute(challenge, 'i'), 1000000, &iterations));
    assert_int_equal(PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const void *)salt.p,
                                       (int)salt.n, (int)iterations, EVP_sha256(), 32, salted),
                     1);
    buf_put(&bound, span_first(first, header));
    buf_put(&bound, binding);
    buf_put(out, SPAN("c="));
    base64_encode(out, buf_span(&bound));
    buf_put(out, SPAN(",r="));
    buf_put(out, scram_attribute(challenge, 'r'));
    buf_printf(&text, "%.*s,%.*s,%.*s", SPAN_ARG(span_skip(first, header)), SPAN_ARG(challenge),
               SPAN_ARG(buf_span(out)));
    scram_hmac(salted, SPAN("Client Key"), key);
    EVP_Digest(key, 32, stored, NULL, EVP_sha256(), NULL);
    scram_hmac(stored, buf_span(&text), signature);
    for (size_t i = 0; i < 32; i++) {
        key[i] ^= signature[i];
    }
    buf_put(out, SPAN(",p="));
    base64_encode(out, span_of(key, 32));
    buf_finish(&text);
    buf_finish(&salt);
    buf_finish(&bound);
}

#endif
