// SPDX-License-Identifier: Apache-2.0
#include "auth/token_own.h"

#include <openssl/crypto.h>

#include "base/clock.h"
#include "store/secret.h"

#include "base/banned.h"

// Looks at all of them, whichever it is.
static bool has_access(const struct oauth_family *f, struct span token)
{
    char digest[OAUTH_DIGEST_BYTES];
    int64_t now = clock_real_s();
    bool found = false;

    oauth_digest(token, digest);
    for (size_t i = 0; i < f->access_count; i++) {
        bool is_it = CRYPTO_memcmp(f->access[i].digest.p, digest, sizeof(digest)) == 0;

        found |= is_it && f->access[i].until > now;
    }
    OPENSSL_cleanse(digest, sizeof(digest));
    return found;
}

static enum err find_place(struct store *s, struct span token, struct oauth_place *out)
{
    char key[SECRET_BYTES];
    enum oauth_token_kind kind;
    enum err e = store_secret(s, OAUTH_SECRET_NAME, key);

    e = e == ERR_OK ? oauth_token_read(key, token, &kind, out) : e;
    OPENSSL_cleanse(key, sizeof(key));
    return e == ERR_OK && kind != OAUTH_ACCESS_TOKEN ? ERR_INVALID : e;
}

static enum err find_device(struct store *s, struct arena *a, const struct auth_claim *claim,
                            struct oauth_place *place, struct device *out)
{
    struct oauth_family f;
    struct account account;
    enum err e = find_place(s, claim->password, place);

    e = e == ERR_OK ? oauth_family_get(s, place->account, place->family, a, &f) : e;
    if (e == ERR_OK && !has_access(&f, claim->password)) {
        e = ERR_DENIED;
    }
    e = e == ERR_OK ? directory_account_by_id(s, place->account, a, &account) : e;
    if (e == ERR_OK && !auth_account_is_open(&account)) {
        e = ERR_DENIED;
    }
    return e == ERR_OK ? device_get(s, place->account, f.device, a, out) : e;
}

enum err auth_token_own(struct store *s, const struct auth_claim *claim, struct auth_grant *out)
{
    struct auth_grant grant = {0};
    struct oauth_place place;
    struct arena arena;
    struct device d;

    arena_init(&arena, 65536);
    enum err e = find_device(s, &arena, claim, &place, &d);

    if (e == ERR_OK) {
        grant.account = place.account;
        grant.device = d.id;
        grant.is_read_only = d.scope & DEVICE_READ_ONLY;
        grant.mark = auth_device_mark(&d);
        grant.why = auth_device_obstacle(&d, claim);
        e = grant.why ? ERR_DENIED : ERR_OK;
    }
    arena_finish(&arena);
    *out = grant;
    if (e == ERR_INVALID || e == ERR_NOT_FOUND) {
        return ERR_DENIED;
    }
    return e == ERR_OK || e == ERR_DENIED ? e : ERR_UNAVAILABLE;
}
