// SPDX-License-Identifier: Apache-2.0
#include "auth/grant.h"

#include <openssl/sha.h>

#include "auth/password.h"
#include "auth/second_factor.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip_network.h"
#include "store/directory/factor_policy.h"

#include "base/banned.h"

static uint64_t mark_of(struct span secret)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)(secret.n ? secret.p : ""), secret.n, digest);
    return get_be64(digest);
}

bool auth_account_is_open(const struct account *account)
{
    return account->state == ACCOUNT_ACTIVE && !password_is_nobodys(account->password_hash);
}

uint64_t auth_mark(const struct account *account)
{
    // Each hash has a salt of its own, so the same password set anew is another one, too.
    return mark_of(account->password_hash);
}

uint64_t auth_device_mark(const struct device *device)
{
    return mark_of(device->secret);
}

static bool comes_from(const struct device *d, struct span remote)
{
    struct network n;

    for (size_t i = 0; i < d->network_count; i++) {
        if (network_parse(d->networks[i], &n) == ERR_OK && network_has_text(&n, remote)) {
            return true;
        }
    }
    return d->network_count == 0;
}

const char *auth_device_obstacle(const struct device *d, const struct auth_claim *claim)
{
    if (d->state != DEVICE_ACTIVE) {
        return "This device has been blocked";
    }
    if (d->until && d->until <= clock_real_ms() / 1000) {
        return "The time of this device is over; make a new password for it, or sign in anew";
    }
    if (!(d->scope & claim->service)) {
        return "This device is not for this service";
    }
    if ((d->scope & DEVICE_READ_ONLY) && claim->service == AUTH_SUBMISSION) {
        return "This device is for reading only";
    }
    return comes_from(d, claim->remote) ? NULL : "This device is not let in from this network";
}

static enum err device_holds(struct store *s, const struct auth_grant *g, struct arena *a,
                             struct auth_identity *out)
{
    struct device d;
    enum err e = device_get(s, g->account, g->device, a, &d);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_DENIED : e;
    }
    out->device_name = d.name;
    out->device_until = d.until;
    return d.state == DEVICE_ACTIVE && (!d.until || d.until > clock_real_ms() / 1000) &&
                   auth_device_mark(&d) == g->mark
               ? ERR_OK
               : ERR_DENIED;
}

// A second factor may have been turned on since the secret was right, or is required now, or gone.
static enum err factor_holds(struct store *s, const struct auth_grant *g, struct span name)
{
    bool is_on = false, is_required = false;

    if (g->by_code || (g->is_by_token && !g->device)) {
        return ERR_OK;
    }
    enum err e = second_factor_is_on(s, g->account, &is_on);

    if (e == ERR_OK && is_on) {
        return g->device ? ERR_OK : ERR_DENIED;
    }
    e = e == ERR_OK ? factor_policy_of(s, g->account, name, &is_required) : e;
    return e == ERR_OK && is_required ? ERR_DENIED : e;
}

enum err auth_grant_holds(struct store *s, const struct auth_grant *g, struct arena *a,
                          struct auth_identity *out)
{
    struct auth_identity who = {.device_name = SPAN("")};
    struct account account;
    enum err e = directory_account_by_id(s, g->account, a, &account);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_DENIED : e;
    }
    who.user = account.name;
    if (!auth_account_is_open(&account) || (g->until_ms && g->until_ms <= clock_real_ms())) {
        return ERR_DENIED;
    }
    if (g->device) {
        e = device_holds(s, g, a, &who);
    } else if (auth_mark(&account) != g->mark) {
        e = ERR_DENIED;
    }
    e = e == ERR_OK ? factor_holds(s, g, account.name) : e;
    if (e == ERR_OK) {
        *out = who;
    }
    return e;
}
