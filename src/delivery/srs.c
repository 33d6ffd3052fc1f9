// SPDX-License-Identifier: Apache-2.0
#include "delivery/srs.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/buf.h"

#include "base/banned.h"

#define HASH_CHARS      6 // 30 bits, for three weeks, and each wrong guess is a refused recipient
#define DAY_CHARS       2
#define LOCAL_BYTES_MAX 64
#define DAYS            1024 // the day counts in two characters of 32

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

struct hash {
    char s[HASH_CHARS];
};

// Over the lower-case text: what comes back may have been folded on its way.
static struct hash hash_of(const char key[SRS_KEY_BYTES], struct span text)
{
    unsigned char lower[512], mac[EVP_MAX_MD_SIZE];
    size_t n = text.n < sizeof(lower) ? text.n : sizeof(lower);
    struct hash h;

    for (size_t i = 0; i < n; i++) {
        lower[i] = (unsigned char)byte_lower(text.p[i]);
    }
    if (!HMAC(EVP_sha256(), key, SRS_KEY_BYTES, lower, n, mac, NULL)) {
        memset(mac, 0, sizeof(mac)); // nobody's hash fits then
    }
    for (size_t i = 0; i < HASH_CHARS; i++) {
        h.s[i] = alphabet[mac[i] % 32];
    }
    return h;
}

static bool hash_fits(const char key[SRS_KEY_BYTES], struct span text, struct span given)
{
    struct hash h = hash_of(key, text);
    char upper[HASH_CHARS];

    if (given.n != HASH_CHARS) {
        return false;
    }
    for (size_t i = 0; i < HASH_CHARS; i++) {
        upper[i] = byte_upper(given.p[i]);
    }
    return CRYPTO_memcmp(h.s, upper, HASH_CHARS) == 0;
}

static unsigned day_of(int64_t now_s)
{
    return (unsigned)(now_s / 86400 % DAYS);
}

static bool day_is_good(struct span text, int64_t now_s)
{
    unsigned day = 0;

    if (text.n != DAY_CHARS) {
        return false;
    }
    for (size_t i = 0; i < DAY_CHARS; i++) {
        const char *at = memchr(alphabet, byte_upper(text.p[i]), 32);

        if (!at) {
            return false;
        }
        day = day * 32 + (unsigned)(at - alphabet);
    }
    return (day_of(now_s) + DAYS - day) % DAYS <= SRS_DAYS_MAX;
}

static bool is_srs(struct span local, char kind)
{
    return span_starts_nocase(local, SPAN("SRS")) && local.n > 5 && local.p[3] == kind &&
           memchr("=+-", local.p[4], 3);
}

// "prefix=hash=rest@domain" in the arena; the hash is over `rest`.
static enum err put(const char key[SRS_KEY_BYTES], const char *prefix, struct span rest,
                    struct span domain, struct arena *a, struct span *out)
{
    struct hash h = hash_of(key, rest);
    struct buf b;

    buf_init(&b, 1024);
    buf_printf(&b, "%s=%.*s=%.*s", prefix, HASH_CHARS, h.s, SPAN_ARG(rest));
    enum err e = b.n > LOCAL_BYTES_MAX ? ERR_LIMIT : buf_result(&b);

    buf_printf(&b, "@%.*s", SPAN_ARG(domain));
    if (e == ERR_OK) {
        *out = arena_dup(a, buf_span(&b));
        e = out->p ? ERR_OK : ERR_NOMEM;
    }
    buf_finish(&b);
    return e;
}

enum err srs_rewrite(const char key[SRS_KEY_BYTES], struct span sender, struct span our_domain,
                     int64_t now_s, struct arena *a, struct span *out)
{
    size_t at = span_find_byte(sender, '@');
    struct span local = span_first(sender, at), domain = span_skip(sender, at + 1);
    unsigned day = day_of(now_s);
    struct buf rest;

    if (sender.n == 0 || at == sender.n) {
        *out = sender;
        return ERR_OK;
    }
    buf_init(&rest, 512);
    if (is_srs(local, '0')) { // the first forwarder, and its own words
        buf_printf(&rest, "%.*s=%.*s", SPAN_ARG(domain), SPAN_ARG(span_skip(local, 4)));
    } else if (is_srs(local, '1') && span_find_byte(span_skip(local, 5), '=') + 5 < local.n) {
        buf_put(&rest, span_skip(local, span_find_byte(span_skip(local, 5), '=') + 6));
    } else {
        buf_printf(&rest, "%c%c=%.*s=%.*s", alphabet[day / 32], alphabet[day % 32],
                   SPAN_ARG(domain), SPAN_ARG(local));
    }
    enum err e = buf_result(&rest);

    if (e == ERR_OK) {
        bool second = is_srs(local, '0') || is_srs(local, '1');

        e = put(key, second ? "SRS1" : "SRS0", buf_span(&rest), our_domain, a, out);
    }
    buf_finish(&rest);
    return e;
}

static enum err join(struct arena *a, const char *prefix, struct span local, struct span domain,
                     struct span *out)
{
    struct buf b;

    buf_init(&b, 1024);
    buf_printf(&b, "%s%.*s@%.*s", prefix, SPAN_ARG(local), SPAN_ARG(domain));
    enum err e = buf_result(&b);

    if (e == ERR_OK) {
        *out = arena_dup(a, buf_span(&b));
        e = out->p ? ERR_OK : ERR_NOMEM;
    }
    buf_finish(&b);
    return e;
}

enum err srs_restore(const char key[SRS_KEY_BYTES], struct span local, int64_t now_s,
                     struct arena *a, struct span *out)
{
    struct span rest = span_skip(local, 5);

    if (!is_srs(local, '0') && !is_srs(local, '1')) {
        return ERR_NOT_FOUND;
    }
    struct span hash = span_split(&rest, '=');

    if (rest.n == 0 || !hash_fits(key, rest, hash)) {
        return ERR_DENIED;
    }
    if (is_srs(local, '1')) { // back to the first forwarder, who checks its own hash
        struct span domain = span_split(&rest, '=');

        return domain.n && rest.n ? join(a, "SRS0", rest, domain, out) : ERR_DENIED;
    }
    struct span day = span_split(&rest, '='), domain = span_split(&rest, '=');

    if (!day_is_good(day, now_s) || domain.n == 0 || rest.n == 0) {
        return ERR_DENIED;
    }
    return join(a, "", rest, domain, out);
}
