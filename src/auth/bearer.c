// SPDX-License-Identifier: Apache-2.0
#include "auth/bearer.h"

#include "auth/auth_internal.h"
#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

#define NOBODY "?" // how the throttle calls whoever gives no name, or none that can be one

// ---- whose it is --------------------------------------------------------------------------------

// The account that a grant names must be there, and be the one that the client wants.
static enum err check_account(struct auth *a, struct arena *arena, struct span name,
                              struct auth_grant *grant)
{
    struct account account;
    enum err e = directory_account_by_id(auth_store(a), grant->account, arena, &account);

    if (e != ERR_OK || !auth_account_is_open(&account)) {
        return e == ERR_OK || e == ERR_NOT_FOUND ? ERR_DENIED : e;
    }
    if (name.n && !span_eq(name, account.name)) {
        grant->why = "This token is another account's";
        return ERR_DENIED;
    }
    return ERR_OK;
}

static enum err judge(struct auth *a, struct arena *arena, struct span name,
                      const struct auth_claim *claim, struct auth_grant *out)
{
    auth_own_token_fn *own_token = auth_fixed_options(a)->own_token;
    enum err e = ERR_DENIED;

    if (claim->password.n > BEARER_TOKEN_BYTES_MAX) {
        return ERR_DENIED;
    }
    if (own_token && span_starts(claim->password, SPAN(BEARER_OWN_PREFIX))) {
        e = own_token(auth_store(a), claim, out);
    }
    out->is_by_token = e == ERR_OK; // a second factor was asked for when it was given
    return e == ERR_OK ? check_account(a, arena, name, out) : e;
}

// ---- how it is told -----------------------------------------------------------------------------

static void note_failure(struct auth *a, struct span name, const struct auth_claim *claim)
{
    if (throttle_failed(auth_throttle(a), name, claim->remote, claim->password,
                        clock_monotonic_ms())) {
        log_warn("too many bad tokens for %s from %s: locked out there for a while; see: mailkeep "
                 "ban list",
                 log_text(name).s, log_text(claim->remote).s);
    }
}

static enum err judge_in_turn(struct auth *a, struct arena *arena, struct span name,
                              const struct auth_claim *claim, struct auth_grant *out)
{
    struct span counted = name.n ? name : SPAN(NOBODY);
    struct throttle *t = auth_throttle(a);
    enum err e = judge(a, arena, name, claim, out);

    if (e == ERR_OK) {
        throttle_passed(t, counted, claim->remote);
    } else if (e == ERR_DENIED && !out->why) {
        if (throttle_wait(t, counted, claim->remote, clock_monotonic_ms()) > 0) {
            return ERR_LIMIT;
        }
        note_failure(a, counted, claim);
    }
    return e;
}

enum err auth_bearer(struct auth *a, const struct auth_claim *claim, struct auth_grant *out)
{
    struct arena arena;
    struct auth_grant grant = {0};
    struct span canonical = SPAN("");
    const char *reason;
    enum err e = ERR_OK;

    arena_init(&arena, 16384);
    if (claim->name.n) {
        e = directory_name_check(&arena, claim->name, auth_fixed_options(a)->default_domain,
                                 &canonical, &reason);
        canonical = e == ERR_OK ? canonical : SPAN(NOBODY); // which is no account's
    }
    if (e == ERR_OK || e == ERR_INVALID) {
        e = judge_in_turn(a, &arena, canonical, claim, &grant);
    }
    arena_finish(&arena);
    *out = grant;
    return e == ERR_OK || e == ERR_DENIED || e == ERR_LIMIT ? e : ERR_UNAVAILABLE;
}
