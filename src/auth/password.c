// SPDX-License-Identifier: Apache-2.0
#include "auth/password.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>

#include "auth/foreign_hash.h"
#include "base/random.h"

#include "base/banned.h"

#define SALT_BYTES 16
#define HASH_BYTES 32

// The most that argon2_memory, argon2_passes and argon2_lanes can be set to.
#define MEMORY_KIB_MAX (4u << 20)
#define PASSES_MAX     100
#define LANES_MAX      64

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

// ---- Argon2's own text --------------------------------------------------------------------------

// "$argon2id$v=19$m=65536,t=3,p=1$salt$hash".
struct argon2_text {
    argon2_type type;
    uint64_t memory_kib, passes, lanes;
};

// Takes "name=number" off the front of `*rest`, up to a comma or the end.
static bool take_number(struct span *rest, struct span name, uint64_t *out)
{
    struct span part = span_split(rest, ',');

    return span_starts(part, name) && span_to_u64(span_skip(part, name.n), UINT32_MAX, out);
}

// Base64 without padding of at least `least` characters.
static bool is_base64_text(struct span s, size_t least)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '+' && s.p[i] != '/') {
            return false;
        }
    }
    return s.n >= least;
}

static bool argon2_read(struct span text, struct argon2_text *out)
{
    struct span rest = text, empty = span_split(&rest, '$'), type = span_split(&rest, '$');
    struct span version = span_split(&rest, '$'), cost = span_split(&rest, '$');
    struct span salt = span_split(&rest, '$');

    if (text.n >= PASSWORD_HASH_MAX || empty.n || !span_eq(version, SPAN("v=19")) ||
        !take_number(&cost, SPAN("m="), &out->memory_kib) ||
        !take_number(&cost, SPAN("t="), &out->passes) ||
        !take_number(&cost, SPAN("p="), &out->lanes) || cost.n || !is_base64_text(salt, 11) ||
        !is_base64_text(rest, 22)) {
        return false;
    }
    out->type = span_eq(type, SPAN("argon2id")) ? Argon2_id : Argon2_i;
    return out->type == Argon2_id || span_eq(type, SPAN("argon2i"));
}

// A cost that was ours once, by any settings there can be.
static bool argon2_is_possible(const struct argon2_text *a)
{
    return a->memory_kib <= MEMORY_KIB_MAX && a->passes >= 1 && a->passes <= PASSES_MAX &&
           a->lanes >= 1 && a->lanes <= LANES_MAX && a->memory_kib >= 8 * a->lanes;
}

static enum err argon2_check(struct span password, struct span hash)
{
    struct argon2_text a;
    char encoded[PASSWORD_HASH_MAX];

    if (!argon2_read(hash, &a) || !argon2_is_possible(&a)) {
        return ERR_INVALID;
    }
    span_copy_text(hash, encoded, sizeof(encoded));
    switch (argon2_verify(encoded, password.p, password.n, a.type)) {
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

// ---- hashes of every kind -----------------------------------------------------------------------

static bool is_argon2(struct span hash)
{
    return span_starts(hash, SPAN("$argon2"));
}

enum err password_verify(struct span password, struct span hash)
{
    struct foreign_hash foreign;
    const char *why;

    if (password.n > PASSWORD_BYTES_MAX) {
        return ERR_DENIED;
    }
    if (is_argon2(hash)) {
        return argon2_check(password, hash);
    }
    return foreign_hash_read(hash, &foreign, &why) == ERR_OK
               ? foreign_hash_verify(&foreign, password)
               : ERR_INVALID;
}

static enum err argon2_accept(struct span hash, const struct password_params *ours,
                              const char **out_why)
{
    struct argon2_text a;

    if (!argon2_read(hash, &a) || !argon2_is_possible(&a)) {
        *out_why = "It is no hash of a kind this server knows, or it is damaged.";
        return ERR_INVALID;
    }
    bool is_ours = a.memory_kib <= ours->memory_kib && a.passes <= ours->passes;

    if (!is_ours && (a.memory_kib > PASSWORD_FOREIGN_KIB_MAX ||
                     a.memory_kib * a.passes > PASSWORD_FOREIGN_WORK_MAX)) {
        *out_why = "Its cost is so high that a sign-in would take many seconds; set a new password "
                   "instead.";
        return ERR_LIMIT;
    }
    return ERR_OK;
}

enum err password_hash_accept(struct span text, const struct password_params *ours,
                              struct span *out, const char **out_why)
{
    struct foreign_hash foreign;
    struct span rest = text, brace = span_split(&rest, '}');
    enum err e;

    if (password_is_directorys(text)) {
        *out = text;
        return ERR_OK;
    }
    // What Dovecot writes in front of a hash that is like ours.
    if (span_eq_nocase(brace, SPAN("{ARGON2ID")) || span_eq_nocase(brace, SPAN("{ARGON2I"))) {
        text = rest;
    }
    e = is_argon2(text) ? argon2_accept(text, ours, out_why)
                        : foreign_hash_read(text, &foreign, out_why);
    if (e == ERR_OK) {
        *out = text;
    }
    return e;
}

bool password_is_directorys(struct span hash)
{
    return span_eq(hash, SPAN(PASSWORD_OF_DIRECTORY));
}

bool password_is_nobodys(struct span hash)
{
    return span_eq(hash, SPAN(PASSWORD_OF_NOBODY));
}

bool password_is_foreign(struct span hash)
{
    return !is_argon2(hash);
}

bool password_needs_rehash(struct span hash, const struct password_params *p)
{
    char want[96];
    int n = snprintf(want, sizeof(want), "$argon2id$v=19$m=%u,t=%u,p=%u$", p->memory_kib, p->passes,
                     p->lanes);

    return !span_starts(hash, span_of(want, (size_t)n));
}
