// SPDX-License-Identifier: Apache-2.0
//
// oauth-client add, list, remove: apps that may ask our own authorization server for tokens.
#include "admin/admin_internal.h"
#include "store/access/oauth_client.h"

#include "base/banned.h"

static enum err redirects_arg(struct admin_call *c, struct oauth_client *o)
{
    const json_t *list = json_object_get(c->args, "redirects");
    size_t n = json_array_size(list);
    struct span *redirects = arena_zalloc(&c->arena, OAUTH_REDIRECTS_MAX, sizeof(*redirects));

    if (!redirects || n > OAUTH_REDIRECTS_MAX) {
        return admin_fail(c, ERR_LIMIT, "An app has %d addresses to come back to at most.",
                          OAUTH_REDIRECTS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);

        redirects[i] =
            span_of(json_is_string(one) ? json_string_value(one) : "", json_string_length(one));
        if (!oauth_redirect_is_valid(redirects[i])) {
            return admin_fail(c, ERR_INVALID,
                              "\"%.*s\" is nowhere an app may come back to: an https address, "
                              "http://127.0.0.1/... of a program on the person's computer, or a "
                              "scheme of its own with a dot, like org.example.app:/back.",
                              SPAN_ARG(redirects[i]));
        }
    }
    o->redirects = redirects;
    o->redirect_count = n;
    return ERR_OK;
}

static enum err fail(struct admin_call *c, enum err e, struct span id)
{
    switch (e) {
    case ERR_EXISTS:
        return admin_fail(c, e, "There is an app \"%.*s\" already.", SPAN_ARG(id));
    case ERR_NOT_FOUND:
        return admin_fail(c, e, "There is no app \"%.*s\". To see them: mailkeep oauth-client list",
                          SPAN_ARG(id));
    case ERR_DENIED:
        return admin_fail(c, e, "\"%.*s\" is built in.", SPAN_ARG(id));
    case ERR_LIMIT:
        return admin_fail(c, e, "There are %d apps, which is as many as there may be.",
                          OAUTH_CLIENTS_MAX);
    default:
        return admin_fail_store(c, e, "Changing the list of apps");
    }
}

enum err admin_oauth_client_add(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct oauth_client o = {.id = admin_text(c, "client"), .name = admin_text(c, "name")};

    if (!oauth_client_id_is_valid(o.id)) {
        return admin_fail(c, ERR_INVALID,
                          "An app's id is of letters, digits, \"-\", \".\" and \"_\", at most %d.",
                          OAUTH_CLIENT_BYTES_MAX);
    }
    if (!device_name_is_valid(o.name) || o.name.n > OAUTH_CLIENT_NAME_MAX) {
        return admin_fail(c, ERR_INVALID,
                          "An app needs a name of up to %d bytes, which people are shown.",
                          OAUTH_CLIENT_NAME_MAX);
    }
    enum err e = redirects_arg(c, &o);

    if (e != ERR_OK) {
        return e;
    }
    e = oauth_client_add(c->admin->store, &by, &o);
    if (e == ERR_OK) {
        c->outcome->result = json_pack("{s:o, s:o}", "client", admin_json_text(o.id), "name",
                                       admin_json_text(o.name));
    }
    return e == ERR_OK ? e : fail(c, e, o.id);
}

struct lister {
    struct admin_call *call;
    enum err result;
};

static bool list_one(void *arg, const struct oauth_client *o)
{
    struct lister *l = arg;
    json_t *redirects = json_array();

    for (size_t i = 0; i < o->redirect_count; i++) {
        json_array_append_new(redirects, admin_json_text(o->redirects[i]));
    }
    json_t *j =
        json_pack("{s:o, s:o, s:b, s:o}", "client", admin_json_text(o->id), "name",
                  admin_json_text(o->name), "built_in", o->is_builtin, "redirects", redirects);

    if (j && !o->is_builtin) {
        admin_json_time(j, "created", o->created);
    }
    l->result = admin_item(l->call, j);
    return l->result == ERR_OK;
}

enum err admin_oauth_client_list(struct admin_call *c)
{
    struct lister l = {.call = c};
    enum err e = oauth_client_list(c->admin->store, list_one, &l);

    return e != ERR_OK ? admin_fail_store(c, e, "Listing the apps") : l.result;
}

enum err admin_oauth_client_remove(struct admin_call *c)
{
    struct actor by = admin_actor(c, ACTOR_ADMIN);
    struct span id = admin_text(c, "client");
    enum err e = oauth_client_remove(c->admin->store, &by, id);

    if (e == ERR_OK) {
        c->outcome->result = json_pack("{s:o}", "client", admin_json_text(id));
    }
    return e == ERR_OK ? e : fail(c, e, id);
}
