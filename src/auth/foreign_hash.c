// SPDX-License-Identifier: Apache-2.0
#include "auth/foreign_hash.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/encode.h"

#include "base/banned.h"

#define ENCODED_BYTES_MAX 256 // the longest is SSHA512 in hex with a salt of 64 bytes

static const char not_known[] = "It is no hash of a kind this server knows, or it is damaged.";
static const char too_dear[] =
    "Its cost is so high that a sign-in would take many seconds; set a new password instead.";

static size_t digest_size(enum foreign_digest d)
{
    return d == FOREIGN_SHA1 ? 20 : d == FOREIGN_SHA256 ? 32 : 64;
}

static const EVP_MD *digest_of(enum foreign_digest d)
{
    return d == FOREIGN_SHA1 ? EVP_sha1() : d == FOREIGN_SHA256 ? EVP_sha256() : EVP_sha512();
}

// ---- text to bytes ------------------------------------------------------------------------------

// Decodes into `room`; the length, or 0 when it is none or does not fit. `is_adapted`: what
// OpenLDAP and passlib write, "." for "+" and no padding.
static size_t decode_base64(struct span in, bool is_adapted, unsigned char *room, size_t room_bytes)
{
    char text[ENCODED_BYTES_MAX];
    struct buf bytes;
    size_t n = 0;

    if (in.n == 0 || in.n + 3 > sizeof(text)) {
        return 0;
    }
    for (; n < in.n; n++) {
        text[n] = is_adapted && in.p[n] == '.' ? '+' : in.p[n];
    }
    while (is_adapted && n % 4 != 0) {
        text[n++] = '=';
    }
    buf_init(&bytes, room_bytes);
    enum err e = base64_decode(&bytes, span_of(text, n));
    size_t got = e == ERR_OK ? bytes.n : 0;

    if (got) {
        memcpy(room, bytes.p, got);
    }
    buf_finish(&bytes);
    return got;
}

static size_t decode_hex(struct span in, unsigned char *room, size_t room_bytes)
{
    if (in.n == 0 || in.n % 2 != 0 || in.n / 2 > room_bytes) {
        return 0;
    }
    for (size_t i = 0; i < in.n; i += 2) {
        int high = byte_hex(in.p[i]), low = byte_hex(in.p[i + 1]);

        if (high < 0 || low < 0) {
            return 0;
        }
        room[i / 2] = (unsigned char)(high << 4 | low);
    }
    return in.n / 2;
}

// ---- crypt(5) -----------------------------------------------------------------------------------

static bool is_crypt_text(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '/') {
            return false;
        }
    }
    return true;
}

// After "$2y$": two digits of cost, "$", 22 characters of salt and 31 of hash.
static enum err read_bcrypt(struct span rest)
{
    struct span cost = span_split(&rest, '$');
    uint64_t log2_rounds;

    if (cost.n != 2 || !span_to_u64(cost, 99, &log2_rounds) || log2_rounds < 4 || rest.n != 53 ||
        !is_crypt_text(rest)) {
        return ERR_INVALID;
    }
    return log2_rounds > FOREIGN_BCRYPT_COST_MAX ? ERR_LIMIT : ERR_OK;
}

// After "$6$" or "$5$": rounds=N and "$" or not, a salt of at most 16 characters, "$", the hash.
static enum err read_sha_crypt(struct span rest, size_t hash_bytes)
{
    uint64_t rounds = 5000;
    struct span part = span_split(&rest, '$');

    if (span_starts(part, SPAN("rounds="))) {
        struct span number = span_skip(part, 7);

        if (!span_to_u64(number, UINT64_MAX, &rounds) || rounds < 1000 || number.p[0] == '0') {
            return ERR_INVALID;
        }
        part = span_split(&rest, '$');
    }
    if (part.n > 16 || !is_crypt_text(part) || rest.n != hash_bytes || !is_crypt_text(rest)) {
        return ERR_INVALID;
    }
    return rounds > FOREIGN_CRYPT_ROUNDS_MAX ? ERR_LIMIT : ERR_OK;
}

// After "$y$": the parameters, of which only Debian's are taken (16 MiB, a tenth of a second).
static enum err read_yescrypt(struct span rest)
{
    struct span parameters = span_split(&rest, '$'), salt = span_split(&rest, '$');

    if (salt.n == 0 || salt.n > 86 || !is_crypt_text(salt) || rest.n != 43 ||
        !is_crypt_text(rest) || !is_crypt_text(parameters)) {
        return ERR_INVALID;
    }
    return span_eq(parameters, SPAN("j9T")) ? ERR_OK : ERR_LIMIT;
}

static enum err read_crypt(struct span text, struct foreign_hash *out, const char **out_why)
{
    enum err e = ERR_INVALID;

    if (text.n > FOREIGN_CRYPT_BYTES_MAX) {
        return ERR_INVALID;
    }
    if (span_starts(text, SPAN("$2y$")) || span_starts(text, SPAN("$2b$")) ||
        span_starts(text, SPAN("$2a$"))) {
        e = read_bcrypt(span_skip(text, 4));
    } else if (span_starts(text, SPAN("$6$"))) {
        e = read_sha_crypt(span_skip(text, 3), 86);
    } else if (span_starts(text, SPAN("$5$"))) {
        e = read_sha_crypt(span_skip(text, 3), 43);
    } else if (span_starts(text, SPAN("$y$"))) {
        e = read_yescrypt(span_skip(text, 3));
    } else if (span_starts(text, SPAN("$1$")) || (text.n == 13 && is_crypt_text(text))) {
        *out_why = "MD5 and DES crypt are found out in minutes; set a new password instead.";
        return ERR_UNSUPPORTED;
    }
    if (e == ERR_OK) {
        out->kind = FOREIGN_CRYPT;
        span_copy_text(text, out->crypt, sizeof(out->crypt));
    }
    return e;
}

// ---- PBKDF2 (RFC 8018) --------------------------------------------------------------------------

static enum err read_rounds(struct span text, uint32_t *out)
{
    uint64_t rounds;

    if (!span_to_u64(text, UINT64_MAX, &rounds) || rounds == 0) {
        return ERR_INVALID;
    }
    *out = rounds > FOREIGN_PBKDF2_ROUNDS_MAX ? 0 : (uint32_t)rounds;
    return *out == 0 ? ERR_LIMIT : ERR_OK;
}

// Dovecot's "1$salt$rounds$hex", where the characters of the salt are the salt.
static enum err read_pbkdf2_dovecot(struct span rest, struct foreign_hash *out)
{
    struct span one = span_split(&rest, '$'), salt = span_split(&rest, '$');
    enum err e = read_rounds(span_split(&rest, '$'), &out->rounds);

    if (!span_eq(one, SPAN("1")) || salt.n == 0 || salt.n > sizeof(out->salt)) {
        return ERR_INVALID;
    }
    memcpy(out->salt, salt.p, salt.n);
    out->salt_bytes = salt.n;
    out->digest_bytes = decode_hex(rest, out->digest, digest_size(FOREIGN_SHA1));
    return out->digest_bytes == digest_size(FOREIGN_SHA1) ? e : ERR_INVALID;
}

// OpenLDAP's and passlib's "rounds$salt$hash".
static enum err read_pbkdf2(struct span rest, enum foreign_digest digest, struct foreign_hash *out)
{
    enum err e;

    out->kind = FOREIGN_PBKDF2;
    out->digest_kind = digest;
    if (digest == FOREIGN_SHA1 && span_starts(rest, SPAN("$"))) {
        return read_pbkdf2_dovecot(span_skip(rest, 1), out);
    }
    e = read_rounds(span_split(&rest, '$'), &out->rounds);
    out->salt_bytes = decode_base64(span_split(&rest, '$'), true, out->salt, sizeof(out->salt));
    out->digest_bytes = decode_base64(rest, true, out->digest, digest_size(digest));
    return out->salt_bytes > 0 && out->digest_bytes == digest_size(digest) ? e : ERR_INVALID;
}

// ---- salted digests (RFC 2307 and what followed) ------------------------------------------------

// The digest of password and salt, and then the salt, in one.
static enum err read_salted(struct span rest, bool is_hex, enum foreign_digest digest,
                            struct foreign_hash *out)
{
    unsigned char both[FOREIGN_DIGEST_BYTES_MAX + FOREIGN_SALT_BYTES_MAX];
    size_t n = is_hex ? decode_hex(rest, both, sizeof(both))
                      : decode_base64(rest, false, both, sizeof(both));

    if (n <= digest_size(digest) || n > digest_size(digest) + sizeof(out->salt)) {
        return ERR_INVALID;
    }
    out->kind = FOREIGN_SALTED;
    out->digest_kind = digest;
    out->digest_bytes = digest_size(digest);
    out->salt_bytes = n - out->digest_bytes;
    memcpy(out->digest, both, out->digest_bytes);
    memcpy(out->salt, both + out->digest_bytes, out->salt_bytes);
    return ERR_OK;
}

// ---- reading ------------------------------------------------------------------------------------

enum reader {
    READ_CRYPT,
    READ_PBKDF2,
    READ_SALTED,
    READ_CLEAR,
    READ_UNSALTED,
    READ_WEAK,
    READ_SCRAM
};

struct scheme {
    const char *name;
    enum reader reader;
    enum foreign_digest digest;
};

static const struct scheme schemes[] = {
    {"CRYPT", READ_CRYPT},
    {"BLF-CRYPT", READ_CRYPT},
    {"SHA256-CRYPT", READ_CRYPT},
    {"SHA512-CRYPT", READ_CRYPT},
    {"PBKDF2", READ_PBKDF2, FOREIGN_SHA1},
    {"PBKDF2-SHA1", READ_PBKDF2, FOREIGN_SHA1},
    {"PBKDF2-SHA256", READ_PBKDF2, FOREIGN_SHA256},
    {"PBKDF2-SHA512", READ_PBKDF2, FOREIGN_SHA512},
    {"SSHA", READ_SALTED, FOREIGN_SHA1},
    {"SSHA256", READ_SALTED, FOREIGN_SHA256},
    {"SSHA512", READ_SALTED, FOREIGN_SHA512},
    {"PLAIN", READ_CLEAR},
    {"CLEAR", READ_CLEAR},
    {"CLEARTEXT", READ_CLEAR},
    {"PLAIN-TRUNC", READ_CLEAR},
    {"SHA", READ_UNSALTED},
    {"SHA1", READ_UNSALTED},
    {"SHA256", READ_UNSALTED},
    {"SHA512", READ_UNSALTED},
    {"MD5", READ_WEAK},
    {"MD5-CRYPT", READ_WEAK},
    {"SMD5", READ_WEAK},
    {"LDAP-MD5", READ_WEAK},
    {"PLAIN-MD4", READ_WEAK},
    {"PLAIN-MD5", READ_WEAK},
    {"HMAC-MD5", READ_WEAK},
    {"CRAM-MD5", READ_WEAK},
    {"DIGEST-MD5", READ_WEAK},
    {"DES-CRYPT", READ_WEAK},
    {"NTLM", READ_WEAK},
    {"LANMAN", READ_WEAK},
    {"SCRAM-SHA-1", READ_SCRAM},
    {"SCRAM-SHA-256", READ_SCRAM},
};

static const struct scheme *scheme_find(struct span name)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (span_eq_nocase(name, span_from_str(schemes[i].name))) {
            return &schemes[i];
        }
    }
    return NULL;
}

static enum err read_scheme(const struct scheme *s, struct span rest, bool is_hex,
                            struct foreign_hash *out, const char **out_why)
{
    switch (s->reader) {
    case READ_CRYPT:
        return read_crypt(rest, out, out_why);
    case READ_PBKDF2:
        return read_pbkdf2(rest, s->digest, out);
    case READ_SALTED:
        return read_salted(rest, is_hex, s->digest, out);
    case READ_CLEAR:
        *out_why = "It is the password itself; hand it in as a password, so that it is hashed.";
        return ERR_UNSUPPORTED;
    case READ_UNSALTED:
        *out_why = "A hash without salt is found out by looking it up; set a new password instead.";
        return ERR_UNSUPPORTED;
    case READ_SCRAM:
        *out_why = "Hashes made for SCRAM are not taken yet; set a new password instead.";
        return ERR_UNSUPPORTED;
    default:
        *out_why = "This kind of hash is found out in minutes; set a new password instead.";
        return ERR_UNSUPPORTED;
    }
}

// "{SCHEME}", "{SCHEME.b64}", "{SCHEME.hex}".
static enum err read_braced(struct span text, struct foreign_hash *out, const char **out_why)
{
    struct span rest = span_skip(text, 1), name = span_split(&rest, '}');
    struct span encoding = span_skip(name, span_find_byte(name, '.') + 1);
    const struct scheme *s = scheme_find(span_first(name, span_find_byte(name, '.')));
    bool is_hex = span_eq_nocase(encoding, SPAN("hex"));

    if (!s || (encoding.n && !is_hex && !span_eq_nocase(encoding, SPAN("b64"))) ||
        (encoding.n && s->reader < READ_SALTED)) {
        return ERR_INVALID;
    }
    return read_scheme(s, rest, is_hex, out, out_why);
}

enum err foreign_hash_read(struct span text, struct foreign_hash *out, const char **out_why)
{
    struct foreign_hash h = {0};
    const char *why = not_known;
    enum err e;

    if (span_starts(text, SPAN("{"))) {
        e = read_braced(text, &h, &why);
    } else if (span_starts(text, SPAN("$pbkdf2-sha256$"))) {
        e = read_pbkdf2(span_skip(text, 15), FOREIGN_SHA256, &h);
    } else if (span_starts(text, SPAN("$pbkdf2-sha512$"))) {
        e = read_pbkdf2(span_skip(text, 15), FOREIGN_SHA512, &h);
    } else {
        e = read_crypt(text, &h, &why);
    }
    if (e == ERR_OK) {
        *out = h;
    } else {
        *out_why = e == ERR_LIMIT ? too_dear : why;
    }
    return e;
}

// ---- verifying ----------------------------------------------------------------------------------

static enum err verify_crypt(const struct foreign_hash *h, struct span password)
{
    struct crypt_data *data; // 32 KiB
    char text[CRYPT_MAX_PASSPHRASE_SIZE];

    if (password.n >= sizeof(text)) {
        return ERR_DENIED;
    }
    data = calloc(1, sizeof(*data));
    if (!data) {
        return ERR_NOMEM;
    }
    span_copy_text(password, text, sizeof(text));
    const char *made = crypt_rn(text, h->crypt, data, sizeof(*data));
    size_t n = strlen(h->crypt);
    bool ok = made && strlen(made) == n && CRYPTO_memcmp(made, h->crypt, n) == 0;

    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(data, sizeof(*data));
    free(data);
    return ok ? ERR_OK : ERR_DENIED;
}

static bool make_salted(const struct foreign_hash *h, struct span password, unsigned char *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, digest_of(h->digest_kind), NULL) == 1 &&
              EVP_DigestUpdate(ctx, password.n ? password.p : "", password.n) == 1 &&
              EVP_DigestUpdate(ctx, h->salt, h->salt_bytes) == 1 &&
              EVP_DigestFinal_ex(ctx, out, NULL) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool make_pbkdf2(const struct foreign_hash *h, struct span password, unsigned char *out)
{
    return PKCS5_PBKDF2_HMAC(password.n ? password.p : "", (int)password.n, h->salt,
                             (int)h->salt_bytes, (int)h->rounds, digest_of(h->digest_kind),
                             (int)h->digest_bytes, out) == 1;
}

enum err foreign_hash_verify(const struct foreign_hash *h, struct span password)
{
    unsigned char made[FOREIGN_DIGEST_BYTES_MAX];

    // crypt ends there, and HMAC fills a key up with NULs: "x" and "x\0" would be alike.
    if (span_find_byte(password, '\0') < password.n) {
        return ERR_DENIED;
    }
    if (h->kind == FOREIGN_CRYPT) {
        return verify_crypt(h, password);
    }
    if (!(h->kind == FOREIGN_PBKDF2 ? make_pbkdf2 : make_salted)(h, password, made)) {
        return ERR_NOMEM;
    }
    enum err e = CRYPTO_memcmp(made, h->digest, h->digest_bytes) == 0 ? ERR_OK : ERR_DENIED;

    OPENSSL_cleanse(made, sizeof(made));
    return e;
}
