// SPDX-License-Identifier: Apache-2.0
#include "auth/app_password.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/random.h"

#include "base/banned.h"

#define CHECKED 23 // the characters before the check sum
#define GROUP   5

// Douglas Crockford's base 32, in lower case.
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

enum err app_password_digest(const char chars[APP_PASSWORD_CHARS], unsigned char out[32])
{
    unsigned n = 0;

    return EVP_Digest(chars, APP_PASSWORD_CHARS, out, &n, EVP_sha256(), NULL) == 1 ? ERR_OK
                                                                                   : ERR_NOMEM;
}

// FNV-1a, folded to ten bits. It is to tell passwords from typing errors, not to hide anything.
static void check_sum(const char *chars, char out[2])
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < CHECKED; i++) {
        h = (h ^ (unsigned char)chars[i]) * 16777619u;
    }
    h ^= h >> 20 ^ h >> 10;
    out[0] = alphabet[h >> 5 & 31];
    out[1] = alphabet[h & 31];
}

void app_password_make(char out[APP_PASSWORD_TEXT_BYTES])
{
    unsigned char bits[CHECKED];
    char chars[APP_PASSWORD_CHARS];
    size_t n = 0;

    random_bytes(bits, sizeof(bits));
    for (size_t i = 0; i < CHECKED; i++) {
        chars[i] = alphabet[bits[i] & 31];
    }
    check_sum(chars, chars + CHECKED);
    for (size_t i = 0; i < APP_PASSWORD_CHARS; i++) {
        if (i && i % GROUP == 0) {
            out[n++] = '-';
        }
        out[n++] = chars[i];
    }
}

static char spelling_of(char c)
{
    c = byte_lower(c);
    return c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c;
}

bool app_password_read(struct span typed, char out[APP_PASSWORD_CHARS])
{
    char chars[APP_PASSWORD_CHARS], sum[2];
    size_t n = 0;

    for (size_t i = 0; i < typed.n; i++) {
        char c = spelling_of(typed.p[i]);

        if (c == '-' || c == ' ') {
            continue;
        }
        if (n == APP_PASSWORD_CHARS || !c || !strchr(alphabet, c)) {
            return false;
        }
        chars[n++] = c;
    }
    if (n != APP_PASSWORD_CHARS) {
        return false;
    }
    check_sum(chars, sum);
    if (memcmp(sum, chars + CHECKED, sizeof(sum)) != 0) {
        return false;
    }
    memcpy(out, chars, sizeof(chars));
    return true;
}
