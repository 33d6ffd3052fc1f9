// SPDX-License-Identifier: Apache-2.0
//
// The token endpoint (RFC 6749 sections 4.1.3 and 6, RFC 8628 section 3.4) and revocation (RFC
// 7009). The first tokens of an app make its device.
#include <openssl/crypto.h>

#include "auth/grant.h"
#include "auth/token_own.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "keep/oauth/oauth_internal.h"
#include "store/secret.h"

#include "base/banned.h"

// Two new tokens and their digests.
struct pair {
    char access[OAUTH_TOKEN_TEXT_BYTES], refresh[OAUTH_TOKEN_TEXT_BYTES];
    char access_digest[OAUTH_DIGEST_BYTES], refresh_digest[OAUTH_DIGEST_BYTES];
    int64_t access_s, until; // how long the one is good, and until when the other
};

static enum err make_pair(const struct oauth_call *c, const struct oauth_place *place,
                          struct pair *p)
{
    char key[SECRET_BYTES];
    enum err e = store_secret(c->oauth->options.store, OAUTH_SECRET_NAME, key);

    e = e == ERR_OK ? oauth_token_make(key, OAUTH_ACCESS_TOKEN, place, p->access) : e;
    e = e == ERR_OK ? oauth_token_make(key, OAUTH_REFRESH_TOKEN, place, p->refresh) : e;
    OPENSSL_cleanse(key, sizeof(key));
    if (e == ERR_OK) {
        oauth_digest(span_of(p->access, sizeof(p->access)), p->access_digest);
        oauth_digest(span_of(p->refresh, sizeof(p->refresh)), p->refresh_digest);
    }
    p->access_s = atomic_load(&c->oauth->access_s);
    p->until = clock_real_s() + atomic_load(&c->oauth->refresh_s);
    return e;
}

static struct oauth_access access_of(const struct pair *p)
{
    return (struct oauth_access){.until = clock_real_s() + p->access_s,
                                 .digest = span_of(p->access_digest, OAUTH_DIGEST_BYTES)};
}

static void put_pair(struct oauth_call *c, const struct pair *p, unsigned scope)
{
    oauth_put(c, "access_token", span_of(p->access, sizeof(p->access)));
    oauth_put(c, "refresh_token", span_of(p->refresh, sizeof(p->refresh)));
    oauth_put_number(c, "expires_in", p->access_s);
    oauth_put_scope(c, scope);
}

static struct actor actor_of(const struct oauth_call *c, struct span name, uint32_t device)
{
    return (struct actor){
        .kind = ACTOR_USER, .device = name, .origin = oauth_arg(c, "remote"), .device_id = device};
}

static void invalid_grant(struct oauth_call *c, const char *words)
{
    oauth_error(c, "invalid_grant", words);
}

// ---- the first ones -----------------------------------------------------------------------------

// Another way in ends when it is known to be somebody else's, too.
static void end_family(struct oauth_call *c, account_id account, uint64_t family)
{
    const struct keep_oauth_options *o = &c->oauth->options;
    struct actor by = {.kind = ACTOR_SYSTEM, .origin = oauth_arg(c, "remote")};
    struct oauth_family f;
    enum err e = oauth_family_get(o->store, account, family, &c->arena, &f);

    e = e == ERR_OK ? oauth_family_end(o->store, account, &by, family) : e;
    if (e == ERR_OK && o->end_sessions) {
        o->end_sessions(o->arg, account, f.device, SESSION_BLOCKED);
    }
    log_warn("a code of account %llu was used twice: the tokens that came of it are withdrawn%s%s",
             (unsigned long long)account,
             e == ERR_OK ? "" : ", or were to be: ", e == ERR_OK ? "" : err_name(e));
}

static uint64_t random_family(void)
{
    uint64_t id;

    do {
        id = random_u64() & OAUTH_FAMILY_MAX;
    } while (id == 0);
    return id;
}

static enum err add_family(struct oauth_call *c, const struct oauth_pending_item *item,
                           const struct oauth_client *client, struct pair *p, uint64_t *out_id)
{
    char secret[DEVICE_DIGEST_BYTES];
    struct oauth_place place = {
        .account = item->grant.account, .family = random_family(), .generation = 1};
    struct actor by = actor_of(c, client->name, 0);
    uint32_t device;
    enum err e = make_pair(c, &place, p);

    random_bytes(secret, sizeof(secret)); // the digest of nothing that anybody has
    struct device d = {.scope = item->scope,
                       .name = client->name,
                       .until = p->until,
                       .secret = span_of(secret, sizeof(secret))};
    struct oauth_family f = {.id = place.family,
                             .client = client->id,
                             .until = p->until,
                             .refresh = span_of(p->refresh_digest, OAUTH_DIGEST_BYTES),
                             .access_count = 1,
                             .access = {access_of(p)}};

    *out_id = place.family;
    return e == ERR_OK
               ? oauth_family_add(c->oauth->options.store, place.account, &by, &d, &f, &device)
               : e;
}

// The code is taken; whoever allowed it may not have their password changed since. True: there are
// tokens, `*out_id` is their family.
static bool issue(struct oauth_call *c, const struct oauth_pending_item *item,
                  const struct oauth_client *client, uint64_t *out_id)
{
    struct auth_identity who;
    struct pair p;
    enum err e = auth_grant_holds(c->oauth->options.store, &item->grant, &c->arena, &who);

    e = e == ERR_OK ? add_family(c, item, client, &p, out_id) : e;
    if (e == ERR_OK) {
        log_info("%s lets \"%s\" in", log_text(who.user).s, log_text(client->name).s);
        put_pair(c, &p, item->scope);
    } else if (e == ERR_DENIED) {
        invalid_grant(c, "The account has changed meanwhile");
    } else if (e == ERR_LIMIT) {
        invalid_grant(c, "The account has as many devices as it may; remove one and try again");
    } else {
        oauth_trouble(c, e);
    }
    OPENSSL_cleanse(&p, sizeof(p));
    return e == ERR_OK;
}

static void issue_for(struct oauth_call *c, const struct oauth_pending_item *item,
                      const struct oauth_client *client, const char *digest)
{
    uint64_t family;

    if (issue(c, item, client, &family) &&
        oauth_pending_came_of(c->oauth->pending, digest, family)) {
        end_family(c, item->grant.account, family);
    }
}

static void by_code(struct oauth_call *c, const struct oauth_client *client)
{
    char digest[OAUTH_DIGEST_BYTES];
    struct oauth_pending_item item;

    oauth_digest(oauth_arg(c, "code"), digest);
    enum err e = oauth_pending_take(c->oauth->pending, digest, &item);

    if (e == ERR_EXISTS && item.family) {
        end_family(c, item.grant.account, item.family);
    }
    if (e != ERR_OK) {
        invalid_grant(c, "The code is unknown, too old, or was used before");
    } else if (!span_eq(client->id, span_from_str(item.client))) {
        invalid_grant(c, "The code is another app's");
    } else if (!span_eq(oauth_arg(c, "redirect_uri"), span_from_str(item.redirect))) {
        invalid_grant(c, "The redirect_uri is not that of the request");
    } else if (!oauth_verifier_fits(oauth_arg(c, "code_verifier"), span_from_str(item.challenge))) {
        invalid_grant(c, "The code_verifier does not fit");
    } else {
        issue_for(c, &item, client, digest);
    }
}

static void by_device_code(struct oauth_call *c, const struct oauth_client *client)
{
    char digest[OAUTH_DIGEST_BYTES];
    struct oauth_pending_item item;

    oauth_digest(oauth_arg(c, "device_code"), digest);
    switch (oauth_pending_poll(c->oauth->pending, digest, client->id, &item)) {
    case ERR_OK:
        issue_for(c, &item, client, digest);
        break;
    case ERR_AGAIN:
        oauth_error(c, "authorization_pending", "Nobody has typed the code yet");
        break;
    case ERR_LIMIT:
        oauth_error(c, "slow_down", "Ask less often, five seconds less each time");
        break;
    case ERR_DENIED:
        oauth_error(c, "access_denied", "The person said no");
        break;
    case ERR_EXISTS:
        if (item.family) {
            end_family(c, item.grant.account, item.family);
        }
        invalid_grant(c, "The code was used before");
        break;
    default:
        oauth_error(c, "expired_token", "The code is unknown or too old");
        break;
    }
}

// ---- the next ones ------------------------------------------------------------------------------

static enum err read_token(const struct oauth_call *c, struct span text,
                           enum oauth_token_kind *kind, struct oauth_place *place)
{
    char key[SECRET_BYTES];
    enum err e = store_secret(c->oauth->options.store, OAUTH_SECRET_NAME, key);

    e = e == ERR_OK ? oauth_token_read(key, text, kind, place) : e;
    OPENSSL_cleanse(key, sizeof(key));
    return e;
}

static void put_rotated(struct oauth_call *c, account_id account, uint32_t id, const struct pair *p)
{
    struct device d;
    enum err e = device_get(c->oauth->options.store, account, id, &c->arena, &d);

    if (e == ERR_OK) {
        put_pair(c, p, d.scope);
    } else {
        oauth_trouble(c, e);
    }
}

static void reused(struct oauth_call *c, account_id account, uint32_t device)
{
    const struct keep_oauth_options *o = &c->oauth->options;

    log_warn("a refresh token of device %u of account %llu was used twice, now from %s: somebody "
             "has a copy; the device is blocked",
             device, (unsigned long long)account, log_text(oauth_arg(c, "remote")).s);
    if (o->end_sessions) {
        o->end_sessions(o->arg, account, device, SESSION_BLOCKED);
    }
    invalid_grant(c, "The refresh token was used before; all tokens are withdrawn");
}

static enum err rotate(struct oauth_call *c, const struct oauth_client *client,
                       const struct oauth_place *place, struct pair *p, enum oauth_rotated *what,
                       uint32_t *device)
{
    char presented[OAUTH_DIGEST_BYTES];
    struct oauth_place next = *place;
    struct actor by = actor_of(c, client->name, 0);

    next.generation++;
    if (next.generation > OAUTH_GENERATION_MAX) {
        *what = OAUTH_REFUSED;
        return ERR_OK;
    }
    enum err e = make_pair(c, &next, p);

    oauth_digest(oauth_arg(c, "refresh_token"), presented);
    struct oauth_rotation r = {.id = place->family,
                               .generation = place->generation,
                               .client = client->id,
                               .presented = span_of(presented, sizeof(presented)),
                               .refresh = span_of(p->refresh_digest, OAUTH_DIGEST_BYTES),
                               .access = access_of(p),
                               .until = p->until};

    return e == ERR_OK
               ? oauth_family_rotate(c->oauth->options.store, place->account, &by, &r, what, device)
               : e;
}

// The apps of who is suspended, or gone from the directory, get nothing new either.
static enum err check_account(struct oauth_call *c, account_id id)
{
    struct account account;
    enum err e = directory_account_by_id(c->oauth->options.store, id, &c->arena, &account);

    return e == ERR_OK && !auth_account_is_open(&account) ? ERR_NOT_FOUND : e;
}

static void by_refresh(struct oauth_call *c, const struct oauth_client *client)
{
    enum oauth_rotated what = OAUTH_REFUSED;
    enum oauth_token_kind kind = OAUTH_ACCESS_TOKEN;
    struct oauth_place place;
    uint32_t device = 0;
    struct pair p;
    enum err e = read_token(c, oauth_arg(c, "refresh_token"), &kind, &place);

    e = e == ERR_OK && kind != OAUTH_REFRESH_TOKEN ? ERR_INVALID : e;
    e = e == ERR_OK ? check_account(c, place.account) : e;
    e = e == ERR_OK ? rotate(c, client, &place, &p, &what, &device) : e;
    if (e != ERR_OK && e != ERR_INVALID && e != ERR_NOT_FOUND) {
        oauth_trouble(c, e);
    } else if (e != ERR_OK || what == OAUTH_REFUSED) {
        invalid_grant(c, "The refresh token is unknown, over, or its device is blocked");
    } else if (what == OAUTH_REUSED) {
        reused(c, place.account, device);
    } else {
        put_rotated(c, place.account, device, &p);
    }
    OPENSSL_cleanse(&p, sizeof(p));
}

void oauth_token(struct oauth_call *c)
{
    static const struct {
        const char *name;
        void (*run)(struct oauth_call *c, const struct oauth_client *client);
    } types[] = {
        {"authorization_code", by_code},
        {"refresh_token", by_refresh},
        {"urn:ietf:params:oauth:grant-type:device_code", by_device_code},
    };
    struct span type = oauth_arg(c, "grant_type");
    struct oauth_client client;

    if (!oauth_call_client(c, &client)) {
        return;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (span_eq(type, span_from_str(types[i].name))) {
            types[i].run(c, &client);
            return;
        }
    }
    oauth_error(c, type.n ? "unsupported_grant_type" : "invalid_request",
                "The grant_type is authorization_code, refresh_token or device_code");
}

// ---- withdrawing --------------------------------------------------------------------------------

static bool is_of(const struct oauth_family *f, enum oauth_token_kind kind, struct span token)
{
    char digest[OAUTH_DIGEST_BYTES];
    bool found = false;

    oauth_digest(token, digest);
    if (kind == OAUTH_REFRESH_TOKEN) {
        return f->refresh.n && CRYPTO_memcmp(f->refresh.p, digest, sizeof(digest)) == 0;
    }
    for (size_t i = 0; i < f->access_count; i++) {
        found |= CRYPTO_memcmp(f->access[i].digest.p, digest, sizeof(digest)) == 0;
    }
    return found;
}

// Whichever of its tokens an app gives back: it has been signed out, so its device goes with both.
static enum err revoke(struct oauth_call *c, const struct oauth_client *client)
{
    const struct keep_oauth_options *o = &c->oauth->options;
    struct actor by = actor_of(c, client->name, 0);
    struct span token = oauth_arg(c, "token");
    enum oauth_token_kind kind;
    struct oauth_place place;
    struct oauth_family f;
    enum err e = read_token(c, token, &kind, &place);

    e = e == ERR_OK ? oauth_family_get(o->store, place.account, place.family, &c->arena, &f) : e;
    if (e == ERR_OK && (!is_of(&f, kind, token) || !span_eq(f.client, client->id))) {
        e = ERR_NOT_FOUND;
    }
    e = e == ERR_OK ? device_remove(o->store, place.account, &by, f.device) : e;
    if (e == ERR_OK && o->end_sessions) {
        o->end_sessions(o->arg, place.account, f.device, SESSION_CHANGED);
    }
    return e;
}

void oauth_revoke(struct oauth_call *c)
{
    struct oauth_client client;

    if (!oauth_call_client(c, &client)) {
        return;
    }
    if (!oauth_arg(c, "token").n) {
        oauth_error(c, "invalid_request", "The token is missing");
        return;
    }
    enum err e = revoke(c, &client);

    // What is no token of this app is as good as withdrawn (RFC 7009 section 2.2).
    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_INVALID) {
        oauth_trouble(c, e);
    }
}
