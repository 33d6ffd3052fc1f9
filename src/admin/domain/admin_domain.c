// SPDX-License-Identifier: Apache-2.0
//
// domain add, list, remove; domain alias add, list, remove.
#include "admin/admin_internal.h"
#include "base/utf8.h"
#include "store/route.h"

#include "base/banned.h"

enum err admin_domain_check(struct admin_call *c, struct span given, struct span *out)
{
    struct span address;
    const char *reason = NULL;
    char text[300];

    if (given.n == 0) {
        return admin_fail(c, ERR_INVALID, "Which domain? Give a name, like example.org.");
    }
    if (memchr(given.p, '@', given.n)) {
        return admin_fail(
            c, ERR_INVALID, "\"%.*s\" is an address. A domain is what follows the @: \"%.*s\".",
            SPAN_ARG(given), SPAN_ARG(span_skip(given, span_find_byte(given, '@') + 1)));
    }
    if (given.n + 2 > sizeof(text)) {
        return admin_fail(c, ERR_INVALID, "This name is too long for a domain.");
    }
    memcpy(text, "a@", 2);
    memcpy(text + 2, given.p, given.n);
    enum err e =
        directory_name_check(&c->arena, span_of(text, given.n + 2), SPAN(""), &address, &reason);

    if (e != ERR_OK) {
        return admin_fail(c, e, "\"%.*s\" cannot be a domain: %s.", SPAN_ARG(given),
                          reason ? reason : err_name(e));
    }
    *out = span_skip(address, 2);
    return ERR_OK;
}

enum err admin_domain(struct admin_call *c, const char *name, struct span *out)
{
    return admin_domain_check(c, admin_text(c, name), out);
}

static enum err domain_done(struct admin_call *c, struct span domain)
{
    c->outcome->result = json_pack("{s:o}", "domain", admin_json_text(domain));
    return ERR_OK;
}

enum err admin_domain_add(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span domain;
    enum err e = admin_domain(c, "domain", &domain);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_domain_add(c->admin->store, &by, domain);
    if (e == ERR_EXISTS) {
        return admin_fail(c, e, "The domain \"%.*s\" is there already.", SPAN_ARG(domain));
    }
    return e == ERR_OK ? domain_done(c, domain) : admin_fail_store(c, e, "Adding the domain");
}

enum err admin_domain_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span domain;
    enum err e = admin_domain(c, "domain", &domain);

    if (e != ERR_OK) {
        return e;
    }
    e = directory_domain_remove(c->admin->store, &by, domain);
    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e, "There is no domain \"%.*s\". All domains: mailkeep domain list",
                          SPAN_ARG(domain));
    }
    if (e == ERR_DENIED) {
        return admin_fail(c, e,
                          "The domain \"%.*s\" still has accounts, aliases or other names. See: "
                          "mailkeep account list %.*s, mailkeep alias list %.*s, mailkeep domain "
                          "alias list; remove them first.",
                          SPAN_ARG(domain), SPAN_ARG(domain), SPAN_ARG(domain));
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Removing the domain");
    }
    admin_dkim_forget(c, domain);
    return domain_done(c, domain);
}

struct domain_lister {
    struct admin_call *call;
    json_t *items; // collected first: nobody is waited for inside the store
};

static bool domain_collect(void *arg, struct span domain, uint64_t accounts)
{
    struct domain_lister *l = arg;

    if (!admin_sees(l->call, domain)) {
        return true;
    }
    return json_array_append_new(l->items,
                                 json_pack("{s:o, s:I}", "domain", admin_json_text(domain),
                                           "accounts", (json_int_t)accounts)) == 0;
}

enum err admin_domain_list(struct admin_call *c)
{
    struct domain_lister l = {c, json_array()};
    enum err e = directory_domain_list(c->admin->store, domain_collect, &l);
    size_t count = json_array_size(l.items);

    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(l.items, i)));
    }
    json_decref(l.items);
    c->outcome->result = json_pack("{s:I}", "domains", (json_int_t)count);
    return e;
}

// ---- other names --------------------------------------------------------------------------------

static enum err alias_done(struct admin_call *c, struct span domain, struct span target)
{
    c->outcome->result = json_pack("{s:o, s:o}", "domain", admin_json_text(domain), "target",
                                   admin_json_text(target));
    return ERR_OK;
}

enum err admin_domain_alias_add(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span domain, target;
    enum err e = admin_domain(c, "domain", &domain);

    e = e == ERR_OK ? admin_domain(c, "target", &target) : e;
    if (e != ERR_OK) {
        return e;
    }
    e = route_domain_alias_set(c->admin->store, &by, domain, target);
    if (e == ERR_EXISTS) {
        return admin_fail(c, e,
                          "\"%.*s\" is a domain of its own here. To make it another name of "
                          "\"%.*s\", remove it first: mailkeep domain remove %.*s",
                          SPAN_ARG(domain), SPAN_ARG(target), SPAN_ARG(domain));
    }
    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e,
                          "There is no domain \"%.*s\" that could get another name. All domains: "
                          "mailkeep domain list",
                          SPAN_ARG(target));
    }
    return e == ERR_OK ? alias_done(c, domain, target) : admin_fail_store(c, e, "Adding the name");
}

enum err admin_domain_alias_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span domain;
    enum err e = admin_domain(c, "domain", &domain);

    if (e != ERR_OK) {
        return e;
    }
    e = route_domain_alias_set(c->admin->store, &by, domain, SPAN(""));
    if (e == ERR_NOT_FOUND) {
        return admin_fail(c, e,
                          "\"%.*s\" is no other name of a domain. All of them: mailkeep domain "
                          "alias list",
                          SPAN_ARG(domain));
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Removing the name");
    }
    admin_dkim_forget(c, domain);
    return domain_done(c, domain);
}

static bool alias_collect(void *arg, struct span domain, struct span target)
{
    struct domain_lister *l = arg;

    if (!admin_sees(l->call, target)) {
        return true;
    }
    return json_array_append_new(l->items,
                                 json_pack("{s:o, s:o}", "domain", admin_json_text(domain),
                                           "target", admin_json_text(target))) == 0;
}

enum err admin_domain_alias_list(struct admin_call *c)
{
    struct domain_lister l = {c, json_array()};
    enum err e = route_domain_alias_list(c->admin->store, alias_collect, &l);
    size_t count = json_array_size(l.items);

    for (size_t i = 0; i < count && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(l.items, i)));
    }
    json_decref(l.items);
    c->outcome->result = json_pack("{s:I}", "names", (json_int_t)count);
    return e;
}
