// SPDX-License-Identifier: Apache-2.0
//
// The check of where mail goes: aliases and other names of domains (in account 0), scripts,
// forwarding, what the rules remember, devices, second factors, the salt for SCRAM and the sign-in
// history (in an account).
#include "store/access/device.h"
#include "store/access/imap_without.h"
#include "store/access/oauth_client.h"
#include "store/access/provisioned.h"
#include "store/access/scram_salt.h"
#include "store/access/signin.h"
#include "store/access/totp_row.h"
#include "store/check/check_internal.h"
#include "store/directory/factor_policy.h"
#include "store/directory/role.h"
#include "store/directory/scim_token.h"
#include "store/rules_internal.h"

#include "base/banned.h"

static bool is_our_domain(struct check *c, struct span domain)
{
    struct key k = key_text(KEY_DOMAIN, span_first(domain, 255));
    struct span value;

    return view_get(c->v, &k, &value) == ERR_OK;
}

static enum err check_alias(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span address = span_skip(key, 1), *targets;
    struct key account = key_text(KEY_ADDRESS, span_first(address, 255));
    struct arena arena;
    size_t count;

    arena_init(&arena, 4u << 20);
    if (route_alias_decode(value, &arena, &targets, &count) != ERR_OK) {
        check_problem(c, false, "the alias %.*s cannot be read", SPAN_ARG(address));
    }
    arena_finish(&arena);
    if (!is_our_domain(c, span_skip(address, span_find_byte(address, '@') + 1))) {
        check_problem(c, false, "the alias %.*s is of no domain that is here", SPAN_ARG(address));
    }
    if (view_get(c->v, &account, &value) == ERR_OK) {
        check_problem(c, false, "%.*s is both an account and an alias", SPAN_ARG(address));
    }
    return ERR_OK;
}

static enum err check_domain_alias(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span domain = span_skip(key, 1), target;

    if (str_decode(value, DOMAIN_BYTES_MAX, &target) != ERR_OK || !is_our_domain(c, target)) {
        check_problem(c, false, "the domain name %.*s stands for no domain that is here",
                      SPAN_ARG(domain));
    }
    return ERR_OK;
}

static enum err check_relay_route(void *arg, struct span key, struct span value)
{
    struct check *c = arg;

    if (relay_route_decode(key, value) != ERR_OK) {
        check_problem(c, false, "the route of mail for or from %.*s cannot be read",
                      SPAN_ARG(span_skip(key, 1)));
    }
    return ERR_OK;
}

static enum err check_role(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct role r;

    if (role_decode(key, value, &r) != ERR_OK) {
        check_problem(c, false, "the role %.*s cannot be read", SPAN_ARG(span_skip(key, 1)));
    }
    return ERR_OK;
}

static void check_grant(struct check *c, account_id account, const struct role_grant *g)
{
    struct role r;

    if (role_get(c->v, g->role, &r) != ERR_OK) {
        check_problem(c, false, "account %llu has the role %.*s, which is not there",
                      (unsigned long long)account, SPAN_ARG(g->role));
    }
    for (size_t i = 0; i < g->domain_count; i++) {
        if (!is_our_domain(c, g->domains[i])) {
            check_problem(c, false,
                          "account %llu has the role %.*s over %.*s, which is no domain that is "
                          "here",
                          (unsigned long long)account, SPAN_ARG(g->role), SPAN_ARG(g->domains[i]));
        }
    }
}

// Roles are never mended: what somebody may do is for people to say.
static enum err check_roles_of(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct role_holder h;
    struct span entry;
    struct arena arena;

    arena_init(&arena, 1u << 20);
    if (role_holder_decode(key, value, &arena, &h) != ERR_OK) {
        check_problem(c, false, "the roles of an account cannot be read");
    } else {
        struct key k = key_u64(KEY_ACCOUNT_ID, h.account);

        if (view_get(c->v, &k, &entry) != ERR_OK) {
            check_problem(c, false, "account %llu has roles and is not there",
                          (unsigned long long)h.account);
        }
        for (size_t i = 0; i < h.count; i++) {
            check_grant(c, h.account, &h.grants[i]);
        }
    }
    arena_finish(&arena);
    return ERR_OK;
}

static enum err check_oauth_client(void *arg, struct span key, struct span value)
{
    struct span redirects[OAUTH_REDIRECTS_MAX];
    struct check *c = arg;
    struct oauth_client o;

    if (oauth_client_decode(key, value, redirects, &o) != ERR_OK) {
        check_problem(c, false, "an OAuth client cannot be read");
    }
    return ERR_OK;
}

static enum err check_scim_token(void *arg, struct span key, struct span value)
{
    struct span domains[SCIM_TOKEN_DOMAINS_MAX];
    struct check *c = arg;
    struct scim_token t;

    if (scim_token_decode(key, value, domains, &t) != ERR_OK) {
        check_problem(c, false, "a provisioning token cannot be read");
        return ERR_OK;
    }
    for (size_t i = 0; i < t.domain_count; i++) {
        if (!is_our_domain(c, t.domains[i])) {
            check_problem(c, false,
                          "the provisioning token %.*s is over %.*s, which is no domain that is "
                          "here",
                          SPAN_ARG(t.name), SPAN_ARG(t.domains[i]));
        }
    }
    return ERR_OK;
}

static enum err check_factor_policy(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct span what;
    struct role r;

    if (factor_policy_decode(key, value, &what) != ERR_OK) {
        check_problem(c, false, "who must have a second factor cannot be read: %.*s",
                      SPAN_ARG(span_skip(key, 1)));
    } else if (what.p[0] == '@' ? !is_our_domain(c, span_skip(what, 1))
                                : role_get(c->v, what, &r) != ERR_OK) {
        check_problem(c, false, "a second factor is required of %.*s, which is not here",
                      SPAN_ARG(what));
    }
    return ERR_OK;
}

enum err check_roles(struct check *c)
{
    struct key roles = key_plain(KEY_ROLE), holders = key_plain(KEY_ROLES_OF),
               clients = key_plain(KEY_OAUTH_CLIENT), scim = key_plain(KEY_SCIM_TOKEN);
    struct key policies = key_plain(KEY_FACTOR_POLICY);
    enum err e = view_each(c->v, &policies, check_factor_policy, c);

    e = e != ERR_OK ? e : view_each(c->v, &roles, check_role, c);

    e = e == ERR_OK ? view_each(c->v, &clients, check_oauth_client, c) : e;
    e = e == ERR_OK ? view_each(c->v, &scim, check_scim_token, c) : e;
    return e == ERR_OK ? view_each(c->v, &holders, check_roles_of, c) : e;
}

enum err check_routes(struct check *c)
{
    struct key aliases = key_plain(KEY_ALIAS), names = key_plain(KEY_DOMAIN_ALIAS),
               relay = key_plain(KEY_RELAY);
    enum err e = view_each(c->v, &aliases, check_alias, c);

    e = e == ERR_OK ? view_each(c->v, &names, check_domain_alias, c) : e;
    e = e == ERR_OK ? check_groups(c) : e;
    return e == ERR_OK ? view_each(c->v, &relay, check_relay_route, c) : e;
}

static enum err check_script(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct script s;

    if (rules_script_decode(value, &s) != ERR_OK) {
        check_problem(c, false, "the script %.*s cannot be read", SPAN_ARG(span_skip(key, 1)));
    }
    return ERR_OK;
}

static enum err check_active(struct check *c)
{
    struct key active = key_plain(KEY_SCRIPT_ACTIVE);
    struct span name, value;

    if (rules_active_name(c->v, &name) == ERR_OK) {
        struct key script = key_text(KEY_SCRIPT, name);

        if (name.n == 0 || view_get(c->v, &script, &value) == ERR_OK) {
            return ERR_OK;
        }
    }
    check_problem(c, true, "the active script is not there");
    return c->ed ? edit_delete(c->ed, &active) : ERR_OK;
}

static enum err check_remembered(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    int64_t until;

    if (key.n != 9 || unpack_version(&value) != ERR_OK || !unpack_i64(&value, &until)) {
        check_problem(c, true, "something the rules remember cannot be read");
        return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
    }
    return ERR_OK;
}

// What cannot be read could not be put back either.
static enum err check_past(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct rules_past past;

    if (rules_past_decode(key, value, &past) != ERR_OK || past.number > c->v->version) {
        check_problem(c, true, "what the rules were before a change cannot be read");
        return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
    }
    return ERR_OK;
}

static enum err check_forwarding(struct check *c)
{
    struct key k = key_plain(KEY_FORWARD);
    struct forwarding f;
    struct arena arena;
    struct span value;
    enum err e = view_get(c->v, &k, &value);

    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    arena_init(&arena, 64 << 10);
    if (rules_forwarding_decode(value, &arena, &f) != ERR_OK) {
        check_problem(c, false, "the forwarding cannot be read");
    }
    arena_finish(&arena);
    return ERR_OK;
}

static enum err check_device(void *arg, struct span key, struct span value)
{
    struct span networks[DEVICE_NETWORKS_MAX];
    struct check *c = arg;
    struct device d;

    if (device_decode(key, value, networks, &d) != ERR_OK) {
        check_problem(c, false, "a device cannot be read");
    } else if (d.id > c->device_max) {
        c->device_max = d.id;
    }
    return ERR_OK;
}

// Not mended: without it the password alone would do.
static enum err check_totp(void *arg, struct span key, struct span value)
{
    struct totp_row r;

    if (totp_row_decode(key, value, &r) != ERR_OK) {
        check_problem(arg, false, "the second factor cannot be read");
    }
    return ERR_OK;
}

// Not mended: it may say that the person was deleted.
static enum err check_provisioned(void *arg, struct span key, struct span value)
{
    struct span aliases[PROVISIONED_ALIASES_MAX];
    struct provisioned p;

    if (key.n != 1 || provisioned_decode(value, aliases, &p) != ERR_OK) {
        check_problem(arg, false, "what an identity provider says of the account cannot be read");
    }
    return ERR_OK;
}

// Tokens of a device that is not there open nothing: they are dropped.
static enum err check_tokens(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct oauth_family f;
    struct span device;

    if (oauth_family_decode(key, value, &f) != ERR_OK) {
        check_problem(c, true, "tokens of an app cannot be read");
    } else {
        struct key k = key_u32(KEY_DEVICE, f.device);

        if (view_get(c->v, &k, &device) == ERR_OK) {
            return ERR_OK;
        }
        check_problem(c, true, "tokens of device %u, which is not there", f.device);
    }
    return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
}

static enum err check_scram(struct check *c)
{
    struct key k = key_plain(KEY_SCRAM);
    struct scram_salt s;
    struct span value;
    enum err e = view_get(c->v, &k, &value);

    if (e == ERR_OK && scram_salt_decode(value, &s) != ERR_OK) {
        check_problem(c, false, "the salt for SCRAM cannot be read");
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err check_imap_without(void *arg, struct span key, struct span value)
{
    struct span names[IMAP_WITHOUT_MAX];
    size_t n;

    if (key.n != 1 || imap_without_decode(value, names, &n) != ERR_OK) {
        check_problem(arg, false, "what the account's IMAP sessions go without cannot be read");
    }
    return ERR_OK;
}

static enum err check_handed_over(void *arg, struct span key, struct span value)
{
    struct check *c = arg;

    if (hand_over_mark_check(key, value) != ERR_OK) {
        check_problem(c, false, "the mark of what has been handed over to it cannot be read");
    }
    return ERR_OK;
}

enum err check_rules(struct check *c)
{
    struct key scripts = key_plain(KEY_SCRIPT), remembered = key_plain(KEY_REMEMBERED),
               devices = key_plain(KEY_DEVICE), totp = key_plain(KEY_TOTP),
               tokens = key_plain(KEY_TOKENS), provisioned = key_plain(KEY_PROVISIONED),
               handed = key_plain(KEY_HANDED_OVER), past = key_plain(KEY_RULES_PAST),
               without = key_plain(KEY_IMAP_WITHOUT);
    enum err e = view_each(c->v, &scripts, check_script, c);

    e = e == ERR_OK ? view_each(c->v, &past, check_past, c) : e;
    e = e == ERR_OK ? check_active(c) : e;
    e = e == ERR_OK ? check_forwarding(c) : e;
    e = e == ERR_OK ? view_each(c->v, &devices, check_device, c) : e;
    e = e == ERR_OK ? view_each(c->v, &totp, check_totp, c) : e;
    e = e == ERR_OK ? view_each(c->v, &tokens, check_tokens, c) : e;
    e = e == ERR_OK ? view_each(c->v, &provisioned, check_provisioned, c) : e;
    e = e == ERR_OK ? check_scram(c) : e;
    e = e == ERR_OK ? view_each(c->v, &handed, check_handed_over, c) : e;
    e = e == ERR_OK ? view_each(c->v, &without, check_imap_without, c) : e;
    return e == ERR_OK ? view_each(c->v, &remembered, check_remembered, c) : e;
}

static enum err check_signin(void *arg, struct span key, struct span value)
{
    struct check *c = arg;
    struct signin i;

    if (signin_decode(key, value, &i) != ERR_OK || i.changed > c->v->version) {
        check_problem(c, true, "a row of the sign-in history cannot be read");
        return c->ed ? batch_delete(c->ed->batch, key) : ERR_OK;
    }
    return ERR_OK;
}

enum err check_signins(struct check *c)
{
    struct key rows = key_plain(KEY_SIGNIN);

    return view_each(c->v, &rows, check_signin, c);
}
