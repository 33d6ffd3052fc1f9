// SPDX-License-Identifier: Apache-2.0
#include "auth/auth_scram.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/auth_internal.h"
#include "auth/scram_credentials.h"
#include "auth/second_factor.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "wire/sasl/scram.h"

#include "base/banned.h"

#define ARENA_BYTES (64u << 10) // copies of both messages of a client, and what is made of them
#define NOBODY      "?"         // how the throttle calls whoever gives a name that can be none

struct auth_scram {
    struct arena arena;
    struct scram_exchange exchange;
    struct auth_claim claim;
    struct span name; // canonical
    struct scram_channel channel;
};

void auth_scram_destroy(struct auth_scram *x)
{
    if (x) {
        arena_finish(&x->arena);
        free(x);
    }
}

struct span auth_scram_challenge(const struct auth_scram *x)
{
    return x->exchange.server_first;
}

const struct auth_claim *auth_scram_claim(const struct auth_scram *x)
{
    return &x->claim;
}

// ---- the first message --------------------------------------------------------------------------

// The id of an account that may get in; 0: there is none.
static enum err find_account(struct auth *a, struct arena *arena, struct span name,
                             struct account *out)
{
    struct account account = {0};
    enum err e = directory_account_by_name(auth_store(a), name, arena, &account);

    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        return e;
    }
    *out = e == ERR_OK && auth_account_is_open(&account) ? account : (struct account){0};
    return ERR_OK;
}

// Whoever is not there costs the same looks.
static enum err find_salt(struct auth *a, struct auth_scram *x, struct scram_salt *out)
{
    struct account account;
    struct scram_salt own;
    enum err e = scram_salt_of_name(auth_store(a), x->name, out);

    e = e == ERR_OK ? find_account(a, &x->arena, x->name, &account) : e;
    if (e == ERR_OK) {
        e = scram_salt_get(auth_store(a), account.id, &own);
        if (e == ERR_OK && account.id) {
            *out = own;
        }
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    return e;
}

static enum err claim_keep(struct auth *a, struct auth_scram *x, const struct auth_claim *claim,
                           struct span binding)
{
    const struct scram_first *first = &x->exchange.first;
    const char *reason;

    bool acts = first->authzid.n && !span_eq(first->authzid, first->name);

    if (acts && !claim->acting_as.n) {
        return ERR_DENIED; // nobody acts for another there
    }
    x->claim = (struct auth_claim){.name = first->name,
                                   .acting_as = acts ? first->authzid : SPAN(""),
                                   .password = SPAN(""),
                                   .remote = arena_dup(&x->arena, claim->remote),
                                   .service = claim->service};
    struct span bytes = arena_dup(&x->arena, binding);

    if (!x->claim.remote.p || !bytes.p) {
        return ERR_NOMEM;
    }
    if (first->binding == SCRAM_BINDING_EXPORTER) {
        x->channel.exporter = bytes;
    } else if (first->binding == SCRAM_BINDING_SERVER_POINT) {
        x->channel.server_point = bytes;
    }
    enum err e = directory_name_check(&x->arena, first->name, auth_fixed_options(a)->default_domain,
                                      &x->name, &reason);

    x->name = e == ERR_INVALID ? SPAN(NOBODY) : x->name;
    return e == ERR_INVALID ? ERR_OK : e;
}

static enum err begin(struct auth *a, struct auth_scram *x, const struct auth_claim *claim,
                      struct span client_first, struct span binding)
{
    char nonce[SCRAM_OUR_NONCE_BYTES];
    struct scram_salt salt;
    enum err e = scram_first_parse(&x->arena, client_first, &x->exchange.first);

    e = e == ERR_OK ? claim_keep(a, x, claim, binding) : e;
    e = e == ERR_OK ? find_salt(a, x, &salt) : e;
    if (e == ERR_OK) {
        struct span bytes = span_of(salt.salt, sizeof(salt.salt));

        scram_nonce_make(nonce);
        e = scram_begin(&x->exchange, &x->arena, client_first, span_of(nonce, sizeof(nonce)), bytes,
                        salt.iterations);
    }
    return e;
}

enum err auth_scram_begin(struct auth *a, const struct auth_claim *claim, struct span client_first,
                          struct span binding, struct auth_scram **out)
{
    struct auth_scram *x = calloc(1, sizeof(*x));

    if (!x) {
        return ERR_NOMEM;
    }
    arena_init_secret(&x->arena, ARENA_BYTES);
    enum err e = begin(a, x, claim, client_first, binding);

    if (e == ERR_OK) {
        *out = x;
        return ERR_OK;
    }
    auth_scram_destroy(x);
    return e == ERR_DENIED || e == ERR_NOMEM                            ? e
           : e == ERR_INVALID || e == ERR_LIMIT || e == ERR_UNSUPPORTED ? ERR_INVALID
                                                                        : ERR_UNAVAILABLE;
}

// ---- the last message ---------------------------------------------------------------------------

#define KEYS_MAX (DEVICES_MAX + 1)

// The keys of whoever may have proved something, and whose they are: devices, 0 is the account.
struct key_ring {
    struct scram_keys keys[KEYS_MAX];
    uint32_t devices[KEYS_MAX];
    size_t n;
};

static void ring_add(struct key_ring *r, const void *pair, uint32_t device)
{
    memcpy(&r->keys[r->n], pair, SCRAM_KEY_PAIR_BYTES);
    r->devices[r->n++] = device;
}

static bool add_device(void *arg, const struct device *d)
{
    struct key_ring *r = arg;

    if (d->scram_keys.n == SCRAM_KEY_PAIR_BYTES && r->n < DEVICES_MAX) {
        ring_add(r, d->scram_keys.p, d->id);
    }
    return true;
}

static enum err add_own(struct auth *a, const struct account *account, struct key_ring *r)
{
    struct scram_salt own;
    enum err e = auth_takes_own_scram(a) && account->password_hash.n
                     ? scram_salt_get(auth_store(a), account->id, &own)
                     : ERR_NOT_FOUND;

    if (e == ERR_OK && own.has_keys && own.mark == auth_mark(account)) {
        ring_add(r, own.keys, 0);
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err gather(struct auth *a, const struct account *account, struct key_ring *r)
{
    enum err e = ERR_OK;

    if (account->id) {
        e = device_list(auth_store(a), account->id, add_device, r);
        e = e == ERR_OK ? add_own(a, account, r) : e;
    }
    if (e == ERR_OK && r->n == 0) { // a proof for these is nothing that anybody can find
        random_bytes(&r->keys[0], sizeof(r->keys[0]));
        r->n = 1;
    }
    return e;
}

static enum err grant_device(struct auth *a, struct auth_scram *x, account_id account, uint32_t id,
                             struct auth_grant *out)
{
    struct device d;
    enum err e = device_get(auth_store(a), account, id, &x->arena, &d);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_DENIED : e;
    }
    *out = (struct auth_grant){.account = account,
                               .device = id,
                               .is_read_only = d.scope & DEVICE_READ_ONLY,
                               .mark = auth_device_mark(&d),
                               .why = auth_device_obstacle(&d, &x->claim)};
    return out->why ? ERR_DENIED : second_factor_admit(auth_store(a), &x->claim, out);
}

static void note_failure(struct auth *a, const struct auth_scram *x, struct span client_final)
{
    if (throttle_failed(auth_throttle(a), x->name, x->claim.remote, client_final,
                        clock_monotonic_ms())) {
        log_warn("too many wrong passwords for %s from %s: locked out there for a while; see: "
                 "mailkeep ban list",
                 log_text(x->name).s, log_text(x->claim.remote).s);
    }
}

// The account's own password, or nothing that is right: what guessing is counted for.
static enum err judge_own(struct auth *a, struct auth_scram *x, const struct account *account,
                          bool is_right, struct span client_final, struct auth_grant *out)
{
    struct throttle *t = auth_throttle(a);

    if (throttle_wait(t, x->name, x->claim.remote, clock_monotonic_ms()) > 0) {
        return ERR_LIMIT;
    }
    if (!is_right) {
        note_failure(a, x, client_final);
        return ERR_DENIED;
    }
    *out = (struct auth_grant){.account = account->id, .mark = auth_mark(account)};
    enum err e = second_factor_admit(auth_store(a), &x->claim, out);

    if (e == ERR_OK) {
        throttle_passed(t, x->name, x->claim.remote);
    }
    return e;
}

static enum err judge(struct auth *a, struct auth_scram *x, struct key_ring *ring,
                      struct span client_final, struct buf *out, struct auth_grant *grant)
{
    struct account account;
    size_t which = 0;
    enum err e = find_account(a, &x->arena, x->name, &account);

    e = e == ERR_OK ? gather(a, &account, ring) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = scram_end(&x->exchange, client_final, &x->channel, ring->keys, ring->n, &which, out);
    if (e != ERR_OK && e != ERR_DENIED) {
        return e == ERR_NOMEM ? e : ERR_INVALID;
    }
    if (e == ERR_OK && ring->devices[which]) {
        return grant_device(a, x, account.id, ring->devices[which], grant);
    }
    return judge_own(a, x, &account, e == ERR_OK, client_final, grant);
}

enum err auth_scram_end(struct auth *a, struct auth_scram *x, struct span client_final,
                        struct buf *out, struct auth_grant *grant)
{
    struct key_ring *ring = calloc(1, sizeof(*ring));
    struct auth_grant got = {0};
    enum err e = ring ? judge(a, x, ring, client_final, out, &got) : ERR_NOMEM;

    if (ring) {
        OPENSSL_cleanse(ring, sizeof(*ring));
        free(ring);
    }
    *grant = got;
    return e == ERR_OK || e == ERR_DENIED || e == ERR_LIMIT || e == ERR_INVALID ? e
                                                                                : ERR_UNAVAILABLE;
}

// ---- keys of the account's own password ---------------------------------------------------------

void auth_scram_renew(struct auth *a, struct arena *arena, const struct auth_claim *claim,
                      const struct auth_grant *grant)
{
    struct account account;

    if (!auth_takes_own_scram(a) ||
        directory_account_by_id(auth_store(a), grant->account, arena, &account) != ERR_OK ||
        !account.password_hash.n || auth_mark(&account) != grant->mark) {
        return;
    }
    enum err e = scram_own_keys(auth_store(a), &account, claim->password, grant->mark);

    // One that SASLprep refuses has none; the rest is tried again at the next sign-in.
    if (e != ERR_OK && e != ERR_INVALID && e != ERR_LIMIT) {
        log_warn("no SCRAM keys for %s now: %s", log_text(account.name).s, err_name(e));
    }
}
