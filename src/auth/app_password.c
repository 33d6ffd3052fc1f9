// SPDX-License-Identifier: Apache-2.0
#include "auth/app_password.h"

#include <openssl/evp.h>
#include <string.h>

#include "auth/readable.h"

#include "base/banned.h"

#define CHECKED 23 // the characters before the check sum
#define GROUP   5

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
    out[0] = readable_char(h >> 5);
    out[1] = readable_char(h);
}

void app_password_make(char out[APP_PASSWORD_TEXT_BYTES])
{
    char chars[APP_PASSWORD_CHARS];

    readable_make(chars, CHECKED);
    check_sum(chars, chars + CHECKED);
    readable_show(chars, APP_PASSWORD_CHARS, GROUP, out);
    explicit_bzero(chars, sizeof(chars));
}

bool app_password_read(struct span typed, char out[APP_PASSWORD_CHARS])
{
    char chars[APP_PASSWORD_CHARS], sum[2];

    if (!readable_read(typed, chars, APP_PASSWORD_CHARS)) {
        return false;
    }
    check_sum(chars, sum);
    if (memcmp(sum, chars + CHECKED, sizeof(sum)) != 0) {
        return false;
    }
    memcpy(out, chars, sizeof(chars));
    explicit_bzero(chars, sizeof(chars));
    return true;
}
