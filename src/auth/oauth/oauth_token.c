// SPDX-License-Identifier: Apache-2.0
#include "auth/oauth/oauth_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/random.h"

#include "base/banned.h"

#define PLACE_BYTES  16
#define RANDOM_BYTES 32
#define PREFIX_BYTES 4
#define IS_REFRESH   0x80000000u

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t oauth_base64url(const void *p, size_t n, char *out, size_t room)
{
    const unsigned char *in = p;
    size_t o = 0, chars = (n * 8 + 5) / 6;

    ASSERT(chars <= room);
    for (size_t bit = 0; o < chars; bit += 6) {
        unsigned v = (unsigned)in[bit / 8] << 8 | (bit / 8 + 1 < n ? in[bit / 8 + 1] : 0);

        out[o++] = alphabet[v >> (10 - bit % 8) & 63];
    }
    return o;
}

// `chars` is a multiple of 4. False: another character.
static bool base64url_read(struct span text, unsigned char *out)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < text.n; i++) {
        const char *at = text.p[i] ? memchr(alphabet, text.p[i], 64) : NULL;

        if (!at) {
            return false;
        }
        bits = bits << 6 | (uint32_t)(at - alphabet);
        if (i % 4 == 3) {
            *out++ = (unsigned char)(bits >> 16);
            *out++ = (unsigned char)(bits >> 8);
            *out++ = (unsigned char)bits;
        }
    }
    return true;
}

// One block: what is hidden is as long, and two places never look alike.
static enum err crypt_block(const char key[OAUTH_KEY_BYTES], bool encrypts, const unsigned char *in,
                            unsigned char *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = c &&
              EVP_CipherInit_ex(c, EVP_aes_128_ecb(), NULL, (const unsigned char *)key, NULL,
                                encrypts) == 1 &&
              EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
              EVP_CipherUpdate(c, out, &n, in, PLACE_BYTES) == 1 && n == PLACE_BYTES;

    EVP_CIPHER_CTX_free(c);
    return ok ? ERR_OK : ERR_NOMEM;
}

static void put_be48(unsigned char *p, uint64_t v)
{
    for (int i = 0; i < 6; i++) {
        p[i] = (unsigned char)(v >> (40 - 8 * i));
    }
}

static uint64_t read_be48(const unsigned char *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 6; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

enum err oauth_token_make(const char key[OAUTH_KEY_BYTES], enum oauth_token_kind kind,
                          const struct oauth_place *place, char out[OAUTH_TOKEN_TEXT_BYTES])
{
    unsigned char plain[PLACE_BYTES], all[PLACE_BYTES + RANDOM_BYTES];
    uint32_t last = place->generation | (kind == OAUTH_REFRESH_TOKEN ? IS_REFRESH : 0);

    ASSERT(place->account <= OAUTH_FAMILY_MAX && place->family <= OAUTH_FAMILY_MAX &&
           place->generation <= OAUTH_GENERATION_MAX);
    put_be48(plain, place->account);
    put_be48(plain + 6, place->family);
    put_be32(plain + 12, last);
    enum err e = crypt_block(key, true, plain, all);

    if (e != ERR_OK) {
        return e;
    }
    random_bytes(all + PLACE_BYTES, RANDOM_BYTES);
    memcpy(out, kind == OAUTH_REFRESH_TOKEN ? "mkr_" : "mkt_", PREFIX_BYTES);
    oauth_base64url(all, sizeof(all), out + PREFIX_BYTES, OAUTH_TOKEN_TEXT_BYTES - PREFIX_BYTES);
    OPENSSL_cleanse(all, sizeof(all));
    return ERR_OK;
}

bool oauth_token_is_own(struct span text)
{
    return text.n == OAUTH_TOKEN_TEXT_BYTES && span_starts(text, SPAN("mkt_"));
}

enum err oauth_token_read(const char key[OAUTH_KEY_BYTES], struct span text,
                          enum oauth_token_kind *out_kind, struct oauth_place *out)
{
    unsigned char all[PLACE_BYTES + RANDOM_BYTES], plain[PLACE_BYTES];
    bool is_refresh = span_starts(text, SPAN("mkr_"));

    if (text.n != OAUTH_TOKEN_TEXT_BYTES || (!is_refresh && !oauth_token_is_own(text)) ||
        !base64url_read(span_skip(text, PREFIX_BYTES), all)) {
        return ERR_INVALID;
    }
    enum err e = crypt_block(key, false, all, plain);
    struct oauth_place place = {.account = read_be48(plain), .family = read_be48(plain + 6)};
    uint32_t last = get_be32((const char *)plain + 12);

    if (e != ERR_OK) {
        return e;
    }
    place.generation = last & ~IS_REFRESH;
    if (is_refresh != ((last & IS_REFRESH) != 0) || place.account == 0 || place.family == 0 ||
        place.generation == 0) {
        return ERR_INVALID;
    }
    *out_kind = is_refresh ? OAUTH_REFRESH_TOKEN : OAUTH_ACCESS_TOKEN;
    *out = place;
    return ERR_OK;
}

void oauth_code_make(char letter, char out[OAUTH_CODE_TEXT_BYTES])
{
    unsigned char bytes[RANDOM_BYTES];

    random_bytes(bytes, sizeof(bytes));
    memcpy(out, "mkc_", PREFIX_BYTES);
    out[2] = letter;
    oauth_base64url(bytes, sizeof(bytes), out + PREFIX_BYTES, OAUTH_CODE_TEXT_BYTES - PREFIX_BYTES);
    OPENSSL_cleanse(bytes, sizeof(bytes));
}

void oauth_digest(struct span text, char out[OAUTH_DIGEST_BYTES])
{
    SHA256((const unsigned char *)(text.n ? text.p : ""), text.n, (unsigned char *)out);
}
