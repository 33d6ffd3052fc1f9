// SPDX-License-Identifier: Apache-2.0
#include "keep/keep_directory_person.h"

#include <stdlib.h>

#include "auth/password.h"
#include "base/dn.h"
#include "base/log.h"
#include "conf/conf_ldap.h"
#include "store/directory.h"
#include "store/quota.h"

#include "base/banned.h"

#define RULES_BYTES_MAX  (1u << 20)
#define PERSON_BYTES_MAX (16u << 20)
#define ALL_BYTES_MAX    (64u << 20)

static const struct actor by_directory = {.kind = ACTOR_SYSTEM, .origin = {"the directory", 13}};
static const struct actor by_us = {.kind = ACTOR_SYSTEM};

struct rule {
    struct span group, role;
    const struct span *domains;
    size_t domain_count; // 0: all
};

struct directory_rules {
    struct arena arena;
    struct rule items[DIRECTORY_RULES_MAX];
    size_t count;
};

// ---- the rules ----------------------------------------------------------------------------------

static enum err rule_read(struct directory_rules *r, struct span item)
{
    struct rule *out = &r->items[r->count];
    struct span copy = arena_dup(&r->arena, item), domains, domain;
    struct span *list = arena_zalloc(&r->arena, ROLE_DOMAINS_MAX, sizeof(*list));
    struct conf_ldap_role said;

    if (!copy.p || !list) {
        return ERR_NOMEM;
    }
    if (!conf_ldap_role_read(copy, &said)) {
        return ERR_INVALID; // the settings' check has said so
    }
    *out = (struct rule){.group = said.group, .role = said.role, .domains = list};
    domains = said.domains;
    while (conf_ldap_role_domain(&domains, &domain)) {
        if (out->domain_count == ROLE_DOMAINS_MAX) {
            return ERR_LIMIT;
        }
        list[out->domain_count++] = domain;
    }
    r->count++;
    return ERR_OK;
}

static void look_at_role(struct store *s, const struct rule *rule)
{
    struct arena arena;
    struct role role;

    arena_init(&arena, 4096);
    if (role_find(s, rule->role, &arena, &role) == ERR_NOT_FOUND) {
        log_warn("ldap_roles: there is no role \"%s\", so nobody gets it. All of them: mailkeep "
                 "role list",
                 log_text(rule->role).s);
    }
    arena_finish(&arena);
}

enum err directory_rules_create(struct store *s, const struct span *items, size_t count,
                                struct directory_rules **out)
{
    struct directory_rules *r = calloc(1, sizeof(*r));
    enum err e = r ? ERR_OK : ERR_NOMEM;

    if (!r) {
        return e;
    }
    arena_init(&r->arena, RULES_BYTES_MAX);
    for (size_t i = 0; i < count && i < DIRECTORY_RULES_MAX && e == ERR_OK; i++) {
        e = rule_read(r, items[i]);
        if (e == ERR_OK) {
            look_at_role(s, &r->items[i]);
        }
    }
    if (e != ERR_OK) {
        directory_rules_destroy(r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

void directory_rules_destroy(struct directory_rules *r)
{
    if (r) {
        arena_finish(&r->arena);
        free(r);
    }
}

bool directory_rules_are_none(const struct directory_rules *r)
{
    return r->count == 0;
}

uint64_t directory_rules_of(const struct directory_rules *r, struct span groups)
{
    uint64_t which = 0;

    while (groups.n) {
        struct span group = span_split(&groups, '\n');

        for (size_t i = 0; i < r->count; i++) {
            if (!(which & 1ull << i) && dn_eq(r->items[i].group, group)) {
                which |= 1ull << i;
            }
        }
    }
    return which;
}

// With room for the domains of all rules.
static struct role_grant *grant_of(const struct directory_rules *r, struct arena *a,
                                   struct role_grant *grants, size_t *count, struct span role)
{
    for (size_t i = 0; i < *count; i++) {
        if (span_eq(grants[i].role, role)) {
            return &grants[i];
        }
    }
    struct role_grant *g = &grants[(*count)++];
    size_t room = 1;

    for (size_t i = 0; i < r->count; i++) {
        room += r->items[i].domain_count;
    }

    *g = (struct role_grant){.role = role, .by_directory = true};
    g->domains = arena_zalloc(a, room, sizeof(*g->domains));
    return g->domains ? g : NULL;
}

static void add_domain(struct role_grant *g, struct span domain)
{
    // The arena's owner writes there, and that is this function's caller.
    struct span *domains = (struct span *)(uintptr_t)g->domains;

    for (size_t i = 0; i < g->domain_count; i++) {
        if (span_eq_nocase(domains[i], domain)) {
            return;
        }
    }
    domains[g->domain_count++] = domain;
}

enum err directory_rules_grants(const struct directory_rules *r, uint64_t which, struct arena *a,
                                struct role_grant **out, size_t *out_count)
{
    struct role_grant *grants = arena_zalloc(a, DIRECTORY_RULES_MAX, sizeof(*grants));
    size_t n = 0;

    if (!grants) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < r->count; i++) {
        const struct rule *rule = &r->items[i];

        if (!(which & 1ull << i)) {
            continue;
        }
        struct role_grant *g = grant_of(r, a, grants, &n, rule->role);

        if (!g) {
            return ERR_NOMEM;
        }
        g->is_everywhere |= rule->domain_count == 0;
        for (size_t k = 0; k < rule->domain_count; k++) {
            add_domain(g, rule->domains[k]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        grants[i].domain_count = grants[i].is_everywhere ? 0 : grants[i].domain_count;
    }
    *out = grants;
    *out_count = n;
    return ERR_OK;
}

// ---- one person ---------------------------------------------------------------------------------

enum err directory_person_set_roles(struct store *s, const struct directory_rules *r,
                                    account_id account, uint64_t which, bool *out_changed)
{
    struct role_grant *grants;
    struct arena arena;
    size_t count;

    *out_changed = false;
    arena_init(&arena, PERSON_BYTES_MAX);
    enum err e = directory_rules_grants(r, which, &arena, &grants, &count);

    e = e == ERR_OK ? role_directory_set(s, &by_us, account, grants, count, out_changed) : e;
    arena_finish(&arena);
    return e;
}

enum err directory_person_loses(struct store *s, const struct directory_rules *r,
                                account_id account, uint64_t which, bool *out_had, bool *out_loses)
{
    struct role_grant *grants;
    struct role_holder now;
    struct arena arena;
    size_t count;

    *out_had = *out_loses = false;
    arena_init(&arena, PERSON_BYTES_MAX);
    enum err e = directory_rules_grants(r, which, &arena, &grants, &count);

    e = e == ERR_OK ? role_holder_get(s, account, &arena, &now) : e;
    for (size_t i = 0; e == ERR_OK && i < now.count; i++) {
        *out_had |= now.grants[i].by_directory;
    }
    *out_loses = e == ERR_OK && role_directory_loses(&now, grants, count);
    arena_finish(&arena);
    return e;
}

void directory_person_take(struct store *s, account_id account,
                           const struct auth_vouch_answer *answer)
{
    struct span name = span_trim(answer->display_name);
    struct account now;
    struct arena arena;

    if (answer->quota == 0 && name.n == 0) {
        return;
    }
    arena_init(&arena, 16384);
    enum err e = directory_account_by_id(s, account, &arena, &now);

    if (e == ERR_OK && answer->quota && answer->quota != now.quota_bytes_max) {
        e = quota_set(s, account, &by_directory, answer->quota, now.quota_messages_max);
    }
    if (e == ERR_OK && name.n && name.n <= DISPLAY_NAME_BYTES_MAX &&
        !span_eq(name, now.display_name)) {
        e = directory_account_set_display_name(s, &by_directory, account, name);
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_INVALID) {
        log_error("directory: quota and name of %s could not be taken over: %s",
                  log_text(now.name).s, err_name(e));
    }
    arena_finish(&arena);
}

// ---- everybody who has roles --------------------------------------------------------------------

struct held {
    struct held *next;
    account_id account;
};

struct all_held {
    struct arena arena;
    struct held *first;
    bool failed;
};

static bool take_holder(void *arg, const struct role_holder *h)
{
    struct all_held *all = arg;

    for (size_t i = 0; i < h->count; i++) {
        if (h->grants[i].by_directory) {
            struct held *one = arena_zalloc(&all->arena, 1, sizeof(*one));

            all->failed = !one;
            if (one) {
                *one = (struct held){all->first, h->account};
                all->first = one;
            }
            return one != NULL;
        }
    }
    return true;
}

// `all` is to be finished in any case.
static enum err holders_read(struct store *s, struct all_held *all)
{
    *all = (struct all_held){.first = NULL};
    arena_init(&all->arena, ALL_BYTES_MAX);
    enum err e = role_holder_list(s, take_holder, all);

    return all->failed ? ERR_NOMEM : e;
}

// Of what the directory gave as much as the rules together can give.
static size_t narrow(const struct role_holder *now, const struct role_grant *all, size_t all_count,
                     struct arena *a, struct role_grant *out)
{
    size_t n = 0;

    for (size_t i = 0; i < now->count; i++) {
        const struct role_grant *was = &now->grants[i], *may = NULL;

        for (size_t k = 0; k < all_count && !may; k++) {
            may = span_eq(all[k].role, was->role) ? &all[k] : NULL;
        }
        if (!was->by_directory || !may) {
            continue;
        }
        out[n] = was->is_everywhere ? *may : *was;
        if (!was->is_everywhere && !may->is_everywhere) {
            out[n].domain_count = 0;
            out[n].domains = arena_zalloc(a, was->domain_count + 1, sizeof(struct span));
            for (size_t k = 0; out[n].domains && k < was->domain_count; k++) {
                for (size_t m = 0; m < may->domain_count; m++) {
                    if (span_eq_nocase(may->domains[m], was->domains[k])) {
                        add_domain(&out[n], was->domains[k]);
                    }
                }
            }
        }
        n++;
    }
    return n;
}

enum err directory_rules_enforce(struct store *s, const struct directory_rules *r)
{
    struct all_held all;
    enum err e = holders_read(s, &all);

    for (const struct held *h = all.first; h && e == ERR_OK; h = h->next) {
        struct role_grant *may, now_may[ROLE_GRANTS_MAX];
        struct role_holder now;
        struct arena arena;
        size_t count;
        bool changed;

        arena_init(&arena, PERSON_BYTES_MAX);
        e = directory_rules_grants(r, UINT64_MAX, &arena, &may, &count);
        e = e == ERR_OK ? role_holder_get(s, h->account, &arena, &now) : e;
        if (e == ERR_OK) {
            count = narrow(&now, may, count, &arena, now_may);
            e = role_directory_set(s, &by_us, h->account, now_may, count, &changed);
            e = e == ERR_NOT_FOUND ? ERR_OK : e;
        }
        arena_finish(&arena);
    }
    arena_finish(&all.arena);
    return e;
}

enum err directory_rules_release(struct store *s, unsigned *out_changed)
{
    struct all_held all;
    enum err e = holders_read(s, &all);

    for (const struct held *h = all.first; h && e == ERR_OK; h = h->next) {
        struct account account;
        struct arena arena;
        bool changed = false;

        arena_init(&arena, 16384);
        e = directory_account_by_id(s, h->account, &arena, &account);
        if (e == ERR_OK && !password_is_directorys(account.password_hash) &&
            !password_is_nobodys(account.password_hash)) {
            e = role_directory_set(s, &by_us, h->account, NULL, 0, &changed);
        }
        e = e == ERR_NOT_FOUND ? ERR_OK : e;
        *out_changed += changed;
        arena_finish(&arena);
    }
    arena_finish(&all.arena);
    return e;
}
