// SPDX-License-Identifier: Apache-2.0
//
// role list, show, grant, revoke, add, remove. Nobody but local root gives more than they have.
#include "admin/admin_internal.h"
#include "auth/second_factor.h"
#include "base/utf8.h"

#include "base/banned.h"

#define ITEMS_MAX 20000

// ---- in JSON ------------------------------------------------------------------------------------

static json_t *rights_json(uint32_t rights)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < ROLE_RIGHTS; i++) {
        if (rights & (1u << i)) {
            json_array_append_new(list, json_string(role_right_name(i)));
        }
    }
    return list;
}

static json_t *role_json(const struct role *r)
{
    return json_pack("{s:o, s:o, s:o, s:b}", "role", admin_json_text(r->name), "words",
                     admin_json_text(r->words), "rights", rights_json(r->rights), "built_in",
                     r->is_builtin);
}

// null: all domains.
static json_t *domains_json(bool is_everywhere, const struct span *domains, size_t count)
{
    json_t *list = is_everywhere ? json_null() : json_array();

    for (size_t i = 0; !is_everywhere && i < count; i++) {
        json_array_append_new(list, admin_json_text(domains[i]));
    }
    return list;
}

static json_t *grant_json(const struct role_grant *g)
{
    json_t *j = json_pack("{s:o, s:o, s:o, s:b}", "role", admin_json_text(g->role), "domains",
                          domains_json(g->is_everywhere, g->domains, g->domain_count), "rights",
                          rights_json(g->rights), "by_directory", g->by_directory);

    if (j) {
        admin_json_time(j, "since", g->since);
    }
    return j;
}

void admin_json_roles(struct admin_call *c, account_id account, json_t *into)
{
    struct role_holder h;
    json_t *list = json_array();

    if (role_holder_get(c->admin->store, account, &c->arena, &h) == ERR_OK && h.count > 0) {
        for (size_t i = 0; i < h.count; i++) {
            json_array_append_new(list, grant_json(&h.grants[i]));
        }
        json_object_set(into, "roles", list);
    }
    json_decref(list);
}

static enum err send_items(struct admin_call *c, json_t *items, enum err e, const char *name)
{
    size_t count = json_array_size(items);

    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(items, i)));
    }
    json_decref(items);
    c->outcome->result = json_pack("{s:I}", name, (json_int_t)count);
    return e == ERR_OK || e == ERR_IO ? e : admin_fail_store(c, e, "Reading the roles");
}

// ---- arguments ----------------------------------------------------------------------------------

// The argument "role": one that is there.
static enum err role_arg(struct admin_call *c, struct role *out)
{
    struct span name = admin_text(c, "role");
    enum err e = role_find(c->admin->store, name, &c->arena, out);

    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e, "There is no role \"%.*s\". All of them: mailkeep role list",
                          SPAN_ARG(span_first(name, 100)));
    }
    return e == ERR_OK ? e : admin_fail_store(c, e, "Looking up the role");
}

// The argument "domains" (not there: all), folded.
static enum err domains_arg(struct admin_call *c, struct span **out, size_t *out_count)
{
    const json_t *list = json_object_get(c->args, "domains");
    size_t count = json_array_size(list);
    struct span *domains = arena_zalloc(&c->arena, count + 1, sizeof(*domains));
    enum err e = domains ? ERR_OK : ERR_NOMEM;

    // An empty list is somebody's mistake, and never all domains.
    if (list && !json_is_null(list) && count == 0) {
        return admin_fail(c, ERR_INVALID, "Over which domains? Name one, or say nothing for all.");
    }
    if (count > ROLE_DOMAINS_MAX) {
        return admin_fail(c, ERR_LIMIT,
                          "More than %d domains are too many: give the role over all.",
                          ROLE_DOMAINS_MAX);
    }
    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        const json_t *d = json_array_get(list, i);

        e = admin_domain_check(c, span_of(json_string_value(d), json_string_length(d)),
                               &domains[i]);
    }
    *out = domains;
    *out_count = count;
    return e;
}

// ---- list and show ------------------------------------------------------------------------------

static bool collect_role(void *arg, const struct role *r)
{
    json_t *items = arg;

    return json_array_append_new(items, role_json(r)) == 0;
}

enum err admin_role_list(struct admin_call *c)
{
    json_t *items = json_array();

    return send_items(c, items, role_list(c->admin->store, collect_role, items), "roles");
}

struct holders {
    struct admin_call *call;
    json_t *items;
};

static bool collect_holder(void *arg, const struct role_holder *h)
{
    struct holders *l = arg;
    struct account account;
    struct arena names;
    bool ok = true;

    arena_init(&names, 64u << 10);
    if (directory_account_by_id(l->call->admin->store, h->account, &names, &account) == ERR_OK &&
        admin_sees(l->call, account.name)) {
        for (size_t i = 0; i < h->count && ok; i++) {
            json_t *j = grant_json(&h->grants[i]);

            ok = j && json_object_set_new(j, "account", admin_json_text(account.name)) == 0 &&
                 json_array_append(l->items, j) == 0;
            json_decref(j);
        }
    }
    arena_finish(&names);
    return ok && json_array_size(l->items) < ITEMS_MAX;
}

// Of an account, or of all.
enum err admin_role_show(struct admin_call *c)
{
    struct holders l = {c, json_array()};
    struct role_holder h;
    struct account account;

    if (admin_text(c, "account").n == 0) {
        enum err e = role_holder_list(c->admin->store, collect_holder, &l);

        return send_items(c, l.items, e, "grants");
    }
    enum err e = admin_account(c, &account);

    if (e == ERR_OK) {
        e = role_holder_get(c->admin->store, account.id, &c->arena, &h);
        if (e == ERR_OK && !collect_holder(&l, &h)) {
            e = ERR_NOMEM;
        }
        return send_items(c, l.items, e, "grants");
    }
    json_decref(l.items);
    return e;
}

// The domains of its grants over which somebody has these rights; null: all. NULL: over none.
static json_t *over_json(const struct role_holder *h, const struct admin_need *need)
{
    uint32_t rights = need->rights;
    json_t *seen;

    if (need->on == ON_SELF || (rights & ~role_rights_everywhere(h)) == 0) {
        return json_null();
    }
    seen = json_object(); // keeps the order, and each once
    for (size_t i = 0; need->on != ON_SERVER && i < h->count; i++) {
        for (size_t d = 0; d < h->grants[i].domain_count; d++) {
            struct span domain = h->grants[i].domains[d];

            if ((rights & ~role_rights_over(h, domain)) == 0) {
                json_object_setn_new(seen, domain.p, domain.n, json_true());
            }
        }
    }
    json_t *list = json_object_size(seen) > 0 ? json_array() : NULL;
    const char *name;
    json_t *value;

    json_object_foreach(seen, name, value)
    {
        json_array_append_new(list, json_string(name));
    }
    json_decref(seen);
    return list;
}

// What somebody may do, operation by operation: the caller, or an account.
enum err admin_role_can(struct admin_call *c)
{
    static const struct role_grant everything = {.rights = ROLE_RIGHTS_ALL, .is_everywhere = true};
    struct role_holder h = c->roles;
    json_t *items = json_array();
    struct account account;
    enum err e = ERR_OK;

    if (admin_text(c, "account").n > 0) {
        e = admin_account(c, &account);
        e = e == ERR_OK ? role_holder_get(c->admin->store, account.id, &c->arena, &h) : e;
    } else if (c->may_everything) {
        h = (struct role_holder){.grants = &everything, .count = 1};
    }
    for (const struct admin_operation *op = admin_operations; e == ERR_OK && op->name; op++) {
        json_t *over = h.count > 0 ? over_json(&h, &op->need) : NULL;

        if (over) {
            json_array_append_new(items,
                                  json_pack("{s:s, s:o}", "operation", op->name, "domains", over));
        }
    }
    if (e != ERR_OK) {
        json_decref(items);
        return c->outcome->text[0] ? e : admin_fail_store(c, e, "Reading the roles");
    }
    return send_items(c, items, e, "operations");
}

// ---- grant and revoke ---------------------------------------------------------------------------

// Nobody gives away what they do not have, or takes it.
static enum err check_own(struct admin_call *c, const struct role *role, const struct span *domains,
                          size_t count)
{
    struct role_grant g = {.role = role->name,
                           .rights = role->rights,
                           .is_everywhere = count == 0,
                           .domains = domains,
                           .domain_count = count};
    const struct role_holder wanted = {.grants = &g, .count = 1};

    if (c->may_everything || role_covers(&c->roles, &wanted)) {
        return ERR_OK;
    }
    return admin_fail(c, ERR_DENIED,
                      "%.*s may not do this: the role %.*s has rights that %.*s does not have over "
                      "%s.",
                      SPAN_ARG(c->caller_name), SPAN_ARG(role->name), SPAN_ARG(c->caller_name),
                      count > 0 ? "these domains" : "all domains");
}

static enum err grant_done(struct admin_call *c, const struct account *account, struct span role)
{
    struct role_holder h;
    json_t *domains = json_array();
    enum err e = role_holder_get(c->admin->store, account->id, &c->arena, &h);

    // What it is over now; an empty list: not any more.
    for (size_t i = 0; e == ERR_OK && i < h.count; i++) {
        if (span_eq(h.grants[i].role, role) && !h.grants[i].by_directory) {
            json_decref(domains);
            domains = domains_json(h.grants[i].is_everywhere, h.grants[i].domains,
                                   h.grants[i].domain_count);
        }
    }
    c->outcome->result = json_pack("{s:o, s:o, s:o}", "account", admin_json_text(account->name),
                                   "role", admin_json_text(role), "domains", domains);
    return e == ERR_OK ? e : admin_fail_store(c, e, "Reading the roles");
}

static enum err grant_failed(struct admin_call *c, enum err e, const struct account *account,
                             const struct role *role, const char *what)
{
    switch (e) {
    case ERR_EXISTS:
        return admin_fail(c, e, "%.*s has the role %.*s there already.", SPAN_ARG(account->name),
                          SPAN_ARG(role->name));
    case ERR_NOT_FOUND:
        return admin_fail(c, e, "There is no such %s. See: mailkeep %s list", what, what);
    case ERR_LIMIT:
        return admin_fail(c, e,
                          "An account has at most %d roles over %d domains together: give a role "
                          "over all domains, or to another account.",
                          ROLE_GRANTS_MAX, ROLE_DOMAINS_MAX);
    default:
        return admin_fail_store(c, e, "Giving the role");
    }
}

// Whether the role is good for anything yet.
static void add_factor(struct admin_call *c, account_id account, unsigned ended)
{
    bool is_on = false;

    if (second_factor_is_on(c->admin->store, account, &is_on) == ERR_OK) {
        json_object_set_new(c->outcome->result, "second_factor", json_boolean(is_on));
    }
    json_object_set_new(c->outcome->result, "sessions_ended", json_integer(ended));
}

enum err admin_role_grant(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct account account;
    struct span *domains;
    struct role role;
    const char *what = "";
    size_t count;
    enum err e = admin_account(c, &account);

    e = e == ERR_OK ? role_arg(c, &role) : e;
    e = e == ERR_OK ? domains_arg(c, &domains, &count) : e;
    e = e == ERR_OK ? check_own(c, &role, domains, count) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = role_grant(c->admin->store, &by, account.id, role.name, domains, count, &what);
    if (e != ERR_OK) {
        return grant_failed(c, e, &account, &role, what);
    }
    unsigned ended = admin_factor_enforce(c, account.id, account.name);

    e = grant_done(c, &account, role.name);
    if (c->outcome->result) {
        add_factor(c, account.id, ended);
    }
    return e;
}

static bool is_by_directory(struct admin_call *c, account_id account, struct span role)
{
    struct role_holder h;
    bool found = false;

    if (role_holder_get(c->admin->store, account, &c->arena, &h) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i < h.count; i++) {
        found |= h.grants[i].by_directory && span_eq(h.grants[i].role, role);
    }
    return found;
}

// The role itself may be gone from a store that a newer release has written: its name is enough.
enum err admin_role_revoke(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span *domains, role = admin_text(c, "role");
    struct account account;
    size_t count;
    enum err e = admin_account(c, &account);

    e = e == ERR_OK ? domains_arg(c, &domains, &count) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = role_revoke(c->admin->store, &by, account.id, role, domains, count);
    if (e == ERR_NOT_FOUND && is_by_directory(c, account.id, role)) {
        return admin_fail(c, e,
                          "The directory gives %.*s the role %.*s: take them out of the group "
                          "there, or the group out of ldap_roles.",
                          SPAN_ARG(account.name), SPAN_ARG(role));
    }
    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e,
                          "%.*s does not have the role \"%.*s\" there. What it has: mailkeep role "
                          "show %.*s",
                          SPAN_ARG(account.name), SPAN_ARG(span_first(role, 100)),
                          SPAN_ARG(account.name));
    }
    if (e == ERR_INVALID) {
        return admin_fail(
            c, e,
            "%.*s has the role %.*s over all domains: it can be taken altogether, and "
            "given over some.",
            SPAN_ARG(account.name), SPAN_ARG(role));
    }
    return e == ERR_OK ? grant_done(c, &account, role)
                       : admin_fail_store(c, e, "Taking the role away");
}

// ---- sets of one's own --------------------------------------------------------------------------

static enum err rights_arg(struct admin_call *c, uint32_t *out)
{
    const json_t *list = json_object_get(c->args, "rights");
    uint32_t rights = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *r = json_array_get(list, i);
        struct span name = span_of(json_string_value(r), json_string_length(r));
        uint32_t right = role_right_by_name(name);

        if (!right) {
            return admin_fail(c, ERR_INVALID,
                              "There is no right \"%.*s\". There are: see, passwords, accounts, "
                              "addresses, keys, rules, trace, reports, history, queue, server, "
                              "read-mail, change-mail, roles.",
                              SPAN_ARG(span_first(name, 100)));
        }
        rights |= right;
    }
    *out = rights;
    return rights ? ERR_OK
                  : admin_fail(c, ERR_INVALID, "Which rights? Name one at least (--rights).");
}

static enum err add_failed(struct admin_call *c, enum err e, struct span name)
{
    switch (e) {
    case ERR_EXISTS:
        return admin_fail(c, e, "There is a role \"%.*s\" already.", SPAN_ARG(name));
    case ERR_INVALID:
        return admin_fail(c, e,
                          "\"%.*s\" cannot be a role's name: lower case letters, digits and -, at "
                          "most %d.",
                          SPAN_ARG(span_first(name, 100)), ROLE_NAME_BYTES_MAX);
    case ERR_LIMIT:
        return admin_fail(c, e,
                          "There are %d roles of your own already, or the words for it are longer "
                          "than %d bytes.",
                          ROLE_SETS_MAX, ROLE_WORDS_BYTES_MAX);
    default:
        return admin_fail_store(c, e, "Making the role");
    }
}

enum err admin_role_add(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct role r = {.name = admin_text(c, "role"), .words = admin_text(c, "words")};
    enum err e = rights_arg(c, &r.rights);

    e = e == ERR_OK ? check_own(c, &r, NULL, 0) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (!utf8_is_valid(r.words)) {
        return admin_fail(c, ERR_INVALID, "The words for the role must be UTF-8.");
    }
    e = role_add(c->admin->store, &by, &r);
    if (e != ERR_OK) {
        return add_failed(c, e, r.name);
    }
    c->outcome->result = role_json(&r);
    return ERR_OK;
}

enum err admin_role_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct role r;
    enum err e = role_arg(c, &r);

    e = e == ERR_OK ? check_own(c, &r, NULL, 0) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = role_remove(c->admin->store, &by, r.name);
    if (e == ERR_INVALID) {
        return admin_fail(c, e, "The role %.*s is built in.", SPAN_ARG(r.name));
    }
    if (e == ERR_DENIED) {
        return admin_fail(c, e,
                          "Somebody has the role %.*s. Take it away first; who has it: mailkeep "
                          "role show",
                          SPAN_ARG(r.name));
    }
    c->outcome->result = json_pack("{s:o}", "role", admin_json_text(r.name));
    return e == ERR_OK ? e : admin_fail_store(c, e, "Removing the role");
}
