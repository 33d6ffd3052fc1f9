// SPDX-License-Identifier: Apache-2.0
#include "wire/sasl/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/random.h"
#include "wire/sasl/saslprep.h"

#include "base/banned.h"

#define PREPARE_BYTES 16384 // of memory for a password in its one spelling

static bool is_binding(enum scram_binding b)
{
    return b != SCRAM_BINDING_NONE && b != SCRAM_BINDING_NOT_OFFERED;
}

// The bytes of a binding; p is NULL when the connection has none of the kind.
static struct span channel_bytes(const struct scram_channel *channel, enum scram_binding b)
{
    return b == SCRAM_BINDING_EXPORTER       ? channel->exporter
           : b == SCRAM_BINDING_SERVER_POINT ? channel->server_point
                                             : (struct span){NULL, 0};
}

enum err scram_first_check(const struct scram_first *first, bool is_plus,
                           const struct scram_channel *channel)
{
    if (is_plus != is_binding(first->binding)) {
        return ERR_INVALID;
    }
    if (is_plus) {
        return channel_bytes(channel, first->binding).n ? ERR_OK : ERR_UNSUPPORTED;
    }
    bool has_plus = channel->exporter.n || channel->server_point.n;

    return has_plus && first->binding == SCRAM_BINDING_NOT_OFFERED ? ERR_DENIED : ERR_OK;
}

static bool hmac(const unsigned char *key, size_t n, struct span text,
                 unsigned char out[SCRAM_DIGEST_BYTES])
{
    unsigned int written = 0;

    return HMAC(EVP_sha256(), key, (int)n, (const unsigned char *)text.p, text.n, out, &written) &&
           written == SCRAM_DIGEST_BYTES;
}

static bool digest(const unsigned char in[SCRAM_DIGEST_BYTES],
                   unsigned char out[SCRAM_DIGEST_BYTES])
{
    return EVP_Digest(in, SCRAM_DIGEST_BYTES, out, NULL, EVP_sha256(), NULL) == 1;
}

static bool are_in_range(struct span salt, unsigned iterations)
{
    return salt.n > 0 && salt.n <= SCRAM_SALT_BYTES_MAX && iterations >= SCRAM_ITERATIONS_MIN &&
           iterations <= SCRAM_ITERATIONS_MAX;
}

// RFC 5802 section 3.
static enum err keys_derive(struct span password, struct span salt, unsigned iterations,
                            struct scram_keys *out)
{
    unsigned char salted[SCRAM_DIGEST_BYTES], client[SCRAM_DIGEST_BYTES];
    struct scram_keys keys;
    bool ok =
        PKCS5_PBKDF2_HMAC(password.p, (int)password.n, (const unsigned char *)salt.p, (int)salt.n,
                          (int)iterations, EVP_sha256(), sizeof(salted), salted) == 1 &&
        hmac(salted, sizeof(salted), SPAN("Client Key"), client) && digest(client, keys.stored) &&
        hmac(salted, sizeof(salted), SPAN("Server Key"), keys.server);

    if (ok) {
        *out = keys;
    }
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(client, sizeof(client));
    OPENSSL_cleanse(&keys, sizeof(keys));
    return ok ? ERR_OK : ERR_NOMEM;
}

enum err scram_keys_make(struct span password, struct span salt, unsigned iterations,
                         struct scram_keys *out)
{
    struct arena arena;
    struct span prepared = SPAN("");

    if (!are_in_range(salt, iterations)) {
        return ERR_INVALID;
    }
    arena_init(&arena, PREPARE_BYTES);
    enum err e = saslprep(&arena, password, SASLPREP_STORED, &prepared);

    if (e == ERR_OK) {
        e = prepared.n ? keys_derive(prepared, salt, iterations, out) : ERR_INVALID;
    }
    if (prepared.n && prepared.p != password.p) {
        OPENSSL_cleanse((char *)(uintptr_t)prepared.p, prepared.n); // the arena's own bytes
    }
    arena_finish(&arena);
    return e;
}

void scram_nonce_make(char out[SCRAM_OUR_NONCE_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    random_bytes(out, SCRAM_OUR_NONCE_BYTES);
    for (size_t i = 0; i < SCRAM_OUR_NONCE_BYTES; i++) {
        out[i] = digits[out[i] & 63]; // 64 of them: each as likely as any other
    }
}

static struct span join(struct arena *arena, struct span a, struct span b)
{
    char *p = arena_alloc(arena, a.n + b.n + 1);

    if (!p) {
        return (struct span){NULL, 0};
    }
    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    return span_of(p, a.n + b.n);
}

static enum err server_first_put(struct scram_exchange *x, struct span salt, unsigned iterations)
{
    struct buf text;

    buf_init(&text, SCRAM_MESSAGE_BYTES_MAX);
    buf_put(&text, SPAN("r="));
    buf_put(&text, x->nonce);
    buf_put(&text, SPAN(",s="));
    base64_encode(&text, salt);
    buf_put(&text, SPAN(",i="));
    buf_put_u64(&text, iterations);
    enum err e = buf_result(&text);

    if (e == ERR_OK) {
        x->server_first = arena_dup(x->arena, buf_span(&text));
        e = x->server_first.p ? ERR_OK : ERR_NOMEM;
    }
    buf_finish(&text);
    return e;
}

enum err scram_begin(struct scram_exchange *x, struct arena *arena, struct span client_first,
                     struct span our_nonce, struct span salt, unsigned iterations)
{
    struct scram_exchange got = {.arena = arena};
    struct span copy;

    if (!are_in_range(salt, iterations) || our_nonce.n == 0) {
        return ERR_INVALID;
    }
    if (client_first.n > SCRAM_MESSAGE_BYTES_MAX || our_nonce.n > SCRAM_NONCE_BYTES_MAX) {
        return ERR_LIMIT;
    }
    copy = arena_dup(arena, client_first);
    enum err e = copy.p ? scram_first_parse(arena, copy, &got.first) : ERR_NOMEM;

    if (e == ERR_OK) {
        got.nonce = join(arena, got.first.nonce, our_nonce);
        e = got.nonce.p ? server_first_put(&got, salt, iterations) : ERR_NOMEM;
    }
    if (e == ERR_OK) {
        *x = got;
    }
    return e;
}

static bool is_same(struct span a, struct span b)
{
    return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

// "c=" is the header of the first message, and the channel behind it when it is bound.
static bool is_bound(const struct scram_exchange *x, struct span said,
                     const struct scram_channel *channel)
{
    struct span bytes = channel_bytes(channel, x->first.binding);

    if (is_binding(x->first.binding) && bytes.n == 0) {
        return false;
    }
    return said.n >= x->first.header.n &&
           is_same(span_first(said, x->first.header.n), x->first.header) &&
           is_same(span_skip(said, x->first.header.n), bytes);
}

// AuthMessage, RFC 5802 section 3.
static void auth_message_put(const struct scram_exchange *x, struct span without_proof,
                             struct buf *out)
{
    buf_put(out, x->first.bare);
    buf_put_byte(out, ',');
    buf_put(out, x->server_first);
    buf_put_byte(out, ',');
    buf_put(out, without_proof);
}

// Is the proof that of the key? Says so in 0 or 1, in a time that does not depend on the answer.
static bool proof_holds(const struct scram_keys *keys, struct span auth_message,
                        const unsigned char proof[SCRAM_DIGEST_BYTES])
{
    unsigned char signature[SCRAM_DIGEST_BYTES], client[SCRAM_DIGEST_BYTES];
    unsigned char stored[SCRAM_DIGEST_BYTES];
    bool ok = hmac(keys->stored, sizeof(keys->stored), auth_message, signature);

    for (size_t i = 0; i < sizeof(client); i++) {
        client[i] = signature[i] ^ proof[i];
    }
    ok = ok && digest(client, stored) && CRYPTO_memcmp(stored, keys->stored, sizeof(stored)) == 0;
    OPENSSL_cleanse(client,
                    sizeof(client)); // with it and the keys of the account one could sign in
    return ok;
}

static enum err server_final_put(const struct scram_keys *keys, struct span auth_message,
                                 struct buf *out)
{
    unsigned char signature[SCRAM_DIGEST_BYTES];

    if (!hmac(keys->server, sizeof(keys->server), auth_message, signature)) {
        return ERR_NOMEM;
    }
    buf_put(out, SPAN("v="));
    base64_encode(out, span_of(signature, sizeof(signature)));
    return buf_result(out);
}

enum err scram_end(struct scram_exchange *x, struct span client_final,
                   const struct scram_channel *channel, const struct scram_keys *keys, size_t count,
                   size_t *out_which, struct buf *out)
{
    struct scram_final final;
    struct buf text;
    size_t which = count;
    enum err e = scram_final_parse(x->arena, client_final, &final);

    if (e != ERR_OK) {
        return e;
    }
    bool fits = is_same(final.nonce, x->nonce) && is_bound(x, final.binding, channel);

    buf_init(&text, 3 * SCRAM_MESSAGE_BYTES_MAX);
    auth_message_put(x, final.without_proof, &text);
    e = buf_result(&text);
    for (size_t i = 0; i < count; i++) {
        if (proof_holds(&keys[i], buf_span(&text), final.proof)) {
            which = i;
        }
    }
    if (e == ERR_OK) {
        e = fits && which < count ? server_final_put(&keys[which], buf_span(&text), out)
                                  : ERR_DENIED;
    }
    buf_finish(&text);
    if (e == ERR_OK) {
        *out_which = which;
    }
    return e;
}
