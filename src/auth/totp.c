// SPDX-License-Identifier: Apache-2.0
#include "auth/totp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/readable.h"
#include "base/bytes.h"
#include "base/random.h"

#include "base/banned.h"

#define GROUP 4

void totp_secret_make(unsigned char out[TOTP_SECRET_BYTES])
{
    random_bytes(out, TOTP_SECRET_BYTES);
}

enum err hotp_code(struct span secret, uint64_t counter, unsigned digits, uint32_t *out)
{
    unsigned char mac[20], moving[8];
    unsigned n = sizeof(mac);
    uint32_t modulus = 1;

    put_be64(moving, counter);
    if (!HMAC(EVP_sha1(), secret.p, (int)secret.n, moving, sizeof(moving), mac, &n)) {
        return ERR_NOMEM;
    }
    uint32_t truncated = get_be32(mac + (mac[sizeof(mac) - 1] & 15)) & 0x7fffffff;

    for (unsigned i = 0; i < digits; i++) {
        modulus *= 10;
    }
    *out = truncated % modulus;
    OPENSSL_cleanse(mac, sizeof(mac));
    return ERR_OK;
}

uint64_t totp_step(int64_t now_s)
{
    return now_s > 0 ? (uint64_t)now_s / TOTP_STEP_S : 0;
}

bool totp_read(struct span typed, uint32_t *out)
{
    uint32_t code = 0;
    unsigned digits = 0;

    for (size_t i = 0; i < typed.n; i++) {
        char c = typed.p[i];

        if (c == ' ' || c == '-') {
            continue;
        }
        if (!byte_is_digit(c) || digits == TOTP_DIGITS) {
            return false;
        }
        code = code * 10 + (uint32_t)(c - '0');
        digits++;
    }
    *out = code;
    return digits == TOTP_DIGITS;
}

enum err totp_find(struct span secret, uint32_t code, int64_t now_s, unsigned window,
                   uint64_t after, uint64_t *out_step)
{
    uint64_t now = totp_step(now_s), first = now > window ? now - window : 0, found = 0;
    bool is_found = false;

    for (uint64_t step = first; step <= now + window; step++) {
        uint32_t right;
        enum err e = hotp_code(secret, step, TOTP_DIGITS, &right);

        if (e != ERR_OK) {
            return e;
        }
        if ((right == code) & (step > after)) {
            found = step;
            is_found = true;
        }
    }
    if (is_found) {
        *out_step = found;
    }
    return is_found ? ERR_OK : ERR_NOT_FOUND;
}

void totp_secret_text(struct buf *out, struct span secret)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < secret.n; i++) {
        bits = bits << 8 | (unsigned char)secret.p[i];
        for (have += 8; have >= 5; have -= 5) {
            buf_put_byte(out, alphabet[bits >> (have - 5) & 31]);
        }
    }
    if (have > 0) {
        buf_put_byte(out, alphabet[bits << (5 - have) & 31]);
    }
}

// RFC 3986: all but unreserved characters in their percent form.
static void put_escaped(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (byte_is_alnum((char)c) || c == '-' || c == '.' || c == '_' || c == '~') {
            buf_put_byte(out, (char)c);
        } else {
            buf_printf(out, "%%%02X", c);
        }
    }
}

void totp_uri(struct buf *out, struct span secret, struct span account, struct span issuer)
{
    buf_put_str(out, "otpauth://totp/");
    put_escaped(out, issuer);
    buf_put_byte(out, ':');
    put_escaped(out, account);
    buf_put_str(out, "?secret=");
    totp_secret_text(out, secret);
    buf_put_str(out, "&issuer=");
    put_escaped(out, issuer);
    buf_printf(out, "&algorithm=SHA1&digits=%d&period=%d", TOTP_DIGITS, TOTP_STEP_S);
}

// ---- recovery codes -----------------------------------------------------------------------------

static enum err digest_of(const char *chars, unsigned char digest[32])
{
    unsigned n = 0;

    return EVP_Digest(chars, RECOVERY_CHARS, digest, &n, EVP_sha256(), NULL) == 1 ? ERR_OK
                                                                                  : ERR_NOMEM;
}

enum err recovery_code_make(char out[RECOVERY_TEXT_BYTES], unsigned char digest[32])
{
    char chars[RECOVERY_CHARS];

    readable_make(chars, sizeof(chars));
    readable_show(chars, sizeof(chars), GROUP, out);
    enum err e = digest_of(chars, digest);

    OPENSSL_cleanse(chars, sizeof(chars));
    return e;
}

enum err recovery_code_read(struct span typed, unsigned char digest[32])
{
    char chars[RECOVERY_CHARS];
    enum err e =
        readable_read(typed, chars, sizeof(chars)) ? digest_of(chars, digest) : ERR_INVALID;

    OPENSSL_cleanse(chars, sizeof(chars));
    return e;
}
