// SPDX-License-Identifier: Apache-2.0
#include "auth/password.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>

#include "base/random.h"
#include "base/utf8.h"

#include "base/banned.h"

#define SALT_BYTES 16
#define HASH_BYTES 32

void password_params_default(struct password_params *p)
{
    *p = (struct password_params){.memory_kib = 65536, .passes = 3, .lanes = 1};
}

static void *end_thread(void *arg)
{
    pthread_exit(arg);
}

void password_preload(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, end_thread, NULL) == 0) {
        pthread_join(thread, NULL);
    }
}

enum err password_hash(struct span password, const struct password_params *p, struct buf *out)
{
    char salt[SALT_BYTES], encoded[PASSWORD_HASH_MAX];

    if (password.n > PASSWORD_BYTES_MAX) {
        return ERR_LIMIT;
    }
    random_bytes(salt, sizeof(salt));
    int r = argon2id_hash_encoded(p->passes, p->memory_kib, p->lanes, password.p, password.n, salt,
                                  sizeof(salt), HASH_BYTES, encoded, sizeof(encoded));

    if (r != ARGON2_OK) {
        return r == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_NOMEM : ERR_INVALID;
    }
    buf_put_str(out, encoded);
    return buf_result(out);
}

enum err password_verify(struct span password, struct span hash)
{
    char encoded[PASSWORD_HASH_MAX];

    if (password.n > PASSWORD_BYTES_MAX) {
        return ERR_DENIED;
    }
    if (hash.n >= sizeof(encoded) || !span_starts(hash, SPAN("$argon2id$"))) {
        return ERR_INVALID;
    }
    memcpy(encoded, hash.p, hash.n);
    encoded[hash.n] = '\0';
    switch (argon2id_verify(encoded, password.p, password.n)) {
    case ARGON2_OK:
        return ERR_OK;
    case ARGON2_VERIFY_MISMATCH:
        return ERR_DENIED;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
        return ERR_NOMEM;
    default:
        return ERR_INVALID;
    }
}

bool password_needs_rehash(struct span hash, const struct password_params *p)
{
    char want[96];
    int n = snprintf(want, sizeof(want), "$argon2id$v=19$m=%u,t=%u,p=%u$", p->memory_kib, p->passes,
                     p->lanes);

    return !span_starts(hash, span_of(want, (size_t)n));
}

// Looks for what would print oddly or cannot be typed the same on every device.
static bool has_bad_characters(struct span password, size_t *out_characters)
{
    uint32_t c;

    *out_characters = 0;
    while (password.n) {
        if (!utf8_next(&password, &c) || c < 32 || c == 127) {
            return true;
        }
        ++*out_characters;
    }
    return false;
}

static bool is_common(struct span password)
{
    static const char *const common[] = {
        "password", "password1", "passw0rd",   "12345678", "123456789", "1234567890",
        "qwertyui", "qwerty123", "qwertyuiop", "11111111", "00000000",  "iloveyou",
        "abcd1234", "abc12345",  "letmein1",   "welcome1", "admin123",  "changeme",
        "sunshine", "princess",  "football",   "baseball", "trustno1",  "superman",
        "88888888", "12341234",  "asdfghjk",   "1q2w3e4r", "1qaz2wsx",  "password123",
    };

    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        if (span_eq_nocase(password, span_from_str(common[i]))) {
            return true;
        }
    }
    return false;
}

const char *password_weakness(struct span password, struct span address)
{
    size_t characters, same = 0;

    if (password.n > PASSWORD_BYTES_MAX) {
        return "it is longer than 1,024 bytes";
    }
    if (has_bad_characters(password, &characters)) {
        return "it has control characters or is not valid UTF-8";
    }
    if (characters < 8) {
        return "it has fewer than 8 characters";
    }
    struct span local = span_first(address, span_find_byte(address, '@'));

    if (span_eq_nocase(password, address) || span_eq_nocase(password, local)) {
        return "it is the address itself";
    }
    while (same < password.n && password.p[same] == password.p[0]) {
        same++;
    }
    if (same == password.n) {
        return "it is one character repeated";
    }
    return is_common(password) ? "it is one of the passwords that are tried first" : NULL;
}
