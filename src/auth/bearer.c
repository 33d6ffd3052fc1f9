// SPDX-License-Identifier: Apache-2.0
#include "auth/bearer.h"

#include "auth/auth_internal.h"
#include "auth/read_as.h"
#include "auth/second_factor.h"
#include "base/clock.h"
#include "base/log.h"

#include "base/banned.h"

#define NOBODY "?" // how the throttle calls whoever gives no name, or none that can be one

// ---- whose it is --------------------------------------------------------------------------------

// The account that a grant names must be there, and be the one that the client wants, or be allowed
// to open that one: the name of these mechanisms is an authorization identity (RFC 7628 section
// 3.1).
static enum err check_account(struct auth *a, struct arena *arena, struct span name,
                              const struct auth_claim *claim, struct auth_grant *grant)
{
    struct account account;
    enum err e = directory_account_by_id(auth_store(a), grant->account, arena, &account);

    if (e != ERR_OK || !auth_account_is_open(&account)) {
        return e == ERR_OK || e == ERR_NOT_FOUND ? ERR_DENIED : e;
    }
    if (name.n && !span_eq(name, account.name) && claim->acting_as.n) {
        return auth_read_as(a, claim, grant);
    }
    if (name.n && !span_eq(name, account.name)) {
        grant->why = "This token is another account's";
        return ERR_DENIED;
    }
    return ERR_OK;
}

static bool is_own(struct auth *a, const struct auth_claim *claim)
{
    return auth_fixed_options(a)->own_token &&
           span_starts(claim->password, SPAN(BEARER_OWN_PREFIX));
}

static enum err judge_own(struct auth *a, struct arena *arena, struct span name,
                          const struct auth_claim *claim, struct auth_grant *out)
{
    enum err e = auth_fixed_options(a)->own_token(auth_store(a), claim, out);

    // A code was asked for when it was given, if there was a second factor then: it is a device's.
    e = e == ERR_OK ? second_factor_admit(auth_store(a), claim, out) : e;
    e = e == ERR_OK ? check_account(a, arena, name, claim, out) : e;
    out->is_by_token = e == ERR_OK;
    return e;
}

// The account of the address that an issuer has said; only ours, and only one that is there.
static enum err find_account(struct auth *a, struct arena *arena, struct span said,
                             struct account *out)
{
    struct span canonical;
    const char *reason;
    enum err e = directory_name_check(arena, said, auth_fixed_options(a)->default_domain,
                                      &canonical, &reason);

    e = e == ERR_OK ? directory_account_by_name(auth_store(a), canonical, arena, out) : e;
    return e == ERR_INVALID ? ERR_NOT_FOUND : e;
}

// An issuer elsewhere is asked whose it is.
static enum err judge_foreign(struct auth *a, struct arena *arena, struct span name,
                              const struct auth_claim *claim, enum throttle_rank rank,
                              struct auth_grant *out)
{
    const struct auth_vouch_question q = {
        .kind = AUTH_VOUCH_TOKEN, .name = name, .secret = claim->password, .remote = claim->remote};
    struct auth_vouch_answer said;
    struct account account;

    if (!auth_fixed_options(a)->vouch.ask) {
        return ERR_DENIED;
    }
    enum err e = auth_ask(a, rank, &q, arena, &said);

    if (e != ERR_OK) {
        log_info("a token from %s is not taken: %s", log_text(claim->remote).s,
                 log_text(said.words).s);
        return e;
    }
    e = find_account(a, arena, said.name, &account);
    if (e == ERR_NOT_FOUND) {
        out->why = "The token is good, but its owner has no account here";
        return ERR_DENIED;
    }
    if (e == ERR_OK) {
        *out = (struct auth_grant){.account = account.id,
                                   .is_by_token = true,
                                   .mark = auth_mark(&account),
                                   .until_ms = said.valid_until_ms};
        e = check_account(a, arena, name, claim, out);
    }
    return e;
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

// A token of our own is looked up whoever asks: that costs little. Others are asked about only for
// who is not locked out.
static enum err judge_in_turn(struct auth *a, struct arena *arena, struct span name,
                              const struct auth_claim *claim, struct auth_grant *out)
{
    struct span counted = name.n ? name : SPAN(NOBODY);
    struct throttle *t = auth_throttle(a);
    int64_t now = clock_monotonic_ms();
    bool own = is_own(a, claim);
    enum err e = own ? judge_own(a, arena, name, claim, out) : ERR_DENIED;

    if (own && (e != ERR_DENIED || out->why)) {
        if (e == ERR_OK && !out->opened) { // it says nothing of that other one
            throttle_passed(t, counted, claim->remote);
        }
        return e;
    }
    if (throttle_wait(t, counted, claim->remote, now) > 0) {
        return ERR_LIMIT;
    }
    if (!own && claim->password.n <= BEARER_TOKEN_BYTES_MAX) {
        e = judge_foreign(a, arena, name, claim, throttle_rank(t, counted, claim->remote, now),
                          out);
    }
    if (e == ERR_OK) {
        throttle_passed(t, counted, claim->remote);
    } else if (e == ERR_DENIED && !out->why) {
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

    arena_init(&arena, 1u << 17);
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

enum err auth_bearer_again(struct auth *a, struct span token, account_id account)
{
    const struct auth_claim claim = {.name = SPAN(""), .password = token, .remote = SPAN("")};
    struct auth_grant grant = {0};
    struct arena arena;

    arena_init(&arena, 1u << 17);
    enum err e = judge_foreign(a, &arena, SPAN(""), &claim, THROTTLE_KNOWN, &grant);

    arena_finish(&arena);
    if (e == ERR_OK && grant.account != account) {
        e = ERR_DENIED; // its issuer has given it to somebody else
    }
    return e == ERR_OK || e == ERR_DENIED ? e : ERR_UNAVAILABLE;
}
