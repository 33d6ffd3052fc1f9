// SPDX-License-Identifier: Apache-2.0
//
// directory test, directory sync: what the directory (docs/directories.md) says of somebody, and a
// look at everybody whose password is there.
#include "admin/admin_internal.h"

#include "base/banned.h"

static enum err no_server(struct admin_call *c)
{
    return admin_fail(c, ERR_UNAVAILABLE, "No server runs here. Only a server asks the directory.");
}

static json_t *groups_of(struct span groups)
{
    json_t *list = json_array();

    while (groups.n) {
        json_array_append_new(list, admin_json_text(span_split(&groups, '\n')));
    }
    return list;
}

// {"answer":"yes","words":...}: an answer is a result, whatever it says.
enum err admin_directory_test(struct admin_call *c)
{
    struct auth_vouch_answer answer;
    struct span name, password = admin_text(c, "password");
    enum err e = admin_address(c, "account", &name);

    if (e == ERR_OK && !c->admin->directory_ask) {
        e = no_server(c);
    }
    if (e != ERR_OK) {
        return e;
    }
    e = c->admin->directory_ask(c->admin->arg, name, password, &c->arena, &answer);
    json_t *j = json_pack("{s:s, s:b}", "answer",
                          e == ERR_OK       ? "yes"
                          : e == ERR_DENIED ? "no"
                                            : "unavailable",
                          "password_asked", password.n > 0);

    json_object_set_new(j, "account", admin_json_text(name));
    json_object_set_new(j, "words", admin_json_text(answer.words));
    if (e == ERR_OK) {
        json_object_set_new(j, "display_name", admin_json_text(answer.display_name));
        json_object_set_new(j, "groups", groups_of(answer.groups));
    }
    c->outcome->result = j;
    return ERR_OK;
}

enum err admin_directory_sync(struct admin_call *c)
{
    struct admin_directory_counts n;

    if (!c->admin->directory_sync) {
        return no_server(c);
    }
    enum err e = c->admin->directory_sync(c->admin->arg, admin_bool(c, "force"), &n);

    if (e == ERR_UNSUPPORTED) {
        return admin_fail(c, e,
                          "With ldap_bind_template nobody can be looked up. Whoever has left: "
                          "mailkeep account suspend ADDRESS");
    }
    if (e == ERR_DENIED && n.gone == 0) {
        return admin_fail(c, e,
                          "%u people would lose the roles their groups give them, which looks like "
                          "a mistake: nobody did. If it is none: mailkeep directory sync --force",
                          n.losing);
    }
    if (e == ERR_DENIED) {
        return admin_fail(c, e,
                          "%u of %u people are not found any more, which looks like a mistake: "
                          "nobody was put out. If it is none: mailkeep directory sync --force",
                          n.gone, n.asked);
    }
    if (e == ERR_UNAVAILABLE) {
        return admin_fail(c, e,
                          "The directory could not be asked about everybody (%u were looked up). "
                          "To see why: mailkeep directory test ADDRESS",
                          n.asked);
    }
    if (e != ERR_OK) {
        return admin_fail_store(c, e, "Looking everybody up");
    }
    c->outcome->result = json_pack("{s:i, s:i, s:i, s:i}", "asked", (int)n.asked, "gone",
                                   (int)n.gone, "back", (int)n.back, "roles", (int)n.roles);
    return ERR_OK;
}
