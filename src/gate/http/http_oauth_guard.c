// SPDX-License-Identifier: Apache-2.0
//
// A form counts only when it comes from a page of ours and from the browser that got that page: it
// carries a mark (HMAC-SHA-256 under a secret of this process) over a cookie, the page and the
// time. There is nothing to steal with a form sent from elsewhere, because nobody is signed in
// beyond one form; this keeps others from signing a browser in as themselves.
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/random.h"
#include "gate/http/http_oauth.h"

#include "base/banned.h"

#define SECRET_BYTES 32
#define GOOD_FOR_S   3600

static unsigned char secret[SECRET_BYTES];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_secret(void)
{
    random_bytes(secret, sizeof(secret));
}

static bool is_hex(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (byte_hex(s.p[i]) < 0) {
            return false;
        }
    }
    return true;
}

// The value in "a=1; __Host-mailkeep=...; b=2".
struct span http_oauth_cookie_of(struct span header, struct span wanted)
{
    while (header.n) {
        struct span value = span_trim(span_split(&header, ';'));
        struct span name = span_split(&value, '=');

        if (span_eq(name, wanted) && value.n == HTTP_OAUTH_COOKIE_CHARS && is_hex(value)) {
            return value;
        }
    }
    return SPAN("");
}

static void put_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = p;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
}

void http_oauth_cookie(const struct http_call *call, char out[HTTP_OAUTH_COOKIE_CHARS],
                       bool *out_is_new)
{
    struct span cookie = http_oauth_cookie_of(call->cookie, SPAN(HTTP_OAUTH_COOKIE));
    unsigned char bytes[HTTP_OAUTH_COOKIE_CHARS / 2];

    *out_is_new = cookie.n == 0;
    if (cookie.n) {
        memcpy(out, cookie.p, HTTP_OAUTH_COOKIE_CHARS);
    } else {
        random_bytes(bytes, sizeof(bytes));
        put_hex(bytes, sizeof(bytes), out);
    }
}

static void guard_at(int64_t when, const char *cookie, struct span page, char *out)
{
    unsigned char mark[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char text[160];

    pthread_once(&once, make_secret);
    int m = snprintf(text, sizeof(text), "%016llx %.*s %.*s", (unsigned long long)when,
                     HTTP_OAUTH_COOKIE_CHARS, cookie, SPAN_ARG(span_first(page, 64)));

    HMAC(EVP_sha256(), secret, sizeof(secret), (const unsigned char *)text, (size_t)m, mark, &n);
    memcpy(out, text, 16);
    out[16] = '.';
    put_hex(mark, 32, out + 17);
}

void http_oauth_guard(const char cookie[HTTP_OAUTH_COOKIE_CHARS], struct span page,
                      char out[HTTP_OAUTH_GUARD_CHARS])
{
    guard_at(clock_real_s(), cookie, page, out);
}

bool http_oauth_guard_holds(const struct http_call *call, struct span page, struct span guard)
{
    struct span cookie = http_oauth_cookie_of(call->cookie, SPAN(HTTP_OAUTH_COOKIE));
    char right[HTTP_OAUTH_GUARD_CHARS];
    int64_t now = clock_real_s();
    uint64_t when = 0;

    if (!cookie.n || guard.n != HTTP_OAUTH_GUARD_CHARS || !is_hex(span_first(guard, 16))) {
        return false;
    }
    for (size_t i = 0; i < 16; i++) {
        when = when << 4 | (uint64_t)byte_hex(guard.p[i]);
    }
    if (when > (uint64_t)now || (uint64_t)now - when > GOOD_FOR_S) {
        return false;
    }
    guard_at((int64_t)when, cookie.p, page, right);
    return CRYPTO_memcmp(right, guard.p, sizeof(right)) == 0;
}
