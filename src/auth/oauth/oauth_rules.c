// SPDX-License-Identifier: Apache-2.0
#include "auth/oauth/oauth_rules.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "auth/oauth/oauth_token.h"
#include "base/random.h"

#include "base/banned.h"

// ---- scopes -------------------------------------------------------------------------------------

static const struct {
    const char *word;
    unsigned scope;
} words[] = {
    {"imap", DEVICE_IMAP},   {"smtp", DEVICE_SUBMISSION}, {"pop3", DEVICE_POP3},
    {"sieve", DEVICE_SIEVE}, {"jmap", DEVICE_JMAP},       {"read-only", DEVICE_READ_ONLY},
    {"mail", DEVICE_MAIL}, // last: never written
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static unsigned scope_of(struct span word)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (span_eq(word, span_from_str(words[i].word))) {
            return words[i].scope;
        }
    }
    return 0;
}

bool oauth_scope_read(struct span text, unsigned *out)
{
    unsigned scope = 0;

    while (text.n) {
        struct span word = span_split(&text, ' ');
        unsigned one = scope_of(word);

        if (word.n && !one) {
            return false;
        }
        scope |= one;
    }
    if (!(scope & DEVICE_MAIL)) {
        scope |= DEVICE_MAIL;
    }
    if ((scope & DEVICE_READ_ONLY) &&
        !(scope & ~(unsigned)(DEVICE_READ_ONLY | DEVICE_SUBMISSION))) {
        return false; // who only reads sends nothing
    }
    *out = scope & DEVICE_READ_ONLY ? scope & ~(unsigned)DEVICE_SUBMISSION : scope;
    return true;
}

void oauth_scope_put(struct buf *out, unsigned scope)
{
    bool is_first = true;

    for (size_t i = 0; i + 1 < WORDS; i++) {
        if (scope & words[i].scope) {
            buf_put_str(out, is_first ? "" : " ");
            buf_put_str(out, words[i].word);
            is_first = false;
        }
    }
}

bool oauth_scope_is_within(unsigned scope, unsigned granted)
{
    unsigned may = granted & ~(unsigned)DEVICE_READ_ONLY,
             asks = scope & ~(unsigned)DEVICE_READ_ONLY;

    return !(asks & ~may) && (!(granted & DEVICE_READ_ONLY) || (scope & DEVICE_READ_ONLY));
}

// ---- PKCE ---------------------------------------------------------------------------------------

bool oauth_challenge_is_valid(struct span challenge)
{
    for (size_t i = 0; i < challenge.n; i++) {
        char c = challenge.p[i];

        if (!byte_is_alnum(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return challenge.n == OAUTH_CHALLENGE_BYTES;
}

static bool is_verifier(struct span verifier)
{
    for (size_t i = 0; i < verifier.n; i++) {
        char c = verifier.p[i];

        if (!byte_is_alnum(c) && c != '-' && c != '.' && c != '_' && c != '~') {
            return false;
        }
    }
    return verifier.n >= 43 && verifier.n <= 128;
}

bool oauth_verifier_fits(struct span verifier, struct span challenge)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char text[64];

    if (!is_verifier(verifier) || !oauth_challenge_is_valid(challenge)) {
        return false;
    }
    SHA256((const unsigned char *)verifier.p, verifier.n, digest);
    size_t n = oauth_base64url(digest, sizeof(digest), text, sizeof(text));

    return n == challenge.n && CRYPTO_memcmp(text, challenge.p, n) == 0;
}

// ---- what people type ---------------------------------------------------------------------------

static const char letters[] = "BCDFGHJKLMNPQRSTVWXZ";

void oauth_user_code_make(char out[OAUTH_USER_CODE_CHARS])
{
    for (size_t i = 0; i < OAUTH_USER_CODE_CHARS;) {
        unsigned char r;

        random_bytes(&r, 1);
        if (r < 240) { // 12 times 20: no letter is likelier
            out[i++] = letters[r % 20];
        }
    }
}

void oauth_user_code_show(const char code[OAUTH_USER_CODE_CHARS],
                          char out[OAUTH_USER_CODE_TEXT_BYTES])
{
    memcpy(out, code, 4);
    out[4] = '-';
    memcpy(out + 5, code + 4, 4);
}

bool oauth_user_code_read(struct span typed, char out[OAUTH_USER_CODE_CHARS])
{
    size_t n = 0;

    for (size_t i = 0; i < typed.n; i++) {
        char c = byte_upper(typed.p[i]);

        if (c == '-' || c == ' ') {
            continue;
        }
        if (n == OAUTH_USER_CODE_CHARS || c == '\0' || !memchr(letters, c, sizeof(letters) - 1)) {
            return false;
        }
        out[n++] = c;
    }
    return n == OAUTH_USER_CODE_CHARS;
}
