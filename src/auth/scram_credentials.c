// SPDX-License-Identifier: Apache-2.0
#include "auth/scram_credentials.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include "auth/grant.h"
#include "base/log.h"
#include "store/secret.h"
#include "wire/sasl/scram.h"

#include "base/banned.h"

_Static_assert(sizeof(struct scram_keys) == SCRAM_KEY_PAIR_BYTES, "both keys, one behind another");

enum err scram_salt_of_name(struct store *s, struct span name, struct scram_salt *out)
{
    char secret[SECRET_BYTES];
    unsigned char digest[SCRAM_DIGEST_BYTES];
    unsigned int n = 0;
    enum err e = store_secret(s, "scram", secret);

    if (e == ERR_OK && !HMAC(EVP_sha256(), secret, sizeof(secret), (const unsigned char *)name.p,
                             name.n, digest, &n)) {
        e = ERR_NOMEM;
    }
    if (e == ERR_OK) {
        *out = (struct scram_salt){.iterations = SCRAM_ROUNDS};
        memcpy(out->salt, digest, sizeof(out->salt));
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    return e;
}

static enum err make(const struct scram_salt *salt, struct span password,
                     char out[SCRAM_KEY_PAIR_BYTES])
{
    struct scram_keys keys;
    enum err e =
        scram_keys_make(password, span_of(salt->salt, sizeof(salt->salt)), salt->iterations, &keys);

    if (e == ERR_OK) {
        memcpy(out, &keys, sizeof(keys));
        OPENSSL_cleanse(&keys, sizeof(keys));
    }
    return e;
}

static enum err salt_of_account(struct store *s, const struct account *account,
                                struct scram_salt *out)
{
    struct scram_salt wanted;
    enum err e = scram_salt_get(s, account->id, out);

    if (e != ERR_NOT_FOUND) {
        return e;
    }
    e = scram_salt_of_name(s, account->name, &wanted);
    return e == ERR_OK ? scram_salt_need(s, account->id, &wanted, out) : e;
}

enum err scram_device_keys(struct store *s, const struct account *account, struct span password,
                           char out[SCRAM_KEY_PAIR_BYTES])
{
    struct scram_salt salt;
    enum err e = salt_of_account(s, account, &salt);

    return e == ERR_OK ? make(&salt, password, out) : e;
}

enum err scram_own_keys(struct store *s, const struct account *account, struct span password,
                        uint64_t mark)
{
    struct scram_salt salt;
    enum err e = salt_of_account(s, account, &salt);

    if (e != ERR_OK || (salt.has_keys && salt.mark == mark)) {
        return e;
    }
    e = make(&salt, password, salt.keys);
    if (e == ERR_OK) {
        salt.has_keys = true;
        salt.mark = mark;
        e = scram_salt_set_keys(s, account->id, &salt);
    }
    OPENSSL_cleanse(salt.keys, sizeof(salt.keys));
    return e;
}

void scram_password_changed(struct store *s, account_id id, struct span password, bool wanted)
{
    struct account account;
    struct arena arena;

    arena_init_secret(&arena, 16384);
    enum err e = directory_account_by_id(s, id, &arena, &account);

    if (e == ERR_OK && wanted && password.n && account.password_hash.n) {
        e = scram_own_keys(s, &account, password, auth_mark(&account));
    } else if (e == ERR_OK) {
        e = scram_salt_drop_keys(s, id);
    }
    if (e != ERR_OK && e != ERR_INVALID && e != ERR_LIMIT) {
        log_warn("the SCRAM keys of account %llu are not renewed now: %s", (unsigned long long)id,
                 err_name(e));
    }
    arena_finish(&arena);
}
