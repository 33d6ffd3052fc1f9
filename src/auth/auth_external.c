// SPDX-License-Identifier: Apache-2.0
#include "auth/auth_external.h"

#include "auth/auth_internal.h"
#include "auth/second_factor.h"

#include "base/banned.h"

struct match {
    const struct auth_claim *claim;
    struct span digest;
    struct auth_grant grant; // device 0: it is no device's
};

// The digest of an app password is that of 25 characters: never one of a certificate.
static bool match_device(void *arg, const struct device *d)
{
    struct match *m = arg;

    if (span_eq(d->secret, m->digest)) {
        m->grant.device = d->id;
        m->grant.is_read_only = d->scope & DEVICE_READ_ONLY;
        m->grant.mark = auth_device_mark(d);
        m->grant.why = auth_device_obstacle(d, m->claim);
        return false;
    }
    return true;
}

static enum err judge(struct auth *a, struct arena *arena, struct match *m)
{
    struct span name;
    struct account account;
    const char *reason;
    enum err e = directory_name_check(arena, m->claim->name, SPAN(""), &name, &reason);

    e = e == ERR_OK ? directory_account_by_name(auth_store(a), name, arena, &account) : e;
    if (e == ERR_OK && !auth_account_is_open(&account)) {
        e = ERR_NOT_FOUND;
    }
    e = e == ERR_OK ? device_list(auth_store(a), account.id, match_device, m) : e;
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND || e == ERR_INVALID ? ERR_DENIED : e;
    }
    m->grant.account = account.id;
    if (!m->grant.device) {
        m->grant.mark = auth_mark(&account);
    }
    return m->grant.why ? ERR_DENIED : second_factor_admit(auth_store(a), m->claim, &m->grant);
}

enum err auth_external(struct auth *a, const struct auth_claim *claim, struct span digest,
                       struct auth_grant *out)
{
    struct match m = {.claim = claim, .digest = digest};
    struct arena arena;

    arena_init(&arena, 16384);
    enum err e = digest.n == DEVICE_DIGEST_BYTES ? judge(a, &arena, &m) : ERR_DENIED;

    arena_finish(&arena);
    *out = m.grant;
    return e == ERR_OK || e == ERR_DENIED ? e : ERR_UNAVAILABLE;
}
