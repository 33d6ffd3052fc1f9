// SPDX-License-Identifier: Apache-2.0
//
// scim-token add, list, remove: which identity providers may make and suspend accounts by SCIM, and
// of which domains.
#include <openssl/crypto.h>

#include "admin/admin_internal.h"
#include "auth/provision.h"
#include "store/directory/scim_token.h"

#include "base/banned.h"

static json_t *domains_json(const struct scim_token *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->domain_count; i++) {
        json_array_append_new(list, admin_json_text(t->domains[i]));
    }
    return list;
}

static enum err fail(struct admin_call *c, enum err e, struct span name, struct span domain)
{
    switch (e) {
    case ERR_EXISTS:
        return admin_fail(c, e,
                          "There is a token \"%.*s\" already. To have another one under this name, "
                          "remove it first.",
                          SPAN_ARG(name));
    case ERR_NOT_FOUND:
        return domain.n > 0
                   ? admin_fail(c, e, "There is no domain \"%.*s\" here.", SPAN_ARG(domain))
                   : admin_fail(c, e,
                                "There is no token \"%.*s\". To see them: mailkeep scim-token list",
                                SPAN_ARG(name));
    case ERR_LIMIT:
        return admin_fail(c, e, "There are %d tokens, which is as many as there may be.",
                          SCIM_TOKENS_MAX);
    default:
        return admin_fail_store(c, e, "Changing the tokens");
    }
}

// The argument "domains", each once; at least one.
static enum err domains_arg(struct admin_call *c, struct scim_token *t)
{
    const json_t *list = json_object_get(c->args, "domains");
    size_t given = json_array_size(list), n = 0;
    struct span *domains = arena_zalloc(&c->arena, given + 1, sizeof(*domains));
    enum err e = domains ? ERR_OK : ERR_NOMEM;

    if (given == 0 || given > SCIM_TOKEN_DOMAINS_MAX) {
        return admin_fail(c, ERR_INVALID,
                          "A token is over one domain or several, at most %d (--domain).",
                          SCIM_TOKEN_DOMAINS_MAX);
    }
    t->domains = domains;
    for (size_t i = 0; i < given && e == ERR_OK; i++) {
        const json_t *d = json_array_get(list, i);

        e = admin_domain_check(c, span_of(json_string_value(d), json_string_length(d)),
                               &domains[n]);
        t->domain_count = n;
        n += e == ERR_OK && !scim_token_has_domain(t, domains[n]);
    }
    t->domain_count = n;
    return e;
}

enum err admin_scim_token_add(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct scim_token t = {.name = admin_text(c, "token")};
    struct span missing = SPAN("");
    char text[PROVISION_TOKEN_BYTES];
    unsigned char digest[SCIM_TOKEN_DIGEST_BYTES];

    if (!scim_token_name_is_valid(t.name)) {
        return admin_fail(c, ERR_INVALID,
                          "A token's name is of letters, digits, \"-\", \".\" and \"_\", at most "
                          "%d.",
                          SCIM_TOKEN_NAME_MAX);
    }
    enum err e = domains_arg(c, &t);

    if (e != ERR_OK) {
        return e;
    }
    provision_token_make(text);
    e = provision_token_digest(span_of(text, sizeof(text)), digest);
    t.digest = span_of(digest, sizeof(digest));
    e = e == ERR_OK ? scim_token_add(c->admin->store, &by, &t, &missing) : e;
    if (e == ERR_OK) {
        c->outcome->result =
            json_pack("{s:o, s:o, s:o}", "token", admin_json_text(t.name), "domains",
                      domains_json(&t), "secret", json_stringn(text, sizeof(text)));
    }
    OPENSSL_cleanse(text, sizeof(text));
    return e == ERR_OK ? e : fail(c, e, t.name, missing);
}

static bool collect(void *arg, const struct scim_token *t)
{
    json_t *items = arg;
    json_t *j =
        json_pack("{s:o, s:o}", "token", admin_json_text(t->name), "domains", domains_json(t));

    admin_json_time(j, "created", t->created);
    if (j && t->used) {
        admin_json_time(j, "used", t->used);
    }
    return json_array_append_new(items, j) == 0;
}

enum err admin_scim_token_list(struct admin_call *c)
{
    json_t *items = json_array();
    enum err e = scim_token_list(c->admin->store, collect, items);
    bool has_failed = e != ERR_OK;

    for (size_t i = 0; i < json_array_size(items) && e == ERR_OK; i++) {
        e = admin_item(c, json_incref(json_array_get(items, i)));
    }
    c->outcome->result = json_pack("{s:I}", "tokens", (json_int_t)json_array_size(items));
    json_decref(items);
    return has_failed ? admin_fail_store(c, e, "Listing the tokens") : e;
}

enum err admin_scim_token_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span name = admin_text(c, "token");
    enum err e = scim_token_remove(c->admin->store, &by, name);

    if (e == ERR_OK) {
        c->outcome->result = json_pack("{s:o}", "token", admin_json_text(name));
    }
    return e == ERR_OK ? e : fail(c, e, name, SPAN(""));
}
