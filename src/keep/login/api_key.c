// SPDX-License-Identifier: Apache-2.0
#include "keep/login/api_key.h"

#include <openssl/crypto.h>

#include "auth/app_password.h"
#include "base/log.h"
#include "store/access/device.h"
#include "store/directory.h"
#include "store/directory/role.h"

#include "base/banned.h"

#define HOLDERS_MAX 10000

struct key_search {
    account_id *holders; // in the arena
    size_t count;
    bool is_full;
    unsigned char digest[DEVICE_DIGEST_BYTES];
    bool is_found;
};

static bool take_holder(void *arg, const struct role_holder *h)
{
    struct key_search *k = arg;

    if (k->count == HOLDERS_MAX) {
        k->is_full = true;
        return false;
    }
    k->holders[k->count++] = h->account;
    return true;
}

static bool match(void *arg, const struct device *d)
{
    struct key_search *k = arg;

    k->is_found |= d->secret.n == sizeof(k->digest) &&
                   CRYPTO_memcmp(d->secret.p, k->digest, sizeof(k->digest)) == 0;
    return true;
}

static enum err search(struct store *s, struct key_search *k, struct arena *a, struct span *out)
{
    struct account account;
    enum err e = role_holder_list(s, take_holder, k);

    if (k->is_full) {
        log_warn("there are more than %d administrators: API keys of the others need a name",
                 HOLDERS_MAX);
    }
    for (size_t i = 0; i < k->count && e == ERR_OK && !k->is_found; i++) {
        e = device_list(s, k->holders[i], match, k);
        if (e == ERR_OK && k->is_found) {
            e = directory_account_by_id(s, k->holders[i], a, &account);
            *out = e == ERR_OK ? account.name : SPAN("");
        }
        e = e == ERR_NOT_FOUND ? ERR_OK : e; // removed meanwhile
    }
    return e;
}

enum err api_key_owner(struct store *s, struct span key, struct arena *a, struct span *out_name)
{
    struct key_search k = {.count = 0};
    char chars[APP_PASSWORD_CHARS];
    enum err e = ERR_OK;

    *out_name = SPAN("");
    if (app_password_read(key, chars)) {
        k.holders = arena_alloc(a, HOLDERS_MAX * sizeof(*k.holders));
        e = k.holders ? app_password_digest(chars, k.digest) : ERR_NOMEM;
        e = e == ERR_OK ? search(s, &k, a, out_name) : e;
        OPENSSL_cleanse(chars, sizeof(chars));
        OPENSSL_cleanse(k.digest, sizeof(k.digest));
    }
    return e;
}
